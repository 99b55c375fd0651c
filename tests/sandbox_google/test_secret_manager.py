"""Secret Manager is strong for numbers, weak for everything else, and never idempotent."""

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import secretmanager_v1

from google_callers import METRIC, Callers, last
from sandbox import crc32c
from sandbox.google import Google


def test_a_version_is_numbered_and_can_be_accessed_by_its_number(google: Google, callers: Callers) -> None:
    first = callers.store(b"one")
    second = callers.add_version(b"one")

    assert first.name.endswith("/secrets/staging/versions/1")
    assert first.name.split("/")[1].isdecimal()
    assert second.name.endswith("/versions/2")
    assert first.client_specified_payload_checksum
    answer = callers.secrets.access_secret_version(name="projects/acme/secrets/staging/versions/1", **callers.auth)
    assert answer.payload.data == b"one"
    assert answer.payload.data_crc32c == crc32c.crc32c(b"one")
    assert last(google, "secretmanager").method == "AccessSecretVersion"


def test_a_key_in_a_secret_is_named_by_its_public_key(google: Google, callers: Callers) -> None:
    pem, _ = callers.certificate()
    callers.store(pem.encode())

    facts = dict(last(google, "secretmanager").facts)
    assert facts == {
        "secret": "projects/acme/secrets/staging",
        "version": 1,
        "state": "enabled",
        "public_key": google.ring.public_key_of(pem.encode()),
    }
    assert facts["public_key"]
    assert pem in google.key_files_issued()


def test_the_checksum_and_the_size_of_a_payload_are_checked(callers: Callers) -> None:
    callers.store(b"one")
    parent = "projects/acme/secrets/staging"

    for wrong in ({"data": b"two", "data_crc32c": 7}, {"data": b""}, {"data": b"x" * 65_537}):
        with pytest.raises(exceptions.InvalidArgument):
            callers.secrets.add_secret_version(parent=parent, payload=wrong, **callers.auth)
    assert crc32c.crc32c(b"123456789") == 0xE3069283


def test_a_secret_needs_replication_a_new_name_and_good_labels(callers: Callers) -> None:
    callers.store(b"one", installation="a")

    def make(secret_id: str, secret: dict[str, Any]) -> None:
        callers.secrets.create_secret(parent="projects/acme", secret_id=secret_id, secret=secret, **callers.auth)

    automatic: dict[str, Any] = {"replication": {"automatic": {}}}
    with pytest.raises(exceptions.AlreadyExists):
        make("staging", automatic)
    with pytest.raises(exceptions.InvalidArgument):
        make("other", {})
    with pytest.raises(exceptions.InvalidArgument):
        make("other", automatic | {"labels": {"Upper": "x"}})
    with pytest.raises(exceptions.NotFound):
        callers.add_version(b"x", "other")


def test_a_destroyed_version_is_gone_for_ever(callers: Callers) -> None:
    name = callers.store(b"one").name

    destroyed = callers.secrets.destroy_secret_version(name=name, **callers.auth)
    assert destroyed.state == secretmanager_v1.SecretVersion.State.DESTROYED
    with pytest.raises(exceptions.FailedPrecondition, match="DESTROYED"):
        callers.secrets.access_secret_version(name=name, **callers.auth)
    with pytest.raises(exceptions.FailedPrecondition):
        callers.secrets.enable_secret_version(name=name, **callers.auth)
    assert callers.secrets.get_secret_version(name=name, **callers.auth).destroy_time


def test_a_disabled_version_is_not_read_and_a_stale_etag_is_refused(callers: Callers) -> None:
    version = callers.store(b"one")

    disabled = callers.secrets.disable_secret_version(name=version.name, **callers.auth)
    with pytest.raises(exceptions.FailedPrecondition, match="DISABLED"):
        callers.secrets.access_secret_version(name=version.name, **callers.auth)
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        request = {"name": version.name, "etag": version.etag}
        callers.secrets.destroy_secret_version(request, **callers.auth)
    callers.secrets.destroy_secret_version({"name": version.name, "etag": disabled.etag}, **callers.auth)


def test_latest_and_lists_lag_but_numbers_do_not(google: Google, callers: Callers) -> None:
    callers.store(b"one")
    google.clock.advance(1000)
    google.secrets.latest_lag = google.secrets.list_lag = 600
    callers.add_version(b"two")
    name = "projects/acme/secrets/staging"

    assert callers.secrets.access_secret_version(name=f"{name}/versions/2", **callers.auth).payload.data == b"two"
    assert callers.secrets.access_secret_version(name=f"{name}/versions/latest", **callers.auth).payload.data == b"one"
    assert len(list(callers.secrets.list_secret_versions(parent=name, **callers.auth))) == 1
    google.clock.advance(601)
    assert callers.secrets.access_secret_version(name=f"{name}/versions/latest", **callers.auth).payload.data == b"two"
    assert len(list(callers.secrets.list_secret_versions(parent=name, **callers.auth))) == 2


def test_lists_filter_and_page(callers: Callers) -> None:
    callers.store(b"one", "first", installation="a")
    callers.store(b"one", "second", installation="b")
    for _ in range(4):
        callers.add_version(b"more", "second")

    request = {"parent": "projects/acme", "filter": "labels.installation=b AND name:sec"}
    assert [one.name.rpartition("/")[2] for one in callers.secrets.list_secrets(request, **callers.auth)] == ["second"]
    pages = {"parent": "projects/acme/secrets/second", "page_size": 2, "filter": "state:ENABLED"}
    versions = callers.secrets.list_secret_versions(pages, **callers.auth)
    assert [int(one.name.rpartition("/")[2]) for one in versions] == [5, 4, 3, 2, 1]
    with pytest.raises(exceptions.InvalidArgument):
        list(callers.secrets.list_secrets({"parent": "projects/acme", "filter": "colour=red"}, **callers.auth))


def test_a_deleted_secret_takes_its_versions_along(google: Google, callers: Callers) -> None:
    callers.store(b"one")
    callers.secrets.delete_secret(name="projects/acme/secrets/staging", **callers.auth)

    with pytest.raises(exceptions.NotFound):
        callers.secrets.get_secret(name="projects/acme/secrets/staging", **callers.auth)
    gone = [entry.facts for entry in google.operations.since() if entry.method == "DeleteSecret"]
    assert [(one["version"], one["state"]) for one in gone] == [(1, "destroyed"), (None, None)]


def test_secret_manager_and_monitoring_ask_for_permissions_too(google: Google, callers: Callers) -> None:
    google.access.deny("*")
    with pytest.raises(exceptions.PermissionDenied):
        callers.secrets.get_secret(name="projects/acme/secrets/staging", **callers.auth)
    with pytest.raises(exceptions.PermissionDenied):
        callers.series(f'metric.type="{METRIC}"')
