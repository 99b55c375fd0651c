"""The one service of this process: opened at the first request that needs it, then shared by all threads and requests."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rotator import logs
from rotator.errors import Invalid

if TYPE_CHECKING:
    from rotator.telemetry import Telemetry
    from rotator.wiring import Wired

_lock = threading.Lock()
_opened: "Wired | None" = None


def opened(environment: Mapping[str, str]) -> "Wired":
    """The service that the environment describes; the same one for every request. Raises: Invalid."""
    global _opened  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _opened is None:
            from rotator import wiring

            made = wiring.open(None, environment)
            made.told = logs.transition
            try:
                made.telemetry = telemetry(made, environment)
            except Invalid:
                made.close()
                raise
            _opened = made
        return _opened


def telemetry(wired: "Wired", environment: Mapping[str, str]) -> "Telemetry":
    """Where this deployment tells its spans and metrics. Raises: Invalid."""
    way = wired.settings.deployment.otel
    if not way:
        return wired.telemetry
    try:
        from rotator import otel
    except ModuleNotFoundError as fault:
        raise Invalid((f"ROTATOR_OTEL: {way} needs the extra otel, and {fault.name} is not installed",)) from fault
    return otel.opened(way, environment, wired.authorize)


def flush() -> None:
    """What was measured so far is out: no thread runs after the answer."""
    if _opened is not None:
        _opened.telemetry.flush()


def give(wired: "Wired | None") -> "Wired | None":
    """From now on it is this one, which its maker closes; None: the next request opens its own. Gives the one before."""
    global _opened
    with _lock:
        before, _opened = _opened, wired
        if wired is not None:
            wired.told = logs.transition
        return before
