"""Settled, movable, failing: one row for each clause of design.md section 7 and each situation of gardener.md section 5."""

import itertools
from typing import Any

import msgspec
import pytest

from parts import NOW, shoot
from rotator.shoot import Mark, Operation, Shoot, failing, why_not_movable, why_not_settled


def operation(kind: str, state: str) -> Operation:
    return Operation(kind, state, 40, "an infrastructure error", NOW)


MARKED: dict[str, Any] = {"mark": Mark("puller-acme-prod-r2", 3)}
CONFINED: dict[str, Any] = {**MARKED, "confined": True}

SETTLED: dict[str, dict[str, Any]] = {
    "no mark": {},
    "created": {"operation": operation("Create", "Succeeded")},
    "restored": {"operation": operation("Restore", "Succeeded")},
    "reconciled past our mark": MARKED,
    "confined, reconciled past our mark": CONFINED,
    "asleep": {"hibernate": True, "hibernated": True},
    "asleep, where health is not checked": {"hibernate": True, "hibernated": True, "unhealthy": "Unknown"},
    "touched, but not confined: its generation follows its spec": {**MARKED, "touched": True},
    "its owner opted out of moves": {"skip": True},
}
UNSETTLED: dict[str, tuple[dict[str, Any], str]] = {
    "deletionTimestamp": ({"deleting": True}, "is being deleted"),
    "ignored or stopped in an emergency": ({"ignored": True}, "is ignored by gardenlet"),
    "unscheduled": ({"seed": "", "status_seed": "", "operation": None}, "not been reconciled yet"),
    "scheduled, not there yet": ({"status_seed": ""}, "status unset"),
    "control-plane migration: seeds differ": ({"status_seed": "eu-2"}, "is not where it should be"),
    "control-plane migration: Migrate Succeeded": ({"operation": operation("Migrate", "Succeeded")}, "busy with Migrate"),
    "live migration": ({"operation": operation("LiveMigrate", "Succeeded")}, "busy with LiveMigrate"),
    "Restore running": ({"operation": operation("Restore", "Processing")}, "Restore Processing 40%"),
    "Delete Succeeded says nothing": ({"operation": operation("Delete", "Succeeded")}, "busy with Delete"),
    "no operation yet": ({"operation": None}, "not been reconciled yet"),
    "Create running": ({"operation": operation("Create", "Processing")}, "Create Processing"),
    "Reconcile pending": ({"operation": operation("Reconcile", "Pending")}, "Reconcile Pending"),
    "Reconcile running": ({"operation": operation("Reconcile", "Processing")}, "Reconcile Processing"),
    "Error": ({"operation": operation("Reconcile", "Error")}, "Reconcile Error"),
    "Failed": ({"operation": operation("Reconcile", "Failed")}, "Reconcile Failed"),
    "Aborted": ({"operation": operation("Reconcile", "Aborted")}, "Reconcile Aborted"),
    "not observed": ({"observed_generation": 3}, "generation 4, observed 3"),
    "Succeeded is the run before our patch": ({"mark": Mark("r2", 4)}, "since generation 4"),
    "confined, no mark": ({"confined": True, "mark": None}, "has no mark yet"),
    "confined, spec.resources written since": ({**CONFINED, "touched": True}, "spec.resources changed since our mark"),
    "confined, marked, window still to come": ({**CONFINED, "mark": Mark("r2", 4)}, "maintenance window only"),
    "going to sleep": ({"hibernate": True}, "is going to sleep"),
    "waking up": ({"hibernated": True}, "is waking up"),
    "HasIgnoredManagedResources": ({"frozen_resources": True}, "HasIgnoredManagedResources"),
    "SystemComponentsHealthy False": ({"unhealthy": "False"}, "SystemComponentsHealthy False"),
    "SystemComponentsHealthy Progressing": ({"unhealthy": "Progressing"}, "SystemComponentsHealthy Progressing"),
    "SystemComponentsHealthy Unknown": ({"unhealthy": "Unknown"}, "SystemComponentsHealthy Unknown"),
}


@pytest.mark.parametrize("changed", SETTLED.values(), ids=SETTLED)
def test_what_the_spec_says_is_what_runs(changed: dict[str, Any]) -> None:
    assert why_not_settled(shoot(**changed)) == ""


@pytest.mark.parametrize(("changed", "why"), UNSETTLED.values(), ids=UNSETTLED)
def test_the_spec_may_not_be_what_runs(changed: dict[str, Any], why: str) -> None:
    assert why in why_not_settled(shoot(**changed))


@pytest.mark.parametrize(("changed", "_"), UNSETTLED.values(), ids=UNSETTLED)
@pytest.mark.parametrize("healthy", SETTLED.values(), ids=SETTLED)
def test_any_one_condition_that_fails_is_enough(healthy: dict[str, Any], changed: dict[str, Any], _: str) -> None:
    """The law: settled is a conjunction, so nothing that is right elsewhere can make up for one thing that is wrong."""
    both = {**healthy, **changed}
    # A Shoot that sleeps is not on its way anywhere, and nobody checks its health: the one exception.
    asleep = both.get("hibernate") and both.get("hibernated") and set(changed) <= {"unhealthy", "hibernate", "hibernated"}

    assert bool(why_not_settled(shoot(**both))) is not bool(asleep)


