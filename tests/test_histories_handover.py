"""Histories of Shoots that belong to a tool: handed over to their owners, who move them early, late, never, or back."""

from datetime import timedelta
from typing import Any

import pytest

from house import BASE, EMAIL, NAMESPACE, House, house
from rotator.record import Record, Wait
from rotator.report import outline, plan
from rotator.shoot import MARK
from rotator.states import Done, Draining, Published
from rotator.wiring import Wired
from sandbox.garden.kind import SECRETS
from stories import (
    DAY,
    OLD,
    SKIP,
    V1,
    V2,
    begin,
    blocked,
    finished,
    key_states,
    mutations,
    names,
    on,
    patched,
    policy,
    retirement_of,
    retry,
    runs,
    told,
    until,
)

SEEN = "registry-key-rotator/seen"
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
OWNED = "owned by Flux Kustomization flux-system/apps (label kustomize.toolkit.fluxcd.io/name=apps)"
CHANGE = f"spec.resources[0].resourceRef.name (ar) {OLD} -> {V1}"
HANDOVER = policy(delivery="handover", settle=timedelta(hours=2))


def kept(h: House, *shoots: str, **options: Any) -> tuple[str, str]:
    """A hand-made key, and Shoots on it that Flux keeps."""
    made = h.populate(0)
    for shoot in shoots:
        h.shoot(shoot, OLD, labels=FLUX, manager="kustomize-controller", **options)
    return made


def flux(h: House, shoot: str, secret: str) -> None:
    """The owner's source names this Secret now, and Flux has applied it."""
    h.live.point(NAMESPACE, shoot, "ar", secret, manager="kustomize-controller")
    h.live.catch_up()


def ordered(h: House, w: Wired) -> Record:
    """The Secret is written, and the owners are asked."""
    return on(h, w, until(h, w, begin(h, w), "Published"), 1)


def test_owners_move_their_shoots_and_the_old_key_is_taken_away_without_one_patch() -> None:
    with house(policy=HANDOVER) as h:
        old, _ = kept(h, "app", "web")
        w = h.wire()

        record = ordered(h, w)

        assert isinstance(record.state, Published)
        assert h.live.secret(NAMESPACE, V1) is not None
        assert f"live/garden-acme/app: its owner has to change {CHANGE}; {OWNED}" in told(record)
        assert f"live/garden-acme/web: its owner has to change {CHANGE}; {OWNED}" in told(record)
        assert told(record).startswith("0 of 2 Shoots moved")

        flux(h, "app", V1)
        record = on(h, w, record, 1)

        assert told(record).startswith("1 of 2 Shoots moved")
        assert "garden-acme/app:" not in told(record)

        flux(h, "web", V1)
        record = h.carry(w, record.id)

        assert isinstance(record.state, Done)
        assert (record.state.moved, record.state.left) == (2, ())
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert (runs(h, "app"), old in key_states(h)) == (runs(h, "web"), False)
        assert patched(h) == []


def test_an_owner_who_is_late_does_not_hold_the_rotation_but_is_asked_by_the_retirement() -> None:
    with house(policy=HANDOVER) as h:
        old, _ = kept(h, "app", "web")
        w = h.wire()
        record = ordered(h, w)
        flux(h, "app", V1)

        record = h.carry(w, record.id)

        assert isinstance(record.state, Done)
        assert [left.shoot for left in record.state.left] == ["live/garden-acme/web"]
        assert record.state.left[0].why == f"was not moved by its owner: {CHANGE}; {OWNED}"

        h.clock.advance(20 * 86400)
        retiring = on(h, w, retirement_of(h, w, old))

        assert isinstance(retiring.state, Draining)
        assert isinstance(retiring.rest, Wait)
        assert "live/garden-acme/web names ar-credentials" in told(retiring)
        assert f"live/garden-acme/web: its owner has to change {CHANGE}; {OWNED}" in told(retiring)
        assert key_states(h)[old] == "enabled"

        flux(h, "web", V1)
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert patched(h) == []


def test_the_next_rotation_begins_although_owners_have_not_moved() -> None:
    with house(policy=HANDOVER) as h:
        kept(h, "app")
        w = h.wire()
        h.rotate(w)

        record = h.rotate(w, new=True)

        assert isinstance(record.state, Done)
        assert f"{OLD} -> {V2}" in record.state.left[0].why
        flux(h, "app", V2)
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert len(key_states(h)) == 1
        assert patched(h) == []


