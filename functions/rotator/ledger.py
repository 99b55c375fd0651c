"""The store as steps and services see it: records instead of bytes."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from rotator import history
from rotator.errors import Unreadable
from rotator.keeping import envelope_of
from rotator.key import Email
from rotator.record import Evidence, Fact, Place, Record, decode
from rotator.states import Draining, Withdrawn, name_of
from rotator.store import Envelope, Store


class Ledger:
    """Implements `world.Books` over any store."""

    def __init__(self, store: Store, places: Sequence[Place], told: Callable[[Record], None] = lambda _: None) -> None:
        """`places`: the scope that is configured today. `told`: hears each record that is saved here; revision 0: a new one."""
        self._store = store
        self._places = tuple(places)
        self._told = told

    def records(self, credential: Email) -> tuple[Record, ...]:
        """All records of this credential, oldest first.

        Raises: Unreadable when a body was written by another version: it may want the very key that is to be taken away.
        """
        return tuple(self._open(envelope) for envelope in self._store.all(credential))

    def withdraw(self, retirement: Record, why: str, now: datetime) -> bool:
        """The Draining retirement is Withdrawn, by compare-and-set; False when it moved on since it was read."""
        if not isinstance(retirement.state, Draining):
            return False
        after = retirement.moved(Withdrawn(why=why), now, by="rotator", facts=(Fact("wanted_again", why),))
        return self.replace(after, revision=retirement.revision) is not None

    def scope(self) -> tuple[Place, ...]:
        """Today's configured scope."""
        return self._places

    def every(self, credential: Email | None = None) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """All records (of this credential) that can be read, and a line for each that cannot."""
        records: list[Record] = []
        unreadable: list[str] = []
        for envelope in self._store.all(credential):
            try:
                records.append(self._open(envelope))
            except Unreadable as fault:
                unreadable.append(str(fault))
        return tuple(records), tuple(unreadable)

    def get(self, record_id: str) -> Record | None:
        """One record. Raises: Unreadable."""
        envelope = self._store.get(record_id)
        return None if envelope is None else self._open(envelope)

    def history(self, record_id: str) -> tuple[history.Line, ...]:
        """What happened to the record, oldest first, as far back as it is kept."""
        return history.read(self._store.history(record_id))

    def create(self, record: Record, now: datetime, by: str) -> bool:
        """The record is in the books with its order as first evidence; False when the same order was given before."""
        first = Evidence(at=now, what=f"ordered, {name_of(record.state)}", by=by, facts=(Fact("why", record.order.why),))
        line = history.entry(None, record, now, by, first.what)
        after = msgspec.structs.replace(record, evidence=(first,))
        if made := self._store.create(envelope_of(after, entry=line)):
            self._told(after)
        return made

    def replace(self, record: Record, *, revision: int) -> Record | None:
        """The record as a person or another record's step changed it; None when it moved on since `revision`.

        Its newest evidence says who did what; that is the line of its history, too.
        """
        old = self._store.get(record.id)
        act = record.evidence[-1]
        line = history.entry(None, record, act.at, act.by, act.what)
        saved = self._store.replace(envelope_of(record, old, line), revision=revision)
        if saved is None:
            return None
        after = msgspec.structs.replace(record, revision=saved.revision)
        self._told(after)
        return after

    @staticmethod
    def _open(envelope: Envelope) -> Record:
        try:
            return msgspec.structs.replace(decode(envelope.body), revision=envelope.revision, attempts=envelope.attempts)
        except msgspec.ValidationError as fault:
            raise Unreadable(
                f"reading record {envelope.id}: written by another version ({fault}); left alone, run the version that wrote it"
            ) from fault
