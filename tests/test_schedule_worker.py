"""The doors schedule and worker, called as the platform calls them: twice, at once, late, with nonsense, with parts missing."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import framework
from door_ground import Answer, DoorHouse, ask, bare, behind, doors, push, wake
from house import BASE, EMAIL, POLICY
from rotator import wiring
from rotator.deployment import Deployment
from rotator.doors import schedule
from rotator.key import Email
from rotator.record import Record
from rotator.wiring import Wired
from sandbox import landscape
from sandbox.faults import Fault
from store_engines import envelope

FIRST = f"{BASE}-r1"
DAY = timedelta(days=1)
LOOK = push(json.dumps({"kind": "look", "service_account": EMAIL}).encode())
TOPIC = "projects/acme-prod/topics/work"


@contextmanager
def nobody() -> Iterator[str]:
    """An address at which nobody listens: it is bound, so that nobody else gets it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def old_enough(h: DoorHouse, w: Wired, age: timedelta = 100 * DAY) -> None:
    h.populate(2)
    h.clock.advance(age.total_seconds())
    w.hear()


def states(w: Wired) -> dict[str, str]:
    return {each.id: each.blocked.code if each.blocked else type(each.state).__name__ for each in w.service.records()[0]}


def live(h: DoorHouse, w: Wired, rounds: int = 300) -> list[Answer]:
    """A schedule every few minutes, until nothing is left to do."""
    answers: list[Answer] = []
    for _ in range(rounds):
        answers.append(ask("schedule"))
        assert answers[-1].status == 200
        if len(states(w)) > 1 and set(states(w).values()) <= {"Done", "Gone"}:
            return answers
        h.clock.advance(180)
    raise AssertionError(f"it does not end: {states(w)}")


# --- schedule ---


