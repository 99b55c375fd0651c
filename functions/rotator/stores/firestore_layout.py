"""How the store lies in Firestore: its collections, fields, queries and indexes, and envelopes as documents and back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from rotator.store import Envelope
from rotator.stores.firestore_wire import Document, value

RECORDS, SUSPENSIONS, PACE, LINES = "records", "suspensions", "pace", "history"

EVER = datetime(1, 1, 1, tzinfo=UTC)
"""Stands for no wake_at: due since ever. An index holds times only."""

INDEXES: tuple[tuple[str, ...], ...] = (("unfinished", "wake_at", "created"), ("credential", "created"))
"""Composite indexes on `records`, all ascending; queries that order by one field need none."""

UNINDEXED = ((RECORDS, "body"), (RECORDS, "word"), (LINES, "line"), (LINES, "expires_at"))
"""Fields that no query asks for, each in its collection group: their automatic indexes are switched off, which saves writes."""

TTL = (LINES, "expires_at")
"""The collection group and field of Firestore's time-to-live policy."""


def path(collection: str, name: str) -> str:
    """Where the document lies, below the root."""
    return f"{collection}/{name}"


def fields(kept: Envelope) -> dict[str, Any]:
    """The envelope as a document, without what the store adds."""
    return {
        "credential": kept.credential,
        "kind": kept.kind,
        "revision": kept.revision,
        "wake_at": kept.wake_at or EVER,
        "attempts": kept.attempts,
        "claimed_by": kept.claimed_by,
        "claimed_until": kept.claimed_until,
        "unfinished": kept.unfinished,
        "body": kept.body,
    }


def envelope(document: Document) -> Envelope:
    """The envelope that the document holds."""
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


def changed(found: Envelope, wanted: Envelope) -> Envelope:
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


def read_back(written: Envelope) -> Envelope:
    """As it will be read: in UTC, without its entry."""
    wake_at, until = written.wake_at, written.claimed_until
    return msgspec.structs.replace(
        written,
        wake_at=wake_at.astimezone(UTC) if wake_at else None,
        claimed_until=until.astimezone(UTC) if until else None,
        entry=None,
    )


def equals(field: str, wanted: object) -> dict[str, Any]:
    """A filter."""
    return {"fieldFilter": {"field": {"fieldPath": field}, "op": "EQUAL", "value": value(wanted)}}


def query(collection: str, where: Mapping[str, Any] | None, *order: str) -> dict[str, Any]:
    """A query of this collection, ascending by these fields."""
    found: dict[str, Any] = {
        "from": [{"collectionId": collection}],
        "orderBy": [{"field": {"fieldPath": field}, "direction": "ASCENDING"} for field in order],
    }
    return found if where is None else {**found, "where": where}
