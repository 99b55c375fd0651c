"""From Pub/Sub: one record goes on as far as the budget reaches.

A message is a nudge, no more: lost, it costs a few minutes; twice, late or out of order it does nothing, because the record is
claimed once and every step asks what is true. What no redelivery could mend is acknowledged and logged.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

import msgspec

from rotator import logs
from rotator.doors import going, house, push
from rotator.doors.form import Asked, Said, tree
from rotator.errors import Invalid, RotatorError, Unreadable
from rotator.record import Wait

EARLY = timedelta(seconds=10)
"""A message may be ahead of its time by so much: instances' clocks differ. Earlier still, it is old or one too many."""

ID = "^[a-z0-9][a-z0-9-]{0,254}$"
"""Of a record; anything else is none of ours, is not asked for, as part of a path in the store, nor repeated in the log."""


class Wake(msgspec.Struct, frozen=True):
    """The message of `clients.queue`."""

    record: Annotated[str, msgspec.Meta(pattern=ID)]
    kind: str = "wake"


def handle(asked: Asked, environment: Mapping[str, str]) -> Said:
    """The record has gone on; 503 when the same message should come again."""
    message = push.message(asked)
    try:
        record_id = msgspec.json.decode(message.data, type=Wake).record
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return _nothing(message.id, "poison: it names no record", "WARNING")
    since, wired = time.monotonic(), house.opened(environment)
    try:
        record = wired.service.record(record_id)
    except (Invalid, Unreadable) as fault:
        return _nothing(message.id, f"{fault}", "WARNING")
    if not record.unfinished or record.blocked:
        return _nothing(message.id, f"{record.id} has nothing to do")
    wired.hear()
    if isinstance(record.rest, Wait) and record.rest.until > wired.clock.now() + EARLY:
        return _nothing(message.id, f"{record.id} waits until {record.rest.until:%Y-%m-%d %H:%M:%S} UTC")
    steps, last = going.carry_on(wired, record, going.left(wired, since))
    # Only after progress, and only when nothing is waited for: a message that brings nothing sends no other.
    if going.at_once(wired, record, last):
        try:
            wired.wake([record.id])
        except RotatorError as fault:
            logs.line("WARNING", "fault", f"{fault}", door="worker", record=record.id)
    return tree(200, {"kind": "worked", "record": record.id, "steps": steps})


def _nothing(message_id: str, why: str, severity: logs.Severity = "INFO") -> Said:
    """Acknowledged: sent again it would be the same."""
    logs.line(severity, "message", f"message {message_id} acknowledged: {why}", door="worker", message_id=message_id)
    return tree(200, {"kind": "ignored", "why": why})
