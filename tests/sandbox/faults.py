"""Faults that a test, or a person through the control endpoint, switches on for single calls.

A fault matches calls by glob on service, method and target. `when="before"` refuses without effect; `when="after"` lets the
effect happen and then fails, which is the ambiguous answer that breaks naive clients. `answer` is what the caller sees:
"lost" (the connection breaks), "hang" (no answer for `seconds`), "park" (the request is held at the door, to be served when a
test calls `release`: the late call of a paused worker), or a status: a gRPC code name ("UNAVAILABLE",
"FAILED_PRECONDITION") for gRPC services, a number ("503", "403") for HTTP ones, with `text` as its message.
"""

import fnmatch
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong, where, and how often: the matching calls number `nth` .. `nth + times - 1` (times 0: for ever)."""

    service: str = "*"
    method: str = "*"
    target: str = "*"
    when: str = "before"
    answer: str = "lost"
    text: str = "injected by the sandbox"
    seconds: float = 0.0
    nth: int = 1
    times: int = 1


class Faults:
    """The faults in force, each with its own count of matching calls."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: dict[int, tuple[Fault, int]] = {}
        self._parked: list[Callable[[], None]] = []

    def add(self, fault: Fault) -> int:
        """The fault is in force; its number takes it back."""
        with self._lock:
            number = next(self._ids)
            self._faults[number] = (fault, 0)
            return number

    def remove(self, number: int) -> None:
        """That fault is no longer in force."""
        with self._lock:
            self._faults.pop(number, None)

    def clear(self) -> None:
        """No fault is in force."""
        with self._lock:
            self._faults.clear()

    def park(self, late: Callable[[], None]) -> None:
        """The request waits at the door."""
        with self._lock:
            self._parked.append(late)

    def parked(self) -> int:
        """How many requests wait."""
        with self._lock:
            return len(self._parked)

    def release(self) -> int:
        """Every parked request has been served, with the rights and the world of now; nobody heard the answers."""
        with self._lock:
            waiting, self._parked = self._parked, []
        for late in waiting:
            late()
        return len(waiting)

    def strike(self, service: str, method: str, target: str) -> Fault | None:
        """The fault that hits this call, or None. Counts the call for every fault that matches it: ask once per call."""
        hit: Fault | None = None
        with self._lock:
            for number, (fault, seen) in list(self._faults.items()):
                if not (
                    fnmatch.fnmatchcase(service, fault.service)
                    and fnmatch.fnmatchcase(method, fault.method)
                    and fnmatch.fnmatchcase(target, fault.target)
                ):
                    continue
                count = seen + 1
                self._faults[number] = (fault, count)
                last = fault.nth + fault.times - 1
                if hit is None and count >= fault.nth and (fault.times == 0 or count <= last):
                    hit = fault
        return hit
