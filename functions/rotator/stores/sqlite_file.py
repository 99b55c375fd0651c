"""The file of the embedded store: made private, opened, checked, and what SQLite's faults mean.

Everything that can be wrong with the file is said in one line when it is opened; nothing of a file that is not ours is changed.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rotator.errors import Permanent, Transient

SCHEMA = 2
APPLICATION = 0x726B7231
"""SQLite's application_id, "rkr1": tells our file from the database of another program."""

PATIENCE = 10.0
"""Seconds to wait for another process that is writing."""

HISTORY_TABLES = (
    "CREATE TABLE history (place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, at TEXT NOT NULL, line BLOB NOT NULL)",
    "CREATE INDEX history_id ON history (id, place)",
    "CREATE INDEX history_at ON history (at)",
)
"""What schema 2 brought."""

TABLES = (
    """CREATE TABLE envelope (
        place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, credential TEXT NOT NULL, kind TEXT NOT NULL,
        revision INTEGER NOT NULL, wake_at TEXT, attempts INTEGER NOT NULL, claimed_by TEXT NOT NULL, claimed_until TEXT,
        unfinished INTEGER NOT NULL, body BLOB NOT NULL)""",
    "CREATE INDEX envelope_credential ON envelope (credential, place)",
    "CREATE INDEX envelope_due ON envelope (wake_at, place) WHERE unfinished",
    "CREATE TABLE suspension (subject TEXT PRIMARY KEY, who TEXT NOT NULL, why TEXT NOT NULL, since TEXT NOT NULL)",
    "CREATE TABLE pace (garden TEXT PRIMARY KEY, free_at TEXT NOT NULL)",
    *HISTORY_TABLES,
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)

# What may be over in a moment: another writer, a full or shaky disk. Everything else needs a person.
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})

# Closing a descriptor drops all of this process's locks on that file, and `_make` closes one: threads open one by one.
_opening = threading.Lock()


def opened(path: Path, patience: float = PATIENCE) -> sqlite3.Connection:
    """A connection to the file, which is there, private (folder 0700 if made here, file 0600) and has today's schema.

    `patience`: seconds that its writes wait for another process.
    Raises: Permanent for a folder or file that cannot be used, another program's database, a damaged one, a newer schema.
    """
    with _opening, translated("opening", path):
        _make(path)
        connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def translated(attempt: str, path: Path) -> Iterator[None]:
    """What SQLite raises inside leaves as Transient or Permanent; programming errors stay what they are."""
    try:
        yield
    except sqlite3.DatabaseError as fault:
        if not isinstance(fault, sqlite3.OperationalError) and type(fault) is not sqlite3.DatabaseError:
            raise
        # The low byte is the primary code; the rest tells variants apart.
        if getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _PASSING:
            raise Transient(f"{attempt} the store {path}: {fault}") from fault
        raise _unusable(path, f"{fault}", attempt) from fault


def _unusable(path: Path, why: str, attempt: str = "opening") -> Permanent:
    return Permanent(
        f"{attempt} the store {path}: {why}; put it right, or set ROTATOR_STATE to another file",
        code="store",
        next_command="rotator doctor",
    )


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_dir():
            raise _unusable(path, "is a folder")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            path.chmod(0o600)
    except OSError as fault:
        raise _unusable(path, f"{fault.strerror} ({fault.filename})") from fault
    for needed in (path.parent, path):
        # WAL keeps two more files in the folder.
        if not os.access(needed, os.R_OK | os.W_OK):
            raise _unusable(path, f"{needed} cannot be written")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # FULL: a saved intent must survive a power cut, because the burning call comes right after it.
    connection.execute("PRAGMA synchronous = FULL")
    if _number(connection, "SELECT count(*) FROM sqlite_master") == 0:
        _lay_out(connection)
    if _number(connection, "PRAGMA application_id") != APPLICATION:
        raise _unusable(path, "is the database of another program")
    version = _number(connection, "PRAGMA user_version")
    if version > SCHEMA:
        raise _unusable(path, f"was written by a newer version of this program (schema {version}, this one knows {SCHEMA})")
    if version < SCHEMA:
        _bring_up(connection)
    _use_wal(connection, path)


def _lay_out(connection: sqlite3.Connection) -> None:
    _laid(connection, lambda: _number(connection, "SELECT count(*) FROM sqlite_master") == 0, TABLES)


def _laid(connection: sqlite3.Connection, needed: Callable[[], bool], statements: tuple[str, ...]) -> None:
    """The statements were carried out, once over all processes: who comes second finds that they are not needed."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if needed():
            for statement in statements:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _bring_up(connection: sqlite3.Connection) -> None:
    """A file of schema 1 has the history's table, and all that it had."""
    _laid(
        connection,
        lambda: _number(connection, "PRAGMA user_version") < SCHEMA,
        (*HISTORY_TABLES, f"PRAGMA user_version = {SCHEMA}"),
    )


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as fault:
            # SQLite does not wait here while another process does the same at the same moment.
            if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            raise _unusable(path, "its file system cannot share memory between processes (WAL)")
        return


def _number(connection: sqlite3.Connection, question: str) -> int:
    (answer,) = connection.execute(question).fetchone()
    return int(answer)
