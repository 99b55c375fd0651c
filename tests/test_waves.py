"""Who moves next: canary, growth, limits, seeds, failure budget, and that everybody gets there."""

import random
from typing import Any

import msgspec
import pytest

from parts import NOW, shoot, shoot_ref
from rotator.policy import Waves
from rotator.shoot import Mark, Operation, Shoot, why_not_settled
from rotator.waves import next_wave

ROTATION = "puller-acme-prod-r2"


def waiting(count: int, **changed: Any) -> list[Shoot]:
    return [shoot(f"waiting-{number:03}", **changed) for number in range(count)]


def settled(count: int, **changed: Any) -> list[Shoot]:
    return [shoot(f"settled-{number:03}", mark=Mark(ROTATION, 3), **changed) for number in range(count)]


def under_way(count: int, **changed: Any) -> list[Shoot]:
    """Moved, and no reconcile has begun since."""
    return [shoot(f"under-way-{number:03}", mark=Mark(ROTATION, 4), generation=5, **changed) for number in range(count)]


def failing(count: int, **changed: Any) -> list[Shoot]:
    error = Operation("Reconcile", "Error", 40, "no quota", NOW)
    return [shoot(f"failing-{number:03}", mark=Mark(ROTATION, 3), operation=error, **changed) for number in range(count)]


@pytest.mark.parametrize(
    ("limits", "moved", "takes"),
    [
        pytest.param(Waves(), [], 1, id="one canary"),
        pytest.param(Waves(canary=3), [], 3, id="three canaries"),
        pytest.param(Waves(), under_way(1), 0, id="the canary has not settled"),
        pytest.param(Waves(canary=3), settled(1) + under_way(1), 1, id="one canary is missing"),
        pytest.param(Waves(canary=3), settled(2) + under_way(1), 0, id="the last canary is under way"),
        pytest.param(Waves(), settled(1), 2, id="then twice as many"),
        pytest.param(Waves(growth=1.0), settled(4), 4, id="or as many"),
        pytest.param(Waves(growth=4.0, per_seed=99), settled(4), 16, id="or four times as many"),
        pytest.param(Waves(growth=0.1), settled(4), 1, id="but never less than the canary"),
        pytest.param(Waves(), settled(2) + under_way(3), 1, id="less those under way"),
        pytest.param(Waves(per_seed=99), settled(99), 50, id="up to the limit"),
        pytest.param(Waves(limit=3), settled(99), 3, id="up to a small limit"),
        pytest.param(Waves(per_seed=99), settled(99) + under_way(60), 0, id="more under way than the limit"),
        pytest.param(Waves(), settled(99), 5, id="up to the limit of their seed"),
        pytest.param(Waves(), settled(99) + under_way(4), 1, id="one place left on the seed"),
        pytest.param(Waves(), settled(99, seed="eu-2", status_seed="eu-2") + under_way(4, seed="eu-2"), 5, id="other seeds"),
        pytest.param(Waves(), under_way(1, ignored=True), 1, id="an ignored Shoot is not waited for"),
        pytest.param(Waves(), under_way(1, deleting=True), 1, id="nor one that goes away"),
    ],
)
def test_a_wave_is_as_large_as_the_policy_allows(limits: Waves, moved: list[Shoot], takes: int) -> None:
    wave = next_wave(waiting(200), moved, ROTATION, limits)

    assert len(wave.take) == takes
    assert wave.held == ""


def test_a_wave_tells_how_many_have_settled_and_how_many_are_under_way() -> None:
    wave = next_wave(waiting(1), settled(3) + under_way(2) + under_way(1, ignored=True), ROTATION, Waves())

    assert (wave.settled, wave.under_way) == (3, 2)


