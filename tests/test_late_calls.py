"""The late-call table of design.md, section 4: every mutating call, prepared and paused, sent in each later state.

The worker that prepared it is dead; fresh workers carry on. With the usual waits most late calls meet an expired token; with
none of them ("fast", what an emergency uses) everything happens within the life of one token.
"""

import functools
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
import pytest

from crashes import Act, Crash, Trap, revived
from ending import Ending
from house import BASE, EMAIL, NAMESPACE, POLICY, PROJECT, House, Laps, house
from late import WIRE, LateCall, Row, put
from rotator.errors import Invalid
from rotator.policy import Policy, Waits
from rotator.states import Disabled, Verified
from rotator.wiring import Wired
from sandbox.door import Refused
from test_crash_matrix import first_key, help_out, look_around, order, order_back, roll, whole
from zombie_table import unforeseen

pytestmark = pytest.mark.timeout(1200)

FAST = msgspec.structs.replace(
    POLICY,
    waits=Waits(
        soak=timedelta(0),
        idle=timedelta(0),
        unknown_use=timedelta(0),
        quiet=timedelta(minutes=1),
        settle=timedelta(hours=1),
        request=timedelta(seconds=2),
        poll=timedelta(seconds=20),
    ),
)
POLICIES = {"usual": POLICY, "fast": FAST, "long": FAST}
"""How long a worker waits; with "long", Garden tokens live for three days, so that only preconditions stand in the way."""

LONG = 3 * 86400.0


def until_disabled(lived_in: House, wired: Wired) -> None:
    """The old key has been disabled, and is not yet deleted."""
    wired.service.tick(lived_in.now())
    for _ in range(200):
        for record in wired.service.records()[0]:
            if record.unfinished:
                lived_in.carry(wired, record.id, most=1)
        if any(isinstance(record.state, Disabled) for record in wired.service.records()[0]):
            return
    raise AssertionError("it was never disabled")


def a_part(lived_in: House, wired: Wired) -> None:
    """The rotation has come as far as a verified key, whose Secret is being written."""
    for record in wired.service.records()[0]:
        for after in wired.service.run(record, Laps(lived_in.clock)):
            if isinstance(after.state, Verified):
                break


def order_another(lived_in: House, wired: Wired) -> None:
    wired.service.rotate(EMAIL, lived_in.now(), by="test", why="another one", new=True)


def reenable(lived_in: House, wired: Wired) -> None:
    """A person wants the old key back; refused when no retirement of it can be turned back any more."""
    wired.service.reenable(first_key(lived_in), lived_in.now(), by="test", why="a test")


CALLS: dict[str, tuple[Act, ...]] = {
    "staging.prepare": (order, roll),
    "staging.add": (order, roll),
    "accounts.upload": (order, roll),
    "accounts.create": (order, roll),
    "gardens.create_secret": (order, roll),
    "staging.destroy": (order, roll),
    "staging.schedule": (order, roll),
    "gardens.move": (order, roll),
    "gardens.delete_secret": (order, roll, whole),
    "accounts.disable": (order, roll, whole),
    "accounts.delete": (order, roll, whole),
    "accounts.enable": (order, roll, until_disabled, reenable, whole),
}
"""How a history comes to the first call of this name."""


CASES = [(call, policy) for call in CALLS for policy in POLICIES if policy != "long" or call.startswith("gardens")]


def rollback(lived_in: House, wired: Wired) -> str:
    order_back(lived_in, wired)
    roll(lived_in, wired)
    return "to the old key"


def supersession(lived_in: House, wired: Wired) -> str:
    order_another(lived_in, wired)
    roll(lived_in, wired)
    return "by a new rotation"


def reenabled(lived_in: House, wired: Wired) -> str:
    """Enabled again, still asserted: the call arrives within the fence."""
    reenable(lived_in, wired)
    for record in wired.service.records()[0]:
        if record.unfinished:
            lived_in.carry(wired, record.id, most=1)
    return "enabled again"


def long_reenabled(lived_in: House, wired: Wired) -> str:
    reenable(lived_in, wired)
    whole(lived_in, wired)
    return "enabled for good"


def let_go_again(lived_in: House, wired: Wired) -> str:
    """Enabled for good, and then the person lets the retirement go on."""
    long_reenabled(lived_in, wired)
    for record in wired.service.records()[0]:
        if record.blocked and record.blocked.code == "reenabled":
            wired.service.retry(record.id, lived_in.now(), by="test", why="not needed after all")
    until_disabled(lived_in, wired)
    return "disabled once more"


def completion(lived_in: House, wired: Wired) -> str:
    whole(lived_in, wired)
    return "all done"


def an_hour(lived_in: House, wired: Wired) -> str:
    lived_in.clock.advance(3660)
    return "an hour later"


