"""Service-account keys live, die, lag and linger in the sandbox as they do at IAM."""

import json

import pytest
from google.api_core import exceptions
from google.cloud import iam_admin_v1

import google_callers
from google_callers import EMAIL, USER_MANAGED, Callers
from sandbox.google import Google
from sandbox.iam_key import Account

X509 = iam_admin_v1.ServiceAccountPublicKeyType.TYPE_X509_PEM_FILE
RAW = iam_admin_v1.ServiceAccountPublicKeyType.TYPE_RAW_PUBLIC_KEY


def test_a_created_key_is_a_whole_key_file_once_and_authenticates(callers: Callers, account: Account) -> None:
    made = callers.iam.create_service_account_key(name=account.name, **callers.auth)
    document = json.loads(made.private_key_data)

    assert document["client_email"] == EMAIL
    assert document["client_id"] == account.unique_id
    assert document["private_key_id"] == made.name.rpartition("/")[2]
    assert made.name == f"projects/acme/serviceAccounts/{EMAIL}/keys/{document['private_key_id']}"
    assert made.valid_before_time == google_callers.never()
    assert callers.live(made.private_key_data.decode())
    again = callers.iam.get_service_account_key(name=made.name, **callers.auth)
    assert again.private_key_data == b""
    assert again.public_key_data == b""


def test_a_name_may_carry_the_unique_id_and_the_project_wildcard(callers: Callers, account: Account) -> None:
    name, _ = callers.create(account)
    key_id = name.rpartition("/")[2]

    for other in (f"projects/-/serviceAccounts/{EMAIL}", f"projects/acme/serviceAccounts/{account.unique_id}"):
        assert callers.iam.get_service_account_key(name=f"{other}/keys/{key_id}", **callers.auth).name == name


def test_an_absent_key_is_not_found_but_forbidden_behind_the_wildcard(callers: Callers, account: Account) -> None:
    with pytest.raises(exceptions.NotFound):
        callers.iam.delete_service_account_key(name=f"{account.name}/keys/{'0' * 40}", **callers.auth)
    with pytest.raises(exceptions.PermissionDenied):
        name = f"projects/-/serviceAccounts/{EMAIL}/keys/{'0' * 40}"
        callers.iam.delete_service_account_key(name=name, **callers.auth)
    with pytest.raises(exceptions.PermissionDenied):
        callers.iam.list_service_account_keys(name="projects/acme/serviceAccounts/nobody@acme", **callers.auth)
    with pytest.raises(exceptions.InvalidArgument):
        callers.iam.list_service_account_keys(name="acme", **callers.auth)


def test_a_list_without_a_filter_shows_googles_own_keys_too(callers: Callers, account: Account) -> None:
    callers.create(account)

    everything = callers.iam.list_service_account_keys(name=account.name, **callers.auth)
    assert len(everything.keys) == 2
    assert len(callers.listed(account)) == 1
    with pytest.raises(exceptions.InvalidArgument):
        callers.iam.list_service_account_keys(name=account.name, key_types=USER_MANAGED * 2, **callers.auth)


def test_the_public_key_comes_in_the_form_asked_for(callers: Callers, account: Account) -> None:
    _, certificate = callers.certificate()
    name = callers.upload(account, certificate).name

    assert callers.iam.get_service_account_key(name=name, public_key_type=X509, **callers.auth).public_key_data == certificate
    raw = callers.iam.get_service_account_key(name=name, public_key_type=RAW, **callers.auth).public_key_data
    assert raw.startswith(b"-----BEGIN PUBLIC KEY-----")
    made, _ = callers.create(account)
    own = callers.iam.get_service_account_key(name=made, public_key_type=X509, **callers.auth).public_key_data
    assert own.startswith(b"-----BEGIN CERTIFICATE-----")


def test_disable_enable_and_delete_decide_who_authenticates(google: Google, callers: Callers, account: Account) -> None:
    name, file = callers.create(account)

    callers.iam.disable_service_account_key(name=name, **callers.auth)
    assert not callers.live(file)
    assert callers.listed(account)[0].disabled
    assert not google.iam.alive(google.ring.public_key_of(file.encode()) or "")
    callers.iam.enable_service_account_key(name=name, **callers.auth)
    assert callers.live(file)
    callers.iam.delete_service_account_key(name=name, **callers.auth)
    assert not callers.live(file)
    with pytest.raises(exceptions.NotFound):
        callers.iam.delete_service_account_key(name=name, **callers.auth)
    with pytest.raises(exceptions.NotFound):
        callers.iam.get_service_account_key(name=name, **callers.auth)


def test_an_uploaded_key_works_and_expires_with_its_certificate(google: Google, callers: Callers, account: Account) -> None:
    pem, certificate = callers.certificate(days=1)
    key = callers.upload(account, certificate)
    file = google_callers.key_file(account, key.name, pem)

    assert key.key_origin == iam_admin_v1.ServiceAccountKeyOrigin.USER_PROVIDED
    assert callers.live(file)
    google.clock.advance(86_400)
    assert not callers.live(file)


def test_a_certificate_is_not_believed_before_its_time(google: Google, callers: Callers, account: Account) -> None:
    pem, certificate = callers.certificate(begins=60)
    file = google_callers.key_file(account, callers.upload(account, certificate).name, pem)

    assert not callers.live(file)
    google.clock.advance(61)
    assert callers.live(file)


def test_one_private_key_with_two_ids_lives_until_both_are_disabled(callers: Callers, account: Account) -> None:
    pem, certificate = callers.certificate()
    first, second = (callers.upload(account, certificate).name for _ in range(2))
    file = google_callers.key_file(account, first, pem)

    callers.iam.disable_service_account_key(name=first, **callers.auth)
    assert callers.live(file)
    callers.iam.disable_service_account_key(name=second, **callers.auth)
    assert not callers.live(file)


def test_a_new_key_propagates_slowly_and_a_dead_one_lingers(google: Google, callers: Callers, account: Account) -> None:
    google.iam.works_after, google.iam.stops_after = 60, 120
    name, file = callers.create(account)

    assert not callers.live(file)
    google.clock.advance(61)
    assert callers.live(file)
    callers.iam.disable_service_account_key(name=name, **callers.auth)
    assert callers.live(file)
    google.clock.advance(121)
    assert not callers.live(file)
    assert {entry.accepted for entry in google.iam.authentications} == {True, False}


def test_reads_can_be_stale_in_both_directions(google: Google, callers: Callers, account: Account) -> None:
    google.iam.stale = 30
    name, _ = callers.create(account)

    assert callers.listed(account) == []
    with pytest.raises(exceptions.NotFound):
        callers.iam.get_service_account_key(name=name, **callers.auth)
    google.clock.advance(31)
    assert [key.name for key in callers.listed(account)] == [name]
    callers.iam.delete_service_account_key(name=name, **callers.auth)
    assert [key.name for key in callers.listed(account)] == [name]
    google.clock.advance(31)
    assert callers.listed(account) == []
