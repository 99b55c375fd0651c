"""Histories of single Shoots: what their owners and Gardener do while a key is rotated, and what becomes of the old key."""

import pytest

from house import EMAIL, HOST, NAMESPACE, house
from rotator.states import Done, Draining, Gone
from sandbox.garden.kind import SECRETS
from stories import (
    MINUTES,
    OLD,
    OTHER_HOST,
    SKIP,
    TWO_UPSTREAMS,
    V1,
    V2,
    begin,
    blocked,
    finished,
    key_states,
    names,
    on,
    patched,
    policy,
    public_key,
    retirement_of,
    runs,
    slow,
    told,
    until,
)


def test_an_owner_opts_out_and_the_old_key_lives_on_for_that_shoot() -> None:
    with house() as h:
        old, _ = h.populate(1)
        h.shoot("mine", OLD, annotations={SKIP: "true"})
        w = h.wire()
        record = h.rotate(w)
        assert isinstance(record.state, Done)
        assert [(left.shoot, left.why) for left in record.state.left] == [
            ("live/garden-acme/mine", f"its owner opted out ({SKIP})")
        ]

        retiring = on(h, w, retirement_of(h, w, old))
        assert isinstance(retiring.state, Draining)
        assert "live/garden-acme/mine names ar-credentials" in told(retiring)

        h.live.annotate(NAMESPACE, "mine", {SKIP: None})
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert names(h, "mine") == [V1]
        assert old not in key_states(h)


def test_the_retirement_moves_shoots_although_nobody_names_the_new_secret_yet() -> None:
    """The rotation could move nobody; so the new Secret is one that no Shoot names, and is found all the same."""
    with house() as h:
        old, _ = h.populate(0)
        h.shoot("mine", OLD, annotations={SKIP: "true"})
        w = h.wire()
        record = h.rotate(w)
        assert isinstance(record.state, Done)
        assert record.state.moved == 0

        h.live.annotate(NAMESPACE, "mine", {SKIP: None})
        retiring = on(h, w, retirement_of(h, w, old), 3)

        assert names(h, "mine") == [V1]
        assert "does not work" not in told(retiring)
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert old not in key_states(h)


def test_a_hibernated_shoot_moves_in_its_sleep_and_wakes_with_the_new_key() -> None:
    with house() as h:
        h.populate(1)
        h.shoot("asleep", OLD, hibernated=True)
        w = h.wire()
        h.rotate(w)
        assert set(finished(h, w).values()) == {"Done", "Gone"}

        h.live.wake(NAMESPACE, "asleep")
        assert names(h, "asleep") == [V1]
        assert runs(h, "asleep") == runs(h, "shoot-0") != []


def test_a_shoot_that_goes_to_sleep_and_wakes_holds_the_retirement_only_meanwhile() -> None:
    with house() as h:
        old, _ = h.populate(2)
        w = h.wire()
        h.rotate(w)
        h.live.behave(NAMESPACE, "shoot-1", outcome="stuck")
        h.live.hibernate(NAMESPACE, "shoot-1")

        retiring = on(h, w, retirement_of(h, w, old))
        assert isinstance(retiring.state, Draining)
        assert "live/garden-acme/shoot-1" in told(retiring)

        h.live.behave(NAMESPACE, "shoot-1", outcome="Succeeded")
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_an_ignored_shoot_does_not_hold_the_rotation_but_the_old_key() -> None:
    with house() as h:
        old, _ = h.populate(1)
        h.shoot("frozen", OLD)
        h.live.ignore(NAMESPACE, "frozen")
        w = h.wire()
        record = h.rotate(w)
        assert isinstance(record.state, Done)
        assert names(h, "frozen") == [V1]

        h.clock.advance(30 * 86400)
        retiring = on(h, w, retirement_of(h, w, old))
        assert isinstance(retiring.state, Draining)
        assert "live/garden-acme/frozen is ignored by gardenlet (shoot.gardener.cloud/ignore)" in told(retiring)
        assert key_states(h)[old] == "enabled"

        h.live.unignore(NAMESPACE, "frozen")
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_a_waived_shoot_does_not_hold_the_old_key_and_the_evidence_says_who() -> None:
    with house() as h:
        old, _ = h.populate(1)
        h.shoot("frozen", OLD)
        h.live.ignore(NAMESPACE, "frozen")
        w = h.wire()
        h.rotate(w)
        retiring = on(h, w, retirement_of(h, w, old))

        w.service.waive(retiring.id, "live/garden-acme/frozen", h.now(), by="jo", why="scrapped next week")
        ends = h.whole(w)

        gone = next(r for r in ends if r.id == retiring.id)
        assert isinstance(gone.state, Gone)
        assert "waived by a person: live/garden-acme/frozen by jo" in str(gone.evidence)
        assert h.violations(waived=frozenset({"live/garden-acme/frozen"})) == []


