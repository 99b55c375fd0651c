"""The door events: what is acknowledged, what comes again, and what a person is told."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from door_ground import Answer, ask, bare, doors, push
from house import BASE, EMAIL, POLICY, PROJECT
from rotator.deployment import Deployment
from sandbox.faults import Fault
from test_schedule_worker import TOPIC, nobody, old_enough, states

FIRST = f"{BASE}-r1"


def event(kind: str = "look", **said: Any) -> Answer:
    return ask("events", push(json.dumps({"kind": kind, "service_account": EMAIL, **said}).encode()))


def test_what_began_is_in_the_answer_and_in_the_log(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        found, again = event("key-expiry"), event("key-expiry")

        assert (found.status, found.tree["outcome"], found.tree["records"]) == (200, "began", [FIRST])
        assert (again.status, again.tree["outcome"], again.tree["records"]) == (200, "looked", [])
        assert [(line["severity"], line["began"]) for line in found.of("event")] == [("NOTICE", [FIRST])]


def test_secret_managers_notice_names_the_project_by_number_and_means_our_secret(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        secret = f"projects/123456789012/secrets/registry-key-rotator-{BASE}"
        own = ask("events", push(b"{}", {"eventType": "SECRET_VERSION_ADD", "secretId": secret}))
        rotate = ask("events", push(b"{}", {"eventType": "SECRET_ROTATE", "secretId": secret}))
        other = ask("events", push(b"{}", {"eventType": "SECRET_ROTATE", "secretId": f"projects/{PROJECT}/secrets/theirs"}))

        assert (own.tree["kind"], rotate.tree["outcome"], other.tree["outcome"]) == ("ignored", "began", "unknown")


@pytest.mark.parametrize(
    ("stance", "severity"),
    [({"mode": "observe"}, "ERROR"), ({"mode": "manual"}, "ERROR"), ({}, "ERROR"), ({"exposed": "rotate"}, "NOTICE")],
)
def test_an_exposed_key_that_waits_for_a_person_is_an_error_in_the_log(
    tmp_path: Path, stance: dict[str, Any], severity: str
) -> None:
    with doors(tmp_path, policy=msgspec.structs.replace(POLICY, **stance)) as (h, _):
        key, _ = h.populate(2)
        found = event("key-exposed", key_id=key, reason="found in a log")

        assert (found.status, [line["severity"] for line in found.of("event")]) == (200, [severity])


def test_an_exposed_key_is_not_forgotten_while_automation_is_suspended_without_a_word(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        key, _ = h.populate(2)
        w.service.suspend("*", h.now(), by="ann", why="a holiday")
        found, harmless = event("key-exposed", key_id=key), event("look")

        assert (len(found.said("ERROR")), len(harmless.said("WARNING")), states(w)) == (1, 1, {})


def test_an_event_that_cannot_be_judged_comes_again_when_only_it_knows(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        key, _ = h.populate(2)
        h.faults.add(Fault(service="iam", method="ListServiceAccountKeys", answer="PERMISSION_DENIED", times=0))
        exposed, look = event("key-exposed", key_id=key), event("look")

        assert (exposed.status, look.status) == (503, 200)
        assert states(w) == {}


def test_a_wake_up_that_cannot_be_sent_is_left_to_the_schedule(tmp_path: Path) -> None:
    with nobody() as address, doors(tmp_path, Deployment(work_topic=TOPIC, pubsub_emulator=address)) as (h, w):
        old_enough(h, w)
        found = event("key-expiry")

        assert (found.status, found.tree["outcome"]) == (200, "began")
        assert [TOPIC in line for line in found.said("WARNING")] == [True]
        assert w.service.due(h.now() + timedelta(seconds=1)) == (FIRST,)


def test_a_storm_of_the_same_event_at_once_makes_one_emergency(tmp_path: Path) -> None:
    """I7, eight threads at the same moment."""
    with doors(tmp_path, policy=msgspec.structs.replace(POLICY, exposed="rotate")) as (h, w):
        key, _ = h.populate(2)
        body = push(json.dumps({"kind": "key-exposed", "service_account": h.account.unique_id, "key_id": key}).encode())
        answers: list[tuple[int, Any]] = []
        barrier = threading.Barrier(8)

        def call() -> None:
            barrier.wait()
            answers.append(bare("events", body))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {status for status, _ in answers} == {200}
        assert {name for _, tree in answers for name in tree["records"]} == {FIRST}
        assert states(w) == {FIRST: "Planned"}
