"""Histories of keys: caps, policies, dead and orphaned ones, supersession, the way back, and taking a key back."""

from datetime import timedelta

import pytest

from house import BASE, EMAIL, NAMESPACE, house
from rotator.clients import crypto
from rotator.errors import Invalid
from rotator.key import Account, KeyFile, KeyId
from rotator.states import Done, Draining, Planned, Reenabled, Reenabling, Superseded, Withdrawn
from sandbox.faults import Fault
from stories import (
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
    retirements,
    retry,
    runs,
    told,
    until,
)


@pytest.mark.parametrize("mint", ["upload", "create"])
def test_an_account_with_nine_keys_gets_no_tenth_from_us(mint: str) -> None:
    with house(policy=policy(mint=mint)) as h:
        h.populate(1)
        strays = [h.hand_made_key()[0] for _ in range(8)]
        w = h.wire()
        record = h.rotate(w)

        assert blocked(record).code == "key-cap"
        assert "it has 9 user-managed keys and IAM allows ten" in told(record)
        assert all(stray[:8] in told(record) for stray in strays)
        assert isinstance(record.state, Planned)
        assert len(key_states(h)) == 9

        h.google.iam.change_by_hand(strays[0], "deleted")
        assert isinstance(h.carry(w, retry(h, w, record).id).state, Done)
        assert h.violations() == []


@pytest.mark.parametrize("shape", ["FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"])
@pytest.mark.parametrize("mint", ["upload", "create"])
def test_a_cap_that_a_stale_list_hid_blocks_in_both_its_shapes(shape: str, mint: str) -> None:
    with house(policy=policy(mint=mint)) as h:
        h.populate(1)
        h.google.iam.limit_error = shape  # type: ignore[assignment]
        h.google.iam.stale = 600.0
        for _ in range(9):
            h.hand_made_key()
        w = h.wire()

        record = on(h, w, begin(h, w))

        assert blocked(record).code == ("key-cap" if shape == "RESOURCE_EXHAUSTED" else "precondition"), told(record)
        assert "gcloud iam service-accounts keys list" in told(record) + blocked(record).next_command
        assert len(key_states(h)) == 10


@pytest.mark.parametrize(("mint", "what", "other"), [("upload", "Upload", "create"), ("create", "Creation", "upload")])
def test_an_organisation_policy_blocks_and_names_the_other_way(mint: str, what: str, other: str) -> None:
    with house(policy=policy(mint=mint)) as h:
        h.populate(1)
        h.google.iam.constraints.add(f"iam.disableServiceAccountKey{what}")
        w = h.wire()
        record = h.rotate(w)

        assert blocked(record).code == "org-policy"
        assert f'set mint = "{other}" if that is allowed' in told(record)
        assert len(key_states(h)) == 1

        h.google.iam.constraints.clear()
        assert isinstance(h.carry(w, retry(h, w, record).id).state, Done)


def test_a_dead_wanted_key_begins_a_rotation_by_itself_and_holds_the_retirement_meanwhile() -> None:
    with house() as h:
        old, _ = h.populate(2)
        w = h.wire()
        done = h.rotate(w)
        assert isinstance(done.state, Done)
        retiring = retirement_of(h, w, old)

        h.google.iam.disable_by_google(done.state.key.id)
        retiring = on(h, w, retiring)
        h.clock.advance(3 * 3600)
        retiring = on(h, w, retiring)
        assert isinstance(retiring.state, Draining)
        assert "the wanted key does not work" in told(retiring)
        assert key_states(h)[old] == "enabled"

        begun, _ = w.service.tick(h.now())
        assert [record.id for record in begun] == [f"{BASE}-r2"]
        assert "which Shoots use, does not work: disabled by Google" in begun[0].order.why
        assert w.service.tick(h.now())[0] == ()
        h.carry(w, begun[0].id)
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert names(h, "shoot-0") == [V2]
        assert len(key_states(h)) == 1


def test_a_wanted_key_that_somebody_deleted_begins_a_rotation_though_it_was_the_last_one() -> None:
    """An account whose list is empty looked like one whose list could not be read: nobody noticed the one key being deleted."""
    with house() as h:
        h.populate(1)
        w = h.wire()
        done = h.rotate(w)
        assert isinstance(done.state, Done)
        finished(h, w)
        h.google.iam.change_by_hand(done.state.key.id, "deleted")
        assert key_states(h) == {}

        begun, _ = w.service.tick(h.now())

        assert [record.id for record in begun] == [f"{BASE}-r2"]
        assert "deleted by somebody" in begun[0].order.why
        assert isinstance(h.carry(w, begun[0].id).state, Done)
        assert names(h, "shoot-0") == [V2]


