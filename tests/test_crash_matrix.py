"""Every call to the outside is some worker's last: before it is sent, or after its effect and before its answer.

Over every call of a rotation, of a retirement and of the way back, in both mint modes; then over pairs of deaths, the second
one while fresh objects recover from the first. Whatever died where, the world ends the same, and was never unsafe on the way.
"""

import functools
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import msgspec
import pytest

import tally
from crashes import WRITES, Act, Point, Seen, Trap, live
from ending import Ending
from house import EMAIL, POLICY, House, house
from rotator.policy import Delivery
from rotator.wiring import Wired
from sandbox.garden.kind import SHOOTS
from stories import V1

pytestmark = pytest.mark.timeout(1200)  # histories by the hundred; on a busy machine each takes seconds

Mint = Literal["upload", "create"]


def first_key(lived_in: House) -> str:
    """The id of the key that was there before the program came."""
    made = (o for o in lived_in.operations.since() if o.service == "iam" and o.facts.get("by") == "human")
    return str(next(made).facts["key_id"])


def order(lived_in: House, wired: Wired) -> None:
    wired.service.rotate(EMAIL, lived_in.now(), by="test", why="a test")


def order_back(lived_in: House, wired: Wired) -> None:
    wired.service.rotate(EMAIL, lived_in.now(), by="test", why="the way back", to=first_key(lived_in))


def roll(lived_in: House, wired: Wired) -> None:
    """Rotations are carried on to their end; retirements are left alone."""
    for record in wired.service.records()[0]:
        if record.kind == "rotation" and record.unfinished:
            lived_in.carry(wired, record.id)


def look_around(lived_in: House, wired: Wired) -> None:
    """One tick of the schedule, and one activation of what is due: the retirement is Draining."""
    wired.service.tick(lived_in.now())
    for record in wired.service.records()[0]:
        if record.unfinished:
            lived_in.carry(wired, record.id, most=1)


def whole(lived_in: House, wired: Wired) -> None:
    lived_in.whole(wired)


@dataclass(frozen=True)
class Scenario:
    """`before`: what has happened already; `under`: what is done under the trap; `wanted`: the key that serves in the end.

    `furnish`: the landscape; it has one old key.
    """

    before: tuple[Act, ...]
    under: tuple[Act, ...]
    wanted: Literal["old", "new"]
    rotations: int
    furnish: Callable[[House], object] = lambda lived_in: lived_in.populate(2)
    delivery: Delivery = "direct"


SCENARIOS = {
    "rotation": Scenario((), (order, roll), "new", 1),
    "retirement": Scenario((order, roll), (whole,), "new", 1),
    "way back": Scenario((order, roll, look_around), (order_back, roll), "old", 2),
}


def wide(lived_in: House) -> None:
    """The same key in two Gardens."""
    _, key_file = lived_in.populate(2)
    far = lived_in.add_garden("far", "garden-beta")
    far.create_secret("garden-beta", "pull", password=key_file)
    lived_in.shoot("distant", "pull", namespace="garden-beta", garden="far")


def join_late(lived_in: House, _: Wired) -> None:
    """After the roll-out somebody brings a Shoot with the old Secret: the retirement moves it."""
    lived_in.shoot("joiner", "pull", namespace="garden-beta", garden="far")


SCENARIOS |= {
    "wide rotation": Scenario((), (order, roll), "new", 1, wide),
    "wide retirement": Scenario((order, roll, join_late), (whole,), "new", 1, wide),
}


def hand_over(lived_in: House, wired: Wired) -> None:
    """Rotations are carried on until the owners of the Shoots are asked."""
    for record in wired.service.records()[0]:
        if record.kind == "rotation" and record.unfinished:
            lived_in.carry(wired, record.id, horizon=timedelta(minutes=5))


def owners_move(lived_in: House, _: Wired) -> None:
    for namespace, name in lived_in.live.names(SHOOTS):
        lived_in.live.point(namespace, name, "ar", V1, manager="kustomize-controller")


SCENARIOS["handover"] = Scenario((), (order, hand_over, owners_move, roll), "new", 1, delivery="handover")
NARROW = ("rotation", "retirement", "way back")
HANDED = "handover"
WIDE = ("wide rotation", "wide retirement")


