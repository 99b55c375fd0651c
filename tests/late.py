"""Calls that arrive late: prepared by a worker that paused or died, admitted when the world has moved on.

A mutating call is parked at the sandbox's door, with the token and the bytes it was sent with, and is served later with the
rights and the world of then. A save is held by the harness, which sends it to the store later as it was.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

import tally
from crashes import CHECKPOINTS, Trap
from house import House
from rotator.record import decode
from rotator.states import name_of
from rotator.store import Envelope
from sandbox.faults import Fault

WIRE = {
    "staging.prepare": ("secretmanager", "CreateSecret"),
    "staging.add": ("secretmanager", "AddSecretVersion"),
    "staging.destroy": ("secretmanager", "DestroySecretVersion"),
    "staging.schedule": ("secretmanager", "UpdateSecret"),
    "accounts.upload": ("iam", "UploadServiceAccountKey"),
    "accounts.create": ("iam", "CreateServiceAccountKey"),
    "accounts.disable": ("iam", "DisableServiceAccountKey"),
    "accounts.enable": ("iam", "EnableServiceAccountKey"),
    "accounts.delete": ("iam", "DeleteServiceAccountKey"),
    "gardens.create_secret": ("garden:live", "CREATE secrets"),
    "gardens.move": ("garden:live", "PATCH shoots"),
    "gardens.mark": ("garden:live", "PATCH shoots"),
    "gardens.delete_secret": ("garden:live", "DELETE secrets"),
}
"""What each mutating method of World sends: service and method as faults name them."""


@dataclass
class LateCall:
    """One call that is kept from arriving: the first of this name, or the checkpoint of this number."""

    house: House
    trap: Trap
    name: str = ""
    checkpoint: int = 0
    label: str = ""
    checkpoints: int = 0
    held: Callable[[], Any] | None = None
    kept: bool = False
    passed: list[str] = field(default_factory=list)
    release_at: str = ""
    outcome: str = ""

    def meddle(self, name: str, arguments: tuple[Any, ...], send: Callable[[], Any]) -> Any:
        """Keep the call that was asked for and die of it; later, release it when the history comes to its stage."""
        if name.removeprefix("store.") in CHECKPOINTS:
            self.checkpoints += 1
            if not self.kept and self.checkpoint == self.checkpoints:
                self.label = f"{name} {label_of(arguments[0])}"
                self.held, self.kept = send, True
                self.trap.die(f"holding {self.label}")
            answer = send()
            if answer:
                self._passes(label_of(arguments[0]))
            return answer
        if not self.kept and name == self.name:
            self._park(name, send)
        return send()

    def _park(self, name: str, send: Callable[[], Any]) -> None:
        service, method = WIRE[name]
        fault = self.house.faults.add(Fault(service=service, method=method, answer="park"))
        with suppress(Exception):
            send()
        self.house.faults.remove(fault)
        if not self.house.faults.parked():
            return  # there was nothing to send: the staging secret is there already
        self.kept, self.label = True, name
        self.trap.die(f"holding {name}")

    def _passes(self, stage: str) -> None:
        if self.kept and stage not in self.passed:
            self.passed.append(stage)
            if stage == self.release_at:
                self.release()

    def release(self) -> None:
        """The call arrives now; `outcome` says what became of it."""
        if self.outcome:
            return
        if self.held is not None:
            self.outcome = "saved" if self.held() else "refused: lost the compare-and-set"
            return
        before = len(self.house.operations.since())
        assert self.house.faults.release() == 1
        service, method = WIRE[self.name]
        arrived = [o for o in self.house.operations.since(before) if o.service == service and o.method == method]
        self.outcome = meaning(arrived[0].outcome if arrived else "401")


def label_of(envelope: Envelope) -> str:
    """What this body says: "rotation Staged", "retirement Draining"."""
    record = decode(envelope.body)
    return f"{record.kind} {name_of(record.state)}"


def meaning(outcome: str) -> str:
    """The answer's meaning, as the table has it."""
    words = {
        "ok": "landed",
        "401": "refused: its token has expired",
        "UNAUTHENTICATED": "refused: its token has expired",
        "NOT_FOUND": "refused: there is no such object",
        "ALREADY_EXISTS": "refused: the name is taken",
        "FAILED_PRECONDITION": "refused: not in that state any more",
    }
    if outcome in words:
        return words[outcome]
    if outcome.startswith("409 AlreadyExists"):
        return "refused: the name is taken"
    if outcome.startswith("409"):
        return "refused: precondition (uid, resourceVersion)"
    if outcome.startswith("422"):
        return "refused: a test of the patch"
    if outcome.startswith("404"):
        return "refused: there is no such object"
    return f"refused: {outcome}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    call: str
    stage: str
    policy: str
    outcome: str
    wrong: tuple[str, ...]


def put(part: str, rows: list[Row]) -> None:
    """The rows are in build/late_calls.txt, and counted."""
    folder = tally.FOLDER / "late"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part.replace('/', '_')}.json").write_text(json.dumps([msgspec.to_builtins(row) for row in rows]))
    every = [Row(**row) for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text())]
    lines = [f"{row.call:45} {row.stage:34} {row.policy:6} {row.outcome}{' !!! ' if row.wrong else ''}" for row in every]
    (tally.FOLDER.parent / "late_calls.txt").write_text("\n".join(lines) + "\n")
    tally.add("late_calls", part, len(rows), unit="calls")
    tally.add("late_call_violations", part, sum(len(row.wrong) for row in rows), unit="faults", goal=0)