def test_a_dead_wanted_key_in_manual_mode_asks_a_person_once_and_holds_the_retirement() -> None:
    with house(policy=policy(mode="manual")) as h:
        old, _ = h.populate(1)
        w = h.wire()
        done = h.rotate(w)
        assert isinstance(done.state, Done)
        retiring = retirement_of(h, w, old)
        on(h, w, retiring)
        h.google.iam.disable_by_google(done.state.key.id)
        h.clock.advance(3 * 3600)

        begun, _ = w.service.tick(h.now())
        assert [(r.id, blocked(r).code) for r in begun] == [(f"{BASE}-r2", "confirm-rotation")]
        assert blocked(begun[0]).next_command == f"rotator retry {BASE}-r2"
        assert w.service.tick(h.now())[0] == ()
        asked = on(h, w, begun[0])
        retiring = on(h, w, retiring)

        assert isinstance(asked.state, Planned)
        assert "does not work: disabled by Google" in told(asked)
        assert "the wanted key does not work" in told(retiring)
        assert key_states(h)[old] == "enabled"

        retry(h, w, asked)

        assert isinstance(h.carry(w, asked.id).state, Done)
        assert names(h, "shoot-0") == [V2]


def test_who_rotates_by_hand_lets_the_rotation_go_on_that_waited_for_a_person() -> None:
    with house(policy=policy(mode="manual")) as h:
        h.populate(1)
        w = h.wire()
        done = h.rotate(w)
        assert isinstance(done.state, Done)
        h.google.iam.disable_by_google(done.state.key.id)
        asked = w.service.tick(h.now())[0][0]
        assert blocked(asked).code == "confirm-rotation"

        record = h.rotate(w)

        assert record.id == asked.id
        assert isinstance(record.state, Done)


def test_a_key_that_is_of_age_is_rotated_by_the_schedule_once() -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        assert w.service.tick(h.now())[0] == ()
        h.clock.advance(89 * 86400)

        begun, _ = w.service.tick(h.now())

        assert [record.order.why.endswith("of waits") for record in begun] == [True]
        assert begun[0].order.by == "schedule"
        assert w.service.tick(h.now())[0] == ()
        assert set(finished(h, w).values()) == {"Done", "Gone"}


@pytest.mark.parametrize("state", ["Planned", "Staged", "Minted", "Verified", "Published"])
@pytest.mark.parametrize("mint", ["upload"])
def test_a_newer_rotation_supersedes_and_nothing_of_the_older_one_is_left(state: str, mint: str) -> None:
    with house(policy=policy(mint=mint)) as h:
        h.populate(2)
        w = h.wire()
        older = until(h, w, begin(h, w), state)

        newer = begin(h, w, new=True)

        older = w.service.record(older.id)
        assert isinstance(older.state, Superseded)
        assert older.state.by == newer.id
        ends = finished(h, w)
        assert set(ends.values()) <= {"Superseded", "Done", "Gone"}
        assert len(key_states(h)) == 1
        assert names(h, "shoot-0") == names(h, "shoot-1") == [V2]
        assert h.live.secret(NAMESPACE, V1) is None
        assert h.google.secrets.listed_versions(
            h.google.secrets.find(f"projects/acme-prod/secrets/registry-key-rotator-{BASE}")
        ) == [] or all(
            version.state == "destroyed"
            for version in h.google.secrets.find(f"projects/acme-prod/secrets/registry-key-rotator-{BASE}").versions
        )


def test_a_key_whose_upload_nobody_heard_of_is_found_again_and_not_made_twice() -> None:
    with house() as h:
        h.populate(1)
        h.faults.add(Fault(service="iam", method="UploadServiceAccountKey", when="after", answer="lost"))
        w = h.wire()

        record = h.rotate(w)

        assert isinstance(record.state, Done)
        assert len([o for o in h.operations.since() if o.method == "UploadServiceAccountKey" and o.outcome == "ok"]) == 1


def test_the_way_back_takes_the_old_key_up_again_and_retires_the_new_one() -> None:
    with house() as h:
        old, _ = h.populate(2)
        w = h.wire()
        first = h.rotate(w)
        assert isinstance(first.state, Done)
        retiring = on(h, w, retirement_of(h, w, old))

        back = h.rotate(w, to=old)

        assert isinstance(back.state, Done)
        assert isinstance(w.service.record(retiring.id).state, Withdrawn)
        assert names(h, "shoot-0") == names(h, "shoot-1") == [V2]
        assert runs(h, "shoot-0") == [public_key(h, old)]
        ends = finished(h, w)
        assert sorted(ends.values()) == ["Done", "Done", "Gone", "Withdrawn"]
        assert key_states(h) == {old: "enabled"}


def test_the_way_back_is_refused_behind_the_point_of_no_return() -> None:
    with house() as h:
        old, _ = h.populate(1)
        w = h.wire()
        h.rotate(w)
        retiring = retirement_of(h, w, old)
        until(h, w, retiring, "DeletingSecrets")
        moved = len(patched(h))

        back = h.rotate(w, to=old)

        assert blocked(back).code in {"past-return", "no-secret-holds-it"}
        assert f"past the point of no return in {retiring.id}" in told(back)
        assert blocked(back).next_command == f"rotator rotate {EMAIL} --new"
        assert len(patched(h)) == moved


