"""What need not or must not be done, though a person asks for it: pure decisions, each with words that help."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from rotator import books, due
from rotator.key import Email, PublicKey
from rotator.record import Record, RetirementOrder, Wait
from rotator.shoot import Shoot, why_not_settled
from rotator.states import Done, Reenabled, name_of
from rotator.store import EVERYTHING, Suspension
from rotator.view import CredentialView, KeyView


class Living(msgspec.Struct, frozen=True):
    """The key that a credential lives on, the rotation that brought it, and whether another one is due by the policy."""

    rotation: Record
    key: KeyView
    due: bool

    @property
    def public_key(self) -> PublicKey:
        """The key's identity."""
        return self.key.key.public_key


def stopped(suspensions: Sequence[Suspension], credential: Email) -> str:
    """Who suspended this credential, or everything, why, and what lets it go on; empty when nobody did."""
    held = [one for one in suspensions if one.subject in {EVERYTHING, credential}]
    said = [f"{named(one)} was suspended by {one.by} at {one.at:%Y-%m-%d %H:%M} UTC: {one.why}" for one in held]
    return "; ".join((*said, f"go on with: {' and '.join(resuming(one) for one in held)}")) if held else ""


def named(suspension: Suspension) -> str:
    """What it holds, in words."""
    return "everything" if suspension.subject == EVERYTHING else suspension.subject


def resuming(suspension: Suspension) -> str:
    """The command that ends it."""
    return "rotator resume" if suspension.subject == EVERYTHING else f"rotator resume {suspension.subject}"


def living(view: CredentialView, records: Sequence[Record], now: datetime) -> Living | None:
    """What the newest rotation brought, if it is Done and its key is wanted and works on.

    None, too, while a Shoot uses a key that no retirement sees to: a rotation would move that one.
    """
    rotations, wanted = books.rotations(records), books.wanted(records)
    if not rotations or wanted is None or not isinstance(rotations[-1][0].state, Done):
        return None
    newest = rotations[-1][0]
    key = next((one for one in view.keys if one.key.public_key == wanted.public_key), None)
    known = {wanted.public_key, *books.replaced(records)}
    if wanted.rotation != newest.id or key is None or not key.key.works_at(now) or not known.issuperset(view.in_use):
        return None
    return Living(newest, key, due.rotation(view, records, now) is not None)


def of_waiver(record: Record, shoot: Shoot, records: Sequence[Record]) -> str:
    """Why nothing waits for this Shoot, so that there is nothing to answer for; empty when something may."""
    if why_not_settled(shoot):
        return ""
    order = record.order
    if isinstance(order, RetirementOrder):
        old = set(books.secrets_of(records, order.public_key))
    else:
        old = {ref for one in (*order.replaces, *record.met) for ref in one.secrets}
    place = (shoot.ref.garden, shoot.ref.namespace)
    names_old = any((ref.garden, ref.namespace) == place and ref.name in shoot.names() for ref in old)
    return "" if names_old else "it has settled already; nothing waits for that"


def finished(record: Record) -> str:
    """Of a record that nothing is left to be done for."""
    return f"it is finished ({name_of(record.state)}); see: rotator describe {record.id}"


def of_retry(record: Record) -> str:
    """Why there is nothing to retry; empty for a record that a person may let go on."""
    if not record.unfinished:
        return finished(record)
    if record.blocked or isinstance(record.state, Reenabled):
        return ""
    rest = record.rest
    if isinstance(rest, Wait):
        why = "; ".join(rest.why)
        return f"it is not blocked: it looks again by itself at {rest.until:%Y-%m-%d %H:%M} UTC ({why}); now: rotator run"
    return "it is not blocked: nothing holds it; carry it on with: rotator run"
