"""Pulls through real registry caches during a whole rotation and retirement, by the real command: none may fail."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import figures
import tally
from caches import binary
from caches.pulling import Verdict
from checker import Checker
from gardenlet import Pace
from pull_ground import Ground, standing
from pull_scene import BOTH, EUROPE, PAYMENTS, PULLER, SEARCH, Options, Scene, end, more_pulls, scene, wait_for
from sandbox.iam_key import DELETED, ENABLED

pytestmark = pytest.mark.real

FLEET = {
    (PAYMENTS, "playground"): (EUROPE,),
    (PAYMENTS, "checkout"): BOTH,
    (PAYMENTS, "ledger"): BOTH,
    (PAYMENTS, "invoices"): (EUROPE,),
    (PAYMENTS, "leaving"): (EUROPE,),
    (SEARCH, "index"): BOTH,
    (SEARCH, "crawler"): (EUROPE,),
}
OPTIONS: Options = {
    "checkout": {"purpose": "production"},
    "ledger": {"purpose": "production", "seed": "gcp-eu2"},
    "invoices": {"purpose": "production", "hibernated": True},
    "leaving": {"purpose": "production"},
    "index": {"purpose": "production"},
    "crawler": {"purpose": "production", "confined": True},
}
SMALL = {(PAYMENTS, "playground"): (EUROPE,), (PAYMENTS, "checkout"): BOTH}
PATIENCE = 80.0


@pytest.fixture(params=["sandbox", "real"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    """The Garden is the sandbox's, or one on real API servers."""
    binary.registry()
    with standing(request.param, tmp_path, PAYMENTS, SEARCH) as found:
        yield found


def test_no_pull_fails_while_a_key_is_rotated_and_the_old_one_is_taken_away(ground: Ground) -> None:
    """One Shoot is confined, one sleeps, one is slow, and one is being deleted while its cache lives on the old key."""
    with scene(FLEET, OPTIONS, ground=ground) as built:
        built.gardenlet.paces[SEARCH, "index"] = Pace(start_delay=1.0, duration=3.0)
        built.gardenlet.held.add((PAYMENTS, "leaving"))
        built.garden.delete_shoot(PAYMENTS, "leaving")

        rotate_and_retire(built)

        verdict = judge(built, built.ground.name)
        assert len(verdict.restarts_ms) == 8
        figures.put("cache_restart_ms", value=max(verdict.restarts_ms), unit="ms")


def test_no_pull_fails_however_often_the_rotator_is_killed() -> None:
    """SIGKILL after one to three of its changes, again and again, from the first to the last step."""
    with scene(SMALL, OPTIONS) as built:
        kills = killed_on_the_way(built, "rotate", "puller") + killed_on_the_way(built, "run")
        # The one that was killed as it deleted the key had not yet seen that it is gone; IAM takes a while to say so.
        wait_for(
            lambda: phases(built) == {"rotation": "Done", "retirement": "Gone"}, "the books know that it is over", PATIENCE
        )

        verdict = judge(built, f"{built.ground.name}, killed")
        assert len(verdict.restarts_ms) == 3
        assert kills >= 4


def judge(built: Scene, part: str) -> Verdict:
    """What came of the pulls, counted as this part of the figures: none failed, and no promise was broken."""
    verdict, violations = built.verdict(), Checker(accounts=frozenset({PULLER})).read(built.ground.history())
    tally.add("pulls", part, verdict.pulls, unit="pulls")
    tally.add("pulls_failed_cache", part, len(verdict.failed_cache), unit="pulls", goal=0)
    tally.add("pulls_failed_after_fallback", part, len(verdict.failed_after_fallback), unit="pulls", goal=0)
    tally.add("pulls_during_restart", part, len(verdict.during_restart), unit="pulls")
    assert [str(one) for one in verdict.failed_cache] == []
    assert [str(one) for one in verdict.failed_after_fallback] == []
    assert violations == []
    assert {pod.crashes for _, pod in built.fleet.all()} == {0}
    assert built.gardenlet.faults == []
    assert built.uplink.refused == []
    return verdict


def killed_on_the_way(built: Scene, *words: str) -> int:
    """The command was killed and begun anew until it ended well, or the old key was gone; how often."""
    chance, kills, latest = random.Random(4), 0, time.monotonic() + PATIENCE
    while built.old.state != DELETED:
        assert time.monotonic() < latest, f"{words[0]} does not get on"
        running, before, changes = built.cli.begin(*words), changes_by_rotator(built), chance.randint(1, 3)
        while running.poll() is None and changes_by_rotator(built) < before + changes and built.old.state != DELETED:
            time.sleep(0.02)
        if running.poll() == 0:
            running.communicate()
            break
        kills += running.poll() is None
        running.kill()
        running.communicate()
    return kills


def phases(built: Scene) -> dict[str, str]:
    """Where the records are after what is due was carried on."""
    done = built.cli("run", "--once", "-o", "json")
    return {one["record"]: one["phase"] for each in done.tree["credentials"] for one in each["records"]}


def changes_by_rotator(built: Scene) -> int:
    """How often the rotator has changed something so far."""
    return sum(one.mutating and "rotator" in str(one.facts.get("by", "")) for one in built.ground.history())


def rotate_and_retire(built: Scene) -> None:
    """The real command rotated the key, and the old one is deleted at IAM, while everything pulled."""
    window = threading.Thread(target=open_window, args=(built,), daemon=True)
    window.start()
    running = built.cli.begin("rotate", "puller", "--reason", "a test")
    out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 2, out + err
    window.join(5)
    running = built.cli.begin("run")
    try:
        more_pulls(built, 80)
        assert any(place.name == "leaving" and pod.ready for place, pod in built.fleet.all())
        assert built.old.state == ENABLED, "leaving still runs on it"
        assert built.garden.secret(PAYMENTS, "ar-credentials") is not None
        built.gardenlet.held.clear()
        wait_for(lambda: built.old.state == DELETED, "the old key is deleted", PATIENCE)
        wait_for(lambda: not built.old.authenticates(built.cloud.clock.now()), "the old key does not work", 10)
        more_pulls(built, 40)
    finally:
        end(running)


def open_window(built: Scene) -> None:
    """The maintenance window of the confined Shoot comes when its spec has changed."""
    wait_for(
        lambda: "puller-acme-prod-v1" in str(built.garden.shoot(SEARCH, "crawler")["spec"]), "crawler is patched", PATIENCE
    )
    built.garden.maintenance(SEARCH, "crawler")