@pytest.mark.parametrize(
    ("moved", "budget", "held"),
    [
        (failing(1), 0, True),
        (settled(9) + failing(1), 0, True),
        (settled(9) + failing(1), 1, False),
        (settled(9) + failing(2), 1, True),
        (failing(1, ignored=True), 0, False),
    ],
)
def test_more_failures_than_the_budget_hold_everybody(moved: list[Shoot], budget: int, held: bool) -> None:
    wave = next_wave(waiting(5), moved, ROTATION, Waves(failure_budget=budget))

    assert bool(wave.held) is held
    assert bool(wave.take) is not held
    assert not held or "failing-000: Reconcile Error: no quota" in wave.held


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"mark": Mark(ROTATION, 4)}, id="before our patch was observed"),
        pytest.param({"mark": Mark("puller-acme-prod-r1", 3)}, id="moved by another rotation"),
        pytest.param({"mark": None}, id="never moved"),
    ],
)
def test_a_failure_that_is_not_ours_is_not_counted(changed: dict[str, Any]) -> None:
    others = [msgspec.structs.replace(each, **changed) for each in failing(1)]

    assert next_wave(waiting(1), others, ROTATION, Waves()).held == ""


def test_a_shoot_that_a_person_waived_is_neither_counted_nor_waited_for() -> None:
    stuck, broken = under_way(1), failing(1)
    wave = next_wave(waiting(3), stuck + broken, ROTATION, Waves(), {each.ref for each in stuck + broken})

    assert (len(wave.take), wave.held, wave.under_way) == (1, "", 0)


def test_canaries_go_first_and_what_proves_nothing_goes_late() -> None:
    error = Operation("Reconcile", "Error", 40, "no quota", NOW)
    queue = [
        shoot("a-broken", operation=error),
        shoot("b-asleep", hibernate=True, hibernated=True),
        shoot("c-ignored", ignored=True),
        shoot("d-without-cache", caches=()),
        shoot("e-production", purpose="production"),
        shoot("f-infrastructure", purpose="infrastructure"),
        shoot("g-plain"),
        shoot("h-evaluation", purpose="evaluation"),
        shoot("i-labelled", canary=True, purpose="production"),
    ]
    everybody = Waves(canary=99, per_seed=99)

    names = [each.ref.name[0] for each in next_wave(queue, [], ROTATION, everybody).take]
    assert names == ["h", "i", "f", "g", "e", "b", "c", "d", "a"]
    assert next_wave(reversed(queue), [], ROTATION, everybody).take == next_wave(queue, [], ROTATION, everybody).take


def test_a_shoot_without_a_seed_is_not_held_up_by_seeds() -> None:
    assert len(next_wave(waiting(9, seed="", status_seed=""), settled(9), ROTATION, Waves(per_seed=1)).take) == 9


@pytest.mark.parametrize("seed", range(40))
def test_never_more_under_way_than_the_limits_and_everybody_gets_there(seed: int) -> None:
    """A law over made-up fleets: Shoots settle in any order, some are ignored, until all have moved."""
    dice = random.Random(seed)
    limits = Waves(
        canary=dice.randint(1, 4),
        growth=dice.choice([0.1, 0.5, 1.0, 2.0, 5.0]),
        per_seed=dice.randint(1, 6),
        limit=dice.randint(1, 20),
    )
    queue: list[Shoot] = []
    for number in range(dice.randint(1, 60)):
        home = f"seed-{dice.randint(1, 5)}"
        queue.append(
            shoot(
                f"s-{number:02}",
                seed=home,
                status_seed=home,
                ignored=dice.random() < 0.1,
                purpose=dice.choice(["", "production", "testing"]),
            )
        )
    moved: list[Shoot] = []
    for _ in range(10_000):
        wave = next_wave(queue, moved, ROTATION, limits)
        arrived = [msgspec.structs.replace(each, mark=Mark(ROTATION, 4), generation=5) for each in wave.take]
        moved += arrived
        queue = [each for each in queue if each not in wave.take]
        open_ = [each for each in moved if why_not_settled(each) and not each.ignored]
        proven = sum(1 for each in moved if not why_not_settled(each)) >= limits.canary
        assert len(open_) <= (max(limits.limit, limits.canary) if proven else limits.canary)
        assert all(sum(1 for each in open_ if each.seed == home) <= limits.per_seed for home in {e.seed for e in open_})
        if not queue:
            break
        assert open_ or wave.take, "nobody is under way and nobody goes: it stands still"
        for each in dice.sample(open_, dice.randint(0, len(open_))):
            moved[moved.index(each)] = msgspec.structs.replace(each, observed_generation=5)

    assert queue == []
    assert shoot_ref("x") not in {each.ref for each in moved}
