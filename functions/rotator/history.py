"""What happened to a record, line by line: every state it came to, every reason to wait, every act of a person.

Evidence is what was proved, and stays with the record for ever; history is what was done when and by whom, and may go in time.
"""

import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from rotator.record import Blocked, Record, Wait
from rotator.states import name_of
from rotator.store import Entry

PERCENT = re.compile(r"\b[0-9]{1,3}%")


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: at what time the record was in `state`, by whose doing, and why it rested (`until`: when it looks again).

    `what`: an act of a person, in words; empty for a step of the program.
    """

    at: datetime
    by: str
    state: str
    what: str = ""
    blocked: str = ""
    why: tuple[str, ...] = ()
    until: datetime | None = None
    attempts: int = 0


def entry(before: Record | None, after: Record, now: datetime, by: str, what: str = "") -> Entry | None:
    """The line for a write that brought the record from `before` to `after`; None when a reader would learn nothing new."""
    if not what and before is not None and (before.state, _words(before)) == (after.state, _words(after)):
        return None
    rest = after.rest
    line = Line(
        at=now,
        by=by,
        state=name_of(after.state),
        what=what,
        blocked=rest.code if isinstance(rest, Blocked) else "",
        why=rest.why if rest is not None else (),
        until=rest.until if isinstance(rest, Wait) else None,
        attempts=after.attempts,
    )
    return Entry(at=now, line=msgspec.json.encode(line))


def _words(record: Record) -> tuple[str, ...]:
    """Why it rests, without the time until when and how far a reconcile has come: a poll that finds the same is no news."""
    rest = record.rest
    if rest is None:
        return ()
    return (type(rest).__name__, getattr(rest, "code", ""), *(PERCENT.sub("%", why) for why in rest.why))


def read(entries: Iterable[Entry]) -> tuple[Line, ...]:
    """The lines; one that this version cannot read is left out: it decides nothing."""
    found: list[Line] = []
    for each in entries:
        try:
            found.append(msgspec.json.decode(each.line, type=Line))
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue
    return tuple(found)
