"""Use of keys by Monitoring: believed only with a positive control, and never an exception."""

from datetime import timedelta

import pytest

from google_neighbours import Neighbours
from rotator.key import KeyFile
from rotator.world import Use

LAG = 3 * 3600


@pytest.fixture
def files(world: Neighbours) -> tuple[KeyFile, KeyFile]:
    return world.key_file(), world.key_file()


def _use(world: Neighbours, old: KeyFile, *control: KeyFile, days: float = 3) -> Use:
    since = world.now - timedelta(days=days)
    return world.usage.use(world.account, [old.id], [each.id for each in control], since, world.now)


def test_a_use_is_seen_after_the_lag_and_not_before(world: Neighbours, files: tuple[KeyFile, KeyFile]) -> None:
    old, new = files
    world.registry.exchange(old)
    world.registry.exchange(new)
    at = world.now
    early = _use(world, old, new)
    world.google.clock.advance(LAG + 1200)
    world.close()
    world.connect()
    late = _use(world, old, new)

    assert early.last is None
    assert "so it may show nothing at all" in early.unknown
    assert late.last is not None
    assert at < late.last <= at + timedelta(minutes=10)
    assert (late.seen_until, late.unknown) == (late.last, "")


def test_idle_is_believed_when_another_key_shows_use(world: Neighbours, files: tuple[KeyFile, KeyFile]) -> None:
    old, new = files
    world.registry.exchange(new)
    world.google.clock.advance(LAG + 1200)
    world.close()
    world.connect()
    use = _use(world, old, new)

    assert (use.last, use.unknown) == (None, "")
    assert use.seen_until is not None


def test_no_series_at_all_is_unknown(world: Neighbours, files: tuple[KeyFile, KeyFile]) -> None:
    world.google.monitoring.gap = True
    use = _use(world, *files)

    assert use.last is None
    assert files[1].id[:8] in use.unknown


def test_without_another_key_nothing_is_believed_but_a_use(world: Neighbours, files: tuple[KeyFile, KeyFile]) -> None:
    old, _ = files
    world.registry.exchange(old)
    world.google.clock.advance(LAG + 1200)
    world.close()
    world.connect()
    use = _use(world, old)

    assert use.last is not None
    assert "no other key" in use.unknown


@pytest.mark.parametrize("code", ["UNAVAILABLE", "INTERNAL", "INVALID_ARGUMENT", "PERMISSION_DENIED"])
def test_a_call_that_fails_is_unknown_with_its_reason(world: Neighbours, files: tuple[KeyFile, KeyFile], code: str) -> None:
    world.fail("ListTimeSeries", code)
    use = _use(world, *files)

    assert use == Use(unknown=use.unknown)
    assert use.unknown.startswith("asking Monitoring for the use of 2 keys")


def test_a_missing_permission_names_the_command(world: Neighbours, files: tuple[KeyFile, KeyFile]) -> None:
    world.google.access.deny("monitoring.timeSeries.list")

    assert "gcloud projects add-iam-policy-binding acme --member serviceAccount:rotator@" in _use(world, *files).unknown
