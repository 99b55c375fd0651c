"""The whole house in the cloud: real Pub/Sub pushing to real functions-framework processes, before the sandbox."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from checker import Checker
from cloud_ground import CloudGround, ground
from emulators import Emulator
from sandbox import landscape
from sandbox.cloud import Cloud

pytestmark = pytest.mark.emulator

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
    """Each record's last line in the log: its state, or that it is blocked."""
    found: dict[str, str] = {}
    for door in house.doors:
        for line in house.lines(door):
            if "state" in line:
                found[line["record"]] = line.get("code") or line["state"]
    return found


def over(house: CloudGround) -> bool:
    return len(records(house)) >= 2 and set(records(house).values()) <= ENDS


def test_a_rotation_and_its_retirement_run_by_schedule_and_messages_alone(
    cloud: Cloud, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    with ground(tmp_path, cloud, pubsub=pubsub_emulator.address, doors=("schedule", "worker"), policy=POLICY) as house:
        live(house, cloud, lambda: over(house))

        assert Checker(accounts=ACCOUNTS).read(cloud.operations.since()) == []
        assert sorted(records(house).values()) == ["Done", "Gone"]
