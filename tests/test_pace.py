"""The pace of writes: slots in the order of asking, over all processes, at the Garden's rate, and the store asked seldom."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from rotator.errors import Halted
from rotator.guard import Sending
from rotator.pace import AHEAD, LATE, PATIENT, Pace
from rotator.stores.sqlite import SqliteStore

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
READ = Sending("gardens", "live", "shoots", ("garden-acme",))


def move(entries: int = 1, garden: str = "live") -> Sending:
    """A patch of a Shoot with so many entries of spec.resources."""
    return Sending("gardens", garden, "move", (SimpleNamespace(references=range(entries)),))


@dataclass
class Counted:
    """The real store, whose reservations are counted."""

    store: SqliteStore
    asked: list[int] = field(default_factory=list)

    def reserve(self, garden: str, entries: int, now: datetime, per_second: float) -> datetime:
        self.asked.append(entries)
        return self.store.reserve(garden, entries, now, per_second)


@dataclass
class Time:
    """A clock that only waiting moves."""

    now: datetime = START

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def pace(self, slots: Counted, per_second: float = 4.0) -> Pace:
        return Pace(slots, {"live": per_second, "other": per_second}, lambda: self.now, self.sleep)

    def since(self) -> float:
        return (self.now - START).total_seconds()


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[Counted]:
    store = SqliteStore(tmp_path / "state.db")
    yield Counted(store)
    store.close()


def test_a_long_series_keeps_the_rate_and_asks_the_store_seldom(slots: Counted) -> None:
    time = Time()
    pace = time.pace(slots)

    for _ in range(101):
        pace(move())

    assert time.since() == 25.0
    assert slots.asked == [1, 2, 4, 8, 16, 20, 20, 20, 20]


def test_an_entry_costs_a_slot_of_its_own(slots: Counted) -> None:
    time = Time()
    pace = time.pace(slots)

    for entries in (3, 1, 5, 1):
        pace(move(entries))

    assert time.since() >= 9 / 4


def test_two_processes_share_one_rate(slots: Counted) -> None:
    """What is left over of their runs is no more than what they used; while both go on, nothing is."""
    times = Time(), Time()
    paces = [each.pace(slots) for each in times]

    for _ in range(200):
        earlier = min((0, 1), key=lambda number: times[number].now)
        paces[earlier](move())

    assert 199 / 4 <= max(each.since() for each in times) <= 200 / 4 + 2 * AHEAD.total_seconds()


def test_who_writes_seldom_takes_little_away(slots: Counted) -> None:
    time = Time()
    pace = time.pace(slots, 1.0)

    for _ in range(30):
        time.sleep(7)
        pace(move())

    assert sum(slots.asked) <= 60


def test_gardens_do_not_wait_for_each_other(slots: Counted) -> None:
    time = Time()
    pace = time.pace(slots)

    pace(move())
    pace(move(garden="other"))

    assert time.since() == 0.0


def test_what_costs_admission_nothing_takes_no_slot(slots: Counted) -> None:
    time = Time()
    pace = time.pace(slots)

    for _ in range(9):
        pace(READ)

    assert (time.since(), slots.asked) == (0.0, [])


def test_slots_that_were_not_used_in_time_are_lost(slots: Counted) -> None:
    """Otherwise a process that comes back would send them all at once, beside everybody else's."""
    time = Time()
    pace = time.pace(slots)
    for _ in range(8):
        pace(move())
    time.sleep(3600)
    back = time.now

    for _ in range(9):
        pace(move())

    assert (time.now - back).total_seconds() >= 8 / 4 - LATE.total_seconds()
    assert slots.asked[:4] == [1, 2, 4, 8]
    assert slots.asked[4] == 1


def test_a_slot_far_away_ends_the_activation_and_is_still_ours_when_it_comes(slots: Counted) -> None:
    time = Time()
    pace = time.pace(slots)
    slots.store.reserve("live", 4 * 60, START, 4.0)

    with pytest.raises(Halted, match="write slots of Garden live are taken") as told:
        pace(move())
    with pytest.raises(Halted):
        pace(move())
    assert told.value.until == START + timedelta(minutes=1)
    time.now = told.value.until
    pace(move())

    assert time.since() == 60.0
    assert slots.asked == [1]
    assert PATIENT > AHEAD


def test_without_a_pace_worth_the_name_the_store_is_hardly_asked(slots: Counted) -> None:
    time = Time()
    pace = time.pace(slots, 1e6)

    for _ in range(1000):
        time.sleep(0.002)
        pace(move())

    assert len(slots.asked) < 20