def test_without_a_topic_the_schedule_carries_everything_on_itself(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        answers = live(h, w)

        assert answers[0].tree["began"] == [FIRST]
        assert [answer.tree["faults"] for answer in answers if answer.tree["faults"]] == []
        assert sorted(states(w).values()) == ["Done", "Gone"]
        assert h.violations() == []


def test_schedules_at_once_and_one_after_the_other_make_one_rotation(tmp_path: Path) -> None:
    """I7: eight threads in the same moment, then two more calls."""
    with doors(tmp_path, Deployment(budget=timedelta(seconds=1))) as (h, w):
        old_enough(h, w)
        answers: list[Any] = []
        barrier = threading.Barrier(8)

        def call() -> None:
            barrier.wait()
            answers.append(bare("schedule"))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers += [bare("schedule"), bare("schedule")]

        assert {status for status, _ in answers} == {200}
        assert [name for name in states(w) if "-r" in name] == [FIRST]
        assert sum(o.method == "UploadServiceAccountKey" and o.outcome == "ok" for o in h.operations.since()) <= 1
        assert h.violations() == []


def test_one_call_begins_only_so_many_and_the_next_call_goes_on(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        others = [Email(f"other-{number}@acme-prod.iam.gserviceaccount.com") for number in range(2)]
        for number, email in enumerate(others):
            account = h.google.create_account("acme-prod", email)
            _, key_file = h.google.make_key(account)
            h.live.create_secret("garden-acme", f"other-{number}", password=key_file)
            h.shoot(f"other-{number}", f"other-{number}")
        w.service.charges = (
            *w.service.charges,
            *(msgspec.structs.replace(w.service.charges[0], email=email, base=f"other-{i}") for i, email in enumerate(others)),
        )
        h.clock.advance(100 * 86400)
        w.hear()
        begun = [len(w.service.tick(h.now(), most=2)[0]) for _ in range(3)]

        assert begun == [2, 1, 0]
        assert schedule.MOST >= 1


def test_a_publish_that_fails_is_said_and_loses_nothing(tmp_path: Path) -> None:
    with nobody() as address, doors(tmp_path, Deployment(work_topic=TOPIC, pubsub_emulator=address)) as (h, w):
        old_enough(h, w)
        lost = ask("schedule")
        still = w.service.due(h.now())
        carried = ask("worker", wake(FIRST))

        assert (lost.status, lost.tree["began"], lost.tree["woken"]) == (200, [FIRST], 0)
        assert any(TOPIC in line for line in lost.said("WARNING"))
        assert still == (FIRST,)
        assert carried.status == 200


def test_a_schedule_is_asked_by_post(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        found = ask("schedule", b"", method="GET")

        assert (found.status, states(w)) == (405, {})


def test_an_account_that_iam_does_not_show_is_said(tmp_path: Path) -> None:
    """Otherwise a schedule that can rotate nothing looks like one that has nothing to do."""
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        h.faults.add(Fault(service="iam", answer="PERMISSION_DENIED", times=0))
        found = ask("schedule")

        assert found.tree["began"] == []
        assert EMAIL in str(found.tree["faults"])


def test_a_record_of_another_version_holds_its_own_credential_and_is_said(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        foreign(w, "elsewhere", "other@acme-prod.iam.gserviceaccount.com")
        w.service.tick(h.now())
        begun = states(w)
        foreign(w, "newer", EMAIL)
        h.carry(w, FIRST)
        found = ask("schedule")

        assert begun == {FIRST: "Planned"}
        assert found.tree["began"] == []
        assert "newer" in str(found.tree["faults"])
        assert "elsewhere" not in str(found.tree["began"])


def foreign(w: Wired, record_id: str, credential: str) -> None:
    """A record that a later version of this program wrote."""
    body = json.dumps({"id": record_id, "state": {"type": "Teleporting"}}).encode()
    w.store.create(msgspec.structs.replace(envelope(), id=record_id, credential=credential, body=body, revision=0))


# --- worker ---


def test_a_worker_carries_one_record_on_and_wakes_nobody_without_a_topic(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        w.service.tick(h.now())
        found = ask("worker", wake(FIRST))

        assert (found.status, found.tree["kind"]) == (200, "worked")
        assert found.tree["steps"] > 1
        assert states(w)[FIRST] != "Planned"


@pytest.mark.parametrize(
    "record_id", ["puller-acme-prod-r9", "../../x", "a/b", "", "x" * 5000, 7, None, ["a"], "\x00", "é\n", "..", "__x__"]
)
def test_a_message_about_no_record_of_ours_is_acknowledged_in_one_short_line(tmp_path: Path, record_id: Any) -> None:
    with doors(tmp_path) as (_, w):
        found = ask("worker", wake(record_id))

        assert (found.status, found.tree["kind"]) == (200, "ignored")
        assert [len(line) < 500 for line in found.said("WARNING")] == [True]
        assert states(w) == {}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'"wake"', b"\xff\xfe", b'{"kind": "wake"}', b"[" * 100_000])
def test_a_message_that_is_none_is_acknowledged(tmp_path: Path, data: bytes) -> None:
    with doors(tmp_path):
        found = ask("worker", push(data))

        assert (found.status, found.tree["kind"]) == (200, "ignored")


def test_a_message_about_a_record_that_is_blocked_or_finished_does_nothing(tmp_path: Path) -> None:
    with doors(tmp_path, policy=msgspec.structs.replace(POLICY, confirm=("publish",))) as (h, w):
        old_enough(h, w)
        w.service.tick(h.now())
        h.carry(w, FIRST)
        blocked, before = states(w)[FIRST], h.operations.since()
        first = ask("worker", wake(FIRST))
        after = h.operations.since()
        w.service.retry(FIRST, h.now(), by="ann", why="yes")
        h.carry(w, FIRST)
        second = ask("worker", wake(FIRST))

        assert (blocked, states(w)[FIRST]) == ("confirm-publish", "Done")
        assert (first.tree["kind"], second.tree["kind"]) == ("ignored", "ignored")
        assert len(before) == len(after)


def test_a_record_that_another_worker_has_is_left_to_it(tmp_path: Path) -> None:
    with nobody() as address, doors(tmp_path, Deployment(work_topic=TOPIC, pubsub_emulator=address)) as (h, w):
        old_enough(h, w)
        w.service.tick(h.now())
        w.store.claim(FIRST, "somebody", h.now(), h.now() + timedelta(minutes=5))
        found = ask("worker", wake(FIRST))

        assert (found.status, found.tree["steps"]) == (200, 0)
        assert found.said("WARNING") == []  # nobody was to be woken
        assert states(w) == {FIRST: "Planned"}


def test_a_storm_of_messages_for_a_record_that_waits_costs_no_attempt_and_no_look(tmp_path: Path) -> None:
    """Otherwise every duplicate would count as an attempt that failed, and some dozens of them block the record."""
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        w.service.tick(h.now())
        h.faults.add(Fault(service="iam", answer="PERMISSION_DENIED", times=0))
        record = waiting(h, w)
        before = len(h.operations.since())
        kinds = [ask("worker", wake(FIRST)).tree["kind"] for _ in range(5)]

        assert kinds == ["ignored"] * 5
        assert w.service.record(FIRST).attempts == record.attempts
        assert [o for o in h.operations.since()[before:] if o.service == "iam"] == []


def waiting(h: DoorHouse, w: Wired) -> Record:
    """The first rotation is suspended for a minute, and so it waits."""
    w.service.suspend(EMAIL, h.now(), by="ann", why="a pause")
    ask("worker", wake(FIRST))
    return w.service.record(FIRST)


def test_a_record_of_another_version_is_left_alone(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        foreign(w, "newer", EMAIL)
        found = ask("worker", wake("newer"))

        assert (found.status, found.tree["kind"]) == (200, "ignored")
        assert "another version" in str(found.tree)


def test_only_a_saved_step_wakes_the_next_worker(tmp_path: Path) -> None:
    """The budget is over after the first step: the door tries to send one message, and says that it could not."""
    short = Deployment(work_topic=TOPIC, budget=timedelta(seconds=1))
    with nobody() as address, doors(tmp_path, msgspec.structs.replace(short, pubsub_emulator=address)) as (h, w):
        old_enough(h, w)
        w.service.tick(h.now())
        h.google.door.before.append(lambda: time.sleep(0.4))
        found = ask("worker", wake(FIRST))

        assert (found.status, found.tree["steps"], states(w)) == (200, 1, {FIRST: "Staged"})
        assert [TOPIC in line for line in found.said("WARNING")] == [True]


def test_a_look_that_outlasts_its_own_wait_wakes_nobody(tmp_path: Path) -> None:
    """Otherwise workers would wake each other without a pause for as long as Shoots take to settle."""
    waits = msgspec.structs.replace(POLICY.waits, poll=timedelta(seconds=1), request=timedelta(seconds=1))
    policy = msgspec.structs.replace(POLICY, waits=waits)
    short = Deployment(work_topic=TOPIC, budget=timedelta(seconds=3))
    with nobody() as address, doors(tmp_path, msgspec.structs.replace(short, pubsub_emulator=address), policy=policy) as (h, w):
        old_enough(h, w)
        for number in range(2):
            h.live.behave("garden-acme", f"shoot-{number}", duration=7200.0)
        w.service.tick(h.now())
        h.carry(w, FIRST, horizon=timedelta(0))
        before = w.service.record(FIRST)
        h.faults.add(Fault(service="garden:live", method="LIST shoots", answer="503", times=0))
        found = ask("worker", wake(FIRST))

        assert (found.status, found.tree["steps"], w.service.record(FIRST).state) == (200, 1, before.state)
        assert found.said("WARNING") == []


@pytest.mark.parametrize(("door", "body"), [("schedule", b"{}"), ("worker", wake(FIRST)), ("events", LOOK)])
def test_books_that_cannot_be_asked_are_said_with_503(tmp_path: Path, door: str, body: bytes) -> None:
    """And the other way round: who cannot look at the Gardens still wakes what the books know to be due."""
    database = "projects/acme-prod/databases/(default)"
    with nobody() as address, doors(tmp_path, Deployment(firestore=database, firestore_emulator=address)) as (h, _):
        h.populate(2)
        found = ask(door, body)

        assert found.status == 503
        assert "\n" not in found.tree["detail"]
        assert len(found.said("ERROR")) == 1


def test_a_schedule_that_cannot_look_still_carries_on_what_is_due(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        w.service.tick(h.now())
        h.faults.add(Fault(service="garden:live", method="LIST shoots", answer="404", text="page not found", times=0))
        found = ask("schedule")

        assert (found.status, found.tree["due"], found.tree["woken"]) == (200, 1, 1)
        assert "list shoots" in str(found.tree["faults"])
        assert states(w)[FIRST] != "Planned"


def test_a_garden_that_cannot_be_set_up_is_said_and_the_due_are_woken_all_the_same(tmp_path: Path) -> None:
    """A kubeconfig that is missing: nothing can be looked at, and what the books know still is."""
    with landscape.cloud() as cloud:
        for account in cloud.accounts:
            account["policy"]["mode"] = "automatic"
        config = cloud.write_config(tmp_path, max_age="77d")
        environment = {"ROTATOR_CONFIG": str(config), "ROTATOR_STATE": str(tmp_path / "state.db"), "HOME": str(tmp_path)}
        with closing(wiring.open(None, environment)) as sound:
            sound.hear()
            sound.service.tick(sound.clock.now())
        with config.open("a", encoding="utf-8") as file:
            file.write('\n[[garden]]\nname = "gone"\nkubeconfig = "none.yaml"\nnamespaces = ["garden-gone"]\n')
        with closing(wiring.open(None, environment)) as lame, behind(lame):
            found = ask("schedule")

        assert (found.status, found.tree["due"], found.tree["woken"]) == (200, 1, 0)
        assert [("none.yaml" in line) for line in found.said("WARNING")] == [True, True]
        assert [line for line in found.lines if line["kind"] == "schedule"] == []  # no success that would keep the alarm silent


@pytest.mark.parametrize(("door", "body"), [("schedule", b"{}"), ("worker", wake(FIRST)), ("events", LOOK)])
def test_a_deployment_that_does_not_fit_is_an_error_in_the_log(tmp_path: Path, door: str, body: bytes) -> None:
    """Nobody reads what Cloud Scheduler and Pub/Sub are answered. A real process, because a configuration is read once."""
    with framework.door(door, tmp_path / "door.log", ROTATOR_CONFIG=str(tmp_path / "none.toml")) as running:
        answer = running.ask("/", body, headers={"Content-Type": "application/json"})
        lines = [json.loads(line) for line in running.said.splitlines() if line.startswith("{")]

    assert answer.status == 422
    assert [(line["severity"], "none.toml" in line["message"]) for line in lines] == [("ERROR", True)]
