"""The pace of writes to a Garden: all processes share its slots, and a process takes them from the store in runs.

The first slot of a process is taken alone; after each run that was used up the next one is twice as long, up to AHEAD. So the
store is asked seldom, its one document per Garden stays cool, and what is taken and not used is never more than what was used.
"""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rotator.errors import Halted
from rotator.guard import Sending

AHEAD = timedelta(seconds=5)
"""A run is never longer: other processes wait for its end, used or not."""

LATE = timedelta(seconds=1)
"""A slot may be used so much later. Older ones are lost: a process that comes back must not send them all at once."""

PATIENT = timedelta(seconds=30)
"""A slot that is further away is waited for in the record, not in the process."""


class Slots(Protocol):
    """What is needed of a store."""

    def reserve(self, garden: str, entries: int, now: datetime, per_second: float) -> datetime:
        """See `rotator.store.Store`."""
        ...


@dataclass(frozen=True, slots=True)
class _Run:
    """Of `entries` slots, `free` are left; the next one begins at `begin`."""

    entries: int
    free: int
    begin: datetime

    def at(self, now: datetime, pace: float) -> "_Run":
        """What is left of it now."""
        lost = min(self.free, max(0, math.ceil((now - LATE - self.begin).total_seconds() * pace)))
        return self.after(lost, pace)

    def after(self, entries: int, pace: float) -> "_Run":
        """What is left when so many more are used."""
        return _Run(self.entries, self.free - entries, self.begin + timedelta(seconds=entries / pace))


class Pace:
    """Asked before every write. Safe for threads."""

    def __init__(
        self,
        slots: Slots,
        per_second: Mapping[str, float],
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        """`per_second`: entries, by the Garden's name."""
        self._slots = slots
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()

    def __call__(self, sending: Sending) -> None:
        """The call may be sent: its slot has come. Raises: Halted when that is too far away; it is kept for the next call."""
        if not sending.entries:
            return
        now = self._clock()
        slot = self._slot(sending.garden, sending.entries, now)
        if slot > now:
            self._sleep((slot - now).total_seconds())

    def _slot(self, garden: str, entries: int, now: datetime) -> datetime:
        pace = self._per_second[garden]
        with self._lock:
            last = self._runs.get(garden, _Run(0, 0, now))
            run = last.at(now, pace)
            if run.free < entries:
                longer = min(2 * last.entries, int(pace * AHEAD.total_seconds())) if last.free < entries else 0
                wanted = max(entries, longer)
                run = _Run(wanted, wanted, self._slots.reserve(garden, wanted, now, pace))
            if run.begin - now > PATIENT:
                self._runs[garden] = run
                raise Halted(f"the write slots of Garden {garden} are taken", until=run.begin)
            self._runs[garden] = run.after(entries, pace)
            return run.begin