def test_a_confined_shoot_is_rolled_out_by_its_maintenance_and_by_nothing_else() -> None:
    with house(policy=policy(settle=MINUTES)) as h:
        old, _ = h.populate(1)
        h.shoot("calm", OLD, confined=True)
        w = h.wire()
        record = h.rotate(w)
        assert isinstance(record.state, Done)
        assert [left.shoot for left in record.state.left] == ["live/garden-acme/calm"]
        assert names(h, "calm") == [V1]
        assert runs(h, "calm") == [public_key(h, old)]

        h.clock.advance(7 * 86400)
        retiring = on(h, w, retirement_of(h, w, old))
        assert "live/garden-acme/calm has not been reconciled since generation 1" in told(retiring)
        assert key_states(h)[old] == "enabled"

        h.live.maintenance(NAMESPACE, "calm")
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert runs(h, "calm") == runs(h, "shoot-0")


def test_an_owner_edits_a_confined_shoot_after_our_mark_and_is_waited_for_once_more() -> None:
    with house(policy=policy(settle=MINUTES)) as h:
        old, _ = h.populate(1)
        h.shoot("calm", OLD, confined=True)
        w = h.wire()
        h.rotate(w)
        h.clock.advance(60)
        h.live.point(NAMESPACE, "calm", "ar", OLD)
        h.live.maintenance(NAMESPACE, "calm")
        h.live.point(NAMESPACE, "calm", "ar", V1)
        h.clock.advance(60)

        retiring = on(h, w, retirement_of(h, w, old), 5)
        assert isinstance(retiring.state, Draining)
        assert "live/garden-acme/calm" in told(retiring)
        h.clock.advance(7 * 86400)
        retiring = on(h, w, retiring, 5)
        assert isinstance(retiring.state, Draining)
        assert runs(h, "calm") == [public_key(h, old)]

        h.live.maintenance(NAMESPACE, "calm")
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_a_shoot_that_is_deleted_midway_holds_the_old_key_until_it_is_gone() -> None:
    with house() as h:
        old, _ = h.populate(2)
        w = h.wire()
        until(h, w, begin(h, w), "Published")
        h.live.behave(NAMESPACE, "shoot-1", outcome="stuck")
        h.live.delete_shoot(NAMESPACE, "shoot-1")

        record = h.carry(w, "puller-acme-prod-r1")
        assert isinstance(record.state, Done)
        assert names(h, "shoot-1") == [OLD]
        retiring = on(h, w, retirement_of(h, w, old))
        assert "shoot-1" in told(retiring)
        assert isinstance(retiring.state, Draining)

        h.live.behave(NAMESPACE, "shoot-1", outcome="Succeeded")
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_a_shoot_that_is_created_anew_under_its_old_name_moves_again() -> None:
    with house() as h:
        h.populate(1)
        h.shoot("twin", OLD)
        w = h.wire()
        h.rotate(w)
        h.live.delete_shoot(NAMESPACE, "twin")
        h.live.catch_up()

        h.shoot("twin", OLD)
        assert set(finished(h, w).values()) == {"Done", "Gone"}

        assert names(h, "twin") == [V1]
        assert patched(h).count("twin") == 2


def test_a_waiver_binds_to_the_shoot_not_to_its_name() -> None:
    with house() as h:
        old, _ = h.populate(1)
        h.shoot("twin", OLD, annotations={SKIP: "true"})
        h.live.ignore(NAMESPACE, "twin")
        w = h.wire()
        h.rotate(w)
        retiring = on(h, w, retirement_of(h, w, old))
        w.service.waive(retiring.id, "live/garden-acme/twin", h.now(), by="jo", why="scrapped")
        h.live.unignore(NAMESPACE, "twin")
        h.live.delete_shoot(NAMESPACE, "twin")
        h.live.catch_up()
        h.shoot("twin", OLD, annotations={SKIP: "true"}, outcome="stuck")

        h.clock.advance(86400)
        retiring = on(h, w, retiring)

        assert isinstance(retiring.state, Draining)
        assert "1 not settled: live/garden-acme/twin" in told(retiring)