def test_the_way_back_to_a_key_without_a_secret_is_refused_at_once() -> None:
    with house() as h:
        h.populate(1)
        stray, _ = h.hand_made_key()
        w = h.wire()

        with pytest.raises(Invalid, match="no Secret in scope holds it any more, so its private half is lost"):
            begin(h, w, to=stray)
        with pytest.raises(Invalid, match="no key of that name; IAM has"):
            begin(h, w, to="nosuchkey")
        assert w.service.records()[0] == ()


@pytest.mark.parametrize("mint", ["upload", "create"])
def test_a_key_has_one_name_in_everything_that_is_said_of_it(mint: str) -> None:
    with house(policy=policy(mint=mint)) as h:
        h.populate(1)
        w = h.wire()
        record = h.rotate(w)
        assert isinstance(record.state, Done)
        said = [fact.saw for entry in record.evidence for fact in entry.facts]
        key = record.state.key

        assert sum(f"key {key.public_key[:8]}" in each for each in said) >= 2
        assert [each for each in said if key.id[:8] in each] == [
            each for each in said if f"key {key.public_key[:8]} is at IAM as {key.id[:8]}" in each
        ]


@pytest.mark.parametrize("state", ["Disabling", "Disabled"])
def test_a_key_is_taken_back_and_asserted_until_no_late_call_can_disable_it(state: str) -> None:
    """A paused worker's disable arrives after the person enabled the key: it is enabled again, until the fence has passed."""
    with house(policy=policy(poll=timedelta(minutes=5), request=timedelta(minutes=5))) as h:
        old, _ = h.populate(1)
        w = h.wire()
        h.rotate(w)
        retiring = until(h, w, retirement_of(h, w, old), "Disabling")
        if state == "Disabled":
            retiring = until(h, w, retiring, "Disabled")
        else:
            number = h.faults.add(Fault(service="iam", method="DisableServiceAccountKey", answer="park"))
            on(h, w, retiring, 2)
            h.faults.remove(number)
            assert h.faults.parked() == 1

        taken = w.service.reenable(old, h.now(), by="jo", why="the build farm needs it")
        taken = on(h, w, taken, 1)
        assert key_states(h)[old] == "enabled"
        assert isinstance(taken.state, Reenabling)
        assert f"{taken.state.fence:%Y-%m-%d %H:%M:%S} UTC" in told(taken)
        if state == "Disabling":
            h.faults.release()
            assert key_states(h)[old] == "disabled"
        else:
            h.google.iam.change_by_hand(old, "disabled", by="rotator, late")

        taken = h.carry(w, taken.id)

        assert key_states(h)[old] == "enabled"
        assert isinstance(taken.state, Reenabled)
        assert blocked(taken).code == "reenabled"
        assert blocked(taken).next_command == f"rotator retry {taken.id}"
        w.service.tick(h.now())
        assert len(retirements(w)) == 1
        assert w.service.look(h.now(), EMAIL).credentials[0].blocked == ()

        w.service.retry(taken.id, h.now(), by="jo", why="moved at last")
        assert finished(h, w)[taken.id] == "Gone"


def test_a_key_that_google_disabled_is_not_enabled_by_taking_it_back() -> None:
    with house() as h:
        old, _ = h.populate(1)
        w = h.wire()
        h.rotate(w)
        retiring = until(h, w, retirement_of(h, w, old), "Disabled")
        h.google.iam.disable_by_google(old)

        taken = on(h, w, w.service.reenable(old, h.now(), by="jo", why="needed"))

        assert blocked(taken).code == "disabled-by-google"
        assert key_states(h)[old] == "disabled"
        assert retiring.id == taken.id


def test_a_key_that_was_tried_while_disabled_is_given_back_and_its_retirement_starts_over() -> None:
    """`retry` alone does not go on from here: what was tried stays on the provider's record. The command that is named does."""
    with house(policy=policy(poll=timedelta(minutes=5), request=timedelta(minutes=5))) as h:
        old, _ = h.populate(1)
        pair = next(key.pair for key in h.account.user_managed() if key.key_id == old)
        assert pair is not None
        w = h.wire()
        h.rotate(w)
        retiring = until(h, w, retirement_of(h, w, old), "Disabled")
        h.clock.advance(2 * 3600)
        account = Account(email=EMAIL, project="acme-prod", unique_id=h.account.unique_id)
        file = KeyFile(crypto.private_key(pair.pem), account, KeyId(old))
        assert not w.world(EMAIL).registry.exchange(file).accepted
        h.clock.advance(2 * 3600)
        retiring = on(h, w, retiring)
        assert blocked(retiring).code == "used-while-disabled"
        assert blocked(retiring).next_command == f"rotator reenable {public_key(h, old)[:8]}"

        taken = w.service.reenable(public_key(h, old)[:8], h.now(), by="jo", why="found its user")
        taken = h.carry(w, taken.id)
        assert isinstance(taken.state, Reenabled)
        assert key_states(h)[old] == "enabled"
        w.service.retry(taken.id, h.now(), by="jo", why="the user has moved")

        assert finished(h, w)[taken.id] == "Gone"
