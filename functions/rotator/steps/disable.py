"""Runbook line 6, first half: the old key is disabled, which can be undone, and watched."""

from datetime import datetime

import msgspec

from rotator.conditions import FENCE_MARGIN
from rotator.gates import BEFORE_DISABLING_A_KEY, ENTER_DELETING_KEY, ask, permit
from rotator.proof import gather, keys_of, use_of
from rotator.record import Blocked, Fact, Record, RetirementOrder, Wait
from rotator.states import DeletingKey, Disabled, Disabling, Reenabled, Reenabling
from rotator.steps import Next
from rotator.steps.drain import NOWHERE, move_on, rest
from rotator.world import World


def disable_key(
    state: Disabling, record: Record, order: RetirementOrder, world: World, now: datetime
) -> Next[Disabled] | Next[Disabling] | Wait | Blocked:
    """Every id at IAM with this public key is disabled.

    Each worker that burns saves the expiry of its own access token first: after the fence no late call can land. Again: keys
    that are disabled already stay so; disabling sets a state, so twice is once.
    """
    account = world.accounts.account(order.credential, order.project)
    every = world.accounts.keys(account)
    if not every:
        return Wait(
            now + order.policy.waits.poll, ("IAM lists no key of the account at all, not even the wanted one: not believed",)
        )
    keys = tuple(key for key in every if key.public_key == order.public_key)
    if all(key.disabled for key in keys):
        ids = tuple(key.id for key in keys)
        named = ", ".join(key[:8] for key in ids) or "none left"
        fact = Fact("disabled", f"disabled at IAM: key id {named}", {"ids": len(ids)})
        return Next(Disabled(at=now, fence=state.fence, ids=ids), (fact,))
    proof, survey = gather(record, order, world, now)
    _, holds = ask(BEFORE_DISABLING_A_KEY, proof, order, now)
    if holds:
        onward = move_on(record, order, survey, world, now) if not proof.unread else NOWHERE
        return rest(holds, proof, order, now, onward)
    fence = world.accounts.fence()
    if fence > state.fence:
        return Next(
            Disabling(clear_since=state.clear_since, fence=fence), (Fact("fence", "expiry of this worker's token is saved"),)
        )
    for key in keys:
        if not key.disabled:
            leave = permit(BEFORE_DISABLING_A_KEY, proof, order, now, action="disable_key", subject=key.id)
            world.accounts.disable(account, key.id, leave)
    return Wait(now + order.policy.waits.poll, ("asked IAM to disable it; looking again",))


def hold(
    state: Disabled, record: Record, order: RetirementOrder, world: World, now: datetime
) -> Next[DeletingKey] | Wait | Blocked:
    """The key has been disabled long enough, nobody enabled or tried it.

    Again: only reads.
    """
    proof, _ = gather(record, order, world, now)
    account = world.accounts.account(order.credential, order.project)
    every = world.accounts.keys(account)
    keys = tuple(key for key in every if key.public_key == order.public_key)
    proof = msgspec.structs.replace(proof, keys=keys)
    if keys and order.published:
        proof = msgspec.structs.replace(proof, use=use_of(order.public_key, every, account, world, state.at, now))
    facts, holds = ask(ENTER_DELETING_KEY, proof, order, now)
    if holds:
        return rest(holds, proof, order, now)
    return Next(DeletingKey(at=now, ids=tuple(sorted({*state.ids, *(key.id for key in keys)}))), facts)


def reenable(
    state: Reenabling, record: Record, order: RetirementOrder, world: World, now: datetime
) -> Next[Reenabled] | Wait | Blocked:
    """The key works again, asserted until no late call of a paused worker can disable it.

    Again: enables what is disabled; enabling sets a state.
    """
    account = world.accounts.account(order.credential, order.project)
    for key in keys_of(account, order.public_key, world):
        if key.disabled and key.disabled_by_google:
            why = f"Google disabled key {key.id[:8]} ({key.disabled_by_google}): enabling it may open a leaked key again"
            return Blocked("disabled-by-google", (why,), f"rotator rotate {order.credential} --new")
        if key.disabled:
            world.accounts.enable(account, key.id)
    if now <= state.fence + FENCE_MARGIN:
        why = f"the key is enabled; a late call could disable it until {state.fence:%Y-%m-%d %H:%M:%S} UTC"
        return Wait(min(now + order.policy.waits.poll, state.fence + FENCE_MARGIN), (why,))
    return Next(Reenabled(at=now), (Fact("reenabled", f"enabled by {state.by}; no late call can disable it any more"),))


def stay(state: Reenabled, record: Record, order: RetirementOrder, world: World, now: datetime) -> Blocked:
    """The key stays until a person lets its retirement begin again.

    Again: the same block.
    """
    return Blocked(
        "reenabled", ("a person took this key back; it stays until the retirement is let go on",), f"rotator retry {record.id}"
    )