def test_an_owner_takes_our_move_back_and_is_reported_not_fought() -> None:
    with house() as h:
        old, _ = h.populate(2)
        w = h.wire()
        h.rotate(w)
        h.live.point(NAMESPACE, "shoot-1", "ar", OLD)
        moves = len(patched(h))

        retiring = on(h, w, retirement_of(h, w, old))
        h.clock.advance(20 * 86400)
        retiring = on(h, w, retiring)

        assert isinstance(retiring.state, Draining)
        assert "live/garden-acme/shoot-1 was moved back by its owner" in told(retiring)
        assert len(patched(h)) == moves
        assert key_states(h)[old] == "enabled"

        h.live.point(NAMESPACE, "shoot-1", "ar", V1)
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_an_owner_takes_our_move_back_during_the_roll_out_and_the_rotation_ends_without_that_shoot() -> None:
    with house(policy=policy(growth=1.0)) as h:
        h.populate(2)
        slow(h)
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        on(h, w, record, 1)
        first = patched(h)[0]
        h.clock.advance(70)
        h.live.point(NAMESPACE, first, "ar", OLD)

        record = h.carry(w, record.id)

        assert isinstance(record.state, Done)
        assert [left.shoot for left in record.state.left] == [f"live/garden-acme/{first}"]
        assert "change the reference at its source" in record.state.left[0].why
        assert patched(h).count(first) == 1


def test_a_new_shoot_in_a_new_namespace_gets_the_new_secret_too() -> None:
    with house() as h:
        old, file = h.populate(1)
        slow(h)
        h.add_namespace("live", "garden-late")
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        on(h, w, record, 1)
        h.live.create_secret("garden-late", "copied", password=file)
        h.shoot("newcomer", "copied", namespace="garden-late")

        record = h.carry(w, record.id)

        assert isinstance(record.state, Done)
        assert names(h, "newcomer", namespace="garden-late") == [V1]
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert h.live.secret("garden-late", "copied") is None
        assert old not in key_states(h)


def test_a_shoot_whose_secret_is_gone_is_healed_by_the_next_rotation() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        h.rotate(w)
        h.live.delete_secret(NAMESPACE, V1)
        h.live.patch(SECRETS, NAMESPACE, V1, {"metadata": {"finalizers": None}})
        h.live.catch_up()
        assert h.live.secret(NAMESPACE, V1) is None

        record = h.rotate(w, new=True)

        assert isinstance(record.state, Done), record.rest
        assert names(h, "shoot-0") == names(h, "shoot-1") == [V2]


def test_all_entries_of_a_shoot_move_in_one_patch() -> None:
    with house(policy=policy(probes={HOST: "acme-prod/images/app:latest", OTHER_HOST: "acme-prod/images/app:latest"})) as h:
        h.google.repository(OTHER_HOST, "acme-prod/images", images=("app",))
        h.google.grant(h.account, OTHER_HOST, "acme-prod/images")
        _, file = h.populate(0)
        h.live.create_secret(NAMESPACE, "for-us", password=file)
        h.live.create_shoot(NAMESPACE, "both", TWO_UPSTREAMS, {"ar": OLD, "us": "for-us"})
        h.live.catch_up()
        w = h.wire()

        assert h.rotate(w).evidence
        ends = finished(h, w)

        assert set(ends.values()) == {"Done", "Gone"}
        assert names(h, "both") == [V1, V1]
        assert patched(h) == ["both"]
        assert h.live.secret(NAMESPACE, "for-us") is None
        assert w.service.look(h.now()).credentials[0].upstreams == (HOST, OTHER_HOST)


def test_an_entry_of_another_account_in_the_same_shoot_is_left_alone() -> None:
    with house() as h:
        h.populate(0)
        h.live.create_secret(NAMESPACE, "theirs", "robot", "pw")
        h.live.create_shoot(NAMESPACE, "both", {HOST: "ar", "registry.example": "other"}, {"other": "theirs", "ar": OLD})
        h.live.catch_up()
        w = h.wire()

        h.rotate(w)

        assert names(h, "both") == ["theirs", V1]
        assert h.live.secret(NAMESPACE, "theirs") is not None


def test_the_same_key_in_two_namespaces_of_two_gardens_is_disabled_after_the_last_has_moved() -> None:
    with house() as h:
        old, file = h.populate(1)
        canary = h.add_garden("canary", "garden-one")
        h.add_namespace("live", "garden-two")
        h.live.create_secret("garden-two", "copy", password=file)
        canary.create_secret("garden-one", "copy-too", password=file)
        h.shoot("two", "copy", namespace="garden-two")
        h.shoot("one", "copy-too", namespace="garden-one", garden="canary", annotations={SKIP: "true"})
        w = h.wire()
        h.rotate(w)

        h.clock.advance(7 * 86400)
        retiring = on(h, w, retirement_of(h, w, old))
        assert "canary/garden-one/one names copy-too" in told(retiring)
        assert key_states(h)[old] == "enabled"
        assert h.live.secret("garden-two", "copy") is not None

        canary.annotate("garden-one", "one", {SKIP: None})
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert (names(h, "two", namespace="garden-two"), names(h, "one", namespace="garden-one", garden="canary")) == (
            [V1],
            [V1],
        )
        assert runs(h, "one", garden="canary") == runs(h, "shoot-0")


