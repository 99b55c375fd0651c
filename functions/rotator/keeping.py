"""How a record is kept: the envelope that the store looks at, around a body that it never reads."""

from datetime import UTC, datetime

from rotator.record import Blocked, Record, Wait, encode
from rotator.store import Entry, Envelope

NEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than any wait: a blocked record is woken by a person."""


def envelope_of(record: Record, old: Envelope | None = None, entry: Entry | None = None) -> Envelope:
    """The record as the store keeps it; a blocked one never wakes by itself. `entry`: what this write adds to its history."""
    rest = record.rest
    wake_at = rest.until if isinstance(rest, Wait) else NEVER if isinstance(rest, Blocked) else None
    return Envelope(
        id=record.id,
        credential=record.order.credential,
        kind=record.kind,
        revision=old.revision if old else 0,
        wake_at=wake_at,
        attempts=record.attempts,
        claimed_by=old.claimed_by if old else "",
        claimed_until=old.claimed_until if old else None,
        unfinished=record.unfinished,
        body=encode(record),
        entry=entry,
    )
