"""Faults of the core that a review found, each told as what would have happened to somebody."""

from datetime import datetime, timedelta

import msgspec
import pytest

from burning import NEW, OLD, SECOND, Scene, disabling, draining, policy, scene, secrets_gone
from house import EMAIL, NAMESPACE, POLICY, house
from parts import ELSEWHERE, HOUR, MINUTE, NOW, PLACE, key
from rotator.states import DeletingSecrets, Done, Draining, Verified
from rotator.steps.publish import UNKNOWN_TOKEN_LIFE, unsaved_fences
from rotator.world import World
from test_guard import world_of


def names(scene: Scene, shoot: str) -> list[str]:
    found = next(s for s in scene.wired.world(None).gardens["live"].shoots(NAMESPACE) if s.ref.name == shoot)
    return [reference.secret for reference in found.references]


def test_a_soak_goes_on_while_some_shoot_reconciles_something_else() -> None:
    """Every Shoot gets a new generation in its daily maintenance. When each of them began the soak anew, a fleet of a hundred
    never came to the end of seven days."""
    with scene(draining, policy(soak=40 * HOUR)) as told:
        clear_since = told.record.state
        told.unsettle()
        told.run()

        assert told.record.state == clear_since
        told.settle()
        told.wait(hours=40)
        assert not isinstance(told.run().state, Draining)


def test_a_soak_begins_anew_when_somebody_names_the_secret_again() -> None:
    with scene(draining, policy(soak=40 * HOUR)) as told:
        told.come_late()
        told.run()

        assert told.record.state == Draining(since=told.record.state.since)  # type: ignore[union-attr]


def test_a_late_confined_shoot_that_could_not_move_at_once_still_moves_later() -> None:
    """It got the rotation's mark while it still named the old Secret; from the next look on that read as "moved back by its
    owner", and the retirement waited for ever."""
    with scene(draining) as told:
        told.house.shoot("late", OLD, confined=True)
        told.kill_wanted()
        told.run()
        assert names(told, "late") == [OLD]

        told.revive_wanted()
        told.wait(minutes=1)
        told.run()

        assert names(told, "late") == [NEW]


def test_a_namesake_in_another_namespace_does_not_hold_a_retirement() -> None:
    """`ar-credentials` is what everybody calls it. A team's own one, of another registry, kept ours from being deleted."""
    with scene(draining) as told:
        told.house.live.create_secret(SECOND, OLD, "robot", "pw")
        told.house.shoot("namesake", OLD, namespace=SECOND)

        assert not isinstance(told.run().state, Draining)


def test_a_secret_that_came_back_restarts_the_second_look_before_it_is_deleted_again() -> None:
    """The other way round a worker that died after the DELETE left the old time in force, and nobody looked twice."""
    with scene(secrets_gone) as told:
        told.put_back()
        record = told.run(laps=1)

        assert isinstance(record.state, DeletingSecrets)
        assert record.state.gone_since is None
        assert told.burnt() == []


def test_a_disabling_that_waits_writes_nothing_into_its_evidence() -> None:
    """Every activation has a token of its own. Saving its expiry before asking the gates made two entries a minute, until
    the record was too large for its store."""
    with scene(disabling) as told:
        told.kill_wanted()
        told.run()
        entries = len(told.record.evidence)
        for _ in range(3):
            told.wait(minutes=20)
            told.run()

        assert len(told.record.evidence) == entries


def test_a_canary_that_never_settles_gives_its_place_to_another_one() -> None:
    """Its managed resources were frozen: neither failing nor settling. Nobody else moved, for as long as one looked."""
    waits = msgspec.structs.replace(POLICY.waits, poll=HOUR, settle=6 * HOUR)
    with house(policy=msgspec.structs.replace(POLICY, waits=waits)) as built:
        built.populate(3)
        built.live.behave(NAMESPACE, "shoot-0", outcome="stuck")
        record = built.rotate(built.wire(), to=None)

        assert isinstance(record.state, Done), record.rest
        assert [left.shoot for left in record.state.left] == [f"live/{NAMESPACE}/shoot-0"]
        assert record.state.moved == 3


class Untold:
    """A Garden that a client certificate opens: nobody can say when it ends."""

    def fence(self) -> None:
        return None


class Told:
    """A Garden whose token ends then."""

    def __init__(self, end: datetime) -> None:
        self._end = end

    def fence(self) -> datetime:
        return self._end


def fences(world: World, saved: dict[str, datetime], now: datetime = NOW) -> dict[str, datetime]:
    return unsaved_fences(Verified(key=key(), fences=saved), (PLACE, ELSEWHERE), world, now)


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1), HOUR])
def test_a_fence_that_nobody_can_tell_is_saved_once_and_not_in_every_lap(later: timedelta) -> None:
    """With a kubeconfig of a client certificate the assumed end moved with the clock, was never saved far enough, and the
    rotation saved it again and again instead of writing its Secrets."""
    world = world_with(Untold())
    saved = fences(world, {})

    assert saved == {"live": NOW + UNKNOWN_TOKEN_LIFE}
    assert fences(world, saved, NOW + later) == {}
    assert fences(world, saved, NOW + UNKNOWN_TOKEN_LIFE) != {}


def test_a_fence_that_the_token_tells_is_saved_until_it_is_covered() -> None:
    assert fences(world_with(Told(NOW + HOUR)), {}) == {"live": NOW + HOUR}
    assert fences(world_with(Told(NOW + HOUR)), {"live": NOW + HOUR}) == {}
    assert fences(world_with(Told(NOW + HOUR)), {"live": NOW + HOUR - MINUTE}) == {"live": NOW + HOUR}


def world_with(garden: object) -> World:
    """A world of which only the Garden is asked."""
    return world_of(garden)


def test_a_key_comes_back_even_while_automation_is_suspended() -> None:
    """In an emergency people suspend first and ask for the key second; suspension must not keep the key away."""
    with house() as h:
        h.populate()
        wired = h.wire()
        h.rotate(wired)
        [retirement], _ = wired.service.tick(h.now())
        record = h.carry(wired, retirement.id, horizon=timedelta(hours=3))
        wired.service.suspend("*", h.now(), by="a test", why="an emergency")
        wired.service.reenable(record.id, h.now(), by="a test", why="somebody needs it")
        h.carry(wired, retirement.id, horizon=timedelta(minutes=5))

        [key] = [k.key for k in wired.service.look(h.now(), EMAIL).credentials[0].keys if k.role == "retiring"]
        assert not key.disabled
