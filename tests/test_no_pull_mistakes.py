"""The same pulls beside the same rotation, with one mistake planted: the judgement must see it, and see whose cache suffers."""

from pathlib import Path

import pytest

import tally
from caches import binary
from foul_play import MISTAKES, NO_MISTAKE, FoulPlay, Mistake
from gardenlet import Pace
from pull_ground import standing
from pull_scene import EUROPE, PAYMENTS, Options, Scene, end, more_pulls, scene, wait_for

pytestmark = pytest.mark.real

FLEET = {(PAYMENTS, name): (EUROPE,) for name in ("playground", "checkout", "ledger", "leaving")}
OPTIONS: Options = {name: {"purpose": "production"} for name in ("checkout", "ledger", "leaving")}


CASES = [*(("sandbox", name) for name in MISTAKES), ("real", "skipping Shoots that are being deleted")]


@pytest.mark.parametrize(("where", "name"), CASES, ids=[f"{name}, {where}" for where, name in CASES])
def test_a_mistake_makes_pulls_fail(where: str, name: str, tmp_path: Path) -> None:
    """At the cache, and, where the owner forgot the pull Secret, for good."""
    binary.registry()
    mistake = MISTAKES[name]
    with standing(where, tmp_path, PAYMENTS) as ground, scene(FLEET, OPTIONS, stops_after=0.5, ground=ground) as built:
        built.fleet.apply_delay = mistake.apply_delay
        built.forgetful |= mistake.must
        rotate_beside(built, mistake)

        verdict = built.verdict()

        assert mistake.must <= verdict.places <= mistake.must | mistake.may
        assert mistake.must <= {one.place.name for one in verdict.failed_after_fallback}
        assert all("refused" in one.cache_fault for one in verdict.failed_cache)
        tally.add("pull_mistakes_seen", f"{name}, {where}", 1, unit="mistakes")


def test_the_same_deed_at_the_right_moment_hurts_nobody() -> None:
    """What the mistakes do, done when every Shoot has settled on the new key and the leaving one is gone."""
    with scene(FLEET, OPTIONS, stops_after=0.5) as built:
        rotate_beside(built, NO_MISTAKE)

        verdict = built.verdict()

        assert [str(one) for one in verdict.failed_cache] == []
        assert [str(one) for one in verdict.failed_after_fallback] == []


def rotate_beside(built: Scene, mistake: Mistake) -> None:
    """The real command rotates; the mistake was made beside it, and pulls went on for some time."""
    built.gardenlet.paces[PAYMENTS, "ledger"] = Pace(start_delay=4.0)
    built.gardenlet.held.add((PAYMENTS, "leaving"))
    built.garden.delete_shoot(PAYMENTS, "leaving")
    foul = FoulPlay(built, mistake)
    foul.start()
    running = built.cli.begin("rotate", "puller", "--reason", "a test")
    try:
        if mistake is NO_MISTAKE:
            built.gardenlet.held.clear()
        wait_for(foul.done.is_set, "the deed is done")
        more_pulls(built, 60)
    finally:
        end(running)
        foul.stop()
