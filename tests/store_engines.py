"""The engines that promise `rotator.store.Store`, and what their two suites share (promises, races).

A new engine joins both by one more entry in ENGINES.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from rotator.store import Envelope, Store
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


ENGINES = {"sqlite": sqlite_place}


def envelope(record_id: str = "puller-r1", **changes: object) -> Envelope:
    fresh = Envelope(id=record_id, credential="puller@acme.iam.gserviceaccount.com", kind="rotation", body=b"\x00\xffbody")
    return msgspec.structs.replace(fresh, **changes)


def claimed(store: Store, worker: str = "one") -> Envelope:
    assert store.create(envelope())
    won = store.claim("puller-r1", worker, NOW, LATER)
    assert won is not None
    return won