def two_days(lived_in: House, wired: Wired) -> str:
    whole(lived_in, wired)
    lived_in.clock.advance(2 * 86400)
    return "two days after all was done"


STAGES = {
    "after rollback": rollback,
    "after supersession": supersession,
    "after reenable": reenabled,
    "long after reenable": long_reenabled,
    "after reenable and retry": let_go_again,
    "after completion": completion,
    "an hour later": an_hour,
    "two days after completion": two_days,
}


def history(
    call: str, stage: str, policy: str, *, checkpoint: int = 0, acts: tuple[Act, ...] = ()
) -> tuple[Row | None, list[str], int]:
    """The row of this call at this stage (None when the history does not come there), stages passed, checkpoints made."""
    chosen: Policy = POLICIES[policy]
    if call == "accounts.create":
        chosen = msgspec.structs.replace(chosen, mint="create")
    with house(policy=chosen) as lived_in:
        lived_in.live.knobs.token_lifetime = LONG if policy == "long" else lived_in.live.knobs.token_lifetime
        lived_in.populate(2)
        foreign, _ = lived_in.hand_made_key()
        trap = Trap(lived_in)
        late = LateCall(lived_in, trap, name=call, checkpoint=checkpoint, release_at=stage)
        trap.meddle = late.meddle
        wired = trap.wire()
        try:
            for act in acts or CALLS[call]:
                act(lived_in, wired)
        except Crash:
            wired = revived(trap)
        else:
            return None, [], late.checkpoints
        go_on = STAGES.get(stage)
        if go_on is not None:
            try:
                go_on(lived_in, wired)
            except Invalid:
                return None, late.passed, late.checkpoints
            late.release()
        wrong: list[str] = []
        retried(lived_in, wired, acts or CALLS[call])
        whole(lived_in, wired)
        if not late.outcome:
            return None, late.passed, late.checkpoints
        lived_in.clock.advance(2 * LONG)
        whole(lived_in, wired)
        help_out(lived_in, wired)
        wrong += judged(lived_in, wired, foreign)
        wrong += [strange] if call and (strange := unforeseen(call, late.outcome)) else []
        return Row(late.label, stage, policy, late.outcome, tuple(wrong)), late.passed, late.checkpoints


def retried(lived_in: House, wired: Wired, acts: tuple[Act, ...]) -> None:
    """Whoever asked and got no answer asks again."""
    if not wired.service.records()[0]:
        acts[0](lived_in, wired)


ASKS_A_PERSON = {"reenabled", "enabled-by-somebody", "unproven-key", "past-return", "no-secret-holds-it", "key-is-dead"}
"""Blocks that are right where a late call, or a person's own order, has left a question that only a person can answer."""


def judged(lived_in: House, wired: Wired, foreign: str, idle: Collection[str] = ()) -> list[str]:
    """What is wrong with the end. `idle`: names of Shoots that have no cache."""
    end = Ending(lived_in, wired)
    wrong = [*lived_in.violations(), *end.judge(worthless=True)]
    wanted = end.wanted.public_key if end.wanted else ""
    wrong += end.rolled_out(wanted, idle)
    for record in end.records:
        if record.unfinished and (record.blocked is None or record.blocked.code not in ASKS_A_PERSON):
            wrong.append(f"{record.id} is left in {type(record.state).__name__}: {record.rest}")
    left = {
        key["public_key"]
        for key_id, key in end.log.keys.items()
        if key["state"] != "deleted" and key_id != foreign and key_id not in end.reported
    }
    kept = {r.order.public_key for r in end.records if r.kind == "retirement" and r.unfinished}  # type: ignore[union-attr]
    if left - {wanted} - kept:
        wrong.append(f"keys left on the account: {[key[:8] for key in left - {wanted}]}")
    if end.log.keys[foreign]["state"] != "enabled":
        wrong.append("the foreign key was touched")
    if (said := announced(lived_in)) is not None and said not in (right := due(lived_in, wired)):
        wrong.append(f"Secret Manager announces at {said}, the wanted key is due at {right}")
    return wrong


def announced(lived_in: House) -> datetime | None:
    """When Secret Manager will announce; None when it will not."""
    try:
        found = lived_in.google.secrets.find(f"projects/{PROJECT}/secrets/registry-key-rotator-{BASE}").message.rotation
    except Refused:
        return None
    return found.next_rotation_time if "next_rotation_time" in found else None


def due(lived_in: House, wired: Wired) -> tuple[datetime, ...]:
    """When the wanted key becomes due; while its rotation is under way, the day of the one before is as good."""
    found = wired.service.look(lived_in.now(), EMAIL).credentials[0]
    rotations = [record for record in wired.service.records()[0] if record.kind == "rotation"]
    keys = found.keys if any(record.unfinished for record in rotations) else [k for k in found.keys if k.role == "wanted"]
    return tuple(lived_in.policy.starts_at(key.key.made_at, key.key.expires_at).replace(microsecond=0) for key in keys)


