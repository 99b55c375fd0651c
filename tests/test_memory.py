"""A Shoot that settled once is believed while its spec is the same, so large scopes come to an end."""

from datetime import timedelta

import msgspec
import pytest

from house import NAMESPACE, house
from rotator.memory import Memory
from rotator.shoot import Mark, Operation, Shoot, ShootRef, why_not_settled

SETTLED = Shoot(
    ref=ShootRef("live", "garden-acme", "one", "uid-1"),
    generation=3,
    references=(),
    observed_generation=3,
    operation=Operation("Reconcile", "Succeeded", 100, "", None),
    mark=Mark("puller-acme-prod-r1", 2),
)
PERIODIC = msgspec.structs.replace(SETTLED, operation=Operation("Reconcile", "Processing", 10, "", None))


def test_a_periodic_reconcile_of_the_same_spec_does_not_unsettle() -> None:
    memory = Memory.of(Memory().after([SETTLED]))

    assert why_not_settled(PERIODIC)
    assert memory.why_not_settled(PERIODIC) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 4},
        {"generation": 4, "observed_generation": 4},
        {"other_secrets": ("another",)},
        {"mark": Mark("puller-acme-prod-r2", 2)},
        {"deleting": True},
        {"ignored": True},
        {"confined": True},
        {"status_seed": "elsewhere"},
        {"hibernate": True},
        {"frozen_resources": True},
        {"operation": Operation("Migrate", "Processing", 10, "", None)},
        {"ref": ShootRef("live", "garden-acme", "one", "uid-2")},
    ],
    ids=str,
)
def test_whatever_changes_must_settle_anew(change: dict[str, object]) -> None:
    memory = Memory.of(Memory().after([SETTLED]))

    assert memory.why_not_settled(msgspec.structs.replace(PERIODIC, **change))


def test_one_that_never_settled_is_not_remembered_and_one_that_is_gone_is_forgotten() -> None:
    assert Memory().after([PERIODIC]) == b""
    assert Memory.of(Memory().after([SETTLED])).after([]) == b""


def test_a_look_that_did_not_see_all_forgets_nobody() -> None:
    kept = Memory().after([SETTLED])

    assert Memory.of(kept).after([], whole=False) == kept


def test_a_fleet_in_which_somebody_always_reconciles_still_gets_its_key_retired() -> None:
    """Found by thinking of a hundred Shoots: the old rule wanted one look with all of them settled."""
    with house() as h:
        h.populate(shoots=6)
        wired = h.wire()
        h.rotate(wired)
        [retirement], _ = wired.service.tick(h.now())
        for turn in range(60):
            number = turn % 6
            h.live.behave(NAMESPACE, f"shoot-{number}", duration=3600.0)
            h.live.reconcile(NAMESPACE, f"shoot-{number}")
            h.carry(wired, retirement.id, horizon=timedelta(minutes=20), most=6)
            h.live.behave(NAMESPACE, f"shoot-{(number - 1) % 6}", duration=0.0)
            h.clock.advance(1200)
        state = type(wired.service.record(retirement.id).state).__name__

        assert state in {"Disabled", "DeletingKey", "Gone"}
        assert h.violations() == []