def test_no_pair_of_faults_settles_a_shoot() -> None:
    for (one, _), (two, _) in itertools.combinations(UNSETTLED.values(), 2):
        both = {**one, **two}
        if both.get("hibernate") and both.get("hibernated"):
            continue
        assert why_not_settled(shoot(**both)), both


def test_a_b_a_is_not_taken_for_settled() -> None:
    """gardener.md 4: v2 at N, its owner reverts at N+1 (reconciled), and applies v2 again at N+2, not observed yet."""
    marked = Mark("r2", 1)

    assert why_not_settled(shoot(generation=4, observed_generation=3, mark=marked))
    assert not why_not_settled(shoot(generation=4, observed_generation=4, mark=marked))


MOVABLE: dict[str, dict[str, Any]] = {
    "normal": {},
    "Processing": {"operation": operation("Reconcile", "Processing")},
    "Error": {"operation": operation("Reconcile", "Error")},
    "Failed, not confined": {"operation": operation("Reconcile", "Failed")},
    "Failed, confined": {"operation": operation("Reconcile", "Failed"), "confined": True},
    "confined": {"confined": True},
    "ignored": {"ignored": True},
    "asleep": {"hibernate": True, "hibernated": True},
    "waking up": {"hibernated": True},
    "unscheduled": {"seed": "", "status_seed": "", "operation": None},
    "scheduled, Create still to begin": {"status_seed": "", "operation": None},
    "Create running": {"operation": operation("Create", "Processing")},
    "restored": {"operation": operation("Restore", "Succeeded")},
    "cache absent, Secret listed": {"caches": ()},
    "HasIgnoredManagedResources": {"frozen_resources": True},
}
IMMOVABLE: dict[str, tuple[dict[str, Any], str]] = {
    "deletionTimestamp": ({"deleting": True}, "is being deleted"),
    "its owner opted out": ({"skip": True}, "opted out"),
    "seeds differ": ({"status_seed": "eu-2"}, "migrating"),
    "Migrate": ({"operation": operation("Migrate", "Processing")}, "migrating"),
    "Migrate Succeeded": ({"operation": operation("Migrate", "Succeeded")}, "migrating"),
    "LiveMigrate": ({"operation": operation("LiveMigrate", "Processing")}, "migrating"),
    "Restore not Succeeded": ({"operation": operation("Restore", "Error")}, "being restored"),
}


@pytest.mark.parametrize("changed", MOVABLE.values(), ids=MOVABLE)
def test_a_patch_may_be_tried(changed: dict[str, Any]) -> None:
    assert why_not_movable(shoot(**changed)) == ""


@pytest.mark.parametrize(("changed", "why"), IMMOVABLE.values(), ids=IMMOVABLE)
def test_a_patch_would_be_refused(changed: dict[str, Any], why: str) -> None:
    assert why in why_not_movable(shoot(**changed))


@pytest.mark.parametrize(
    ("changed", "how"),
    [
        ({}, ""),
        ({"operation": None}, ""),
        ({"operation": operation("Reconcile", "Processing")}, ""),
        ({"operation": operation("Reconcile", "Aborted")}, ""),
        ({"operation": operation("Reconcile", "Error")}, "Reconcile Error: an infrastructure error"),
        ({"operation": operation("Create", "Failed")}, "Create Failed: an infrastructure error"),
        ({"operation": Operation("Reconcile", "Error", 1, "x" * 999, NOW)}, "Reconcile Error: " + "x" * 183),
        ({"unhealthy": "False"}, "SystemComponentsHealthy False"),
        ({"unhealthy": "Progressing"}, ""),
        ({"unhealthy": "Unknown"}, ""),
        ({"unhealthy": "False", "hibernate": True, "hibernated": True}, ""),
    ],
)
def test_failing_is_what_a_failure_budget_counts(changed: dict[str, Any], how: str) -> None:
    assert failing(shoot(**changed)) == how


@pytest.mark.parametrize(
    ("changed", "needs"),
    [
        ({}, False),
        ({"confined": True}, True),
        (CONFINED, False),
        ({**CONFINED, "touched": True}, True),
        ({"confined": True, "deleting": True}, False),
        ({"touched": True}, False),
    ],
)
def test_only_a_confined_shoot_that_cannot_be_dated_needs_a_mark(changed: dict[str, Any], needs: bool) -> None:
    assert shoot(**changed).needs_mark is needs


def test_a_shoot_names_secrets_in_all_places_of_its_spec() -> None:
    assert shoot(other_secrets=("dns", "audit")).names() == {"puller-acme-prod-v1", "dns", "audit"}


def test_a_mark_reads_as_it_is_written() -> None:
    assert str(Mark("puller-acme-prod-r2", 17)) == "puller-acme-prod-r2 17"


def test_every_field_of_a_shoot_is_in_some_row() -> None:
    """A new field that decides something needs rows of its own here."""
    rows = [*SETTLED.values(), *(row for row, _ in UNSETTLED.values()), *MOVABLE.values()]
    rows += [row for row, _ in IMMOVABLE.values()]
    told = {field for row in rows for field in row} | {"ref", "generation", "references", "other_secrets"}
    told |= {
        "bindings",
        "cache_config",
        "companions",
        "purpose",
        "canary",
        "marked_at",
        "annotated",
        "owners",
    }  # decide nothing here: others ask

    assert set(msgspec.structs.asdict(shoot())) == told
    assert isinstance(shoot(), Shoot)
