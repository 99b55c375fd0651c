"""Runbook lines 3 and 4: Shoots are pointed at the new Secret, in waves, and have reconciled."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rotator import books, owner
from rotator.memory import Memory
from rotator.record import PLACE, Blocked, Fact, Record, RotationOrder, Wait
from rotator.secret import name
from rotator.shoot import Shoot, failing, why_not_movable
from rotator.states import Done, Left, Published, Verified
from rotator.steps import Next
from rotator.steps.announce import announce
from rotator.steps.moving import Goal, mark_confined, move_wave, reverted, unmet, why_left
from rotator.steps.publish import concerned, target
from rotator.steps.sweep import sweep
from rotator.survey import look_around
from rotator.world import World

OWNERS = timedelta(minutes=10)
"""How often to look whether owners have moved their Shoots: a pipeline takes minutes, a review takes days."""


def roll_out(
    state: Published, record: Record, order: RotationOrder, world: World, now: datetime
) -> Next[Done] | Next[Verified] | Next[Published] | Wait | Blocked:
    """Every Shoot that can move has moved and settled, or is left behind with a reason; the retirement waits for those.

    A place that cannot be read holds nobody else up; it is waited for in the end, unless a person gave it up.
    Again: Shoots that name the new Secret are not patched again; who moves next is computed from what is seen.
    """
    records = world.books.records(order.credential)
    ours = books.all_secrets(records)
    given_up = {word.removeprefix(PLACE) for word in record.confirmed if word.startswith(PLACE)}
    places = [place for place in books.scope(order.scope, world.books.scope()) if str(place) not in given_up]
    survey = look_around(places, world, also=sorted(ours))
    if any(target(order, place) not in state.secrets for place in concerned(survey, order, ours)):
        found = Fact("new_namespace", "a Shoot of another namespace uses the credential")
        return Next(Verified(key=state.key, fences=state.fences, secrets=state.secrets), (found,))
    if met := unmet(survey, order, records):
        return Next(state, (Fact("met", ", ".join(str(ref) for old in met for ref in old.secrets)),), met)
    new = name(order.base, order.sequence)
    goal = Goal(record.id, state.key.public_key, new, state.secrets, survey.upstreams(order.credential), ours)
    waiting = [shoot for shoot in survey.shoots if survey.moves(shoot, order.credential, new, ours)]
    moved = [shoot for shoot in survey.shoots if shoot not in waiting and any(r.secret == new for r in shoot.references)]
    memory = Memory.of(record.seen)
    movable = [shoot for shoot in waiting if not why_not_movable(shoot) and not reverted(shoot, record.id, memory)]
    if order.policy.delivery == "handover" and now >= state.at + order.policy.waits.settle:
        movable = []  # their owners have had their time; the retirement of the old key goes on asking them
    words = mark_confined([shoot for shoot in moved if not shoot.deleting], record.id, world)
    whole = not survey.unread
    seen = memory.after(survey.shoots, record.id, whole=whole)
    if movable:
        # One that has used up its time to settle holds no place in a wave any more, unless it fails: another goes instead.
        hopeless = [s for s in moved if memory.why_not_settled(s) and not failing(s) and not hope(s, state, order, memory, now)]
        arrived = [shoot for shoot in moved if shoot not in hopeless]
        wave = move_wave(movable, arrived, goal, record, order, survey, world, memory, now=now)
        seen = memory.after((*survey.shoots, *wave.shoots), record.id, whole=whole)
        if wave.held:
            return Blocked("failure-budget", (wave.held,), f"rotator describe {record.id}")
        if wave.dead and now < state.at + order.policy.waits.propagation:
            return Wait(now + order.policy.waits.poll, (wave.dead,), seen)
        if wave.dead:
            return Blocked("wanted-key-dead", (wave.dead,), f"rotator rotate {order.credential} --new")
        if wave.words and not wave.patched and not wave.under_way and now >= state.at + order.policy.waits.settle:
            return Blocked("refused", wave.words, f"rotator retry {record.id}")
        counts = f"{len(moved) + wave.patched} of {len(waiting) + len(moved)} Shoots moved, {wave.under_way} to settle"
        pause = order.policy.waits.poll
        if order.policy.delivery == "handover" and not wave.under_way:
            pause = max(pause, min(OWNERS, state.at + order.policy.waits.settle - now))
        return Wait(now + pause, (counts, *wave.words, *survey.unread, *words), seen)
    if pending := [f"{shoot.ref} {why}" for shoot in moved if (why := hope(shoot, state, order, memory, now))]:
        counts = f"{len(moved) - len(pending)} of {len(moved)} moved Shoots settled"
        return Wait(now + order.policy.waits.poll, (counts, *pending[:5], *survey.unread, *words), seen)
    if survey.unread:
        advice = f"a namespace that is gone for good: rotator waive {record.id} GARDEN/NAMESPACE --reason ..."
        return Wait(now + order.policy.waits.poll, (*survey.unread, advice, *words), seen)
    left = [
        Left(str(shoot.ref), why_left(shoot, survey.moves(shoot, order.credential, new, ours), record.id, memory))
        for shoot in waiting
    ]
    left += [Left(str(shoot.ref), why) for shoot in moved if (why := memory.why_not_settled(shoot))]
    numbers: dict[str, int | float | str] = {"moved": len(moved), "left": len(left)}
    facts = (
        Fact("rolled_out", f"{len(moved)} Shoots moved, {len(left)} left", numbers),
        *kept(moved, order),
        *sweep(state.key.staged, record, records, world),
        *announce(state.key, record, order, world, now),
    )
    return Next(Done(key=state.key, secrets=state.secrets, fences=state.fences, moved=len(moved), left=tuple(left)), facts)


def kept(moved: Sequence[Shoot], order: RotationOrder) -> tuple[Fact, ...]:
    """Of Shoots that we moved those that a tool keeps: it moves them back unless its source names the new Secret, too."""
    found = [f"{shoot.ref} by {owner.named(shoot.owners)}" for shoot in moved if shoot.owners]
    if not found or order.policy.delivery == "handover":
        return ()
    new = name(order.base, order.sequence)
    text = f"{len(found)} moved Shoots are kept by tools, whose sources must name {new} now: {'; '.join(found[:5])}"
    return (Fact("kept_by_tools", text, {"shoots": len(found)}),)


def hope(shoot: Shoot, state: Published, order: RotationOrder, memory: Memory, now: datetime) -> str:
    """Why a moved Shoot has not settled, while there is hope: not for ever, and not for one that nobody reconciles."""
    if shoot.ignored or shoot.deleting or now >= (shoot.marked_at or state.at) + order.policy.waits.settle:
        return ""
    return memory.why_not_settled(shoot)
