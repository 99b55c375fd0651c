"""What begins when: pure decisions over one credential's view and records."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from rotator import books
from rotator.key import PublicKey, short
from rotator.policy import text
from rotator.record import PROPOSED, Record, RetirementOrder
from rotator.view import CredentialView, KeyView


class Reason(msgspec.Struct, frozen=True):
    """Why a rotation is due, and since when."""

    why: str
    at: datetime
    urgent: bool


def rotation(view: CredentialView, records: Sequence[Record], now: datetime) -> Reason | None:
    """Why a rotation of this credential should begin now; None when none should.

    None while one is unfinished, unless the wanted key is dead: then even a blocked one must not stand in the way, but for
    one that was begun because of it and waits for a person.
    """
    if view.charge is None:
        return None
    dead = dead_key(view, now)
    proposals = [(record, order) for record, order in books.rotations(records) if _proposed(record)]
    unfinished = [r for r, order in books.rotations(records) if r.unfinished and not (_proposed(r) and order.exposed)]
    lost = lost_key(view)
    if any(not order.exposed for _, order in proposals):
        return None
    if unfinished and not ((dead or lost) and all(record.blocked for record in unfinished)):
        return None
    if dead is not None:
        return Reason(f"key {short(dead.key.public_key)}, which Shoots use, does not work: {how_dead(dead)}", now, urgent=True)
    if lost:
        return Reason(lost, now, urgent=True)
    # A key that a published rotation replaced is in use by Shoots that were left behind: its retirement's matter.
    replaced = books.replaced(records)
    mine = [key for key in view.keys if key.role == "wanted" or (key.role == "in use" and key.key.public_key not in replaced)]
    starts = [(key.starts_at, key) for key in mine if key.starts_at is not None]
    if not starts:
        return None
    at, oldest = min(starts, key=lambda pair: pair[0])
    if at > now:
        return None
    policy, key = view.charge.policy, oldest.key
    age = text(now - key.made_at)
    why = f"key {short(key.public_key)} is {age} old; max_age {text(policy.max_age)} less {text(policy.longest)} of waits"
    return Reason(why, at, urgent=False)


def _proposed(record: Record) -> bool:
    """It waits for a person to let it begin. An emergency that does holds up no other rotation: it may be forged."""
    return record.blocked is not None and record.blocked.code == PROPOSED


def dead_key(view: CredentialView, now: datetime) -> KeyView | None:
    """A key that Shoots should live on and that IAM would refuse."""
    for key in view.keys:
        if (key.role == "wanted" or (view.wanted is None and key.role == "in use")) and not key.key.works_at(now):
            return key
    return None


def lost_key(view: CredentialView) -> str:
    """Empty, or that IAM's list lacks the wanted key; a list that could not be read lacks nothing."""
    if view.wanted is None or not view.listed or any(key.key.public_key == view.wanted for key in view.keys):
        return ""
    return f"the wanted key (public key {short(view.wanted)}) is not at IAM any more: deleted by somebody"


def how_dead(view: KeyView) -> str:
    """In words."""
    key = view.key
    if key.disabled:
        return f"disabled by Google ({key.disabled_by_google})" if key.disabled_by_google else "disabled"
    return f"expired at {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "refused"


def retirements(view: CredentialView, records: Sequence[Record]) -> tuple[PublicKey, ...]:
    """Keys that should get a retirement now: ours, or replaced by a published rotation, and neither wanted nor claimed.

    A key with an unfinished retirement gets none; one that was withdrawn, or came back after it was gone, gets a new one.
    """
    if view.charge is None:
        return ()
    may = books.ours(records) | books.replaced(records)
    busy = {r.order.public_key for r in records if isinstance(r.order, RetirementOrder) and r.unfinished}
    wanted = books.wanted(records)
    found: dict[PublicKey, None] = {}
    for key in view.keys:
        public_key = key.key.public_key
        if public_key not in may or public_key in busy or books.claimed(records, public_key):
            continue
        if wanted is not None and wanted.public_key == public_key:
            continue
        found.setdefault(public_key)
    return tuple(found)
