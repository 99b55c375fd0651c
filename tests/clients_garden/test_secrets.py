"""Secrets: created, read, deleted."""

from datetime import UTC, datetime

import pytest

from garden_neighbour import EMAIL, FILE, NS, PAIR, Neighbour, draft, permit
from rotator.errors import Absent, Conflict, Denied, Exists, Permanent, StalePermit, Transient
from rotator.key import PublicKey


def test_a_created_secret_is_immutable_marked_and_holds_the_key(garden: Neighbour) -> None:
    garden.client.fence()
    garden.client.create_secret(draft())

    secret = garden.client.secret(NS, "ar-v3")
    assert secret is not None
    assert secret.holds(PublicKey(PAIR.public_key))
    assert (secret.immutable, secret.faults, secret.oddities, secret.owners) == (True, (), (), ())
    assert secret.installation == "prod"
    login = secret.login()
    assert login is not None
    assert (login.account, login.id) == (EMAIL, "4f1c")


def test_a_name_that_is_taken_exists(garden: Neighbour) -> None:
    with pytest.raises(Exists):
        garden.client.create_secret(draft("ar-v1"))


def test_a_quota_that_is_full_is_denied_in_the_servers_words(garden: Neighbour) -> None:
    garden.server.knobs.quotas[NS] = 2

    with pytest.raises(Denied, match="quota"):
        garden.client.create_secret(draft())


def test_a_create_is_never_repeated(garden: Neighbour) -> None:
    garden.fail("CREATE secrets", "lost", when="after", times=1)

    with pytest.raises(Transient):
        garden.client.create_secret(draft())
    assert garden.client.secret(NS, "ar-v3") is not None


def test_a_secret_is_decoded_once_per_version(garden: Neighbour) -> None:
    first = garden.client.secret(NS, "ar-v1")

    assert garden.client.secret(NS, "ar-v1") is first


def test_a_secret_that_is_not_there_is_none(garden: Neighbour) -> None:
    assert garden.client.secret(NS, "nope") is None


def test_a_secret_is_deleted_with_its_permit(garden: Neighbour) -> None:
    secret = garden.client.secret(NS, "ar-v1")
    assert secret is not None

    garden.client.delete_secret(secret, permit(secret.uid))

    assert garden.client.secret(NS, "ar-v1") is None
    with pytest.raises(Absent):
        garden.client.delete_secret(secret, permit(secret.uid))


@pytest.mark.parametrize(
    "stale",
    [{"action": "delete_key"}, {"subject": "other"}, {"until": datetime(2026, 1, 1, tzinfo=UTC)}],
    ids=["action", "subject", "until"],
)
def test_a_stale_permit_sends_nothing(garden: Neighbour, stale: dict[str, object]) -> None:
    secret = garden.client.secret(NS, "ar-v1")
    assert secret is not None

    with pytest.raises(StalePermit):
        garden.client.delete_secret(secret, permit(secret.uid, **stale))
    assert garden.client.secret(NS, "ar-v1") == secret


def test_a_secret_that_was_replaced_is_not_deleted(garden: Neighbour) -> None:
    secret = garden.client.secret(NS, "ar-v1")
    assert secret is not None
    garden.server.delete_secret(NS, "ar-v1")
    garden.server.create_secret(NS, "ar-v1", "_json_key", FILE.reveal())

    with pytest.raises(Conflict):
        garden.client.delete_secret(secret, permit(secret.uid))
    assert garden.client.secret(NS, "ar-v1") is not None


def test_a_referenced_secret_is_protected_and_then_deleting(caching: Neighbour) -> None:
    secret = caching.client.secret(NS, "ar-v1")
    assert secret is not None
    assert (secret.protected, secret.deleting) == (True, False)

    caching.client.delete_secret(secret, permit(secret.uid))

    after = caching.client.secret(NS, "ar-v1")
    assert after is not None
    assert after.deleting


def test_a_forbidden_delete_is_never_gone(garden: Neighbour) -> None:
    secret = garden.client.secret(NS, "ar-v1")
    assert secret is not None
    garden.server.forbid("rotator", NS)

    with pytest.raises(Permanent, match="grant delete on secrets"):
        garden.client.delete_secret(secret, permit(secret.uid))
