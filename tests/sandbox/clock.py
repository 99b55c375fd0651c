"""Sandbox time: the machine's UTC time plus an offset that people and tests move forward.

Every server of the sandbox asks this one clock, and every HTTP answer carries it in its `Date` header. So a client that
takes its time from servers lives in sandbox time, and a wait of days passes in one call.
"""

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """One time for all servers of a sandbox; it only moves forward."""

    def __init__(self, behind: timedelta = timedelta(0)) -> None:
        """Begin at the machine's own time, or so much earlier: a landscape with a past is made there and then advanced."""
        self._lock = threading.Lock()
        self._offset = -behind

    def now(self) -> datetime:
        """The present in the sandbox, aware, UTC."""
        with self._lock:
            return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> datetime:
        """Time has passed: the sandbox is `seconds` later than it was.

        Raises: ValueError for a negative number, because tokens and leases rely on time that never turns back.
        """
        if seconds < 0:
            msg = f"advancing the sandbox clock by {seconds} s: time only moves forward"
            raise ValueError(msg)
        with self._lock:
            self._offset += timedelta(seconds=seconds)
        return self.now()
