"""Runbook line 1, second half: the key exists at IAM and its private half is in our hands."""

from datetime import datetime, timedelta

from rotator.errors import Absent
from rotator.key import KEY_LIMIT, Key, KeyId, short
from rotator.proof import keys_of
from rotator.record import Blocked, Fact, Record, RotationOrder, Wait
from rotator.states import Creating, Minted, Staged
from rotator.steps import Next
from rotator.world import World

FRESH = timedelta(seconds=5)
"""Within this time of the checkpoint nobody can have tried before us; later, an earlier answer may have been lost."""

BACKDATED = timedelta(minutes=2)
"""The certificate begins so long before now: IAM enforces not-before strictly, and clocks differ."""


def upload(state: Staged, record: Record, order: RotationOrder, world: World, now: datetime) -> Next[Minted] | Wait | Blocked:
    """IAM knows the public half of the staged key.

    Again: finds its own public key among the account's keys. Lists may be stale, so before a late second upload it waits out
    the propagation time. Should both tries land, both ids belong to one public key, and are taken away together.
    """
    account = world.accounts.account(order.credential, order.project)
    mine = keys_of(account, state.public_key, world)
    if mine:
        return _minted(mine[0].id, state.version, state, now)
    settled = state.at + order.policy.waits.propagation
    if state.at + FRESH < now < settled:
        return Wait(settled, ("an earlier upload may have succeeded unseen; IAM's list may be stale",))
    if len(world.accounts.keys(account)) >= KEY_LIMIT:
        return Blocked("key-cap", (f"{account.email} has {KEY_LIMIT} or more user-managed keys",), f"rotator retry {record.id}")
    try:
        private = world.staging.read(order.base, state.version)
    except Absent:
        why = f"staging version {state.version} of {order.base} was destroyed by somebody before its key was uploaded"
        return Blocked("staged-key-lost", (why,), f"rotator rotate {order.credential} --new")
    end = None if order.policy.lifetime is None else now + order.policy.lifetime
    key_id = world.accounts.upload(account, private, now - BACKDATED, end)
    return _minted(key_id, state.version, state, now)


def _minted(key_id: KeyId, version: int, state: Staged, now: datetime) -> Next[Minted]:
    key = Key(public_key=state.public_key, id=key_id, staged=version)
    return Next(
        Minted(key=key, at=now),
        (Fact("uploaded", _known_as(key), {"key": key_id, "public_key": state.public_key}),),
    )


def create(
    state: Creating, record: Record, order: RotationOrder, world: World, now: datetime
) -> Next[Minted] | Next[Creating] | Wait | Blocked:
    """A key made by Google exists and its private half is staged.

    Again: finds a key that was made since the intent. Its private half is lost and we cannot prove that it is ours, so it is
    reported and never touched; there is one second try, then a person is needed.
    """
    account = world.accounts.account(order.credential, order.project)
    keys = world.accounts.keys(account)
    strange = tuple(key.id for key in keys if key.id not in state.before and key.origin == "GOOGLE")
    if strange:
        named = ", ".join(short(key) for key in strange)
        why = f"key {named} was made since the intent was noted; it may be ours with its private half lost"
        if state.tries >= 1:
            delete = f"gcloud iam service-accounts keys delete {strange[0]} --iam-account {account.email}"
            return Blocked("unproven-key", (why, "if nobody knows it, delete it"), f"{delete} && rotator retry {record.id}")
        return Next(Creating(before=(*state.before, *strange), tries=state.tries + 1, at=now), (Fact("unproven_key", why),))
    settled = state.at + order.policy.waits.propagation
    if state.at + FRESH < now < settled:
        return Wait(settled, ("an earlier create may have succeeded unseen; IAM's list may be stale",))
    if len(keys) >= KEY_LIMIT:
        return Blocked("key-cap", (f"{account.email} has {len(keys)} user-managed keys",), f"rotator retry {record.id}")
    world.staging.prepare(order.base, order.installation)
    key_id, private = world.accounts.create(account)
    version = world.staging.add(order.base, private)
    key = Key(public_key=private.public_key, id=key_id, staged=version)
    facts = (Fact("created", f"{_known_as(key)}, private half in staging version {version}", {"key": key_id}),)
    return Next(Minted(key=key, at=now), facts)


def _known_as(key: Key) -> str:
    """Both names of it, once: from here on it goes by its public key."""
    return f"key {short(key.public_key)} is at IAM as {short(key.id)}"
