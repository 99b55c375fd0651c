"""The whole house in the cloud: real Pub/Sub pushing to real functions-framework processes, before the sandbox."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from checker import Checker
from cloud_ground import CloudGround, ground
from emulators import Emulator
from rotator import wiring
from sandbox import landscape
from sandbox.cloud import Cloud

pytestmark = pytest.mark.emulator

CORPUS = Path(__file__).with_name("corpus") / "events"
ENDS = {"Done", "Gone", "Superseded", "Withdrawn"}
PATIENCE = 60.0
WAITS = {"poll": "1s", "request": "1s", "soak": "2h", "idle": "1h", "unknown_use": "6h", "quiet": "3h", "settle": "1d"}
POLICY = {"waits": WAITS, "max_age": "77d"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with landscape.cloud() as built:
        for account in built.accounts:
            account["policy"]["mode"] = "automatic"
        yield built


def until(said: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    end = time.monotonic() + patience
    while not (found := said()):
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.2)
    return found


ACCOUNTS = frozenset({landscape.PULLER, landscape.BUILDS, landscape.MIRROR})


def live(house: CloudGround, cloud: Cloud, ended: Callable[[], bool], schedules: tuple[str, ...] = ("schedule",)) -> None:
    """Schedules come every few seconds; when nothing is due, an hour passes. Every cache pulls each time."""
    for _ in range(1000):
        due = 0
        for door in schedules:
            answer = house.schedule(door)
            assert answer.status == 200, answer.body
            due += json.loads(answer.body)["due"]
        time.sleep(0.3)
        assert [str(pull) for pull in cloud.pull_everywhere() if pull.fault] == []
        if due == 0:
            if ended():
                return
            cloud.open_windows()
            cloud.advance(timedelta(hours=1).total_seconds())
    raise AssertionError("it does not end")


def records(house: CloudGround) -> dict[str, str]:
    """Where each record stands by the books: its state, or why a person is needed."""
    wired = wiring.open(None, house.environment)
    try:
        found, _ = wired.service.records()
    finally:
        wired.close()
    return {record.id: record.blocked.code if record.blocked else type(record.state).__name__ for record in found}


def leaks(house: CloudGround, cloud: Cloud) -> list[str]:
    """Where key material stands though it must not: logs of the doors, Firestore's documents."""
    marks = [pem.split("\\n" if "\\n" in pem else "\n")[3].encode() for pem in cloud.google.key_files_issued()]
    assert marks
    wired = wiring.open(None, house.environment)
    try:
        every = wired.store.all()
        texts = {f"record {each.id}": each.body for each in every}
        texts |= {f"history of {each.id}": b"".join(line.line for line in wired.store.history(each.id)) for each in every}
    finally:
        wired.close()
    texts |= {f"log of {name}": door.said.encode() for name, door in house.doors.items()}
    return [where for where, text in texts.items() if b"PRIVATE KEY" in text or any(mark in text for mark in marks)]


def over(house: CloudGround) -> bool:
    return len(records(house)) >= 2 and set(records(house).values()) <= ENDS