def history(scenario: Scenario, mint: Mint, points: Iterable[Point] = (), **knobs: Any) -> tuple[list[Seen], list[str]]:
    """The calls of the first worker under the trap, and everything that is wrong with the history and its end."""
    with house(policy=msgspec.structs.replace(POLICY, mint=mint, delivery=scenario.delivery)) as lived_in:
        for knob, value in knobs.items():
            setattr(lived_in.google.iam, knob, value)
        scenario.furnish(lived_in)
        foreign, _ = lived_in.hand_made_key()
        wired = lived_in.wire()
        for act in scenario.before:
            act(lived_in, wired)
        trap = Trap(lived_in)
        # What happened before was seen by nobody, and is not judged for it.
        past = len(lived_in.operations.since())
        trap.points = list(points)
        asked = len(trap.points)
        first: list[Seen] = []
        wired = live(trap, [*scenario.under, lambda *_: first.extend(trap.calls) if not first else None])
        sprung = len(trap.sprung)
        trap.points = []
        lived_in.whole(wired)
        help_out(lived_in, wired)
        wrong = [line for line in trap.unseen() if not _before(line, past)]
        wrong += [NOT_REACHED] if sprung < asked else []
        return first, [*wrong, *judged(lived_in, wired, scenario, mint, foreign)]


NOT_REACHED = "a worker was done before it came to its death"


def _before(line: str, past: int) -> bool:
    return line.startswith("nobody saw ") and int(line.split()[2]) <= past


def help_out(lived_in: House, wired: Wired) -> None:
    """A person does what a blocked create asks for: the key that nobody knows is deleted, and the rotation goes on."""
    for record in wired.service.records()[0]:
        if record.blocked and record.blocked.code == "unproven-key":
            key_id = record.blocked.next_command.split()[5]
            lived_in.google.iam.change_by_hand(key_id, "deleted")
            wired.service.retry(record.id, lived_in.now(), by="test", why="deleted the key")
            lived_in.whole(wired)


def judged(lived_in: House, wired: Wired, scenario: Scenario, mint: Mint, foreign: str) -> list[str]:
    """What is wrong with the end: all Shoots on the wanted key, the other key gone, nothing left over, no rule broken."""
    end = Ending(lived_in, wired)
    wrong = [*lived_in.violations(), *end.judge(rotations=scenario.rotations)]
    wrong += [f"{r.id} is left in {type(r.state).__name__}: {r.rest}" for r in end.records if r.unfinished]
    old = first_key(lived_in)
    public = {key_id: key["public_key"] for key_id, key in end.log.keys.items()}
    wanted = public[old] if scenario.wanted == "old" else end.wanted.public_key if end.wanted else ""
    wrong += end.rolled_out(wanted)
    there = {key_id: key["state"] for key_id, key in end.log.keys.items() if key["state"] != "deleted"}
    if there.pop(foreign, "") != "enabled":
        wrong.append("the foreign key was touched")
    for key_id in end.reported if mint == "create" else ():
        if there.pop(key_id) != "enabled":
            wrong.append("a key that may be somebody else's was touched")
    if {public[key_id] for key_id in there} != {wanted}:
        wrong.append(f"keys left on the account: {[(key_id[:8], public[key_id][:8]) for key_id in there]}")
    if set(there.values()) != {"enabled"}:
        wrong.append(f"keys left on the account: {there}")
    return wrong


@functools.cache
def calls(name: str, mint: Mint) -> tuple[Seen, ...]:
    """The calls of an undisturbed worker."""
    seen, wrong = history(SCENARIOS[name], mint)
    assert wrong == []
    return tuple(seen)


def writes(seen: Seen) -> bool:
    """The call may change something that outlives the worker."""
    return seen.mutating or seen.name.removeprefix("store.") in WRITES


def every_point(name: str, mint: Mint) -> list[Point]:
    """Before every call, and after every call that may leave something behind.

    A read leaves nothing behind, so to die after it is to die before the call that follows.
    """
    found: list[Point] = []
    for seen in calls(name, mint):
        found.append(Point(seen.number, "before"))
        if writes(seen):
            found.append(Point(seen.number, "after"))
    return found


def lasting_points(name: str, mint: Mint) -> list[Point]:
    """After each call that may leave something behind: every state of the world that a death can leave is among these."""
    return [Point(seen.number, "after") for seen in calls(name, mint) if writes(seen)]


