"""The store in the cloud: Firestore, one document per record, for any number of instances at once.

Every change is one commit that says which version it was decided on: who was overtaken decides anew on what is there now. Each
write leaves a word of its own in the document, so that a commit whose answer was lost is known as ours; if somebody else wrote
before we could look, it counts as lost, which stops a worker and harms nobody. No document is hot: suspensions, a Garden's pace
and each line of history stand for themselves. Times are Firestore's own, to the microsecond.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from rotator.errors import Transient
from rotator.store import HISTORY, Entry, Envelope, Standing, Suspension
from rotator.stores import firestore_layout as layout
from rotator.stores.firestore_wire import Document, LostRace, Unclear, Wire, value

T = TypeVar("T")

ATTEMPTS = 8
"""A change is decided anew so often; with many writers each loses a few races, and nobody writes to one record for long."""


class FirestoreStore:
    """A `rotator.store.Store` in one Firestore database. Safe for threads."""

    def __init__(self, wire: Wire, sleep: Callable[[float], None]) -> None:
        """Ask nothing yet. `sleep` waits between attempts, seconds."""
        self._wire = wire
        self._sleep = sleep

    def close(self) -> None:
        """Every connection is closed."""
        self._wire.close()

    def create(self, envelope: Envelope) -> bool:
        """See Store."""
        path, word = layout.path(layout.RECORDS, envelope.id), secrets.token_hex(8)
        fresh = msgspec.structs.replace(envelope, claimed_by="", claimed_until=None)
        write = {
            "update": self._update(path, {**layout.fields(fresh), "word": word}),
            "updateTransforms": [{"fieldPath": "created", "setToServerValue": "REQUEST_TIME"}],
            "currentDocument": {"exists": False},
        }
        for pause in _pauses():
            try:
                self._wire.commit([write, *self._line(fresh, fresh.revision)], f"creating record {envelope.id}")
            except LostRace:
                there = self._again(lambda: self._wire.get(path))
                if there is not None:
                    return bool(there.fields["word"] == word)
                self._sleep(pause)
            except Unclear:
                self._sleep(pause)
            else:
                return True
        raise _busy(envelope.id)

    def get(self, record_id: str) -> Envelope | None:
        """See Store."""
        found = self._again(lambda: self._wire.get(layout.path(layout.RECORDS, record_id)))
        return None if found is None else layout.envelope(found)

    def all(self, credential: str | None = None) -> tuple[Envelope, ...]:
        """See Store."""
        where = layout.equals("credential", credential) if credential is not None else None
        query = layout.query(layout.RECORDS, where, "created", "__name__")
        return tuple(map(layout.envelope, self._again(lambda: list(self._wire.query(query, "reading the records")))))

    def claim(self, record_id: str, worker: str, now: datetime, until: datetime) -> Envelope | None:
        """See Store."""
        if not worker:
            raise ValueError(f"claiming {record_id}: a worker has a name")

        def claimed(found: Envelope) -> Envelope | None:
            if found.claimed_by and found.claimed_until is not None and found.claimed_until > now:
                return None
            return msgspec.structs.replace(
                found, claimed_by=worker, claimed_until=until, attempts=found.attempts + 1, revision=found.revision + 1
            )

        return self._change(record_id, claimed)

    def save(self, envelope: Envelope, *, worker: str, revision: int) -> Envelope | None:
        """See Store."""

        def saved(found: Envelope) -> Envelope | None:
            if not worker or found.claimed_by != worker or found.revision != revision:
                return None
            return layout.changed(found, envelope)

        return self._change(envelope.id, saved)

    def replace(self, envelope: Envelope, *, revision: int) -> Envelope | None:
        """See Store."""
        return self._change(envelope.id, lambda found: layout.changed(found, envelope) if found.revision == revision else None)

    def standing(self, record_id: str, subjects: Collection[str]) -> Standing | None:
        """See Store."""
        path = layout.path(layout.RECORDS, record_id)
        paths = (path, *(layout.path(layout.SUSPENSIONS, subject) for subject in subjects))
        wanted = ("claimed_by", "revision", *Suspension.__struct_fields__)
        found = self._again(lambda: self._wire.get_all(paths, wanted, f"asking how {record_id} stands"))
        stops = [Suspension(**dict(each.fields)) for each in found if each.path != path]
        stops.sort(key=lambda stop: (stop.at, stop.subject))
        for document in found:
            if document.path == path:
                return Standing(**dict(document.fields), suspensions=tuple(stops))
        return None

    def extend(self, record_id: str, worker: str, until: datetime) -> bool:
        """See Store."""

        def extended(found: Envelope) -> Envelope | None:
            return msgspec.structs.replace(found, claimed_until=until) if worker and found.claimed_by == worker else None

        return self._change(record_id, extended) is not None

    def release(self, record_id: str, worker: str) -> None:
        """See Store."""

        def released(found: Envelope) -> Envelope | None:
            free = msgspec.structs.replace(found, claimed_by="", claimed_until=None)
            return free if worker and found.claimed_by == worker else None

        self._change(record_id, released)

    def due(self, now: datetime) -> tuple[str, ...]:
        """See Store."""
        late = {"fieldFilter": {"field": {"fieldPath": "wake_at"}, "op": "LESS_THAN_OR_EQUAL", "value": value(now)}}
        both = {"compositeFilter": {"op": "AND", "filters": [layout.equals("unfinished", True), late]}}
        fields = [{"fieldPath": name} for name in ("wake_at", "created")]
        query = {**layout.query(layout.RECORDS, both, "wake_at", "created", "__name__"), "select": {"fields": fields}}
        found = self._again(lambda: list(self._wire.query(query, "looking for what is due")))
        return tuple(document.path.rpartition("/")[2] for document in found)

    def history(self, record_id: str) -> tuple[Entry, ...]:
        """See Store."""
        query = layout.query(layout.LINES, None, "number", "__name__")
        found = self._again(
            lambda: list(self._wire.query(query, f"reading the history of {record_id}", layout.path(layout.RECORDS, record_id)))
        )
        return tuple(Entry(at=document.fields["at"], line=document.fields["line"]) for document in found)

    def suspend(self, suspension: Suspension) -> None:
        """See Store."""
        fields = {"subject": suspension.subject, "by": suspension.by, "why": suspension.why, "at": suspension.at}
        write = {"update": self._update(layout.path(layout.SUSPENSIONS, suspension.subject), fields)}
        for pause in _pauses():
            try:
                self._wire.commit([write], f"suspending {suspension.subject}")
            except (LostRace, Unclear):
                self._sleep(pause)
            else:
                return
        raise _busy(f"the suspension of {suspension.subject}")

    def resume(self, subject: str) -> bool:
        """See Store."""
        path, sent = layout.path(layout.SUSPENSIONS, subject), False
        for pause in _pauses():
            found = self._again(lambda: self._wire.get(path))
            if found is None:
                # Gone after a delete of ours whose answer was lost: it was there, and that delete is the likeliest to have hit.
                return sent
            delete = {"delete": self._wire.name(path), "currentDocument": {"updateTime": found.version}}
            try:
                self._wire.commit([delete], f"resuming {subject}")
            except LostRace:
                self._sleep(pause)
            except Unclear:
                sent = True
                self._sleep(pause)
            else:
                return True
        raise _busy(f"the suspension of {subject}")

    def suspensions(self) -> tuple[Suspension, ...]:
        """See Store."""
        query = layout.query(layout.SUSPENSIONS, None, "at", "__name__")
        found = self._again(lambda: list(self._wire.query(query, "reading the suspensions")))
        return tuple(Suspension(**dict(document.fields)) for document in found)

    def reserve(self, garden: str, entries: int, now: datetime, per_second: float) -> datetime:
        """See Store."""
        if entries < 1 or per_second <= 0:
            raise ValueError(f"reserving {entries} entries at {per_second} per second in {garden}: both are above zero")
        path, word = layout.path(layout.PACE, garden), secrets.token_hex(8)
        for pause in _pauses():
            try:
                found = self._wire.get(path)
                if found is not None and found.fields["word"] == word:
                    return found.fields["begin"]  # type: ignore[no-any-return]
                begin = max(now, found.fields["free_at"]) if found else now
                slot = {"begin": begin, "free_at": begin + timedelta(seconds=entries / per_second), "word": word}
                self._wire.commit([self._guarded(path, slot, found)], f"reserving a write slot of {garden}")
                return begin.astimezone(UTC)
            except (LostRace, Unclear):
                self._sleep(pause)
        raise _busy(f"the pace of {garden}")

    def _change(self, record_id: str, decide: Callable[[Envelope], Envelope | None]) -> Envelope | None:
        """The record as `decide` wants it; None when it wants none, or there is no record."""
        path, word = layout.path(layout.RECORDS, record_id), secrets.token_hex(8)
        for pause in _pauses():
            try:
                found = self._wire.get(path)
                if found is None:
                    return None
                now = layout.envelope(found)
                if found.fields["word"] == word:
                    return now
                wanted = decide(now)
                if wanted is None:
                    return None
                write = self._guarded(path, {**layout.fields(wanted), "word": word, "created": found.fields["created"]}, found)
                self._wire.commit([write, *self._line(wanted, wanted.revision)], f"writing record {record_id}")
                return layout.read_back(wanted)
            except (LostRace, Unclear):
                self._sleep(pause)
        raise _busy(record_id)

    def _guarded(self, path: str, fields: Mapping[str, Any], found: Document | None) -> dict[str, Any]:
        condition = {"updateTime": found.version} if found else {"exists": False}
        return {"update": self._update(path, fields), "currentDocument": condition}

    def _line(self, envelope: Envelope, number: int) -> list[dict[str, Any]]:
        """The write that adds the envelope's entry to the history, if it has one."""
        if envelope.entry is None:
            return []
        path = f"{layout.path(layout.RECORDS, envelope.id)}/{layout.LINES}/{number:010d}"
        at = envelope.entry.at
        fields = {"number": number, "at": at, "line": envelope.entry.line, "expires_at": at + HISTORY}
        return [{"update": self._update(path, fields)}]

    def _update(self, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": self._wire.name(path), "fields": {name: value(each) for name, each in fields.items()}}

    def _again(self, ask: Callable[[], T]) -> T:
        """What `ask` gave, asked again while the answer is unclear. Only for what may be done twice."""
        for pause in _pauses():
            try:
                return ask()
            except Unclear as fault:
                unclear = fault
                self._sleep(pause)
        raise unclear


def _pauses() -> tuple[float, ...]:
    """Seconds after each attempt, scattered so that those who raced do not race again at once."""
    return tuple(0.02 * 2**number * (0.5 + secrets.randbelow(1000) / 1000) for number in range(ATTEMPTS))


def _busy(what: str) -> Transient:
    return Transient(f"writing {what} in Firestore: no attempt of {ATTEMPTS} came through; tried again later")
