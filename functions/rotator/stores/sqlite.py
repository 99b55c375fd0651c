"""The embedded store: one SQLite file in the user's state folder.

Many threads and processes may use the file at once. A SqliteStore has one connection behind one lock, so threads share the
object; a process opens its own (a connection does not survive a fork). Every change is one BEGIN IMMEDIATE transaction, so
it is decided on what is stored and on nothing older; every read is one statement, hence one snapshot, and waits for no writer.
The SQL keeps to SQLite 3.24, which is older than any Python that runs this. Times are UTC text of equal width: they sort as
text, and a person with the sqlite3 shell can read them.
"""

import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rotator.store import HISTORY, Entry, Envelope, Standing, Suspension
from rotator.stores import sqlite_file

SELECT = "SELECT id, credential, kind, revision, wake_at, attempts, claimed_by, claimed_until, unfinished, body FROM envelope"


class SqliteStore:
    """A `rotator.store.Store` in the file `path`. Made when it is not there: file 0600, folder 0700."""

    def __init__(self, path: Path, patience: float = sqlite_file.PATIENCE) -> None:
        """The file is open and has today's schema. `patience`: seconds to wait for another process that is writing.

        Raises: Permanent for a folder or file that cannot be used, for another program's database and for a newer schema.
        """
        self._path = path
        self._lock = threading.Lock()
        self._connection = sqlite_file.opened(path, patience)

    def close(self) -> None:
        """The file is closed; the store is not used again."""
        with self._lock:
            self._connection.close()

    def create(self, envelope: Envelope) -> bool:
        """See Store."""
        with self._transaction() as connection:
            added = connection.execute(
                "INSERT OR IGNORE INTO envelope (body, wake_at, attempts, unfinished, id, credential, kind, revision,"
                " claimed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",
                (*_content(envelope), envelope.id, envelope.credential, envelope.kind, envelope.revision),
            )
            if added.rowcount == 1:
                _write_down(connection, envelope)
            return added.rowcount == 1

    def get(self, record_id: str) -> Envelope | None:
        """See Store."""
        found = self._read(f"{SELECT} WHERE id = ?", record_id)
        return _envelope(found[0]) if found else None

    def all(self, credential: str | None = None) -> tuple[Envelope, ...]:
        """See Store."""
        if credential is None:
            return tuple(map(_envelope, self._read(f"{SELECT} ORDER BY place")))
        return tuple(map(_envelope, self._read(f"{SELECT} WHERE credential = ? ORDER BY place", credential)))

    def claim(self, record_id: str, worker: str, now: datetime, until: datetime) -> Envelope | None:
        """See Store."""
        if not worker:
            raise ValueError(f"claiming {record_id}: a worker has a name")
        return self._change(
            record_id,
            "claimed_by = ?, claimed_until = ?, attempts = attempts + 1, revision = revision + 1"
            " WHERE id = ? AND (claimed_by = '' OR claimed_until <= ?)",
            (worker, _text(until), record_id, _text(now)),
        )

    def save(self, envelope: Envelope, *, worker: str, revision: int) -> Envelope | None:
        """See Store."""
        return self._change(
            envelope.id,
            "body = ?, wake_at = ?, attempts = ?, unfinished = ?, revision = revision + 1"
            " WHERE id = ? AND revision = ? AND claimed_by = ? AND claimed_by <> ''",
            (*_content(envelope), envelope.id, revision, worker),
            envelope,
        )

    def replace(self, envelope: Envelope, *, revision: int) -> Envelope | None:
        """See Store."""
        return self._change(
            envelope.id,
            "body = ?, wake_at = ?, attempts = ?, unfinished = ?, revision = revision + 1 WHERE id = ? AND revision = ?",
            (*_content(envelope), envelope.id, revision),
            envelope,
        )

    def standing(self, record_id: str, subjects: Collection[str]) -> Standing | None:
        """See Store."""
        wanted = ", ".join("?" * len(subjects))
        found = self._read(
            # One statement reads at one moment; what is put in is question marks.
            "SELECT claimed_by, revision, subject, who, why, since FROM envelope"  # noqa: S608
            f" LEFT JOIN suspension ON subject IN ({wanted}) WHERE id = ? ORDER BY since, subject",
            *subjects,
            record_id,
        )
        if not found:
            return None
        stops = tuple(_suspension(row[2:]) for row in found if row[2] is not None)
        return Standing(claimed_by=found[0][0], revision=found[0][1], suspensions=stops)

    def extend(self, record_id: str, worker: str, until: datetime) -> bool:
        """See Store."""
        claimed = "claimed_until = ? WHERE id = ? AND claimed_by = ? AND claimed_by <> ''"
        return self._change(record_id, claimed, (_text(until), record_id, worker)) is not None

    def release(self, record_id: str, worker: str) -> None:
        """See Store."""
        self._change(record_id, "claimed_by = '', claimed_until = NULL WHERE id = ? AND claimed_by = ?", (record_id, worker))

    def due(self, now: datetime) -> tuple[str, ...]:
        """See Store."""
        # SQLite sorts NULL first: a record without a wake_at has been due since ever.
        found = self._read(
            "SELECT id FROM envelope WHERE unfinished AND (wake_at IS NULL OR wake_at <= ?) ORDER BY wake_at, place", _text(now)
        )
        return tuple(record_id for (record_id,) in found)

    def history(self, record_id: str) -> tuple[Entry, ...]:
        """See Store."""
        found = self._read("SELECT at, line FROM history WHERE id = ? ORDER BY place", record_id)
        return tuple(Entry(at=_parsed(at), line=line) for at, line in found)

    def suspend(self, suspension: Suspension) -> None:
        """See Store."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO suspension (subject, who, why, since) VALUES (?, ?, ?, ?)",
                (suspension.subject, suspension.by, suspension.why, _text(suspension.at)),
            )

    def resume(self, subject: str) -> bool:
        """See Store."""
        with self._transaction() as connection:
            return connection.execute("DELETE FROM suspension WHERE subject = ?", (subject,)).rowcount == 1

    def suspensions(self) -> tuple[Suspension, ...]:
        """See Store."""
        found = self._read("SELECT subject, who, why, since FROM suspension ORDER BY since, subject")
        return tuple(map(_suspension, found))

    def reserve(self, garden: str, entries: int, now: datetime, per_second: float) -> datetime:
        """See Store."""
        if entries < 1 or per_second <= 0:
            raise ValueError(f"reserving {entries} entries at {per_second} per second in {garden}: both are above zero")
        with self._transaction() as connection:
            taken = connection.execute("SELECT free_at FROM pace WHERE garden = ?", (garden,)).fetchone()
            begin = max(now, _parsed(taken[0])) if taken else now
            free_at = begin + timedelta(seconds=entries / per_second)
            connection.execute("INSERT OR REPLACE INTO pace (garden, free_at) VALUES (?, ?)", (garden, _text(free_at)))
            return begin.astimezone(UTC)

    def _change(
        self, record_id: str, assignments: str, values: tuple[object, ...], written: Envelope | None = None
    ) -> Envelope | None:
        with self._transaction() as connection:
            # `assignments` are the constants above; every value is bound.
            if connection.execute(f"UPDATE envelope SET {assignments}", values).rowcount != 1:  # noqa: S608
                return None
            if written is not None:
                _write_down(connection, written)
            return _envelope(connection.execute(f"{SELECT} WHERE id = ?", (record_id,)).fetchone())

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, sqlite_file.translated("reading", self._path):
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, sqlite_file.translated("writing to", self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _write_down(connection: sqlite3.Connection, envelope: Envelope) -> None:
    """The envelope's entry stands in the history; what is older than is kept was swept."""
    if (entry := envelope.entry) is not None:
        connection.execute("INSERT INTO history (id, at, line) VALUES (?, ?, ?)", (envelope.id, _text(entry.at), entry.line))
        connection.execute("DELETE FROM history WHERE at < ?", (_text(entry.at - HISTORY),))


def _content(envelope: Envelope) -> tuple[object, ...]:
    return envelope.body, _text(envelope.wake_at), envelope.attempts, envelope.unfinished


def _envelope(row: tuple[Any, ...]) -> Envelope:
    record_id, credential, kind, revision, wake_at, attempts, claimed_by, claimed_until, unfinished, body = row
    return Envelope(
        id=record_id,
        credential=credential,
        kind=kind,
        revision=revision,
        wake_at=_parsed(wake_at) if wake_at else None,
        attempts=attempts,
        claimed_by=claimed_by,
        claimed_until=_parsed(claimed_until) if claimed_until else None,
        unfinished=bool(unfinished),
        body=body,
    )


def _suspension(row: tuple[Any, ...]) -> Suspension:
    subject, who, why, since = row
    return Suspension(subject=subject, by=who, why=why, at=_parsed(since))


def _text(at: datetime | None) -> str | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)
