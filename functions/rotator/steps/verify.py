"""Runbook line 1, the proof: nobody is pointed at a key that has not pulled."""

from datetime import datetime

from rotator import books, policy
from rotator.errors import Absent
from rotator.key import Key, KeyFile, PrivateKey, short
from rotator.record import Blocked, Fact, Order, Record, RotationOrder, Wait
from rotator.states import Minted, Verified
from rotator.steps import Next
from rotator.survey import look_around
from rotator.trial import try_key
from rotator.world import World


def verify(state: Minted, record: Record, order: RotationOrder, world: World, now: datetime) -> Next[Verified] | Wait | Blocked:
    """The key was exchanged for tokens, accepted by every upstream, and lives longer than all waits of the policy.

    Again: the same calls. A key may be refused at first (IAM is eventually consistent): that is a wait, bounded by the policy.
    """
    account = world.accounts.account(order.credential, order.project)
    known = world.accounts.key(account, state.key.id)
    if known.expires_at is not None and known.expires_at < now + order.policy.longest:
        end, need = f"{known.expires_at:%Y-%m-%d %H:%M} UTC", policy.text(order.policy.longest)
        why = f"key {short(known.public_key)} expires at {end}, the waits of the policy take {need}"
        return Blocked("expires-too-soon", (why,), f"rotator rotate {order.credential} --new")
    private = material(state.key, order, world)
    if private is None:
        return Blocked(
            "material-lost",
            (f"neither staging nor a Secret holds key {short(state.key.public_key)}",),
            f"rotator rotate {order.credential} --new",
        )
    answer = try_key(KeyFile(private, account, state.key.id), order.upstreams, order, world)
    if answer.accepted:
        return Next(Verified(key=state.key, fences={}), (Fact("verified", answer.text),))
    until = state.at + order.policy.waits.propagation
    if answer.propagating and now < until:
        return Wait(
            min(now + order.policy.waits.poll, until),
            (f"key {short(state.key.public_key)} is not accepted yet: {answer.text}",),
        )
    code = "key-not-accepted" if answer.propagating else "cannot-pull"
    return Blocked(
        code, (f"verifying key {short(state.key.public_key)} of {account.email}: {answer.text}",), f"rotator retry {record.id}"
    )


def material(key: Key, order: Order, world: World) -> PrivateKey | None:
    """The private half: from staging while it is there, else from a Secret in scope that holds it.

    Raises: Transient when it was not found and a place could not be read: it may be there.
    """
    if key.staged is not None:
        try:
            return world.staging.read(order.base, key.staged)
        except Absent:
            pass  # destroyed after it was published: the Secret has it
    records = world.books.records(order.credential)
    survey = look_around(books.scope(order.scope, world.books.scope()), world, also=books.secrets_of(records, key.public_key))
    for held in survey.holding(key.public_key):
        login = held.login()
        if login is not None and login.public_key == key.public_key:
            return login.private
    survey.whole()
    return None
