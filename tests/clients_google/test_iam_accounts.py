"""IAM's keys through the client: what it reads, what it sends, and what it refuses to send."""

from datetime import timedelta

import pytest

from google_neighbours import EMAIL, Neighbours
from rotator.clients import crypto
from rotator.errors import Absent, Permanent, StalePermit, Transient
from rotator.key import Email, KeyId


def test_an_account_has_its_unique_id(world: Neighbours) -> None:
    assert world.accounts.account(EMAIL, "acme") == world.account


def test_an_uploaded_key_is_listed_by_its_public_half_and_never_expires(world: Neighbours) -> None:
    key_id, private = world.upload()
    (key,) = world.accounts.keys(world.account)

    assert (key.id, key.public_key, key.origin) == (key_id, private.public_key, "USER")
    assert key.expires_at is None
    assert not key.disabled
    assert key == world.accounts.key(world.account, key_id)
    assert type(key.made_at).__name__ == "datetime"


def test_a_life_that_was_asked_for_is_the_keys_life(world: Neighbours) -> None:
    begin, end = world.now.replace(microsecond=0), (world.now + timedelta(days=30)).replace(microsecond=0)
    world.accounts.upload(world.account, world.accounts.generate(), begin, end)
    (key,) = world.accounts.keys(world.account)

    assert (key.made_at, key.expires_at) == (begin, end)


def test_a_created_key_comes_with_its_private_half(world: Neighbours) -> None:
    key_id, private = world.accounts.create(world.account)
    (key,) = world.accounts.keys(world.account)

    assert (key.id, key.public_key, key.origin) == (key_id, private.public_key, "GOOGLE")
    assert crypto.public_key_of_private(private.reveal()) == key.public_key


def test_public_halves_are_asked_for_once(world: Neighbours) -> None:
    for _ in range(3):
        world.upload()
    for _ in range(4):
        assert len(world.accounts.keys(world.account)) == 3

    assert world.calls("GetServiceAccountKey") == 3
    assert world.calls("ListServiceAccountKeys") == 4


def test_a_key_that_a_list_shows_and_a_get_does_not_know_is_left_out(world: Neighbours) -> None:
    world.upload()
    world.fail("GetServiceAccountKey", "NOT_FOUND")

    assert world.accounts.keys(world.account) == ()


def test_a_403_for_a_young_key_is_not_a_missing_permission(world: Neighbours) -> None:
    world.upload()
    world.fail("GetServiceAccountKey", "PERMISSION_DENIED")

    with pytest.raises(Transient, match="403 for a young key"):
        world.accounts.keys(world.account)
    world.google.clock.advance(3000)
    world.registry.exchange(world.key_file())  # any HTTP answer tells the time
    with pytest.raises(Permanent, match=r"serviceAccountKeys.get"):
        world.accounts.keys(world.account)


def test_keys_are_disabled_enabled_and_deleted(world: Neighbours) -> None:
    key_id, _ = world.upload()
    world.accounts.disable(world.account, key_id, world.permit("disable_key", key_id))
    disabled = world.accounts.key(world.account, key_id)
    world.accounts.enable(world.account, key_id)
    enabled = world.accounts.key(world.account, key_id)
    world.accounts.delete(world.account, key_id, world.permit("delete_key", key_id))

    assert (disabled.disabled, disabled.disabled_by_google, enabled.disabled) == (True, "", False)
    with pytest.raises(Absent, match=f"reading key {key_id}"):
        world.accounts.key(world.account, key_id)
    with pytest.raises(Absent, match=f"delete key {key_id}"):
        world.accounts.delete(world.account, key_id, world.permit("delete_key", key_id))


@pytest.mark.parametrize(
    ("action", "subject", "seconds"),
    [("disable_key", "it", -1), ("delete_key", "it", 60), ("disable_key", "another", 60)],
    ids=["too old", "for another act", "for another key"],
)
def test_a_permit_that_does_not_fit_sends_nothing(world: Neighbours, action: str, subject: str, seconds: float) -> None:
    key_id, _ = world.upload()
    permit = world.permit(action, key_id if subject == "it" else subject, seconds)

    with pytest.raises(StalePermit, match="nothing was sent"):
        world.accounts.disable(world.account, key_id, permit)
    assert world.calls("DisableServiceAccountKey") == 0


def test_a_permit_ends_by_the_servers_clock(world: Neighbours) -> None:
    key_id, _ = world.upload()
    permit = world.permit("delete_key", key_id, 60)
    world.google.clock.advance(120)
    world.registry.exchange(world.key_file())

    with pytest.raises(StalePermit, match="good until"):
        world.accounts.delete(world.account, key_id, permit)


def test_why_google_disabled_a_key_is_told_when_google_tells(world: Neighbours) -> None:
    key_id, _ = world.upload()
    world.google.iam.disable_by_google(key_id)
    told = world.accounts.key(world.account, key_id).disabled_by_google
    world.google.faults.clear()
    world.fail("GET v1/*", "503")
    world.fail("GET serviceAccounts", "503")
    (silent,) = world.accounts.keys(world.account)

    assert told == "EXPOSED"
    assert (silent.disabled, silent.disabled_by_google) == (True, "")


@pytest.mark.parametrize("outcome", ["already exists", "same key"])
def test_the_same_pair_twice_gives_the_id_it_has(world: Neighbours, outcome: str) -> None:
    world.google.iam.duplicate_upload = outcome  # type: ignore[assignment]
    key_id, private = world.upload()

    assert world.accounts.upload(world.account, private, world.now, None) == key_id


def test_a_pair_that_is_there_but_not_listed_yet_is_waited_for(world: Neighbours) -> None:
    world.google.iam.duplicate_upload = "already exists"
    world.google.iam.stale = 60
    _, private = world.upload()

    with pytest.raises(Transient, match="does not list it yet"):
        world.accounts.upload(world.account, private, world.now, None)


def test_an_absent_account_is_forbidden_and_the_text_says_both(world: Neighbours) -> None:
    with pytest.raises(Permanent, match="or there is no such object"):
        world.accounts.account(Email("nobody@acme.iam.gserviceaccount.com"), "acme")
    with pytest.raises(Absent):
        world.accounts.key(world.account, KeyId("0" * 40))