def test_an_owner_who_moves_back_is_asked_again_and_the_soak_begins_anew() -> None:
    with house(policy=HANDOVER) as h:
        old, _ = kept(h, "app")
        w = h.wire()
        ordered(h, w)
        flux(h, "app", V1)
        h.carry(w, f"{BASE}-r1")
        retiring = on(h, w, retirement_of(h, w, old))
        assert isinstance(retiring.state, Draining)
        assert retiring.state.clear_since is not None

        flux(h, "app", OLD)
        h.clock.advance(20 * 86400)
        retiring = on(h, w, retiring)

        assert isinstance(retiring.state, Draining)
        assert retiring.state.clear_since is None
        assert CHANGE in told(retiring)
        assert key_states(h)[old] == "enabled"
        assert patched(h) == []


def test_a_suspension_holds_a_handover_and_what_owners_do_meanwhile_counts() -> None:
    with house(policy=HANDOVER) as h:
        kept(h, "app")
        w = h.wire()
        record = ordered(h, w)
        w.service.suspend(EMAIL, h.now(), by="ann", why="holidays")
        before = mutations(h)

        flux(h, "app", V1)
        h.clock.advance(7200)
        record = on(h, w, record, 3)

        assert isinstance(record.state, Published)
        assert "suspended by ann" in told(record)
        assert mutations(h) == before

        w.service.resume(EMAIL)
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_nobody_is_asked_to_move_to_a_dead_key() -> None:
    with house(policy=HANDOVER) as h:
        old, _ = kept(h, "app")
        w = h.wire()
        record = ordered(h, w)
        for key_id in key_states(h):
            if key_id != old:
                h.google.iam.change_by_hand(key_id, "disabled")
        h.clock.advance(3600)

        record = on(h, w, record)

        assert blocked(record).code == "wanted-key-dead"
        assert CHANGE not in told(record)
        assert patched(h) == []


def test_a_confined_shoot_that_its_owner_moved_gets_our_mark_and_nothing_else() -> None:
    """Nothing but a mark can date what a confined Shoot's spec says; its reference stays its owner's."""
    with house(policy=HANDOVER) as h:
        old, _ = kept(h, "app", confined=True)
        w = h.wire()
        record = ordered(h, w)
        assert patched(h) == []

        flux(h, "app", V1)
        h.clock.advance(5)
        on(h, w, record, 2)
        h.live.maintenance(NAMESPACE, "app")
        h.live.catch_up()

        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert old not in key_states(h)
        mine = [entry for entry in h.live.shoot(NAMESPACE, "app")["metadata"]["managedFields"] if "rotator" in entry["manager"]]
        assert [sorted(entry["fieldsV1"]) for entry in mine] == [["f:metadata"]]


def test_the_way_back_is_the_owners_too() -> None:
    with house(policy=HANDOVER) as h:
        old, _ = kept(h, "app")
        w = h.wire()
        ordered(h, w)
        flux(h, "app", V1)
        h.carry(w, f"{BASE}-r1")

        back = begin(h, w, to=old)
        back = on(h, w, until(h, w, back, "Published"), 1)

        assert f"spec.resources[0].resourceRef.name (ar) {V1} -> {V2}" in told(back)
        flux(h, "app", V2)
        assert isinstance(h.carry(w, back.id).state, Done)
        assert patched(h) == []


def test_more_shoots_than_fit_are_counted() -> None:
    with house(policy=HANDOVER) as h:
        kept(h, *(f"app-{number:02}" for number in range(23)))
        w = h.wire()

        record = ordered(h, w)

        assert record.rest is not None
        assert sum("its owner has to change" in why for why in record.rest.why) == 20
        assert record.rest.why[-1] == f"and 3 Shoots more: rotator plan {EMAIL}"


# --- direct delivery: we move once ---


