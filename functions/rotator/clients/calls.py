"""The one retry layer, and the time that servers tell.

Only reads and calls that set a state are repeated, on the driver's own exceptions, bounded in time; creates are sent once. The
translation happens outside the loop. Nothing here knows a driver: each client brings a function that reads its exceptions.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from rotator.errors import RotatorError, TokenExpired, Transient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `timeout`: that one call may take; google-cloud-iam has no default for some and would wait for ever.

    `patience`: within which a repeatable call is repeated; what lasts longer waits in the record, not in a process.
    """

    timeout: float = 20.0
    patience: float = 12.0


USUAL = Limits()
_limits: ContextVar[Limits] = ContextVar("limits", default=USUAL)


def limits() -> Limits:
    """What holds for calls of this thread now."""
    return _limits.get()


@contextmanager
def within(timeout: float, patience: float) -> Iterator[None]:
    """Calls of this thread end sooner: for questions that are not worth a long wait. Connections keep the limits they have."""
    before = _limits.set(Limits(timeout, patience))
    try:
        yield
    finally:
        _limits.reset(before)


Reader = Callable[[Exception], RotatorError | None]
"""Tells what a driver's exception means; None for a programming error, which is not ours to hide."""


def call(send: Callable[[], T], read: Reader, *, repeat: bool) -> T:
    """What `send` returned, after some seconds of repeats if `repeat` (Limits.patience).

    Raises: what `read` makes of the last exception; not that one as its cause: servers quote what was sent, tracebacks show it.
    """
    try:
        if not repeat:
            return send()
        import tenacity  # with its friends 30 ms, which `rotator status` need not pay

        loop = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda fault: isinstance(fault, Exception) and _again(read(fault))),
            wait=tenacity.wait_exponential_jitter(multiplier=0.1, max=3.0, jitter=0.2),
            stop=tenacity.stop_before_delay(limits().patience),
            reraise=True,
        )
        return loop(send)
    except RotatorError:
        raise
    except Exception as fault:
        meaning = read(fault)
        if meaning is None:
            raise
        raise meaning from None


def _again(meaning: RotatorError | None) -> bool:
    return isinstance(meaning, Transient) and not isinstance(meaning, TokenExpired)


class ServerClock:
    """Time as the servers say it: the machine's own, corrected by the newest `Date` header that was heard.

    A laptop's clock may be wrong by hours; gates must not open because of that.
    """

    def __init__(self) -> None:
        """Until a server is heard, the machine's own time."""
        self._lock = threading.Lock()
        self._skew = timedelta(0)

    def heard(self, date_header: str | None) -> None:
        """A server said this in `Date` (whole seconds). Differences below two seconds are its rounding, not our skew."""
        if not date_header:
            return
        from email.utils import parsedate_to_datetime  # 15 ms, as above

        try:
            said = parsedate_to_datetime(date_header)
        except ValueError:
            return
        skew = said.astimezone(UTC) - datetime.now(UTC)
        with self._lock:
            if abs(skew - self._skew) >= timedelta(seconds=2):
                self._skew = skew

    @property
    def skew(self) -> timedelta:
        """How much the servers are ahead of this machine; zero below two seconds."""
        with self._lock:
            return self._skew

    def now(self) -> datetime:
        """The present, aware, UTC."""
        with self._lock:
            return datetime.now(UTC) + self._skew
