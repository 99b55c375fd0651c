"""The store in the cloud: Firestore, one document per record, for any number of instances at once.

Every change is one commit that says which version it was decided on: who was overtaken decides anew on what is there now. Each
write leaves a word of its own in the document, so that a commit whose answer was lost is known as ours. No document is hot:
a suspension, a Garden's pace and each line of history stand for themselves. Times are Firestore's own, to the microsecond.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from rotator.errors import Transient
from rotator.store import HISTORY, Entry, Envelope, Suspension
from rotator.stores.firestore_wire import Document, LostRace, Unclear, Wire, value

T = TypeVar("T")

RECORDS, SUSPENSIONS, PACE, LINES = "records", "suspensions", "pace", "history"
ATTEMPTS = 8
"""A change is decided anew so often; with many writers each loses a few races, and nobody writes to one record for long."""

EVER = datetime(1, 1, 1, tzinfo=UTC)
"""Stands for no wake_at: due since ever. An index holds times only."""

INDEXES: tuple[tuple[str, ...], ...] = (("unfinished", "wake_at", "created"), ("credential", "created"))
"""Composite indexes on `records`, all ascending; queries that order by one field need none."""

TTL = (LINES, "expires_at")
"""The collection group and field of Firestore's time-to-live policy."""


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
        path, word = _path(RECORDS, envelope.id), secrets.token_hex(8)
        fresh = msgspec.structs.replace(envelope, claimed_by="", claimed_until=None)
        write = {
            "update": self._update(path, {**_fields(fresh), "word": word}),
            "updateTransforms": [{"fieldPath": "created", "setToServerValue": "REQUEST_TIME"}],
            "currentDocument": {"exists": False},
        }
        for pause in _pauses():
            try:
                self._wire.commit([write, *self._line(fresh, fresh.revision)], f"creating record {envelope.id}")
            except LostRace:
                there = self._wire.get(path)
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
        found = self._again(lambda: self._wire.get(_path(RECORDS, record_id)))
        return None if found is None else _envelope(found)

    def all(self, credential: str | None = None) -> tuple[Envelope, ...]:
        """See Store."""
        where = _equals("credential", credential) if credential is not None else None
        query = _query(RECORDS, where, "created", "__name__")
        return tuple(map(_envelope, self._again(lambda: list(self._wire.query(query, "reading the records")))))

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
            return _with(found, envelope)

        return self._change(envelope.id, saved)

    def replace(self, envelope: Envelope, *, revision: int) -> Envelope | None:
        """See Store."""
        return self._change(envelope.id, lambda found: _with(found, envelope) if found.revision == revision else None)

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
        both = {"compositeFilter": {"op": "AND", "filters": [_equals("unfinished", True), late]}}
        fields = [{"fieldPath": name} for name in ("wake_at", "created")]
        query = {**_query(RECORDS, both, "wake_at", "created", "__name__"), "select": {"fields": fields}}
        found = self._again(lambda: list(self._wire.query(query, "looking for what is due")))
        return tuple(document.path.rpartition("/")[2] for document in found)

    def history(self, record_id: str) -> tuple[Entry, ...]:
        """See Store."""
        query = _query(LINES, None, "number", "__name__")
        found = self._again(
            lambda: list(self._wire.query(query, f"reading the history of {record_id}", _path(RECORDS, record_id)))
        )
        return tuple(Entry(at=document.fields["at"], line=document.fields["line"]) for document in found)

    def suspend(self, suspension: Suspension) -> None:
        """See Store."""
        fields = {"subject": suspension.subject, "by": suspension.by, "why": suspension.why, "at": suspension.at}
        write = {"update": self._update(_path(SUSPENSIONS, suspension.subject), fields)}
        self._again(lambda: self._wire.commit([write], f"suspending {suspension.subject}"))

    def resume(self, subject: str) -> bool:
        """See Store."""
        path = _path(SUSPENSIONS, subject)
        if self._again(lambda: self._wire.get(path)) is None:
            return False
        self._again(lambda: self._wire.commit([{"delete": self._wire.name(path)}], f"resuming {subject}"))
        return True

    def suspensions(self) -> tuple[Suspension, ...]:
        """See Store."""
        query = _query(SUSPENSIONS, None, "at", "__name__")
        found = self._again(lambda: list(self._wire.query(query, "reading the suspensions")))
        return tuple(Suspension(**dict(document.fields)) for document in found)

    def reserve(self, garden: str, entries: int, now: datetime, per_second: float) -> datetime:
        """See Store."""
        if entries < 1 or per_second <= 0:
            raise ValueError(f"reserving {entries} entries at {per_second} per second in {garden}: both are above zero")
        path, word = _path(PACE, garden), secrets.token_hex(8)
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
        path, word = _path(RECORDS, record_id), secrets.token_hex(8)
        for pause in _pauses():
            try:
                found = self._wire.get(path)
                if found is None:
                    return None
                now = _envelope(found)
                if found.fields["word"] == word:
                    return now
                wanted = decide(now)
                if wanted is None:
                    return None
                write = self._guarded(path, {**_fields(wanted), "word": word, "created": found.fields["created"]}, found)
                self._wire.commit([write, *self._line(wanted, wanted.revision)], f"writing record {record_id}")
                return _read_back(wanted)
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
        path = f"{_path(RECORDS, envelope.id)}/{LINES}/{number:010d}"
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


def _path(collection: str, name: str) -> str:
    return f"{collection}/{name}"


def _fields(envelope: Envelope) -> dict[str, Any]:
    return {
        "credential": envelope.credential,
        "kind": envelope.kind,
        "revision": envelope.revision,
        "wake_at": envelope.wake_at or EVER,
        "attempts": envelope.attempts,
        "claimed_by": envelope.claimed_by,
        "claimed_until": envelope.claimed_until,
        "unfinished": envelope.unfinished,
        "body": envelope.body,
    }


def _envelope(document: Document) -> Envelope:
    fields = document.fields
    return Envelope(
        id=document.path.rpartition("/")[2],
        credential=fields["credential"],
        kind=fields["kind"],
        revision=fields["revision"],
        wake_at=None if fields["wake_at"] == EVER else fields["wake_at"],
        attempts=fields["attempts"],
        claimed_by=fields["claimed_by"],
        claimed_until=fields["claimed_until"],
        unfinished=fields["unfinished"],
        body=fields["body"],
    )


def _with(found: Envelope, wanted: Envelope) -> Envelope:
    """What is stored, with what a save may change, one revision on."""
    return msgspec.structs.replace(
        found,
        body=wanted.body,
        wake_at=wanted.wake_at,
        attempts=wanted.attempts,
        unfinished=wanted.unfinished,
        revision=found.revision + 1,
        entry=wanted.entry,
    )


def _read_back(written: Envelope) -> Envelope:
    """As it will be read: in UTC, without its entry."""
    wake_at, until = written.wake_at, written.claimed_until
    return msgspec.structs.replace(
        written,
        wake_at=wake_at.astimezone(UTC) if wake_at else None,
        claimed_until=until.astimezone(UTC) if until else None,
        entry=None,
    )


def _equals(field: str, wanted: object) -> dict[str, Any]:
    return {"fieldFilter": {"field": {"fieldPath": field}, "op": "EQUAL", "value": value(wanted)}}


def _query(collection: str, where: Mapping[str, Any] | None, *order: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "from": [{"collectionId": collection}],
        "orderBy": [{"field": {"fieldPath": field}, "direction": "ASCENDING"} for field in order],
    }
    return found if where is None else {**found, "where": where}