def test_a_shoot_that_a_tool_keeps_is_moved_once_and_the_evidence_says_what_its_source_must_name() -> None:
    with house() as h:
        kept(h, "app")
        w = h.wire()
        (view,) = w.service.look(h.now()).credentials
        assert any(
            f"live/garden-acme/app is {OWNED}: we move the reference, and its source must follow" in each
            for each in view.hindrances
        )

        record = h.rotate(w)

        assert isinstance(record.state, Done)
        facts = {fact.name: fact.saw for fact in record.evidence[-1].facts}
        assert f"whose sources must name {V1} now: live/garden-acme/app by Flux Kustomization" in facts["kept_by_tools"]
        assert patched(h) == ["app"]


@pytest.mark.parametrize("when", ["at once", "after the rotation"])
def test_a_tool_that_takes_our_move_back_is_named_with_the_change_and_not_fought(when: str) -> None:
    with house() as h:
        old, _ = kept(h, "app", "web")
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        if when == "at once":
            on(h, w, record, 1)
            (first,) = patched(h)
        else:
            h.carry(w, record.id)
            first = "app"
        flux(h, first, OLD)
        record = h.carry(w, record.id)
        moves = patched(h)

        retiring = on(h, w, retirement_of(h, w, old))
        h.clock.advance(20 * 86400)
        retiring = on(h, w, retiring)

        assert isinstance(record.state, Done)
        assert isinstance(retiring.state, Draining)
        line = f"live/garden-acme/{first} was moved back by its owner: change the reference at its source: {CHANGE}; {OWNED}"
        assert line in told(retiring)
        assert patched(h) == moves
        assert moves.count(first) == 1
        assert key_states(h)[old] == "enabled"

        flux(h, first, V1)
        assert set(finished(h, w).values()) == {"Done", "Gone"}


@pytest.mark.parametrize("who", ["rotation", "retirement"])
def test_a_tool_that_writes_the_whole_shoot_anew_takes_our_mark_away_and_is_not_fought_either(who: str) -> None:
    with house() as h:
        old, _ = kept(h, "app", "web")
        if who == "retirement":
            h.live.annotate(NAMESPACE, "app", {SKIP: "true"})
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        on(h, w, record, 1)
        if who == "retirement":
            h.carry(w, record.id)
            h.live.annotate(NAMESPACE, "app", {SKIP: None})
            record = on(h, w, retirement_of(h, w, old), 1)
        first = patched(h)[-1]
        h.clock.advance(60)

        for _ in range(4):
            h.live.annotate(NAMESPACE, first, {MARK: None, SEEN: None})
            flux(h, first, OLD)
            record = on(h, w, record, 2)
            h.clock.advance(60)

        assert patched(h).count(first) == 1
        assert names(h, first) == [OLD]
        assert key_states(h)[old] == "enabled"
        assert h.violations() == []


def test_a_secret_that_a_tool_keeps_stays_until_it_is_removed_there() -> None:
    with house(policy=HANDOVER) as h:
        old, _ = kept(h, "app")
        external = {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "name": "ar",
            "uid": "1",
            "controller": True,
        }
        h.live.patch(SECRETS, NAMESPACE, OLD, {"metadata": {"ownerReferences": [external]}})
        w = h.wire()
        ordered(h, w)
        flux(h, "app", V1)
        h.carry(w, f"{BASE}-r1")
        retiring = retirement_of(h, w, old)
        on(h, w, retiring)
        h.clock.advance(3 * DAY.total_seconds())
        retiring = on(h, w, retiring)

        assert blocked(retiring).code == "foreign-secret"
        assert "belongs to External Secrets ar (ownerReference ExternalSecret/ar), which would re-create it" in told(retiring)
        assert "DELETE secrets" not in mutations(h)

        h.live.delete_secret(NAMESPACE, OLD)
        retry(h, w, retiring)
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_what_is_handed_over_is_in_the_plan() -> None:
    with house(policy=HANDOVER) as h:
        kept(h, "app")
        w = h.wire()

        (view,) = w.service.look(h.now()).credentials
        made = plan.make(view, (), h.now())

        assert made is not None
        assert outline.fate_rows(made) == (
            ("-", "live/garden-acme/app", "handover", f"its owner changes ar: {OLD} -> {V1}; {OWNED}"),
        )
        assert "moves   0 Shoots in 0 waves; 1 handed over to their owners" in outline.summary(made)
        assert made.count("handover") == 1
