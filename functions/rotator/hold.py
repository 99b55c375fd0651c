"""One worker's hold on one record: the claim, what it saved last, and the question before every write.

Who was paused and wakes up late holds nothing any more: its name is of that activation alone, and its saves are lost.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Self

import msgspec

from rotator import history
from rotator.errors import Halted
from rotator.guard import Sending
from rotator.keeping import envelope_of
from rotator.record import Record, decode
from rotator.states import Reenabling
from rotator.store import EVERYTHING, Envelope, Store, Suspension

SUSPENDED = " was suspended by "
"""In every reason of a record that waits for its automation to go on, and in no other."""


class Hold:
    """`record` is what the store has; `worker` a name that no other activation has."""

    def __init__(self, envelope: Envelope, store: Store, worker: str, claim: timedelta) -> None:
        """`envelope`: as the store gave it for the claim."""
        self._envelope = envelope
        self._store = store
        self._worker = worker
        self._claim = claim
        self.record = msgspec.structs.replace(decode(envelope.body), attempts=envelope.attempts, revision=envelope.revision)

    @classmethod
    def take(cls, record: Record, store: Store, worker: str, now: datetime, claim: timedelta) -> Self | None:
        """The record is ours for so long; None when another worker has it. The claim counts as an attempt: so does a death."""
        envelope = store.claim(record.id, worker, now, now + claim)
        return None if envelope is None else cls(envelope, store, worker, claim)

    def ask(self, sending: Sending) -> None:
        """The write may be sent: the record is still as we saved it, and nobody has suspended it. One question to the store.

        Raises: Halted.
        """
        found = self._store.standing(self.record.id, (EVERYTHING, self._envelope.credential))
        if found is None or (found.claimed_by, found.revision) != (self._worker, self._envelope.revision):
            raise Halted(f"{self.record.id} moved on without this worker; {sending.neighbour}.{sending.method} was not sent")
        # Who suspends in an emergency still gets the key back; and to withdraw a retirement takes nothing away.
        harmless = isinstance(self.record.state, Reenabling) or sending.neighbour == "books"
        if not harmless and (held := why_held(found.suspensions, self._envelope.credential)):
            raise Halted(held)

    def save(self, after: Record, now: datetime) -> bool:
        """The record is saved by compare-and-set; False when somebody else has moved it on."""
        entry = history.entry(self.record, after, now, self._worker)
        kept = envelope_of(after, self._envelope, entry)
        saved = self._store.save(kept, worker=self._worker, revision=self._envelope.revision)
        if saved is None:
            return False
        self._envelope, self.record = saved, msgspec.structs.replace(after, revision=saved.revision)
        return True

    def extend(self, now: datetime) -> bool:
        """It is ours for as long again; False when it is somebody else's."""
        return self._store.extend(self.record.id, self._worker, now + self._claim)

    def release(self) -> None:
        """Anybody may take it. Again: nothing."""
        self._store.release(self.record.id, self._worker)


def suspended(store: Store, credential: str) -> str:
    """Who stopped automation for this credential, or for everything, and why; empty when nobody did."""
    return why_held(store.suspensions(), credential)


def why_held(suspensions: Iterable[Suspension], credential: str) -> str:
    """The same, by these suspensions."""
    for suspension in suspensions:
        if suspension.subject in {EVERYTHING, credential}:
            scope = "everything" if suspension.subject == EVERYTHING else credential
            return f"{scope}{SUSPENDED}{suspension.by} at {suspension.at:%Y-%m-%d %H:%M} UTC: {suspension.why}"
    return ""
