"""On the real API servers: the command is killed at random moments, and a worker dies around each of its calls.

A killed command is a real process and SIGKILL. What it leaves is judged by the checker over the audit logs of the API servers.
"""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import figures
from checker import Checker
from crashes import Crash, StoreDoor, guarded
from real_fleet import EMAIL, HOST, Fleet, history, on_real
from real_garden.landscape import Landscape
from rotator.key import Email
from rotator.laps import PatientLaps
from rotator.ledger import Ledger
from rotator.record import Record, decode
from rotator.settings import load
from rotator.states import name_of
from rotator.wiring import Wired
from rotator.world import World

pytestmark = pytest.mark.real

ENDS = {"Done", "Gone", "Superseded", "Withdrawn"}
ROUNDS = int(os.environ.get("ROUNDS", "50"))
LONGEST = 2.0
"""Seconds that a command lives at most: start-up takes half a second, a step some milliseconds, a wave a second."""


@pytest.fixture
def fleet(landscape: Landscape, tmp_path: Path) -> Iterator[Fleet]:
    """Five Shoots of one project on one key."""
    with on_real(landscape, tmp_path) as found:
        for number in range(3):
            found.garden.create_shoot(found.ns, f"more-{number}", {HOST: "ar"}, {"ar": "ar-credentials"})
        found.garden.catch_up()
        yield found


def violations(fleet: Fleet, landscape: Landscape) -> list[str]:
    return Checker(accounts=frozenset({EMAIL})).read(history(fleet, landscape))


def key_states(fleet: Fleet) -> list[str]:
    account = fleet.cloud.google.iam.account(EMAIL)
    assert account is not None
    return sorted(key.state for key in account.user_managed() if key.state != "deleted")


def unfinished(fleet: Fleet) -> list[dict[str, Any]]:
    tree = fleet.cli("status", "-o", "json").tree
    return [record for one in tree["credentials"] for record in one["records"] if record["phase"] not in ENDS]


def fenced(record: dict[str, Any]) -> bool:
    """A retirement of a key that we made waits until the token that created its Secrets is dead: ten minutes and more."""
    return record["record"] == "retirement" and any("could be created until" in why for why in record["waits_for"])


def test_a_command_that_is_killed_at_any_moment_harms_nobody(fleet: Fleet, landscape: Landscape) -> None:
    chance = random.Random(20261128)
    kills = failed = 0
    for _ in range(3 * ROUNDS):  # a command that ended before its time was not killed
        if kills == ROUNDS:
            break
        rotates = chance.random() < 0.4 and len(unfinished(fleet)) < 3
        process = fleet.cli.begin(*(("rotate", "puller", "--reason", "chaos") if rotates else ("run", "--once")))
        time.sleep(chance.uniform(0.3, LONGEST))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        fleet.cli.said += process.communicate(timeout=30)
        failed += sum(1 for pull in fleet.cloud.pull_everywhere() if pull.fault)

    ran = fleet.retire(tries=30)

    left = unfinished(fleet)
    assert ran.code in {0, 2}, ran.err
    assert all(fenced(record) for record in left), ran.out
    found = violations(fleet, landscape)
    figures.put("real_kills", value=kills, unit="kills", met=True)
    figures.put("real_kill_violations", value=len(found) + failed, unit="violations", goal=0, met=not found and not failed)
    assert found == []
    assert failed == 0
    assert key_states(fleet) == ["enabled"] * (1 + len(left))
    assert kills == ROUNDS


# --- every call ---


@dataclass
class Reaper:
    """Kills the worker at each mutating call and each checkpoint: once before it, once after its effect; then lets it pass."""

    dead: bool = False
    times: dict[str, int] = field(default_factory=dict)

    @property
    def deaths(self) -> int:
        return sum(min(times, 2) for times in self.times.values())

    def call(self, name: str, send: Callable[[], Any], arguments: tuple[Any, ...], *, mutating: bool, checkpoint: bool) -> Any:
        if self.dead:
            raise Crash
        if not mutating and not checkpoint:
            return send()
        what = f"{name} {subject(arguments)}"
        self.times[what] = self.times.get(what, 0) + 1
        if self.times[what] == 1:
            self.die()
        answer = send()
        if self.times[what] == 2:
            self.die()
        return answer

    def die(self) -> None:
        self.dead = True
        raise Crash


def subject(arguments: tuple[Any, ...]) -> str:
    """What a call is about, the same for the next worker that makes it."""
    first = arguments[0]
    if (body := getattr(first, "body", None)) is not None:
        record = decode(body)
        return f"{record.id} {name_of(record.state)} {type(record.rest).__name__}"
    words = [str(getattr(each, "ref", each)) for each in arguments[:2] if isinstance(each, str) or hasattr(each, "ref")]
    return " ".join(words)


class Mortal(Wired):
    """A worker of fresh objects, whose every call the reaper hears of."""

    def __init__(self, fleet: Fleet, reaper: Reaper) -> None:
        self._reaper = reaper
        super().__init__(load(fleet.cli.config, {"ROTATOR_STATE": str(fleet.cli.store)}))
        door: Any = StoreDoor(self.store, reaper)
        self.store = self.service.store = door
        self.service.ledger = Ledger(door, self.places)
        reaper.dead = False

    def world(self, credential: Email | None = None) -> World:
        return guarded(super().world(credential), self._reaper)


def lived(fleet: Fleet, reaper: Reaper, act: Callable[[Wired], Any], most: int = 200) -> Any:
    """What the act gave in the end, whoever died meanwhile: another worker then does it again. Claims of the dead are freed."""
    for _ in range(most):
        worker = Mortal(fleet, reaper)
        try:
            worker.hear()
            return act(worker)
        except Crash:
            reaper.dead = False
            for envelope in worker.store.all():
                worker.store.release(envelope.id, envelope.claimed_by)
        finally:
            worker.close()
    raise AssertionError(f"{most} workers died")


def ended(worker: Wired) -> tuple[Record, ...]:
    """All records, carried on until each ends or needs a person."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        now = worker.clock.now()
        worker.service.tick(now)
        for record_id in worker.service.due(now):
            laps = PatientLaps(worker.clock.now, time.sleep, Event(), patience=timedelta(seconds=5))
            for _ in worker.service.run(worker.service.record(record_id), laps):
                pass
        records, _ = worker.service.records()
        if not any(record.unfinished and not record.blocked for record in records) and not worker.service.tick(now)[0]:
            return records
        time.sleep(0.2)
    raise AssertionError("no end")


def test_a_worker_that_dies_before_and_after_each_of_its_calls_changes_nothing(fleet: Fleet, landscape: Landscape) -> None:
    reaper = Reaper()

    begun = lived(fleet, reaper, lambda w: w.service.rotate(Email(EMAIL), w.clock.now(), by="ann", why="a test"))
    records = lived(fleet, reaper, ended)

    assert [(name_of(record.state), record.rest) for record in records] == [("Done", None), ("Gone", None)], json.dumps(
        [str(record.rest) for record in records]
    )
    assert begun.id == records[0].id
    found = violations(fleet, landscape)
    figures.put("real_crash_points", value=reaper.deaths, unit="deaths", met=True)
    figures.put("real_crash_violations", value=len(found), unit="violations", goal=0, met=not found)
    assert found == []
    assert reaper.deaths >= 50
    assert key_states(fleet) == ["enabled"]
    assert not [pull for pull in fleet.cloud.pull_everywhere() if pull.fault]
