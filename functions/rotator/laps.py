"""The time that a person at a terminal, or the platform, gives to an activation."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

SLICE = 0.25
"""Seconds of sleep after which a wish to stop is noticed."""

ACTIVATION = timedelta(minutes=20)
"""An activation has one access token that is never refreshed: it ends well before that token does, and another one begins."""


class PatientLaps:
    """Implements `runbook.Laps`: short waits are slept through, long ones end the activation."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        stop: threading.Event,
        *,
        patience: timedelta | None = None,
        budget: timedelta = ACTIVATION,
    ) -> None:
        """`patience`: how long nothing may happen (None: for ever); `stirred` begins it anew. `budget`: for one activation."""
        self._clock = clock
        self._sleep = sleep
        self._stop = stop
        self._patience = patience
        self._since = clock()
        self._budget = budget
        self._end = self._since + budget
        self.impatient = False

    def stirred(self) -> None:
        """Something happened: patience begins anew."""
        self._since = self._clock()

    def renewed(self) -> None:
        """Another activation begins."""
        self._end = self._clock() + self._budget

    def next(self, after: datetime | None) -> datetime | None:
        """The present, not before `after`; None when patience or the activation does not reach that far, or at a stop."""
        now = self._clock()
        if after is not None and after > now:
            if self._patience is not None and after > self._since + self._patience:
                self.impatient = True
                return None
            if after > self._end:
                return None
            self.wait(after)
            now = self._clock()
        return None if self._stop.is_set() or now > self._end else now

    def wait(self, until: datetime) -> None:
        """It is `until`, or somebody wants to stop."""
        while not self._stop.is_set() and (left := (until - self._clock()).total_seconds()) > 0:
            self._sleep(min(left, SLICE))
