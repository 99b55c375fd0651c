"""The same pulls beside the same rotation, with one mistake planted: the judgement must see it, and see whose cache suffers."""

import pytest

from foul_play import MISTAKES, FoulPlay, Mistake
from gardenlet import Pace
from pull_scene import EUROPE, PAYMENTS, Options, Scene, end, more_pulls, scene, wait_for

pytestmark = pytest.mark.real

FLEET = {(PAYMENTS, name): (EUROPE,) for name in ("playground", "checkout", "ledger", "leaving")}
OPTIONS: Options = {name: {"purpose": "production"} for name in ("checkout", "ledger", "leaving")}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_makes_pulls_fail(mistake: Mistake) -> None:
    """At the cache, and, where the owner forgot the pull Secret, for good."""
    with scene(FLEET, OPTIONS, stops_after=0.5) as built:
        built.forgetful.add(mistake.suffers)
        rotate_beside(built, mistake)

        verdict = built.verdict()

        assert mistake.suffers in verdict.places, verdict
        assert {one.place.name for one in verdict.failed_after_fallback} >= {mistake.suffers}
        assert all("refused" in one.cache_fault for one in verdict.failed_cache)


def rotate_beside(built: Scene, mistake: Mistake) -> None:
    """The real command rotates; the mistake was made beside it, and pulls went on for some time."""
    built.gardenlet.paces[PAYMENTS, "ledger"] = Pace(start_delay=4.0)
    built.gardenlet.held.add((PAYMENTS, "leaving"))
    built.garden.delete_shoot(PAYMENTS, "leaving")
    foul = FoulPlay(built, mistake)
    foul.start()
    running = built.cli.begin("rotate", "puller", "--reason", "a test")
    try:
        wait_for(foul.done.is_set, "the mistake was made")
        more_pulls(built, 60)
    finally:
        end(running)
        foul.stop()
