"""Confined Shoots, whose generation does not tell, and the webhook's judgement."""

import pytest

from garden_neighbour import FILE, HOST, NS, Neighbour, move
from rotator.errors import Denied
from rotator.shoot import MARK, Mark


@pytest.fixture
def confined(garden: Neighbour) -> Neighbour:
    garden.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"}, confined=True)
    garden.clock.advance(3600)
    shoot = garden.shoot()
    garden.client.move(shoot, move(shoot), Mark("r-1", shoot.generation))
    garden.clock.advance(60)
    return garden


def test_a_confined_shoot_that_nobody_wrote_since_our_mark_is_not_touched(confined: Neighbour) -> None:
    shoot = confined.shoot()

    assert (shoot.confined, shoot.touched, shoot.needs_mark) == (True, False, False)


def test_a_confined_shoot_is_touched_by_a_change_there_and_back(confined: Neighbour) -> None:
    confined.server.point(NS, "api", "ar", "ar-v1")
    confined.server.point(NS, "api", "ar", "ar-v2")

    assert confined.shoot().touched


def test_a_confined_shoot_is_touched_by_removing_all_entries(confined: Neighbour) -> None:
    """Owners may drop the cache; managedFields then shows no trace, and the Shoot runs on with the old key for a day."""
    confined.server.edit(NS, "api", {"resources": None, "extensions": None})

    assert confined.shoot().touched


def test_a_touched_shoot_that_is_marked_anew_is_not_touched(confined: Neighbour) -> None:
    confined.server.point(NS, "api", "ar", "ar-v1")
    confined.clock.advance(60)
    shoot = confined.shoot()

    confined.client.mark(shoot, Mark("r-1", shoot.generation))

    assert not confined.shoot().touched


def test_an_owner_and_our_mark_in_the_same_second_hold_the_shoot_until_the_next_mark_only(confined: Neighbour) -> None:
    """Found by two identities that worked at once: the next mark said the same, changed nothing, and so had no later time."""
    confined.clock.advance(1.05 - confined.clock.now().microsecond / 1e6)
    confined.server.point(NS, "api", "ar", "ar-v1")
    confined.client.mark(confined.shoot(), Mark("r-1", confined.shoot().generation))
    unclear = confined.shoot()
    confined.clock.advance(60)

    confined.client.mark(unclear, Mark("r-1", unclear.generation))

    assert unclear.needs_mark
    assert not confined.shoot().needs_mark


def test_a_mark_that_is_not_by_our_hand_counts_as_touched(garden: Neighbour) -> None:
    garden.server.create_shoot(NS, "api", confined=True, annotations={MARK: "r-1 1"})

    assert garden.shoot().touched


def test_a_good_secret_is_accepted_by_the_webhook_and_nothing_is_stored(caching: Neighbour) -> None:
    shoot = caching.shoot()

    assert "accepts" in caching.client.judge(shoot, move(shoot))
    assert caching.shoot() == shoot


def test_a_mutable_secret_is_refused_by_the_webhook(caching: Neighbour) -> None:
    caching.server.create_secret(NS, "loose", "_json_key", FILE.reveal(), immutable=False)
    shoot = caching.shoot()

    with pytest.raises(Denied, match="admission webhook"):
        caching.client.judge(shoot, move(shoot, "loose"))
    assert caching.shoot() == shoot


def test_without_a_cache_that_uses_the_entry_there_is_nobody_to_judge(garden: Neighbour) -> None:
    garden.server.create_shoot(NS, "api", {HOST: None}, {"ar": "ar-v1"})
    garden.server.create_shoot(NS, "web", {}, {"ar": "ar-v1"})

    for shoot in garden.client.shoots(NS):
        assert "nobody to judge" in garden.client.judge(shoot, move(shoot))
