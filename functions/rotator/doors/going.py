"""One activation behind a door: a record goes on until its budget is spent, or it has to wait longer than a function should."""

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator import history, logs
from rotator.laps import PatientLaps
from rotator.record import Record, Wait

if TYPE_CHECKING:
    from rotator.wiring import Wired

NAP = timedelta(seconds=2)
"""A wait up to this long is slept through; a longer one would be paid for, and the next schedule comes anyway."""


def left(wired: "Wired", since: float) -> timedelta:
    """What is left of the budget of a request that began at `since` (monotonic): what it asked before is paid from it, too."""
    return wired.settings.deployment.budget - timedelta(seconds=time.monotonic() - since)


def carry_on(wired: "Wired", before: Record, budget: timedelta) -> tuple[int, Record | None]:
    """How many steps were saved, and the record as it is now; 0 and None when nothing is to do or another worker has it.

    Every step is a line in the log, but a look that finds the same as the one before is none. Raises: RotatorError.
    """
    laps = PatientLaps(wired.clock.now, time.sleep, threading.Event(), patience=NAP, budget=budget)
    steps, last = 0, None
    with wired.telemetry.activation(before) as watched:
        for record in wired.service.run(before, watched.laps(laps)):
            now = wired.clock.now()
            if history.entry(last or before, record, now, "") is not None:
                logs.transition(record)
            watched.saved(record, now)
            if last is None or record.state != last.state:
                laps.stirred()
            steps, last = steps + 1, record
    return steps, last


def at_once(wired: "Wired", before: Record, record: Record | None) -> bool:
    """The record came further, could go on now, and only the budget was over.

    What finds the same as before, or fails, wakes nobody; the next schedule does. Otherwise workers would wake each other
    without a pause where one look outlasts the wait that it ends with: thousands of Shoots, a Garden that answers late.
    """
    if record is None or not record.unfinished or record.blocked:
        return False
    news = history.entry(before, record, wired.clock.now(), "") is not None
    if before.state == record.state and (record.attempts or not news):
        return False
    return not isinstance(record.rest, Wait) or record.rest.until <= wired.clock.now()