@functools.cache
def passed(call: str, policy: str) -> tuple[str, ...]:
    """The states that an undisturbed recovery passes after this call was parked."""
    _, stages, _ = history(call, "never", policy)
    return tuple(stages)


def table(call: str, policy: str, stages: tuple[str, ...], part: str) -> None:
    rows = [row for stage in stages if (row := history(call, stage, policy)[0]) is not None]
    put(f"{call} {policy} {part}", rows)
    wrong = [f"{row.call}, {row.stage}, {row.policy}: {row.outcome}; {line}" for row in rows for line in row.wrong]
    assert rows
    assert wrong == []


@pytest.mark.parametrize("call", ["accounts.upload", "gardens.create_secret", "accounts.disable"])
def test_a_call_that_arrives_after_completion_does_no_harm(call: str) -> None:
    table(call, "fast", ("after completion",), "quick")


@pytest.mark.slow
@pytest.mark.parametrize(("call", "policy"), CASES)
def test_a_call_that_arrives_after_people_changed_their_minds_does_no_harm(call: str, policy: str) -> None:
    table(call, policy, tuple(STAGES), "people")


@pytest.mark.slow
@pytest.mark.parametrize(("call", "policy"), CASES)
def test_a_call_that_arrives_in_any_later_state_does_no_harm(call: str, policy: str) -> None:
    stages = passed(call, policy)
    assert stages
    table(call, policy, stages, "states")


MARK_STAGES = ["before anybody marks it again", "after it was marked again", "after completion"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", MARK_STAGES)
def test_a_mark_that_arrives_late_does_no_harm(stage: str) -> None:
    """A confined Shoot of another team is marked, so that its next maintenance window proves what it runs."""
    with house(policy=FAST) as lived_in:
        lived_in.populate(1)
        lived_in.live.create_shoot(NAMESPACE, "quiet", confined=True)
        foreign, _ = lived_in.hand_made_key()
        trap = Trap(lived_in)
        late = LateCall(lived_in, trap, name="gardens.mark")
        trap.meddle = late.meddle
        wired = trap.wire()
        with pytest.raises(Crash):
            for act in (order, roll, whole):
                act(lived_in, wired)
        wired = revived(trap)
        for lap in range(12):
            if lap == MARK_STAGES.index(stage) * 4:
                late.release()
            wired.service.tick(lived_in.now())
            for record in wired.service.records()[0]:
                if record.unfinished:
                    lived_in.carry(wired, record.id, most=3)
            lived_in.live.maintenance(NAMESPACE, "quiet")
        wrong = judged(lived_in, wired, foreign, idle={"quiet"})
        wrong += [strange] if (strange := unforeseen("gardens.mark", late.outcome)) else []
        put(f"mark {stage}", [Row(late.label, stage, "fast", late.outcome, tuple(wrong))])

        assert late.outcome
        assert wrong == []


SAVES: dict[str, tuple[Act, ...]] = {
    "rotation and retirement": (order, roll, whole),
    "way back": (order, roll, look_around, order_back, roll),
    "supersession": (order, a_part, order_another, roll),
    "reenable": (order, roll, until_disabled, reenable, whole),
}
"""Histories whose every save is held once: create (begin), save (a step), replace (withdraw, supersede, reenable)."""


@functools.cache
def checkpoints(name: str) -> int:
    return history("", "never", "fast", acts=SAVES[name])[2]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("name", SAVES)
def test_a_save_that_arrives_late_is_refused_or_harmless(name: str, part: int) -> None:
    """After completion, and in turn at anybody's next save, after rollback, after supersession."""
    rows: list[Row] = []
    for number in range(1, checkpoints(name) + 1)[part::4]:
        row, later, _ = history("", "after completion", "fast", checkpoint=number, acts=SAVES[name])
        stage = (later[0] if later else "after rollback", "after rollback", "after supersession")[number % 3]
        again, _, _ = history("", stage, "fast", checkpoint=number, acts=SAVES[name])
        rows += [one for one in (row, again) if one is not None]
    put(f"save {name} {part}", rows)

    assert rows
    assert [f"{row.call}, {row.stage}: {row.outcome}; {line}" for row in rows for line in row.wrong] == []


def test_every_mutating_call_is_in_the_table() -> None:
    from rotator.guard import MUTATING

    every = {f"{neighbour}.{method}" for neighbour, methods in MUTATING.items() for method in methods}

    assert every - {"gardens.judge", "books.withdraw"} == set(WIRE)
    assert set(WIRE) - {"gardens.mark"} == set(CALLS)
