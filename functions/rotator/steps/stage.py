"""Runbook line 1, first half: before a key exists, its private half or our intent is written down."""

from datetime import datetime

from rotator import books
from rotator.key import KEY_LIMIT, Key, short
from rotator.proof import keys_of
from rotator.record import Blocked, Fact, Record, RetirementOrder, RotationOrder, Wait
from rotator.states import Creating, Draining, Minted, Planned, Staged
from rotator.steps import Next
from rotator.survey import look_around
from rotator.words import counted
from rotator.world import World


def stage(
    state: Planned, record: Record, order: RotationOrder, world: World, now: datetime
) -> Next[Staged] | Next[Creating] | Next[Minted] | Wait | Blocked:
    """The private half of a new key is staged, or the intent to create one is noted, or an existing key is taken up again.

    Again: only the version that the checkpoint names counts; one that a crash left unclaimed was never uploaded and is
    destroyed at the end of the rotation. Taking up a key again withdraws its retirement first, by compare-and-set.
    """
    if order.to is not None:
        return _take_up(order.to, order, world, now)
    account = world.accounts.account(order.credential, order.project)
    keys = world.accounts.keys(account)
    if len(keys) >= KEY_LIMIT:
        listed = ", ".join(
            f"{short(key.id)} ({'disabled' if key.disabled else 'enabled'}, {key.made_at:%Y-%m-%d})" for key in keys
        )
        why = f"minting a key for {account.email}: it has {len(keys)} user-managed keys and IAM allows ten: {listed}"
        return Blocked(
            "key-cap",
            (why, "delete one that nobody needs (gcloud iam service-accounts keys delete)"),
            f"rotator retry {record.id}",
        )
    if order.policy.mint == "create":
        return Next(
            Creating(before=tuple(key.id for key in keys), tries=0, at=now),
            (Fact("keys_before", f"{counted(len(keys), 'key')} before"),),
        )
    world.staging.prepare(order.base, order.installation)
    private = world.accounts.generate()
    version = world.staging.add(order.base, private)
    fact = Fact("staged", f"private half of {short(private.public_key)} in staging version {version}", {"version": version})
    return Next(Staged(version=version, public_key=private.public_key, at=now), (fact,))


def _take_up(to: str, order: RotationOrder, world: World, now: datetime) -> Next[Minted] | Wait | Blocked:
    records = world.books.records(order.credential)
    begin_again = f"rotator rotate {order.credential} --new"
    for retirement in records:
        if not isinstance(retirement.order, RetirementOrder) or retirement.order.public_key != to or not retirement.unfinished:
            continue
        if not isinstance(retirement.state, Draining):
            why = f"key {short(to)} is past the point of no return in {retirement.id} ({type(retirement.state).__name__})"
            return Blocked("past-return", (why,), begin_again)
        if not world.books.withdraw(retirement, "wanted again by a rotation to this key", now):
            return Wait(now, (f"{retirement.id} moved on while it was being withdrawn; looking again",))
    survey = look_around(books.scope(order.scope, world.books.scope()), world, also=sorted(books.all_secrets(records)))
    logins = [held.login() for held in survey.secrets.values() if held is not None]
    held = next((login for login in logins if login is not None and login.public_key == to), None)
    if held is None:
        survey.whole()
        return Blocked(
            "no-secret-holds-it",
            (f"no Secret in scope holds key {short(to)} any more, so its private half is lost",),
            begin_again,
        )
    account = world.accounts.account(order.credential, order.project)
    ids = [key.id for key in keys_of(account, held.public_key, world) if key.works_at(now)]
    if not ids:
        return Blocked("key-is-dead", (f"key {short(to)} is disabled, expired or deleted at IAM",), begin_again)
    key_id = held.id if held.id in ids else ids[0]
    return Next(
        Minted(key=Key(public_key=held.public_key, id=key_id, staged=None), at=now),
        (Fact("taken_up", f"key {short(to)} is held by a Secret"),),
    )
