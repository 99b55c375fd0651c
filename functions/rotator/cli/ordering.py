"""What `rotator rotate` orders, or why there is nothing to order."""

import argparse
from datetime import datetime

from rotator import books, refusals
from rotator.cli.desk import Desk
from rotator.key import Email, short
from rotator.record import Record
from rotator.report import form, milestone
from rotator.states import Done, name_of
from rotator.wiring import Wired


def ordered(asked: argparse.Namespace, desk: Desk, wired: Wired, credential: Email) -> tuple[Record, str]:
    """The rotation to carry on; or the one that brought the key that the credential lives on, and that nothing is to do.

    Raises: Invalid.
    """
    service, now = wired.service, wired.clock.now()
    if not asked.to and not asked.new and (found := service.living(credential, now)) and not found.due:
        return found.rotation, _lives(found, now)
    before = [record for record, _ in books.rotations(service.records(credential)[0]) if record.unfinished]
    why = asked.reason or "a person asked for it"
    begun = service.rotate(credential, now, by=desk.by, why=why, to=asked.to, new=asked.new)
    if not begun.unfinished:
        found = service.living(credential, now)
        return begun, _lives(found, now) if found else f"{begun.id} is finished"
    for older in before:
        if older.id != begun.id:
            desk.say(_supersedes(begun, older))
    return begun, ""


def _lives(found: refusals.Living, now: datetime) -> str:
    """On which key, since when, until when that is fine, and how to get another one all the same."""
    rotation, credential = found.rotation, found.rotation.order.credential
    at = milestone.reached(rotation, Done)
    since = f" since {form.clock(at)}, {form.age(at, now)} ago" if at else ""
    starts = found.key.starts_at
    if found.due:
        due = "a rotation to another key is due"
    else:
        due = f"the next rotation is due {form.since(starts, now)}" if starts else "no rotation is due"
    return (
        f"{credential} lives on key {short(found.public_key)} already{since} ({rotation.id}): nothing to do; {due};"
        f" to begin one all the same: rotator rotate {credential} --new"
    )


def _supersedes(begun: Record, older: Record) -> str:
    """What becomes of the older rotation and of the key that it made."""
    key = books.key_of(older)
    made = key in books.ours([older])
    fate = f"; its key {short(key)} is retired if no Shoot needs it" if key and made else ""
    return f"{begun.id} supersedes {older.id}, which was {name_of(older.state)}{fate}"
