"""How orders are made: ids and numbers are computed, so the same trigger twice makes one record."""

from collections.abc import Sequence
from datetime import datetime

from rotator import books
from rotator.key import PublicKey
from rotator.ledger import Ledger
from rotator.record import PROPOSED, Blocked, Fact, Record, Replaced, RetirementOrder, RotationOrder, retirement_id, rotation_id
from rotator.runbook import superseded
from rotator.states import Draining, Planned
from rotator.view import Charge, CredentialView

SCHEDULE = "schedule"
"""Who orders what is due."""


def rotation(  # noqa: PLR0913 - an order has many parts, all by keyword
    ledger: Ledger,
    installation: str,
    charge: Charge,
    view: CredentialView,
    records: Sequence[Record],
    now: datetime,
    *,
    by: str,
    why: str,
    to: PublicKey | None = None,
    exposed: PublicKey | None = None,
) -> Record:
    """A rotation of this credential is in the books, and every older unfinished one is superseded.

    What the schedule orders in manual mode is blocked until a person lets it begin; so is an emergency (`exposed`: the key that
    others know) whose policy does not say `exposed = "rotate"`.
    Again: with the same records the same id, and the record that is there is given.
    """
    sequence = books.next_sequence(records, charge.base, (secret.ref.name for secret in view.secrets))
    order = RotationOrder(
        credential=charge.email,
        project=charge.project,
        base=charge.base,
        installation=installation,
        scope=ledger.scope(),
        policy=charge.policy.emergency() if exposed else charge.policy,
        by=by,
        why=why,
        at=now,
        sequence=sequence,
        to=to,
        exposed=exposed,
        upstreams=view.upstreams,
        replaces=tuple(
            Replaced(key, tuple(secret.ref for secret in view.secrets if secret.public_key == key))
            for key in view.in_use
            if key != to
        ),
    )
    record_id = rotation_id(charge.base, sequence)
    rest = _proposal(order, record_id) if by == SCHEDULE else None
    record = Record(id=record_id, order=order, state=Planned(), rest=rest)
    ledger.create(record, now, by)
    for older, _ in books.rotations(records):
        if older.unfinished:
            facts = (Fact("newer", f"{record.id} was ordered"),)
            ledger.replace(older.moved(superseded(older, record.id), now, by=by, facts=facts), revision=older.revision)
    return ledger.get(record.id) or record


def _proposal(order: RotationOrder, record_id: str) -> Blocked | None:
    """Why a person must let this begin, if one must."""
    policy = order.policy
    if policy.mode == "manual":
        why = f'{order.why}; the mode of {order.credential} is "manual", so a person begins it'
    elif order.exposed and policy.exposed == "propose":
        why = f"{order.why}; the policy of {order.credential} leaves an emergency to a person"
    else:
        return None
    return Blocked(PROPOSED, (why,), f"rotator retry {record_id}")


def retirement(
    ledger: Ledger,
    installation: str,
    charge: Charge,
    public_key: PublicKey,
    view: CredentialView,
    records: Sequence[Record],
    now: datetime,
) -> list[Record]:
    """A retirement of this key is in the books; none is given when the same one was there already."""
    number = 1 + sum(1 for r in records if isinstance(r.order, RetirementOrder) and r.order.public_key == public_key)
    known = set(books.secrets_of(records, public_key)) | {s.ref for s in view.secrets if s.public_key == public_key}
    published = any(books.published(r) and books.key_of(r) == public_key for r, _ in books.rotations(records))
    was_used = public_key in books.replaced(records) or public_key in view.in_use
    order = RetirementOrder(
        credential=charge.email,
        project=charge.project,
        base=charge.base,
        installation=installation,
        scope=ledger.scope(),
        policy=charge.policy.emergency() if (emergency := books.emergency(records, public_key)) else charge.policy,
        by="rotator",
        why=f"others know it ({emergency})" if emergency else books.why_retired(records, public_key),
        at=now,
        public_key=public_key,
        number=number,
        published=published or was_used,
        secrets=tuple(sorted(known)),
    )
    record = Record(id=retirement_id(charge.base, public_key, number), order=order, state=Draining(since=now))
    return [ledger.get(record.id) or record] if ledger.create(record, now, "rotator") else []
