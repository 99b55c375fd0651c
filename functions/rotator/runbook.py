"""The program: which step belongs to which state, and how one record is carried on.

`advance` takes one step and saves nothing; `run` claims a record, saves every step by compare-and-set and yields it.
Who loses a compare-and-set stops at once: somebody else is carrying the record on.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from rotator import books
from rotator.errors import Halted, Permanent, RotatorError, TokenExpired
from rotator.guard import Sending, guarded
from rotator.hold import Hold, suspended
from rotator.record import Blocked, Fact, Record, RotationOrder, Wait
from rotator.states import (
    Creating,
    DeletingKey,
    DeletingSecrets,
    Disabled,
    Disabling,
    Draining,
    Minted,
    Planned,
    Published,
    Reenabled,
    Reenabling,
    Staged,
    Superseded,
    Verified,
    name_of,
)
from rotator.steps import Next
from rotator.steps.sweep import staged_of
from rotator.store import Store
from rotator.world import World

BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(minutes=10)
ACTIVATION = timedelta(minutes=2)
"""A longer wait ends the activation: the worker's one token must not grow old in its hands."""

SUSPENDED = timedelta(minutes=1)
"""How soon a suspended record looks whether it may go on."""

CLAIM = timedelta(minutes=15)
"""A worker that says nothing for so long has lost its claim; longer than any step, shorter than a person's patience."""

CONFIRMABLE = {Verified: "publish", Published: "roll_out"}
"""What a policy may want confirmed of a rotation; a retirement's are gates, asked before the point of no return."""


class Laps(Protocol):
    """The time that an activation has: `now` again and again, until its budget is spent."""

    def next(self, after: datetime | None) -> datetime | None:
        """The present, not before `after`; None when the budget does not reach that far."""
        ...


def step(record: Record, world: World, now: datetime) -> "Next[Any] | Wait | Blocked | None":
    """What the step of this state makes of it; None for a state that is final.

    Steps are loaded here: who only reads the books, or puts an order into them, need not pay for them (10 ms of a cold start).
    """
    order, state = record.order, record.state
    if isinstance(order, RotationOrder):
        from rotator.steps.mint import create, upload
        from rotator.steps.publish import publish
        from rotator.steps.roll_out import roll_out
        from rotator.steps.stage import stage
        from rotator.steps.verify import verify

        match state:
            case Planned():
                return stage(state, record, order, world, now)
            case Staged():
                return upload(state, record, order, world, now)
            case Creating():
                return create(state, record, order, world, now)
            case Minted():
                return verify(state, record, order, world, now)
            case Verified():
                return publish(state, record, order, world, now)
            case Published():
                return roll_out(state, record, order, world, now)
            case _:
                return None

    from rotator.steps.delete_key import delete_key
    from rotator.steps.delete_secrets import delete_secrets
    from rotator.steps.disable import disable_key, hold, reenable, stay
    from rotator.steps.drain import drain

    match state:
        case Draining():
            return drain(state, record, order, world, now)
        case DeletingSecrets():
            return delete_secrets(state, record, order, world, now)
        case Disabling():
            return disable_key(state, record, order, world, now)
        case Disabled():
            return hold(state, record, order, world, now)
        case DeletingKey():
            return delete_key(state, record, order, world, now)
        case Reenabling():
            return reenable(state, record, order, world, now)
        case Reenabled():
            return stay(state, record, order, world, now)
        case _:
            return None


def advance(record: Record, world: World, now: datetime) -> Record:
    """The record one step further, or at rest with the reason. Saves nothing.

    Again: every step says what it finds. Raises: Halted when the next write must not be sent; nothing else on purpose.
    """
    by = "rotator"
    try:
        if isinstance(record.order, RotationOrder) and record.unfinished:
            later = books.newer(world.books.records(record.order.credential), record)
            if later:
                return record.moved(superseded(record, later), now, by=by, facts=(Fact("newer", f"{later} was ordered later"),))
            name = CONFIRMABLE.get(type(record.state), "")
            if name in record.order.policy.confirm and name not in record.confirmed:
                why = f"the policy wants a person to confirm {name}"
                return record.resting(Blocked(f"confirm-{name}", (why,), f"rotator retry {record.id}"), now, by=by)
        outcome = step(record, world, now)
    except Halted:
        raise
    except Permanent as fault:
        block = Blocked(fault.code, tuple(str(fault).split("\n")), fault.next_command or f"rotator retry {record.id}")
        return record.resting(block, now, by=by)
    except TokenExpired as fault:
        return record.resting(Wait(now + ACTIVATION + timedelta(seconds=1), (str(fault),)), now, by=by)
    except RotatorError as fault:
        return record.resting(tried_in_vain(record, fault, now), now, by=by)
    if outcome is None:
        return record
    if isinstance(outcome, Next):
        after = record.moved(outcome.state, now, by=by, facts=outcome.facts)
        return msgspec.structs.replace(after, met=(*record.met, *outcome.met))
    return msgspec.structs.replace(record.resting(outcome, now, by=by), attempts=0)


