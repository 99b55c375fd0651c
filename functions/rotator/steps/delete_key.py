"""Runbook line 6, second half: the old key is deleted, and nothing of it is left."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from rotator import books
from rotator.errors import Absent
from rotator.gates import BEFORE_DELETING_A_KEY, ask, permit
from rotator.key import Account, AccountKey, KeyId
from rotator.proof import gather, keys_of
from rotator.record import Blocked, Fact, Record, RetirementOrder, Wait
from rotator.states import DeletingKey, Gone, Superseded
from rotator.steps import Next
from rotator.steps.drain import rest
from rotator.steps.sweep import sweep
from rotator.world import World


def delete_key(
    state: DeletingKey, record: Record, order: RetirementOrder, world: World, now: datetime
) -> Next[Gone] | Next[DeletingKey] | Wait | Blocked:
    """IAM answers 404 for every id of the key, twice with the propagation time between, and its staged half is destroyed.

    Again: a key that is gone stays gone; only "not found" counts as gone, never "forbidden".
    """
    account = world.accounts.account(order.credential, order.project)
    # Asked one by one as well: a stale list may lack a key, and one that somebody enabled must not be deleted unseen.
    keys = (*keys_of(account, order.public_key, world), *_found(state.ids, account, world))
    if keys:
        proof, _ = gather(record, order, world, now)
        proof = msgspec.structs.replace(proof, keys=keys)
        _, holds = ask(BEFORE_DELETING_A_KEY, proof, order, now)
        if holds:
            return rest(holds, proof, order, now)
        for key_id in sorted({key.id for key in keys}):
            leave = permit(BEFORE_DELETING_A_KEY, proof, order, now, action="delete_key", subject=key_id)
            try:
                world.accounts.delete(account, key_id, leave)
            except Absent:
                continue
        return Wait(now + order.policy.waits.poll, ("asked IAM to delete it; looking again",))
    if state.absent_since is None:
        return Next(DeletingKey(at=state.at, ids=state.ids, absent_since=now), (Fact("absent", "404 for every id"),))
    settled = state.absent_since + order.policy.waits.request
    if now < settled:
        return Wait(settled, ("IAM says 404; one more look after a while, because its reads may be stale",))
    facts = _sweep(record, order, world)
    named = ", ".join(key[:8] for key in state.ids) or "none left"
    gone = Fact("gone", f"deleted at IAM: key id {named}", {"ids": len(state.ids)})
    return Next(Gone(at=now, ids=state.ids), (gone, *facts))


def _found(ids: tuple[KeyId, ...], account: Account, world: World) -> Iterator[AccountKey]:
    for key_id in ids:
        try:
            yield world.accounts.key(account, key_id)
        except Absent:
            continue


def _sweep(record: Record, order: RetirementOrder, world: World) -> tuple[Fact, ...]:
    """The staged half of a key whose rotation was superseded before it was published is destroyed."""
    records = world.books.records(order.credential)
    facts: tuple[Fact, ...] = ()
    for rotation, _ in books.rotations(records):
        state = rotation.state
        if isinstance(state, Superseded) and books.key_of(rotation) == order.public_key:
            facts += sweep(state.key.staged if state.key else state.staged, rotation, records, world)
    return facts
