"""The one service of this process: opened at the first request that needs it, then shared by all threads and requests."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rotator import logs

if TYPE_CHECKING:
    from rotator.wiring import Wired

_lock = threading.Lock()
_opened: "Wired | None" = None


def opened(environment: Mapping[str, str]) -> "Wired":
    """The service that the environment describes; the same one for every request. Raises: Invalid."""
    global _opened  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _opened is None:
            from rotator import wiring

            _opened = wiring.open(None, environment)
            _opened.told = logs.transition
        return _opened


def give(wired: "Wired | None") -> "Wired | None":
    """From now on it is this one, which its maker closes; None: the next request opens its own. Gives the one before."""
    global _opened
    with _lock:
        before, _opened = _opened, wired
        if wired is not None:
            wired.told = logs.transition
        return before
