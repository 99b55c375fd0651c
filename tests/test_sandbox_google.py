"""The Google half of the sandbox answers like Google and refuses what Google refuses; asked by Google's own clients."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import google_callers
import httpx
import pytest
from google.api_core import exceptions
from google.cloud import iam_admin_v1, monitoring_v3, secretmanager_v1
from google.iam.v1 import iam_policy_pb2
from google.rpc import error_details_pb2
from google_callers import Callers

from sandbox import crc32c
from sandbox.faults import Fault
from sandbox.google import ROTATOR, Google
from sandbox.iam_key import Account
from sandbox.operations import Operation

HOST = "europe-docker.pkg.dev"
USER_MANAGED = [iam_admin_v1.ListServiceAccountKeysRequest.KeyType.USER_MANAGED]
X509 = iam_admin_v1.ServiceAccountPublicKeyType.TYPE_X509_PEM_FILE
RAW = iam_admin_v1.ServiceAccountPublicKeyType.TYPE_RAW_PUBLIC_KEY
EMAIL = "puller@acme.iam.gserviceaccount.com"
PATH = "acme/images/app"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
METRIC = "iam.googleapis.com/service_account/key/authn_events_count"


@pytest.fixture
def google() -> Iterator[Google]:
    with Google() as running:
        yield running


@pytest.fixture
def callers(google: Google) -> Iterator[Callers]:
    clients = Callers(google)
    yield clients
    clients.close()


@pytest.fixture
def account(google: Google) -> Account:
    return google.create_account("acme", EMAIL)


def create(callers: Callers, account: Account) -> tuple[str, str]:
    made = callers.iam.create_service_account_key(name=account.name, **callers.auth)
    return made.name, made.private_key_data.decode()


def upload(callers: Callers, account: Account, certificate: bytes) -> Any:
    request = {"name": account.name, "public_key_data": certificate}
    return callers.iam.upload_service_account_key(request, **callers.auth)


def listed(callers: Callers, account: Account) -> list[Any]:
    answer = callers.iam.list_service_account_keys(name=account.name, key_types=USER_MANAGED, **callers.auth)
    return list(answer.keys)


def last(google: Google, service: str) -> Operation:
    return [entry for entry in google.operations.since() if entry.service == service][-1]


# IAM: keys


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
    name, _ = create(callers, account)
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
    create(callers, account)

    everything = callers.iam.list_service_account_keys(name=account.name, **callers.auth)
    assert len(everything.keys) == 2
    assert len(listed(callers, account)) == 1
    with pytest.raises(exceptions.InvalidArgument):
        callers.iam.list_service_account_keys(name=account.name, key_types=USER_MANAGED * 2, **callers.auth)


def test_the_public_key_comes_in_the_form_asked_for(callers: Callers, account: Account) -> None:
    _, certificate = callers.certificate()
    name = upload(callers, account, certificate).name

    assert callers.iam.get_service_account_key(name=name, public_key_type=X509, **callers.auth).public_key_data == certificate
    raw = callers.iam.get_service_account_key(name=name, public_key_type=RAW, **callers.auth).public_key_data
    assert raw.startswith(b"-----BEGIN PUBLIC KEY-----")
    made, _ = create(callers, account)
    own = callers.iam.get_service_account_key(name=made, public_key_type=X509, **callers.auth).public_key_data
    assert own.startswith(b"-----BEGIN CERTIFICATE-----")


def test_disable_enable_and_delete_decide_who_authenticates(google: Google, callers: Callers, account: Account) -> None:
    name, file = create(callers, account)

    callers.iam.disable_service_account_key(name=name, **callers.auth)
    assert not callers.live(file)
    assert listed(callers, account)[0].disabled
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
    key = upload(callers, account, certificate)
    file = google_callers.key_file(account, key.name, pem)

    assert key.key_origin == iam_admin_v1.ServiceAccountKeyOrigin.USER_PROVIDED
    assert callers.live(file)
    google.clock.advance(86_400)
    assert not callers.live(file)


def test_a_certificate_is_not_believed_before_its_time(google: Google, callers: Callers, account: Account) -> None:
    pem, certificate = callers.certificate(begins=60)
    file = google_callers.key_file(account, upload(callers, account, certificate).name, pem)

    assert not callers.live(file)
    google.clock.advance(61)
    assert callers.live(file)


@pytest.mark.parametrize("rubbish", [b"", b"-----BEGIN PUBLIC KEY-----", b"rubbish"])
def test_only_an_x509_certificate_can_be_uploaded(callers: Callers, account: Account, rubbish: bytes) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        upload(callers, account, rubbish)


def test_uploading_twice_has_three_outcomes(google: Google, callers: Callers, account: Account) -> None:
    _, certificate = callers.certificate()
    first = upload(callers, account, certificate).name

    second = upload(callers, account, certificate).name
    assert second != first
    google.iam.duplicate_upload = "same key"
    assert upload(callers, account, certificate).name in {first, second}
    google.iam.duplicate_upload = "already exists"
    with pytest.raises(exceptions.AlreadyExists):
        upload(callers, account, certificate)


def test_one_private_key_with_two_ids_lives_until_both_are_disabled(callers: Callers, account: Account) -> None:
    pem, certificate = callers.certificate()
    first, second = (upload(callers, account, certificate).name for _ in range(2))
    file = google_callers.key_file(account, first, pem)

    callers.iam.disable_service_account_key(name=first, **callers.auth)
    assert callers.live(file)
    callers.iam.disable_service_account_key(name=second, **callers.auth)
    assert not callers.live(file)


def test_the_eleventh_key_is_refused_in_both_historical_shapes(google: Google, callers: Callers, account: Account) -> None:
    for _ in range(10):
        google.make_key(account)
    google.iam.change_by_hand(next(key.key_id for key in account.user_managed()), "disabled")

    with pytest.raises(exceptions.FailedPrecondition, match="Precondition check failed") as bare:
        create(callers, account)
    assert bare.value.details == []
    google.iam.limit_error = "RESOURCE_EXHAUSTED"
    with pytest.raises(exceptions.ResourceExhausted, match="Maximum number of keys") as old:
        upload(callers, account, callers.certificate()[1])
    wait = next(one for one in old.value.details if isinstance(one, error_details_pb2.RetryInfo))
    assert wait.retry_delay.seconds == 86401
    google.iam.limit_counts_disabled = False
    create(callers, account)


@pytest.mark.parametrize("family", ["iam.", "iam.managed."])
def test_an_organisation_policy_names_itself_when_it_refuses(
    google: Google, callers: Callers, account: Account, family: str
) -> None:
    google.iam.constraints = {f"{family}disableServiceAccountKeyCreation"}
    with pytest.raises(exceptions.FailedPrecondition, match="Key creation is not allowed") as refusal:
        create(callers, account)
    found = next(one for one in refusal.value.details if isinstance(one, error_details_pb2.PreconditionFailure))
    assert found.violations[0].type == f"constraints/{family}disableServiceAccountKeyCreation"
    upload(callers, account, callers.certificate()[1])
    google.iam.constraints = {f"{family}disableServiceAccountKeyUpload"}
    create(callers, account)
    with pytest.raises(exceptions.FailedPrecondition, match="Key upload is not allowed"):
        upload(callers, account, callers.certificate()[1])


def test_the_expiry_constraint_limits_both_ways_of_making_a_key(google: Google, callers: Callers, account: Account) -> None:
    google.iam.key_expiry_hours = 24
    made = callers.iam.create_service_account_key(name=account.name, **callers.auth)

    assert made.valid_before_time - made.valid_after_time == timedelta(hours=24)
    with pytest.raises(exceptions.FailedPrecondition, match="longer than the max allowed lifetime of 86400 seconds"):
        upload(callers, account, callers.certificate(days=2)[1])
    upload(callers, account, callers.certificate(days=1)[1])
    google.clock.advance(86_401)
    assert not callers.live(made.private_key_data.decode())


def test_a_new_key_propagates_slowly_and_a_dead_one_lingers(google: Google, callers: Callers, account: Account) -> None:
    google.iam.works_after, google.iam.stops_after = 60, 120
    name, file = create(callers, account)

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
    name, _ = create(callers, account)

    assert listed(callers, account) == []
    with pytest.raises(exceptions.NotFound):
        callers.iam.get_service_account_key(name=name, **callers.auth)
    google.clock.advance(31)
    assert [key.name for key in listed(callers, account)] == [name]
    callers.iam.delete_service_account_key(name=name, **callers.auth)
    assert [key.name for key in listed(callers, account)] == [name]
    google.clock.advance(31)
    assert listed(callers, account) == []


def test_a_key_that_google_disabled_says_why_over_rest_only(google: Google, callers: Callers, account: Account) -> None:
    name, file = create(callers, account)
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
    name, _ = create(callers, account)
    auth = {"Authorization": f"Bearer {callers.token}"}

    assert callers.get("iam.googleapis.com", f"/v1/{name}").status_code == 401
    absent = callers.get("iam.googleapis.com", f"/v1/{name}0", headers=auth)
    assert absent.status_code == 404
    assert absent.json()["error"]["status"] == "NOT_FOUND"
    wild = callers.get("iam.googleapis.com", f"/v1/projects/-/serviceAccounts/{EMAIL}/keys/0", headers=auth)
    assert wild.status_code == 403


# IAM: callers


def test_a_call_needs_a_living_token(google: Google, callers: Callers, account: Account) -> None:
    with pytest.raises(exceptions.Unauthenticated):
        callers.iam.list_service_account_keys(name=account.name, timeout=5, retry=None)
    callers.token = google.token(seconds=60)
    listed(callers, account)
    google.clock.advance(61)
    with pytest.raises(exceptions.Unauthenticated):
        listed(callers, account)


def test_a_permission_can_be_taken_away_and_given_back(google: Google, callers: Callers, account: Account) -> None:
    name, _ = create(callers, account)
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
        listed(callers, account)


def test_the_account_tells_its_unique_id(callers: Callers, account: Account) -> None:
    assert callers.iam.get_service_account(name=account.name, **callers.auth).unique_id == account.unique_id


# The log and the faults


def test_the_log_names_a_key_by_its_public_key_and_never_shows_it(google: Google, callers: Callers, account: Account) -> None:
    name, file = create(callers, account)
    callers.iam.disable_service_account_key(name=name, **callers.auth)
    _, by_hand = google.make_key(account)
    callers.exchange(by_hand)
    store(callers, file.encode())

    entries = [entry for entry in google.operations.since() if entry.service == "iam" and entry.mutating]
    assert [(entry.facts["state"], entry.facts["by"]) for entry in entries] == [
        ("enabled", ROTATOR),
        ("disabled", ROTATOR),
        ("enabled", "human"),
    ]
    assert entries[0].facts["public_key"] == google.ring.public_key_of(file.encode())
    assert entries[0].facts["account"] == EMAIL
    assert entries[0].facts["origin"] == "GOOGLE"
    text = json.dumps([entry.as_json() for entry in google.operations.since()])
    assert "PRIVATE KEY" not in text
    assert json.loads(file)["private_key"] in google.key_files_issued()


def test_a_refused_call_is_logged_without_facts(google: Google, callers: Callers, account: Account) -> None:
    with pytest.raises(exceptions.NotFound):
        callers.iam.delete_service_account_key(name=f"{account.name}/keys/0", **callers.auth)

    entry = last(google, "iam")
    assert (entry.method, entry.outcome, dict(entry.facts)) == ("DeleteServiceAccountKey", "NOT_FOUND", {})


def test_a_lost_answer_leaves_a_key_that_nobody_heard_of(google: Google, callers: Callers, account: Account) -> None:
    google.faults.add(Fault(service="iam", method="Create*", when="after", answer="lost"))

    with pytest.raises(exceptions.ServiceUnavailable):
        create(callers, account)
    assert len(listed(callers, account)) == 1
    entry = next(entry for entry in google.operations.since() if entry.method == "CreateServiceAccountKey")
    assert (entry.outcome, entry.answered) == ("ok", False)


def test_a_fault_before_the_effect_leaves_nothing(google: Google, callers: Callers, account: Account) -> None:
    google.faults.add(Fault(method="CreateServiceAccountKey", answer="ABORTED", text="try later"))

    with pytest.raises(exceptions.Aborted, match="try later"):
        create(callers, account)
    assert listed(callers, account) == []


def test_a_hanging_call_ends_by_the_callers_deadline(google: Google, callers: Callers, account: Account) -> None:
    google.faults.add(Fault(service="iam", method="List*", answer="hang", seconds=30))
    auth = callers.auth | {"timeout": 0.3}
    began = time.monotonic()

    with pytest.raises(exceptions.DeadlineExceeded):
        callers.iam.list_service_account_keys(name=account.name, **auth)
    assert time.monotonic() - began < 3


def test_http_faults_break_the_connection_or_answer_a_status(google: Google, callers: Callers) -> None:
    google.faults.add(Fault(service="registry", answer="lost"))
    with pytest.raises(httpx.RemoteProtocolError):
        callers.get(HOST, "/v2/")
    google.faults.add(Fault(service="registry", method="GET v2", answer="503"))
    assert callers.get(HOST, "/v2/").status_code == 503
    google.faults.add(Fault(service="oauth2", target=EMAIL, answer="hang", seconds=0.1))
    account = google.create_account("acme", EMAIL)
    with pytest.raises(httpx.RemoteProtocolError):
        callers.exchange(google.make_key(account)[1])


def test_stopping_ends_what_hangs(google: Google) -> None:
    other = Google().start()
    other.faults.add(Fault(service="metadata", answer="hang", seconds=600))
    broken = threading.Event()

    def ask() -> None:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{other.http_address}/computeMetadata/v1/project/project-id", timeout=20)
        broken.set()

    threading.Thread(target=ask).start()
    while not other.operations.since():
        time.sleep(0.01)
    other.stop()
    assert broken.wait(5)


# Secret Manager


def store(callers: Callers, payload: bytes, secret_id: str = "staging", **labels: str) -> Any:
    secret = {"replication": {"automatic": {}}, "labels": labels}
    callers.secrets.create_secret(parent="projects/acme", secret_id=secret_id, secret=secret, **callers.auth)
    return add(callers, payload, secret_id)


def add(callers: Callers, payload: bytes, secret_id: str = "staging") -> Any:
    body = {"data": payload, "data_crc32c": crc32c.crc32c(payload)}
    return callers.secrets.add_secret_version(parent=f"projects/acme/secrets/{secret_id}", payload=body, **callers.auth)


def test_a_version_is_numbered_and_can_be_accessed_by_its_number(google: Google, callers: Callers) -> None:
    first = store(callers, b"one")
    second = add(callers, b"one")

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
    store(callers, pem.encode())

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
    store(callers, b"one")
    parent = "projects/acme/secrets/staging"

    for wrong in ({"data": b"two", "data_crc32c": 7}, {"data": b""}, {"data": b"x" * 65_537}):
        with pytest.raises(exceptions.InvalidArgument):
            callers.secrets.add_secret_version(parent=parent, payload=wrong, **callers.auth)
    assert crc32c.crc32c(b"123456789") == 0xE3069283


def test_a_secret_needs_replication_a_new_name_and_good_labels(callers: Callers) -> None:
    store(callers, b"one", installation="a")

    def make(secret_id: str, secret: dict[str, Any]) -> None:
        callers.secrets.create_secret(parent="projects/acme", secret_id=secret_id, secret=secret, **callers.auth)

    automatic = {"replication": {"automatic": {}}}
    with pytest.raises(exceptions.AlreadyExists):
        make("staging", automatic)
    with pytest.raises(exceptions.InvalidArgument):
        make("other", {})
    with pytest.raises(exceptions.InvalidArgument):
        make("other", automatic | {"labels": {"Upper": "x"}})
    with pytest.raises(exceptions.NotFound):
        add(callers, b"x", "other")


def test_a_destroyed_version_is_gone_for_ever(callers: Callers) -> None:
    name = store(callers, b"one").name

    destroyed = callers.secrets.destroy_secret_version(name=name, **callers.auth)
    assert destroyed.state == secretmanager_v1.SecretVersion.State.DESTROYED
    with pytest.raises(exceptions.FailedPrecondition, match="DESTROYED"):
        callers.secrets.access_secret_version(name=name, **callers.auth)
    with pytest.raises(exceptions.FailedPrecondition):
        callers.secrets.enable_secret_version(name=name, **callers.auth)
    assert callers.secrets.get_secret_version(name=name, **callers.auth).destroy_time


def test_a_disabled_version_is_not_read_and_a_stale_etag_is_refused(callers: Callers) -> None:
    version = store(callers, b"one")

    disabled = callers.secrets.disable_secret_version(name=version.name, **callers.auth)
    with pytest.raises(exceptions.FailedPrecondition, match="DISABLED"):
        callers.secrets.access_secret_version(name=version.name, **callers.auth)
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        request = {"name": version.name, "etag": version.etag}
        callers.secrets.destroy_secret_version(request, **callers.auth)
    callers.secrets.destroy_secret_version({"name": version.name, "etag": disabled.etag}, **callers.auth)


def test_latest_and_lists_lag_but_numbers_do_not(google: Google, callers: Callers) -> None:
    store(callers, b"one")
    google.clock.advance(1000)
    google.secrets.latest_lag = google.secrets.list_lag = 600
    add(callers, b"two")
    name = "projects/acme/secrets/staging"

    assert callers.secrets.access_secret_version(name=f"{name}/versions/2", **callers.auth).payload.data == b"two"
    assert callers.secrets.access_secret_version(name=f"{name}/versions/latest", **callers.auth).payload.data == b"one"
    assert len(list(callers.secrets.list_secret_versions(parent=name, **callers.auth))) == 1
    google.clock.advance(601)
    assert callers.secrets.access_secret_version(name=f"{name}/versions/latest", **callers.auth).payload.data == b"two"
    assert len(list(callers.secrets.list_secret_versions(parent=name, **callers.auth))) == 2


def test_lists_filter_and_page(callers: Callers) -> None:
    store(callers, b"one", "first", installation="a")
    store(callers, b"one", "second", installation="b")
    for _ in range(4):
        add(callers, b"more", "second")

    request = {"parent": "projects/acme", "filter": "labels.installation=b AND name:sec"}
    assert [one.name.rpartition("/")[2] for one in callers.secrets.list_secrets(request, **callers.auth)] == ["second"]
    pages = {"parent": "projects/acme/secrets/second", "page_size": 2, "filter": "state:ENABLED"}
    versions = callers.secrets.list_secret_versions(pages, **callers.auth)
    assert [int(one.name.rpartition("/")[2]) for one in versions] == [5, 4, 3, 2, 1]
    with pytest.raises(exceptions.InvalidArgument):
        list(callers.secrets.list_secrets({"parent": "projects/acme", "filter": "colour=red"}, **callers.auth))


def test_a_deleted_secret_takes_its_versions_along(google: Google, callers: Callers) -> None:
    store(callers, b"one")
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
        series(callers, f'metric.type="{METRIC}"')


# Monitoring


def series(callers: Callers, text: str, hours: float = 24) -> list[Any]:
    now = callers.google.clock.now()
    interval = monitoring_v3.TimeInterval(start_time=now - timedelta(hours=hours), end_time=now)
    request = {"name": "projects/acme", "filter": text, "interval": interval, "view": "FULL"}
    return list(callers.metrics.list_time_series(request, **callers.auth))


def used(account: Account, key_id: str | None = None) -> str:
    text = f'metric.type = "{METRIC}" AND resource.labels.unique_id = "{account.unique_id}"'
    return text if key_id is None else f'{text} AND metric.labels.key_id = "{key_id}"'


def test_use_of_a_key_shows_after_the_lag_on_a_raster(google: Google, callers: Callers, account: Account) -> None:
    old, file = google.make_key(account)
    new, other = google.make_key(account)
    callers.exchange(file)
    callers.exchange(other)

    assert series(callers, used(account)) == []
    google.clock.advance(10_800 + 601)
    found = series(callers, used(account))
    assert {one.metric.labels["key_id"] for one in found} == {old, new}
    point = series(callers, used(account, old))[0].points[0]
    assert point.value.int64_value == 1
    assert int(point.interval.end_time.timestamp()) % 600 == 0
    assert series(callers, used(account, old), hours=1) == []
    google.monitoring.gap = True
    assert series(callers, used(account)) == []


def test_failed_uses_count_and_disabled_keys_may_vanish(google: Google, callers: Callers, account: Account) -> None:
    key_id, file = google.make_key(account)
    google.iam.change_by_hand(key_id, "disabled")
    callers.exchange(file)
    google.clock.advance(12_000)

    assert len(series(callers, used(account, key_id))) == 1
    google.monitoring.hides_disabled = True
    assert series(callers, used(account, key_id)) == []


def test_monitoring_refuses_what_it_cannot_read(callers: Callers) -> None:
    for wrong in ("", 'resource.labels.unique_id="1"', f'metric.type="{METRIC}" OR resource.labels.x="1"'):
        with pytest.raises(exceptions.InvalidArgument):
            series(callers, wrong)


def test_sums_over_a_period_are_one_point(google: Google, callers: Callers, account: Account) -> None:
    key_id, file = google.make_key(account)
    for _ in range(3):
        callers.exchange(file)
        google.clock.advance(700)
    google.monitoring.lag = 0
    now = google.clock.now()
    request = {
        "name": "projects/acme",
        "filter": used(account, key_id),
        "interval": {"start_time": now - timedelta(hours=2), "end_time": now},
        "aggregation": {"alignment_period": {"seconds": 7200}, "per_series_aligner": "ALIGN_SUM"},
    }

    found = list(callers.metrics.list_time_series(request, **callers.auth))
    assert [point.value.int64_value for point in found[0].points] == [3]


# Token endpoint and metadata server


def test_a_bad_assertion_is_told_what_is_wrong(google: Google, callers: Callers, account: Account) -> None:
    _, file = google.make_key(account)
    now = int(google.clock.now().timestamp())

    assert callers.exchange(file, kid="wrong").status_code == 200
    for changes, text in (
        ({"aud": "https://elsewhere/token"}, "audience"),
        ({"exp": now - 1}, "short-lived"),
        ({"iat": now - 7200, "exp": now + 60}, "short-lived"),
        ({"iss": "nobody@acme"}, "account not found"),
        ({"scope": ""}, "scope"),
    ):
        answer = callers.exchange(file, **changes)
        assert answer.status_code == 400
        assert text in answer.json()["error_description"]
    form = {"grant_type": "password"}
    answer = callers.request("POST", "oauth2.googleapis.com", "/token", data=form)
    assert answer.json()["error"] == "unsupported_grant_type"
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    assert callers.request("POST", "oauth2.googleapis.com", "/token", data=form).status_code == 400


def test_an_access_token_outlives_its_key(google: Google, callers: Callers, account: Account) -> None:
    key_id, file = google.make_key(account)
    google.repository(HOST, "acme/images")
    google.grant(account, HOST, "acme/images")
    access = callers.exchange(file).json()["access_token"]
    google.iam.change_by_hand(key_id, "deleted")

    token = pull_token(callers, ("oauth2accesstoken", access))
    assert token.status_code == 200
    google.clock.advance(3601)
    assert pull_token(callers, ("oauth2accesstoken", access)).status_code == 401


def test_the_metadata_server_hands_out_one_token_until_its_last_minutes(google: Google, callers: Callers) -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    flavor = {"Metadata-Flavor": "Google"}

    assert callers.get("metadata.google.internal", path).status_code == 403
    first = callers.get("metadata.google.internal", path, headers=flavor).json()
    google.clock.advance(3000)
    again = callers.get("metadata.google.internal", path, headers=flavor).json()
    assert again["access_token"] == first["access_token"]
    assert 590 < again["expires_in"] <= 600
    google.clock.advance(400)
    assert callers.get("metadata.google.internal", path, headers=flavor).json()["access_token"] != first["access_token"]
    callers.token = first["access_token"]
    google.create_account("acme", EMAIL)
    assert callers.iam.get_service_account(name=f"projects/acme/serviceAccounts/{EMAIL}", **callers.auth)


def test_googles_own_credentials_work_against_the_metadata_server(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth import compute_engine
    from google.auth.compute_engine import _metadata
    from google.auth.transport.requests import Request

    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", google.http_address)
    credentials = compute_engine.Credentials()
    credentials.refresh(Request())

    assert google.access.caller(f"Bearer {credentials.token}") == ROTATOR


def test_every_answer_carries_the_sandboxs_date(google: Google, callers: Callers) -> None:
    google.clock.advance(365 * 86_400)
    date = callers.get(HOST, "/v2/").headers["Date"]

    assert str(google.clock.now().year) in date
    assert callers.get("storage.googleapis.com", "/").status_code == 404


# Artifact Registry


def pull_token(callers: Callers, login: tuple[str, str] | None, name: str = PATH, host: str = HOST) -> httpx.Response:
    params = {"service": host, "scope": f"repository:{name}:pull"}
    return callers.get(host, "/v2/token", params=params, auth=login)


def head(callers: Callers, token: httpx.Response, name: str = PATH, host: str = HOST, **headers: str) -> httpx.Response:
    auth = {"Authorization": f"Bearer {token.json()['token']}", "Accept": MANIFEST} | headers
    return callers.request("HEAD", host, f"/v2/{name}/manifests/latest", headers=auth)


@pytest.fixture
def puller(google: Google, account: Account) -> str:
    google.repository(HOST, "acme/images")
    google.grant(account, HOST, "acme/images")
    return google.make_key(account)[1]


def test_the_challenge_names_the_realm_of_the_host(google: Google, callers: Callers) -> None:
    plain = callers.get(HOST, "/v2/")
    assert plain.status_code == 401
    assert plain.headers["WWW-Authenticate"] == f'Bearer realm="https://{HOST}/v2/token"'
    gcr = callers.get("eu.gcr.io", "/v2/").headers["WWW-Authenticate"]
    assert gcr == 'Bearer realm="https://eu.gcr.io/v2/token",service="eu.gcr.io"'
    local = callers.http.get("/v2/").headers["WWW-Authenticate"]
    assert local == f'Bearer realm="http://{google.http_address}/v2/token"'


def test_a_key_pulls_a_whole_image(google: Google, callers: Callers, puller: str) -> None:
    token = pull_token(callers, ("_json_key", puller))

    assert head(callers, token).status_code == 200
    auth = {"Authorization": f"Bearer {token.json()['token']}", "Accept": MANIFEST}
    manifest = callers.get(HOST, f"/v2/{PATH}/manifests/latest", headers=auth)
    assert manifest.headers["Content-Type"] == MANIFEST
    digest = manifest.headers["Docker-Content-Digest"]
    assert callers.get(HOST, f"/v2/{PATH}/manifests/{digest}", headers=auth).content == manifest.content
    for blob in (manifest.json()["config"], *manifest.json()["layers"]):
        content = callers.get(HOST, f"/v2/{PATH}/blobs/{blob['digest']}", headers=auth).content
        assert len(content) == blob["size"]
    assert callers.get(HOST, f"/v2/{PATH}/tags/list", headers=auth).json()["tags"] == ["latest"]
    assert callers.get(HOST, f"/v2/{PATH}/manifests/v9", headers=auth).status_code == 404
    facts = last(google, "registry")
    assert facts.outcome == "404"
    good = [entry.facts for entry in google.operations.since() if entry.method == "HEAD manifests"]
    assert good == [
        {"host": HOST, "repository": PATH, "public_key": google.ring.public_key_of(puller.encode()), "caller": EMAIL}
    ]


def test_an_image_that_is_not_there_still_proves_the_key(callers: Callers, puller: str) -> None:
    token = pull_token(callers, ("_json_key", puller), "acme/images/other")

    assert head(callers, token, "acme/images/other").status_code == 404


def test_a_manifest_needs_a_client_that_accepts_it(callers: Callers, puller: str) -> None:
    token = pull_token(callers, ("_json_key", puller))
    docker = "application/vnd.docker.distribution.manifest.v2+json"

    assert head(callers, token, Accept=docker).status_code == 404


def test_the_base64_form_must_be_one_line(callers: Callers, puller: str) -> None:
    encoded = base64.b64encode(puller.encode()).decode()

    assert pull_token(callers, ("_json_key_base64", encoded)).status_code == 200
    wrapped = base64.encodebytes(puller.encode()).decode()
    assert pull_token(callers, ("_json_key_base64", wrapped)).status_code == 401


@pytest.mark.parametrize("state", ["disabled", "deleted"])
def test_a_dead_key_gets_no_token_but_its_old_token_still_pulls(
    google: Google, callers: Callers, puller: str, state: str
) -> None:
    token = pull_token(callers, ("_json_key", puller))
    google.iam.change_by_hand(json.loads(puller)["private_key_id"], state)

    assert pull_token(callers, ("_json_key", puller)).status_code == 401
    assert head(callers, token).status_code == 200
    google.clock.advance(3601)
    assert head(callers, token).status_code == 401
    google.registry.bad_key_status = 403
    refusal = pull_token(callers, ("_json_key", puller))
    assert refusal.status_code == 403
    assert "Unauthenticated request" in refusal.json()["errors"][0]["message"]


def test_a_good_key_without_the_role_is_told_so(google: Google, callers: Callers, puller: str) -> None:
    _, stranger = google.make_key(google.create_account("acme", "stranger@acme.iam.gserviceaccount.com"))
    token = pull_token(callers, ("_json_key", stranger))

    assert token.status_code == 200
    assert head(callers, token).status_code == 403
    auth = {"Authorization": f"Bearer {token.json()['token']}", "Accept": MANIFEST}
    refusal = callers.get(HOST, f"/v2/{PATH}/manifests/latest", headers=auth)
    text = refusal.json()["errors"][0]["message"]
    assert text.startswith('Permission "artifactregistry.repositories.downloadArtifacts" denied on resource')
    google.registry.refuses_role_at_token = True
    assert pull_token(callers, ("_json_key", stranger)).status_code == 403


def test_nobody_pulls_from_a_private_repository_and_anybody_from_a_public_one(
    google: Google, callers: Callers, puller: str
) -> None:
    google.repository(HOST, "acme/open", private=False)

    refusal = pull_token(callers, None)
    assert refusal.status_code == 403
    assert "Unauthenticated request" in refusal.json()["errors"][0]["message"]
    token = pull_token(callers, None, "acme/open/app")
    assert head(callers, token, "acme/open/app").status_code == 200
    assert callers.get(HOST, "/v2/acme/open/app/manifests/latest").status_code == 401
    assert pull_token(callers, ("_json_key", "{}"), "acme/open/app").status_code == 401


def test_a_token_is_for_its_scope_and_its_host(google: Google, callers: Callers, account: Account, puller: str) -> None:
    token = pull_token(callers, ("_json_key", puller))
    google.repository("us-docker.pkg.dev", "acme/images")

    assert head(callers, token, "acme/images/other").status_code == 401
    assert head(callers, token, host="us-docker.pkg.dev").status_code == 403


def test_a_loopback_host_finds_repositories_of_any_host(callers: Callers, puller: str) -> None:
    params = {"scope": f"repository:{PATH}:pull"}
    token = callers.http.get("/v2/token", params=params, auth=("_json_key", puller)).json()["token"]

    auth = {"Authorization": f"Bearer {token}", "Accept": MANIFEST}
    assert callers.http.head(f"/v2/{PATH}/manifests/latest", headers=auth).status_code == 200


def test_a_key_file_with_another_private_key_is_refused(google: Google, callers: Callers, puller: str) -> None:
    forged = json.loads(puller) | {"private_key": callers.certificate()[0]}

    assert pull_token(callers, ("_json_key", json.dumps(forged))).status_code == 401
    assert pull_token(callers, ("_json_key", puller[:-20])).status_code == 401
    assert pull_token(callers, ("somebody", puller)).status_code == 401
