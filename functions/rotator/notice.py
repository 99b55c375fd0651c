"""What comes of a hint: somebody said something about a key, and we look for ourselves.

A hint begins what our own reading says is due, and nothing else. One kind goes further, because IAM cannot be read for it: that
others know a key. That begins an emergency, once per key, and only for a key that Shoots live on or are to live on; whether a
person has to say yes is the policy's matter.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec
from msgspec.structs import replace

from rotator import books, orders, staged
from rotator.errors import Absent, RotatorError, Transient, Unreadable
from rotator.hint import Hint
from rotator.key import AccountKey, short
from rotator.ledger import Ledger
from rotator.record import PROPOSED, Record, RotationOrder
from rotator.view import Charge, Inventory

Outcome = Literal["unknown", "observed", "looked", "began", "proposed"]


class Noticed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: the credential (empty: none of ours), one word, one line, and the records that began."""

    credential: str = ""
    outcome: Outcome
    said: str
    records: tuple[str, ...] = ()


def charge_of(hint: Hint, charges: tuple[Charge, ...], unique_id: Callable[[Charge], str]) -> Charge | None:
    """The account of ours that the hint means. `unique_id` asks IAM, and is asked only when the hint has nothing else.

    Raises: RotatorError when none is, and IAM did not say of each whether it is.
    """
    for charge in charges:
        if hint.account == charge.email or (hint.secret and hint.secret == staged.secret_id(charge.base)):
            return charge
    if not re.fullmatch(r"[0-9]+", hint.account):
        return None
    faults: list[RotatorError] = []
    for charge in charges:
        try:
            if unique_id(charge) == hint.account:
                return charge
        except Absent:
            continue  # an account that is gone is nobody's, and hides no other
        except RotatorError as fault:
            faults.append(fault)
    if faults:
        raise faults[0]
    return None


def emergency(
    ledger: Ledger,
    installation: str,
    charge: Charge,
    inventory: Inventory,
    hint: Hint,
    records: tuple[Record, ...],
    now: datetime,
) -> Noticed:
    """The rotation of a key that others know is in the books; or why none is.

    A message may be forged. Where a person has to say yes it stops nothing: a rotation that is under way goes on. Where the
    policy says "rotate" it costs one rotation at most.
    Again: one per key. Once another key is wanted, the exposed one is being retired, and a late message changes nothing.
    Raises: Transient, Unreadable as `_needed`.
    """
    view, looked = inventory.credentials[0], Noticed(credential=charge.email, outcome="looked", said="")
    key = _needed(inventory, hint)
    if isinstance(key, str):
        return replace(looked, said=f"exposed: {key}")
    if known := books.exposed(records, key.public_key):
        return replace(looked, said=f"exposed: key {short(key.id)} has an emergency, {known}")
    why = f"others know key {short(key.id)}: {hint.said} ({hint.source})"
    under_way = next((record for record, _ in books.rotations(records) if record.unfinished), None)
    if charge.policy.asks and under_way:
        return replace(looked, outcome="proposed", said=f"{why}; {_way_on(under_way)}")
    record = orders.rotation(
        ledger, installation, charge, view, records, now, by=orders.SCHEDULE, why=why, exposed=key.public_key
    )
    if not isinstance(record.order, RotationOrder) or record.order.exposed != key.public_key:
        raise Transient(f"{why}; {record.id} was ordered at the same moment; the message comes again")
    if record.blocked:
        return replace(
            looked, outcome="proposed", said=f"{why}; it begins with: rotator retry {record.id}", records=(record.id,)
        )
    return replace(looked, outcome="began", said=why, records=(record.id,))


def _needed(inventory: Inventory, hint: Hint) -> AccountKey | str:
    """The key that the hint means, if Shoots live on it or are to; else why no emergency would help.

    Raises: Transient, Unreadable when IAM, or a place that may need the key, could not be read: only the same message, when it
    comes again, would say once more that others know the key.
    """
    view, said = inventory.credentials[0], f"{hint.said} ({hint.source})"
    if not view.listed:
        raise Transient(f"{said}: {'; '.join(view.hindrances[:1])}; the message comes again")
    found = [key for key in view.keys if key.key.id == hint.key_id]
    if len(found) != 1:
        return f"no such key at IAM ({hint.key_id or 'none was named'})"
    key, role, name = found[0].key, found[0].role, short(found[0].key.id)
    if role in {"wanted", "in use", "claimed"}:
        return key
    if role == "unmanaged" and inventory.unread:
        raise Unreadable(f"{said}: who needs key {name}? {inventory.unread[0]}; the message comes again")
    return f"key {name} is {role}, no rotation would take it away sooner"


def _way_on(under_way: Record) -> str:
    """What a person may do beside this rotation."""
    if under_way.blocked is not None and under_way.blocked.code == PROPOSED:
        return f"{under_way.id} is proposed already; it begins with: rotator retry {under_way.id}"
    return f"{under_way.id} is under way; to begin another one: rotator rotate {under_way.order.credential} --new"
