"""Runbook line 5, first half: nobody uses the old key any more, and there is proof."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator import books
from rotator.conditions import Hold, Proof
from rotator.gates import ENTER_DELETING_SECRETS, ask
from rotator.memory import Memory
from rotator.proof import gather
from rotator.record import Blocked, Fact, Order, Record, RetirementOrder, Wait
from rotator.shoot import why_not_movable
from rotator.states import DeletingSecrets, Draining, Withdrawn
from rotator.steps import Next
from rotator.steps.moving import Goal, mark_confined, move_wave, reverted, unmet, why_back
from rotator.survey import Survey
from rotator.world import World

LOOK = timedelta(hours=1)
"""A look is due so often even in a long wait: late joiners move on early, and Shoots are remembered as settled one by one."""


def drain(
    state: Draining, record: Record, order: RetirementOrder, world: World, now: datetime
) -> Next[DeletingSecrets] | Next[Withdrawn] | Next[Draining] | Wait | Blocked:
    """Late joiners have moved on, and every gate before the point of no return is open at one look.

    A key that is wanted or claimed again withdraws its own retirement. While a rotation rolls out, moving is its work alone.
    Again: computed from what is seen; `clear_since` starts anew whenever somebody names the key or a place cannot be read. A
    Shoot that reconciles something else only shuts its gate: in a fleet some Shoot always does, and no soak would ever end.
    """
    proof, survey = gather(record, order, world, now)
    if proof.still_wanted:
        return Next(Withdrawn(why=proof.still_wanted), (Fact("still_wanted", proof.still_wanted),))
    if met := unmet(survey, order, world.books.records(order.credential)):
        return Next(state, (Fact("met", ", ".join(str(ref) for old in met for ref in old.secrets)),), met)
    onward = move_on(record, order, survey, world, now) if not proof.unread else NOWHERE
    clear = not proof.references and not proof.unsettled and not proof.unread
    if clear and state.clear_since is None:
        return Next(
            Draining(since=state.since, clear_since=now),
            (Fact("clear", f"nobody uses it; {proof.looked_at} Shoots looked at"),),
        )
    if (proof.references or proof.unread) and state.clear_since is not None:
        fact = Fact("used_again", "; ".join((*proof.references, *proof.unread))[:300])
        return Next(Draining(since=state.since), (fact,))
    facts, holds = ask(ENTER_DELETING_SECRETS, proof, order, now)
    if holds:
        return rest(holds, proof, order, now, onward)
    return Next(DeletingSecrets(clear_since=state.clear_since or now), facts)


@dataclass(frozen=True, slots=True)
class Onward:
    """What became of late Shoots, in words; and what the next look should know of those that were moved (`memory`)."""

    words: tuple[str, ...] = ()
    seen: bytes = b""


NOWHERE = Onward()
"""Nobody was moved."""


def rest(holds: tuple[Hold, ...], proof: Proof, order: Order, now: datetime, onward: Onward = NOWHERE) -> Wait | Blocked:
    """A block when only a person can open what is shut, else a wait until the next look is worth it."""
    persons = [hold.person for hold in holds if hold.person is not None]
    if len(persons) == len(holds) and persons:
        return persons[0]
    times = [hold.until for hold in holds if hold.person is None]
    known = [time for time in times if time is not None]
    # If every shut gate names its time, nothing can open before the last of them; else somebody may settle any moment.
    until = max(known) if len(known) == len(times) else now + order.policy.waits.poll
    until = max(min(until, now + LOOK), now + order.policy.waits.poll)
    latest = [hold.ends or hold.until for hold in holds]
    ends = None if None in latest else max(time for time in latest if time is not None)
    return Wait(until, (*(hold.why for hold in holds), *onward.words), proof.seen + onward.seen, ends)


def move_on(record: Record, order: RetirementOrder, survey: Survey, world: World, now: datetime) -> Onward:
    """Shoots that still name old Secrets of this credential have moved to the wanted one; undated ones are marked."""
    records = world.books.records(order.credential)
    wanted = books.wanted(records)
    rolling_out = any(other.unfinished and not other.blocked for other, _ in books.rotations(records))
    if wanted is None or (rolling_out and isinstance(record.state, Draining)):
        return NOWHERE
    ours = books.all_secrets(records)
    name = wanted.secrets[0].name if wanted.secrets else ""
    memory = Memory.of(record.seen)
    goal = Goal(wanted.rotation, wanted.public_key, name, wanted.secrets, survey.upstreams(order.credential), ours)
    late = [shoot for shoot in survey.shoots if survey.moves(shoot, order.credential, name, ours)]
    # A late Shoot gets its mark with the patch that moves it: with a mark before that it would look as if moved back.
    words = mark_confined([shoot for shoot in survey.shoots if shoot not in late], wanted.rotation, world)
    movable = [shoot for shoot in late if not why_not_movable(shoot) and not reverted(shoot, wanted.rotation, memory)]
    moved = [shoot for shoot in survey.shoots if shoot not in late and any(r.secret == name for r in shoot.references)]
    strangers = sorted({f"{shoot.ref.garden}/{shoot.ref.namespace}" for shoot in movable if not goal.there(shoot)})
    if strangers:
        words += (
            f"no Secret {name} in {', '.join(strangers)}: rotator rotate {order.credential} --to {wanted.public_key[:8]}",
        )
    back = [
        f"{shoot.ref} {why_back(shoot, survey.moves(shoot, order.credential, name, ours))}"
        for shoot in late
        if reverted(shoot, wanted.rotation, memory)
    ]
    wave = move_wave(movable, moved, goal, record, order, survey, world, memory, now=now)
    told = (*words, *back, *wave.words, *(word for word in (wave.held, wave.dead) if word))
    return Onward(told, Memory().after(wave.shoots, wanted.rotation))