def tried_in_vain(record: Record, fault: RotatorError, now: datetime) -> Wait | Blocked:
    """A wait that grows with the attempts, or a block when there have been enough."""
    if record.attempts >= record.order.policy.attempts:
        why = (f"{record.attempts} attempts in {name_of(record.state)}; the last one: {fault}",)
        return Blocked("attempts", why, f"rotator retry {record.id}")
    doublings = min(max(record.attempts - 1, 0), 10)  # far past LONGEST_BACKOFF; a timedelta overflows at the 44th
    pause = min(BACKOFF * 2**doublings, LONGEST_BACKOFF)
    return Wait(now + pause, (f"attempt {max(record.attempts, 1)}: {fault}",))


def superseded(record: Record, by: str) -> Superseded:
    """What is left of a rotation that a newer one takes over from: enough to find its key and its Secrets again."""
    state = record.state
    key = state.key if isinstance(state, Minted | Verified | Published) else None
    return Superseded(
        by=by,
        key=key,
        staged=staged_of(record),
        public_key=books.key_of(record) if isinstance(record.order, RotationOrder) and record.order.to is None else None,
        published=books.published(record),
        secrets=state.secrets if isinstance(state, Verified | Published) else (),
        fences=state.fences if isinstance(state, Verified | Published) else {},
    )


def run(
    record: Record,
    world: World,
    store: Store,
    laps: Laps,
    worker: str,
    claim: timedelta = CLAIM,
    pace: Callable[[Sending], None] = lambda _: None,
) -> Iterator[Record]:
    """Each saved state of this record, until it ends, rests beyond the budget, blocks, or belongs to somebody else.

    `record`: as it was read just now; `worker`: a name that no other activation has, or one that wakes late frees the claim of
    the one that took over. Before every write, when `pace` lets it, the hold is asked: who was paused sends the one call that
    was under way, and no other. Again: at once is harmless, the claim refuses; later goes on from the newest checkpoint.
    """
    now = laps.next(None)
    if now is None or record.blocked or (hold := Hold.take(record, store, worker, now, claim)) is None:
        return

    def before(sending: Sending) -> None:
        pace(sending)
        hold.ask(sending)

    guarding = guarded(world, before)
    try:
        while now is not None and hold.record.unfinished and not hold.record.blocked:
            if not hold.save(lap(hold.record, guarding, store, now), now):
                return
            yield hold.record
            rest = hold.record.rest
            if isinstance(rest, Wait) and rest.until > now + ACTIVATION:
                return
            now = laps.next(rest.until if isinstance(rest, Wait) else None)
            if now is None or not hold.extend(now):
                return
    finally:
        hold.release()


def lap(record: Record, world: World, store: Store, now: datetime) -> Record:
    """One step, unless automation is suspended or the record has died too often; what stops it is said in its rest."""
    if not isinstance(record.state, Reenabling) and (held := suspended(store, record.order.credential)):
        return msgspec.structs.replace(record.resting(Wait(now + SUSPENDED, (held,)), now, by="rotator"), attempts=0)
    if record.attempts > record.order.policy.attempts + 1:
        why = (f"{record.attempts} activations began in {name_of(record.state)} and did not come further",)
        return record.resting(Blocked("attempts", why, f"rotator retry {record.id}"), now, by="rotator")
    try:
        return advance(record, world, now)
    except Halted as fault:
        until = fault.until or now + SUSPENDED
        return msgspec.structs.replace(record.resting(Wait(until, (str(fault),)), now, by="rotator"), attempts=0)
