"""The door every call passes, whatever its protocol: faults strike here, effects and their log entries keep one order here.

One lock serves all of Google's services, so the log's order is the order of effects across services. That order is what the
invariant checker reads; the speed of a test double is not worth a second lock.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf.message import Message

from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.operations import Operations

T = TypeVar("T")


class Refused(Exception):
    """The service says no: a gRPC code name, the text a caller sees, and rich details for `grpc-status-details-bin`."""

    def __init__(self, code: str, text: str, *details: Message) -> None:
        """Keep the three parts of the answer."""
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.details = details


class Struck(Exception):
    """A fault hit this call; the protocol's door turns it into a broken connection, silence, or a status."""

    def __init__(self, fault: Fault) -> None:
        """Keep the fault."""
        super().__init__(fault.answer)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What arrived: names as faults match them and as the log shows them."""

    service: str
    method: str
    target: str
    mutating: bool = False


@dataclass(slots=True)
class Note:
    """What an effect has to say about itself for the log."""

    facts: dict[str, Any] = field(default_factory=dict)
    outcome: str = "ok"


class Door:
    """Faults, one lock and the log, around every effect."""

    def __init__(self, clock: Clock, operations: Operations, faults: Faults) -> None:
        """Stand before services that share this clock, log and these faults."""
        self.clock = clock
        self.lock = threading.RLock()
        self._operations = operations
        self._faults = faults
        self.before: list[Callable[[], object]] = []

    def serve(self, call: Call, effect: Callable[[Note], T]) -> T:
        """The effect took place and is in the log, in that order under the lock.

        Raises: Refused as the effect raised it; Struck when a fault hit, before or after the effect.
        """
        for prepare in self.before:
            prepare()
        fault = self._faults.strike(call.service, call.method, call.target)
        if fault is not None and fault.when == "before":
            self.record(call, outcome=fault.answer, answered=fault.answer not in {"lost", "hang", "park"})
            if fault.answer == "park":
                self._faults.park(lambda: self._late(call, effect))
            raise Struck(fault)
        with self.lock:
            note = Note()
            try:
                result = effect(note)
            except Refused as refusal:
                self.record(call, outcome=refusal.code, answered=fault is None)
                if fault is None:
                    raise
                raise Struck(fault) from refusal
            facts = note.facts if note.outcome == "ok" else {}
            self.record(call, facts=facts, outcome=note.outcome, answered=fault is None)
        if fault is not None:
            raise Struck(fault)
        return result

    def _late(self, call: Call, effect: Callable[[Note], object]) -> None:
        """The parked call arrives: its token is checked now, its effect is of now, nobody hears the answer."""
        for prepare in self.before:
            prepare()
        with self.lock:
            note = Note()
            try:
                effect(note)
            except Refused as refusal:
                self.record(call, outcome=refusal.code, answered=False)
                return
            self.record(call, facts=note.facts if note.outcome == "ok" else {}, outcome=note.outcome, answered=False)

    def record(self, call: Call, facts: Mapping[str, Any] | None = None, *, outcome: str = "ok", answered: bool = True) -> None:
        """The call is last in the log."""
        with self.lock:
            self._operations.add(
                at=self.clock.now(),
                service=call.service,
                method=call.method,
                target=call.target,
                mutating=call.mutating,
                outcome=outcome,
                answered=answered,
                facts=facts,
            )
