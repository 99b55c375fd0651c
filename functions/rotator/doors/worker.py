"""From Pub/Sub: one record goes on as far as the budget reaches.

A message is a nudge, no more: lost, it costs a few minutes; twice, late or out of order it does nothing, because the record is
claimed once and every step asks what is true. What no redelivery could mend is acknowledged and logged.
"""

from collections.abc import Mapping

import msgspec

from rotator import logs
from rotator.doors import going, house, push
from rotator.doors.form import Asked, Said, tree
from rotator.errors import Invalid, RotatorError, Unreadable


class Wake(msgspec.Struct, frozen=True):
    """The message of `clients.queue`."""

    record: str
    kind: str = "wake"


def handle(asked: Asked, environment: Mapping[str, str]) -> Said:
    """The record has gone on; 503 when the same message should come again."""
    message = push.message(asked)
    try:
        record_id = msgspec.json.decode(message.data, type=Wake).record
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return _nothing(message.id, "poison: it names no record", "WARNING")
    wired = house.opened(environment)
    try:
        record = wired.service.record(record_id)
    except (Invalid, Unreadable) as fault:
        return _nothing(message.id, f"{fault}", "WARNING")
    if not record.unfinished or record.blocked:
        return _nothing(message.id, f"{record.id} has nothing to do")
    wired.hear()
    steps, last = going.carry_on(wired, record.id, wired.settings.deployment.budget)
    # Only after a saved step, and only when nothing is waited for: a message that brings nothing sends no other.
    if steps and going.at_once(wired, last):
        try:
            wired.wake([record.id])
        except RotatorError as fault:
            logs.line("WARNING", f"{fault}", record=record.id)
    return tree(200, {"kind": "worked", "record": record.id, "steps": steps})


def _nothing(message_id: str, why: str, severity: logs.Severity = "INFO") -> Said:
    """Acknowledged: sent again it would be the same."""
    logs.line(severity, f"message {message_id} acknowledged: {why}", door="worker", message_id=message_id)
    return tree(200, {"kind": "ignored", "why": why})