def test_a_rotation_and_its_retirement_run_by_schedule_and_messages_alone(
    cloud: Cloud, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    with ground(tmp_path, cloud, pubsub=pubsub_emulator.address, doors=("schedule", "worker"), policy=POLICY) as house:
        live(house, cloud, lambda: over(house))

        assert Checker(accounts=ACCOUNTS).read(cloud.operations.since()) == []
        assert leaks(house, cloud) == []
        assert sorted(records(house).values()) == ["Done", "Gone"]


def test_a_storm_of_duplicates_and_two_schedules_at_once_make_one_rotation(
    cloud: Cloud, firestore_emulator: Emulator, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    """I7, over the real Firestore: two regions' schedules at the same moment, each message ten times, out of order."""
    doors = ("schedule1", "schedule2", "worker1", "worker2")
    addresses = {"pubsub": pubsub_emulator.address, "firestore": firestore_emulator.address}
    with ground(tmp_path, cloud, **addresses, doors=doors, policy=POLICY) as house:
        callers = [threading.Thread(target=house.schedule, args=(door,)) for door in doors[:2] for _ in range(3)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        for record_id in reversed(records(house)):
            wake = {"kind": "wake", "record": record_id}
            house.pubsub.publish(house.work, json.dumps(wake).encode(), times=10)
        live(house, cloud, lambda: over(house), schedules=doors[:2])

        assert Checker(accounts=ACCOUNTS).read(cloud.operations.since()) == []
        assert leaks(house, cloud) == []
        assert sorted(records(house).values()) == ["Done", "Gone"]


def test_secret_managers_own_notice_begins_the_next_rotation(
    cloud: Cloud, firestore_emulator: Emulator, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    """The day that a rotation announced comes, Secret Manager says so by itself, and no schedule had to look."""
    addresses = {"pubsub": pubsub_emulator.address, "firestore": firestore_emulator.address}
    with ground(tmp_path, cloud, **addresses, doors=("schedule", "worker", "events"), policy=POLICY) as house:
        cloud.google.notices.pubsub = pubsub_emulator.address
        live(house, cloud, lambda: over(house))
        for _ in range(80):
            cloud.advance(timedelta(days=1).total_seconds())
            if any(line.get("outcome") == "began" for line in house.lines("events")):
                break
            time.sleep(0.1)
        began = until(
            lambda: [line for line in house.lines("events") if line.get("outcome") == "began"], "an event began something"
        )

        assert began[0]["credential"] == landscape.PULLER
        assert began[0]["began"] == ["puller-acme-prod-r2"]
        until(lambda: records(house)["puller-acme-prod-r2"] != "Planned", "the worker took it up")
        assert Checker(accounts=ACCOUNTS).read(cloud.operations.since()) == []
        assert leaks(house, cloud) == []


def test_an_exposed_key_is_replaced_at_once_where_the_policy_says_so(
    cloud: Cloud, firestore_emulator: Emulator, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    addresses = {"pubsub": pubsub_emulator.address, "firestore": firestore_emulator.address}
    policy = {**POLICY, "max_age": "90d", "exposed": "rotate"}
    with ground(tmp_path, cloud, **addresses, doors=("schedule", "worker", "events"), policy=policy) as house:
        account = cloud.google.iam.account(landscape.PULLER)
        assert account is not None
        old = min(account.user_managed(), key=lambda key: key.valid_after)
        event = {"kind": "key-exposed", "service_account": account.unique_id, "key_id": old.key_id, "reason": "found in a log"}
        house.publish(event, times=5)
        house.publish({"hello": "world"})
        until(lambda: any(line.get("outcome") == "began" for line in house.lines("events")), "the emergency began")
        live(house, cloud, lambda: over(house))

        assert records(house)["puller-acme-prod-r1"] == "Done"
        assert old.state == "deleted"
        assert any("poison" in line["message"] for line in house.lines("events"))
        assert Checker(accounts=ACCOUNTS).read(cloud.operations.since()) == []
        assert leaks(house, cloud) == []


def test_what_a_person_orders_through_the_api_is_taken_up_at_once(
    cloud: Cloud, firestore_emulator: Emulator, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    """No schedule comes in this test: the order itself wakes a worker."""
    addresses = {"pubsub": pubsub_emulator.address, "firestore": firestore_emulator.address}
    with ground(tmp_path, cloud, **addresses, doors=("api", "worker"), policy={**POLICY, "max_age": "90d"}) as house:
        body = json.dumps({"credential": "puller-acme-prod", "reason": "INC-1"}).encode()
        headers = {"Content-Type": "application/json", "X-Rotator-By": "ann"}
        answers = [house.doors["api"].ask("/rotations", body, headers=headers) for _ in range(2)]
        until(lambda: records(house)["puller-acme-prod-r1"] == "Published", "the worker has published the new key")
        told = json.loads(house.doors["api"].ask("/records/puller-acme-prod-r1", headers=headers).body)

        assert [answer.status for answer in answers] == [201, 200]
        assert told["history"][0] | {"at": ""} == {"at": "", "by": "ann", "state": "Planned", "what": "ordered, Planned"}
        assert [line["state"] for line in told["history"]][:4] == ["Planned", "Staged", "Minted", "Verified"]


def test_every_sources_message_arrives_through_pubsub_and_is_acknowledged_once(
    cloud: Cloud, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    recorded = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(CORPUS.glob("*.json"))]
    with ground(
        tmp_path, cloud, pubsub=pubsub_emulator.address, doors=("events",), policy={**POLICY, "max_age": "90d"}
    ) as house:
        for each in recorded:
            data = b"" if each["data"] is None else json.dumps(each["data"]).encode()
            house.pubsub.publish(house.expiry, data, each["attributes"])
        until(lambda: len(house.lines("events")) >= len(recorded), "every message was looked at")
        time.sleep(3)

        lines = house.lines("events")
        assert len(lines) == len(recorded)
        assert sum(" ignored: " in line["message"] for line in lines) == sum("ignored" in each["said"] for each in recorded)
        assert sum(" poison: " in line["message"] for line in lines) == sum("poison" in each["said"] for each in recorded)
        assert {line["severity"] for line in lines} <= {"DEBUG", "INFO", "WARNING"}
        assert records(house) == {}