def test_several_keys_of_one_account_are_all_replaced_by_one() -> None:
    with house() as h:
        one, _ = h.populate(1)
        two, file = h.hand_made_key()
        stray, _ = h.hand_made_key()
        h.live.create_secret(NAMESPACE, "second", password=file)
        h.shoot("other", "second")
        w = h.wire()

        h.rotate(w)
        ends = finished(h, w)

        assert sorted(ends.values()) == ["Done", "Gone", "Gone"]
        assert runs(h, "other") == runs(h, "shoot-0")
        assert set(key_states(h)) & {one, two, stray} == {stray}
        assert any("is unmanaged" in each for each in w.service.look(h.now(), EMAIL).credentials[0].hindrances)


def test_two_ids_of_one_key_are_both_taken_away() -> None:
    with house() as h:
        old, _ = h.populate(1)
        w = h.wire()
        w.service.tick(h.now())
        pair = next(key for key in h.account.user_managed() if key.key_id == old).pair
        assert pair is not None
        twin = h.google.iam.upload(h.account, pair.certificate(h.now(), h.now().replace(year=2099)))

        h.rotate(w)
        finished(h, w)

        assert {old, twin.key_id} & set(key_states(h)) == set()


@pytest.mark.parametrize("place", ["dns", "admission", "authorization"])
def test_a_secret_that_another_field_of_the_spec_names_is_kept(place: str) -> None:
    spec = {
        "dns": {"dns": {"domain": "x.dev.example.org", "providers": [{"type": "google-clouddns", "secretName": OLD}]}},
        "admission": {
            "kubernetes": {
                "version": "1.34.2",
                "kubeAPIServer": {"admissionPlugins": [{"name": "X", "kubeconfigSecretName": OLD}]},
            }
        },
        "authorization": {
            "kubernetes": {
                "version": "1.34.2",
                "kubeAPIServer": {"structuredAuthorization": {"configMapName": "c", "kubeconfigs": [{"secretName": OLD}]}},
            }
        },
    }[place]
    with house(policy=policy(settle=MINUTES)) as h:
        old, _ = h.populate(1)
        listed = {"odd": OLD} if place == "admission" else {}  # such a kubeconfig has to be listed as well
        h.live.create_shoot(NAMESPACE, "odd", {}, listed, extra_spec=spec)
        w = h.wire()
        h.rotate(w)

        h.clock.advance(7 * 86400)
        retiring = on(h, w, retirement_of(h, w, old))

        assert isinstance(retiring.state, Draining)
        assert "live/garden-acme/odd names ar-credentials in another field of its spec" in told(retiring)
        assert key_states(h)[old] == "enabled"


def test_a_migrating_shoot_keeps_the_old_key_alive_and_moves_when_it_has_arrived() -> None:
    with house() as h:
        old, _ = h.populate(1)
        h.shoot("nomad", OLD)
        h.live.migrate_start(NAMESPACE, "nomad", "gcp-us1")
        w = h.wire()
        record = h.rotate(w)
        assert isinstance(record.state, Done)
        assert [left.why for left in record.state.left] == ["is migrating between seeds"]
        assert "nomad" not in patched(h)

        retiring = on(h, w, retirement_of(h, w, old))
        assert "nomad" in told(retiring)

        h.live.migrate_end(NAMESPACE, "nomad")
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert names(h, "nomad") == [V1]


def test_a_shoot_whose_owner_froze_its_resources_keeps_the_old_key_alive() -> None:
    with house(policy=policy(settle=MINUTES)) as h:
        old, _ = h.populate(1)
        h.shoot("icy", OLD, frozen=True)
        w = h.wire()
        record = h.rotate(w)
        assert isinstance(record.state, Done)

        retiring = on(h, w, retirement_of(h, w, old))

        assert "live/garden-acme/icy has frozen managed resources (HasIgnoredManagedResources)" in told(retiring)
        assert runs(h, "icy") == []
        assert blocked(retiring) if retiring.blocked else key_states(h)[old] == "enabled"
