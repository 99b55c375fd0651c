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
from rotator.key import short
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
    Raises: Transient, Unreadable when IAM, or a place that may need the key, could not be read: only the same message, when it
    comes again, would say once more that others know the key.
    """
    view = inventory.credentials[0]
    if not view.listed:
        raise Transient(f"{hint.said} ({hint.source}): {'; '.join(view.hindrances[:1])}; the message comes again")
    looked = Noticed(credential=charge.email, outcome="looked", said="")
    found = [key for key in view.keys if key.key.id == hint.key_id]
    if len(found) != 1:
        return replace(looked, said=f"exposed: no such key at IAM ({hint.key_id or 'none was named'})")
    key, name = found[0].key, short(found[0].key.id)
    if found[0].role not in {"wanted", "in use", "claimed"}:
        if inventory.unread and found[0].role == "unmanaged":
            raise Unreadable(
                f"{hint.said} ({hint.source}): who needs key {name}? {inventory.unread[0]}; the message comes again"
            )
        return replace(looked, said=f"exposed: key {name} is {found[0].role}, no rotation would take it away sooner")
    if known := books.exposed(records, key.public_key):
        return replace(looked, said=f"exposed: key {name} has an emergency, {known}")
    why = f"others know key {name}: {hint.said} ({hint.source})"
    under_way = next((record for record, _ in books.rotations(records) if record.unfinished), None)
    if charge.policy.asks and under_way:
        way = f"{under_way.id} is under way; to begin another one: rotator rotate {charge.email} --new"
        if under_way.blocked is not None and under_way.blocked.code == PROPOSED:
            way = f"{under_way.id} is proposed already; it begins with: rotator retry {under_way.id}"
        return replace(looked, outcome="proposed", said=f"{why}; {way}")
    record = orders.rotation(
        ledger, installation, charge, view, records, now, by=orders.SCHEDULE, why=why, exposed=key.public_key
    )
    if not isinstance(record.order, RotationOrder) or record.order.exposed != key.public_key:
        raise Transient(f"{why}; {record.id} was ordered at the same moment; the message comes again")
    if record.blocked:
        said = f"{why}; it begins with: rotator retry {record.id}"
        return replace(looked, outcome="proposed", said=said, records=(record.id,))
    return replace(looked, outcome="began", said=why, records=(record.id,))
