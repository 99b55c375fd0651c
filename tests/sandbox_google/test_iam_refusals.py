"""What IAM, an organisation's policy or Google itself does not allow, the sandbox does not allow either."""

from datetime import timedelta

import pytest
from google.api_core import exceptions
from google.iam.v1 import iam_policy_pb2
from google.rpc import error_details_pb2

from google_callers import EMAIL, Callers, last
from sandbox.google import Google
from sandbox.iam_key import Account


@pytest.mark.parametrize("rubbish", [b"", b"-----BEGIN PUBLIC KEY-----", b"rubbish"])
def test_only_an_x509_certificate_can_be_uploaded(callers: Callers, account: Account, rubbish: bytes) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        callers.upload(account, rubbish)


def test_uploading_twice_has_three_outcomes(google: Google, callers: Callers, account: Account) -> None:
    _, certificate = callers.certificate()
    first = callers.upload(account, certificate).name

    second = callers.upload(account, certificate).name
    assert second != first
    google.iam.duplicate_upload = "same key"
    assert callers.upload(account, certificate).name in {first, second}
    google.iam.duplicate_upload = "already exists"
    with pytest.raises(exceptions.AlreadyExists):
        callers.upload(account, certificate)


def test_the_eleventh_key_is_refused_in_both_historical_shapes(google: Google, callers: Callers, account: Account) -> None:
    for _ in range(10):
        google.make_key(account)
    google.iam.change_by_hand(next(key.key_id for key in account.user_managed()), "disabled")

    with pytest.raises(exceptions.FailedPrecondition, match="Precondition check failed") as bare:
        callers.create(account)
    assert bare.value.details == []
    google.iam.limit_error = "RESOURCE_EXHAUSTED"
    with pytest.raises(exceptions.ResourceExhausted, match="Maximum number of keys") as old:
        callers.upload(account, callers.certificate()[1])
    wait = next(one for one in old.value.details if isinstance(one, error_details_pb2.RetryInfo))
    assert wait.retry_delay.seconds == 86401
    google.iam.limit_counts_disabled = False
    callers.create(account)


@pytest.mark.parametrize("family", ["iam.", "iam.managed."])
def test_an_organisation_policy_names_itself_when_it_refuses(
    google: Google, callers: Callers, account: Account, family: str
) -> None:
    google.iam.constraints = {f"{family}disableServiceAccountKeyCreation"}
    with pytest.raises(exceptions.FailedPrecondition, match="Key creation is not allowed") as refusal:
        callers.create(account)
    found = next(one for one in refusal.value.details if isinstance(one, error_details_pb2.PreconditionFailure))
    assert found.violations[0].type == f"constraints/{family}disableServiceAccountKeyCreation"
    callers.upload(account, callers.certificate()[1])
    google.iam.constraints = {f"{family}disableServiceAccountKeyUpload"}
    callers.create(account)
    with pytest.raises(exceptions.FailedPrecondition, match="Key upload is not allowed"):
        callers.upload(account, callers.certificate()[1])


def test_the_expiry_constraint_limits_both_ways_of_making_a_key(google: Google, callers: Callers, account: Account) -> None:
    google.iam.key_expiry_hours = 24
    made = callers.iam.create_service_account_key(name=account.name, **callers.auth)

    assert made.valid_before_time - made.valid_after_time == timedelta(hours=24)
    with pytest.raises(exceptions.FailedPrecondition, match="longer than the max allowed lifetime of 86400 seconds"):
        callers.upload(account, callers.certificate(days=2)[1])
    callers.upload(account, callers.certificate(days=1)[1])
    google.clock.advance(86_401)
    assert not callers.live(made.private_key_data.decode())


def test_a_key_that_google_disabled_says_why_over_rest_only(google: Google, callers: Callers, account: Account) -> None:
    name, file = callers.create(account)
    google.iam.disable_by_google(name.rpartition("/")[2], "EXPOSED")

    assert last(google, "iam").facts["state"] == "disabled"
    assert last(google, "iam").facts["by"] == "google"
    assert callers.iam.get_service_account_key(name=name, **callers.auth).disabled
    assert not callers.live(file)
    auth = {"Authorization": f"Bearer {callers.token}"}
    shown = callers.get("iam.googleapis.com", f"/v1/{name}", headers=auth).json()
    assert shown["disableReason"] == "SERVICE_ACCOUNT_KEY_DISABLE_REASON_EXPOSED"
    assert shown["extendedStatus"][0]["key"] == "SERVICE_ACCOUNT_KEY_EXTENDED_STATUS_KEY_EXPOSED"
    callers.iam.enable_service_account_key(name=name, **callers.auth)
    shown = callers.get("iam.googleapis.com", f"/v1/{name}", headers=auth).json()
    assert "disabled" not in shown
    assert "disableReason" not in shown
    assert shown["extendedStatus"]


def test_rest_refuses_like_grpc(callers: Callers, account: Account) -> None:
    name, _ = callers.create(account)
    auth = {"Authorization": f"Bearer {callers.token}"}

    assert callers.get("iam.googleapis.com", f"/v1/{name}").status_code == 401
    absent = callers.get("iam.googleapis.com", f"/v1/{name}0", headers=auth)
    assert absent.status_code == 404
    assert absent.json()["error"]["status"] == "NOT_FOUND"
    wild = callers.get("iam.googleapis.com", f"/v1/projects/-/serviceAccounts/{EMAIL}/keys/0", headers=auth)
    assert wild.status_code == 403


def test_a_call_needs_a_living_token(google: Google, callers: Callers, account: Account) -> None:
    with pytest.raises(exceptions.Unauthenticated):
        callers.iam.list_service_account_keys(name=account.name, timeout=5, retry=None)
    callers.token = google.token(seconds=60)
    callers.listed(account)
    google.clock.advance(61)
    with pytest.raises(exceptions.Unauthenticated):
        callers.listed(account)


def test_a_permission_can_be_taken_away_and_given_back(google: Google, callers: Callers, account: Account) -> None:
    name, _ = callers.create(account)
    google.access.deny("iam.serviceAccountKeys.disable", "projects/acme/*")

    with pytest.raises(exceptions.PermissionDenied, match="or it may not exist"):
        callers.iam.disable_service_account_key(name=name, **callers.auth)
    request = iam_policy_pb2.TestIamPermissionsRequest(
        resource=account.name, permissions=["iam.serviceAccountKeys.disable", "iam.serviceAccountKeys.get"]
    )
    held = callers.iam.test_iam_permissions(request, metadata=callers.auth["metadata"], timeout=5)
    assert list(held.permissions) == ["iam.serviceAccountKeys.get"]
    google.access.allow("iam.serviceAccountKeys.disable", "projects/acme/*")
    callers.iam.disable_service_account_key(name=name, **callers.auth)


def test_a_pullers_own_token_may_do_nothing_here(google: Google, callers: Callers, account: Account) -> None:
    callers.token = callers.exchange(google.make_key(account)[1]).json()["access_token"]

    with pytest.raises(exceptions.PermissionDenied):
        callers.listed(account)


def test_the_account_tells_its_unique_id(callers: Callers, account: Account) -> None:
    assert callers.iam.get_service_account(name=account.name, **callers.auth).unique_id == account.unique_id
