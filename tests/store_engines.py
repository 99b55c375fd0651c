"""The engines that promise `rotator.store.Store`, and what their two suites share (promises, races).

A new engine joins both by one more entry in ENGINES and a branch in place_of.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rotator.store import Envelope, Store
from rotator.stores.firestore import FirestoreStore
from rotator.stores.firestore_wire import Wire
from rotator.stores.sqlite import SqliteStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


@dataclass(frozen=True)
class Place:
    """Where one test's store is: `open` it here, or run `opening` in another process."""

    open: Callable[[], Any]
    opening: str


def sqlite_place(folder: Path) -> Place:
    path = folder / "state.db"
    opening = (
        f"from pathlib import Path; from rotator.stores.sqlite import SqliteStore; store = SqliteStore(Path({str(path)!r}))"
    )
    return Place(open=lambda: SqliteStore(path), opening=opening)


def firestore_place(address: str) -> Place:
    """A database of its own in the emulator."""
    database = f"projects/p-{uuid.uuid4().hex[:12]}/databases/(default)"
    opening = (
        "import time; from rotator.stores.firestore import FirestoreStore; from rotator.stores.firestore_wire import Wire;"
        f"store = FirestoreStore(Wire({database!r}, lambda: 'owner', 'http://{address}'), time.sleep)"
    )
    return Place(open=lambda: FirestoreStore(Wire(database, lambda: "owner", f"http://{address}"), time.sleep), opening=opening)


ENGINES = ("sqlite", pytest.param("firestore", marks=pytest.mark.emulator))


def place_of(engine: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    """Where one test's store is. The emulator is started by the first test that asks for it."""
    if engine == "sqlite":
        return sqlite_place(folder)
    return firestore_place(request.getfixturevalue("firestore_emulator").address)


def envelope(record_id: str = "puller-r1", **changes: object) -> Envelope:
    fresh = Envelope(id=record_id, credential="puller@acme.iam.gserviceaccount.com", kind="rotation", body=b"\x00\xffbody")
    return msgspec.structs.replace(fresh, **changes)


def claimed(store: Store, worker: str = "one") -> Envelope:
    assert store.create(envelope())
    won = store.claim("puller-r1", worker, NOW, LATER)
    assert won is not None
    return won