def chosen_points(name: str, mint: Mint) -> list[Point]:
    """Every point of what mints and moves. A retirement reads all day: of its reads every fourth, unless EVERY_CALL is set."""
    points = every_point(name, mint)
    if name != "retirement" or os.environ.get("EVERY_CALL"):
        return points
    reads = {seen.number for seen in calls(name, mint) if not writes(seen)}
    return [point for point in points if point.number not in reads or point.number % 4 == 0]


def run(name: str, mint: Mint, plans: Sequence[Sequence[Point]], part: str, **knobs: Any) -> None:
    """Every plan is one history; what is wrong is said for all of them together."""
    wrong: list[str] = []
    spared = 0
    for plan in plans:
        _, found = history(SCENARIOS[name], mint, plan, **knobs)
        if len(plan) > 1 and NOT_REACHED in found:
            found.remove(NOT_REACHED)
            spared += 1
        where = ", then ".join(f"{p.when} {p.name or calls(name, mint)[p.number - 1].name} (call {p.number})" for p in plan[:1])
        wrong += [f"{name}, {mint}, {where} {plan[1:] or ''}: {line}" for line in found]
    tally.add("crash_points", part, sum(map(len, plans)) - spared, unit="deaths")
    tally.add("crash_violations", part, len(wrong), unit="faults", goal=0)
    assert wrong == []


@pytest.mark.parametrize("name", [*NARROW, HANDED])
def test_a_few_deaths_in_every_part_of_the_runbook(name: str) -> None:
    """The quick part of the matrix below: some of the calls that last."""
    points = [Point(seen.number, "after") for seen in calls(name, "upload") if seen.mutating or seen.checkpoint]
    run(name, "upload", [[point] for point in points[1::5]], f"quick {name}")


PARTS = 6


@pytest.mark.slow
@pytest.mark.parametrize("number", range(PARTS))
@pytest.mark.parametrize("name", NARROW)
def test_whichever_call_is_the_last_the_end_is_the_same(name: str, number: int) -> None:
    points = chosen_points(name, "upload")[number::PARTS]
    run(name, "upload", [[point] for point in points], f"{name} upload {number}")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(PARTS))
def test_whichever_call_is_the_last_a_key_of_googles_making_is_never_lost_unseen(number: int) -> None:
    points = every_point("rotation", "create")[number::PARTS]
    run("rotation", "create", [[point] for point in points], f"rotation create {number}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["retirement", "way back"])
def test_keys_of_googles_making_are_retired_and_taken_up_again_alike(name: str) -> None:
    """The same calls as above; so only the states that a death can leave, not every read on the way to them."""
    run(name, "create", [[point] for point in lasting_points(name, "create")], f"{name} create")


@pytest.mark.slow
def test_deaths_while_owners_are_asked_change_nothing() -> None:
    run(HANDED, "upload", [[point] for point in lasting_points(HANDED, "upload")], HANDED)


@pytest.mark.slow
@pytest.mark.parametrize("name", WIDE)
def test_deaths_between_two_gardens_leave_neither_behind(name: str) -> None:
    run(name, "upload", [[point] for point in lasting_points(name, "upload")], name)


PAIRS = 15
"""So many pairs of deaths per scenario and mint mode are drawn, of all that there are."""


@pytest.mark.slow
@pytest.mark.parametrize("mint", ["upload", "create"])
@pytest.mark.parametrize("name", NARROW)
def test_two_deaths_in_a_row_change_nothing(name: str, mint: Mint) -> None:
    """The second worker dies at one of its first calls; which pairs is drawn, always the same."""
    chance = random.Random(f"{name} {mint}")
    first = lasting_points(name, mint)
    plans = [[chance.choice(first), Point(chance.randrange(1, 60), chance.choice(("before", "after")))] for _ in range(PAIRS)]
    run(name, mint, plans, f"pairs {name} {mint}")


@pytest.mark.slow
def test_two_deaths_while_a_key_is_made_ask_a_person_and_touch_nothing() -> None:
    """Create mode's answer holds the only copy of the private half. Lost twice, two keys are reported and a person is asked."""
    lost = [Point(0, "after", "accounts.create"), Point(0, "before", "staging.add")]
    kept = [Point(0, "after", "staging.add"), Point(0, "before", "store.save")]
    plans = [[first, second] for first in lost for second in (*lost, *kept)]
    run("rotation", "create", plans, "pairs around create")
