"""Patches as the client sends them, and what refusals mean to it."""

import pytest

from garden_neighbour import HOST, MARKED, NS, Neighbour, move
from rotator.errors import Absent, Conflict, Denied, Permanent, Transient
from rotator.shoot import FIELD_MANAGER, Reference
from rotator.world import Move
from sandbox.garden import ROTATOR
from sandbox.garden.kind import SHOOTS


def test_a_move_points_the_entry_at_its_new_secret_and_marks_the_shoot(caching: Neighbour) -> None:
    before = caching.shoot()

    after = caching.client.move(before, move(before), MARKED)

    assert after.references == (Reference(0, "ar", "ar-v2"),)
    assert (after.generation, after.mark) == (2, MARKED)
    assert after.marked_at is not None
    assert FIELD_MANAGER in [each["manager"] for each in caching.server.shoot(NS, "api")["metadata"]["managedFields"]]


def test_a_shoot_without_annotations_is_marked_too(caching: Neighbour) -> None:
    names = caching.server.shoot(NS, "api")["metadata"]["annotations"]
    caching.server.annotate(NS, "api", dict.fromkeys(names))
    if caching.server.shoot(NS, "api")["metadata"].get("annotations"):
        caching.server.patch(SHOOTS, NS, "api", [{"op": "remove", "path": "/metadata/annotations"}])

    caching.client.mark(caching.shoot(), MARKED)

    assert caching.shoot().mark == MARKED


def test_a_move_is_one_call(caching: Neighbour) -> None:
    before = caching.shoot()
    known = len(caching.operations.since())

    caching.client.move(before, move(before), MARKED)

    assert [each.method for each in caching.operations.since(known) if each.service.startswith("garden:")] == ["PATCH shoots"]


def test_annotations_that_came_or_went_meanwhile_are_a_conflict_and_nothing_is_lost(caching: Neighbour) -> None:
    """The patch is made for the map that was read: it must neither replace a new one nor miss a gone one in silence."""
    names = caching.server.shoot(NS, "api")["metadata"]["annotations"]
    with_map = caching.shoot()
    caching.server.annotate(NS, "api", dict.fromkeys(names))
    without = caching.shoot()

    with pytest.raises(Conflict):
        caching.client.mark(with_map, MARKED)
    caching.server.annotate(NS, "api", {"owner": "somebody"})
    with pytest.raises(Conflict):
        caching.client.mark(without, MARKED)

    assert (with_map.annotated, without.annotated, caching.shoot().mark) == (True, False, None)
    assert caching.server.shoot(NS, "api")["metadata"]["annotations"] == {"owner": "somebody"}


def test_a_mark_leaves_the_spec_alone(caching: Neighbour) -> None:
    before = caching.shoot()

    caching.client.mark(before, MARKED)

    after = caching.shoot()
    assert (after.references, after.generation, after.mark) == (before.references, before.generation, MARKED)


def test_a_move_of_a_shoot_that_changed_is_a_conflict_and_changes_nothing(caching: Neighbour) -> None:
    before = caching.shoot()
    caching.server.edit(NS, "api", {"purpose": "testing"})

    with pytest.raises(Conflict, match="generation 2 now, 1 when it was read"):
        caching.client.move(before, move(before), MARKED)
    assert caching.shoot().mark is None


@pytest.mark.parametrize("wrong", [{"old": "ar-v9"}, {"entry": "other"}, {"index": 7}], ids=str)
def test_a_move_whose_tests_fail_at_the_server_is_a_conflict(caching: Neighbour, wrong: dict[str, object]) -> None:
    shoot = caching.shoot()
    moves = [Move(**{"index": 0, "entry": "ar", "old": "ar-v1", "new": "ar-v2", **wrong})]  # type: ignore[arg-type]

    with pytest.raises(Conflict, match="422"):
        caching.client.move(shoot, moves, MARKED)


def test_a_move_of_another_shoot_of_the_same_name_is_a_conflict(caching: Neighbour) -> None:
    before = caching.shoot()
    caching.server.delete_shoot(NS, "api")
    caching.clock.advance(1800)
    caching.server.catch_up()
    caching.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"})

    with pytest.raises(Conflict, match="created anew"):
        caching.client.move(before, move(before), MARKED)


def test_a_move_of_a_shoot_that_is_gone_is_absent(caching: Neighbour) -> None:
    before = caching.shoot()
    caching.server.delete_shoot(NS, "api")
    caching.clock.advance(1800)

    with pytest.raises(Absent):
        caching.client.move(before, move(before), MARKED)


def test_a_move_to_a_missing_secret_is_denied_in_the_servers_words(caching: Neighbour) -> None:
    shoot = caching.shoot()

    with pytest.raises(Denied, match='secrets "nope" not found'):
        caching.client.move(shoot, move(shoot, "nope"), MARKED)


def test_a_move_of_a_shoot_in_deletion_is_denied_in_the_servers_words(garden: Neighbour) -> None:
    garden.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"}, ignored=True)
    garden.server.delete_shoot(NS, "api")
    shoot = garden.shoot()

    with pytest.raises(Denied, match=r"422: .*cannot update shoot spec if deletion timestamp is set"):
        garden.client.move(shoot, move(shoot), MARKED)


def test_all_entries_of_a_shoot_move_in_one_patch(garden: Neighbour) -> None:
    garden.server.create_shoot(NS, "api", {HOST: "ar", "us-docker.pkg.dev": "us"}, {"ar": "ar-v1", "us": "ar-v1"})
    shoot = garden.shoot()

    after = garden.client.move(shoot, move(shoot), MARKED)

    assert [each.secret for each in after.references] == ["ar-v2", "ar-v2"]
    assert after.generation == shoot.generation + 1


def test_a_missing_right_to_patch_blocks_and_names_the_right(caching: Neighbour) -> None:
    shoot = caching.shoot()
    caching.server.forbid("rotator", NS)
    caching.server.allow("rotator", NS, [rule for rule in ROTATOR if "patch" not in rule.verbs])
    caching.server.allow("rotator", NS, [type(ROTATOR[0])(("get", "list"), ("shoots",))])

    with pytest.raises(Permanent, match=f"grant patch on shoots in namespace {NS}") as refused:
        caching.client.move(shoot, move(shoot), MARKED)
    assert refused.value.code == "garden-access"


def test_a_webhook_that_is_down_is_transient(caching: Neighbour) -> None:
    shoot = caching.shoot()
    caching.server.knobs.webhook_down = True

    with pytest.raises(Transient, match="failed calling webhook"):
        caching.client.move(shoot, move(shoot), MARKED)


@pytest.mark.parametrize("answer", ["429", "503", "500", "lost"])
def test_a_write_that_may_succeed_later_is_transient_and_sent_once(caching: Neighbour, answer: str) -> None:
    shoot = caching.shoot()
    caching.fail("PATCH shoots", answer)

    with pytest.raises(Transient):
        caching.client.move(shoot, move(shoot), MARKED)
    assert [each.method for each in caching.operations.since() if each.method == "PATCH shoots"] == ["PATCH shoots"]


def test_a_read_is_repeated(caching: Neighbour) -> None:
    caching.fail("GET secrets", "503", times=2)

    assert caching.client.secret(NS, "ar-v1") is not None
