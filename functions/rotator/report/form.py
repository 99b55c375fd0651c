"""How times look, and what every JSON tree begins with.

Trees are for machines: field names are stable, times are RFC 3339 in UTC, spans are ISO 8601, nothing is shortened. What is
added to a tree keeps its schema; a field that goes or changes its meaning makes a new one.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from rotator import policy, words

SCHEMA = "registry-key-rotator/v1"

Tree = dict[str, Any]
Row = tuple[str, ...]


def tree(kind: str, at: datetime, **fields: Any) -> Tree:
    """A whole answer for machines."""
    return {"schema": SCHEMA, "kind": kind, "at": stamp(at), **fields}


def stamp(at: datetime | None) -> str | None:
    """A time for machines: 2026-03-01T12:00:00Z."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at: datetime) -> str:
    """A time for people: 2026-03-01 12:00 UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def second(at: datetime) -> str:
    """A time by the second, without its zone for columns that name it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def span(length: timedelta) -> str:
    """A length for people, its two largest units: 6d23h, 12m."""
    seconds = max(length, timedelta(0))
    return policy.text(timedelta(seconds=round(seconds.total_seconds())))


def age(since: datetime, now: datetime) -> str:
    """How long ago, in one unit or two as kubectl would: 45s, 12m, 5h, 76d."""
    length = max(now - since, timedelta(0))
    for size, unit in ((timedelta(days=2), "d"), (timedelta(hours=2), "h"), (timedelta(minutes=2), "m")):
        if length >= size:
            return f"{length // (size / 2)}{unit}"
    return f"{int(length.total_seconds())}s"


def ahead(at: datetime, now: datetime) -> str:
    """A time to come, without its zone for columns that name it, and how far away it is."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} (in {span(at - now)})" if at > now else "now"


def since(at: datetime, now: datetime) -> str:
    """A day to come or gone by, for what need not be told by the minute."""
    day = f"{at.astimezone(UTC):%Y-%m-%d}"
    return f"{day} (in {age(now, at)})" if at > now else f"due since {day}"


def counted(number: int, noun: str, *, partial: bool = False) -> str:
    """1 Shoot, 2 Shoots; 1+ Shoots where not all could be read."""
    return f"{least(number, partial=True)} {noun}s" if partial else words.counted(number, noun)


def least(number: int, *, partial: bool) -> str:
    """A number, marked where not all could be read: 3+."""
    return f"{number}+" if partial else str(number)
