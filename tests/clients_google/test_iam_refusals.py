"""What IAM's refusals mean to the client; each translation on the wire."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from google.api_core.exceptions import PermissionDenied
from google.rpc.error_details_pb2 import ErrorInfo

from google_neighbours import EMAIL, Neighbours, material, told
from rotator.clients import calls
from rotator.clients.rpc import Attempt, meaning
from rotator.errors import Permanent, Transient
from rotator.key import Account, KeyId
from sandbox.faults import Fault


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED"])
def test_what_may_pass_is_transient(world: Neighbours, code: str) -> None:
    world.fail("UploadServiceAccountKey", code)
    with pytest.raises(Transient, match=f"uploading key .* to {EMAIL}: {code}"):
        world.upload()


@pytest.mark.parametrize("method", ["Create", "Upload", "Disable", "Enable", "Delete"])
def test_what_changes_something_is_sent_once(world: Neighbours, method: str) -> None:
    key_id, _ = world.upload()
    sent = world.calls(f"{method}ServiceAccountKey")
    world.fail(f"{method}ServiceAccountKey", "UNAVAILABLE")
    acts: dict[str, Callable[[], object]] = {
        "Create": lambda: world.accounts.create(world.account),
        "Upload": world.upload,
        "Disable": lambda: world.accounts.disable(world.account, key_id, world.permit("disable_key", key_id)),
        "Enable": lambda: world.accounts.enable(world.account, key_id),
        "Delete": lambda: world.accounts.delete(world.account, key_id, world.permit("delete_key", key_id)),
    }

    with pytest.raises(Transient):
        acts[method]()
    assert world.calls(f"{method}ServiceAccountKey") == sent + 1


def test_a_read_is_repeated(world: Neighbours) -> None:
    world.upload()
    world.fail("ListServiceAccountKeys", "UNAVAILABLE", times=1)

    assert len(world.accounts.keys(world.account)) == 1


def test_a_call_that_is_never_answered_ends(world: Neighbours) -> None:
    world.fail("UploadServiceAccountKey", "hang", seconds=30)
    begun = time.monotonic()

    with calls.within(0.3, patience=0.4), pytest.raises(Transient, match="DEADLINE_EXCEEDED"):
        world.upload()
    assert time.monotonic() - begun < 5


def test_an_expired_token_ends_the_worker_not_the_rotation(world: Neighbours) -> None:
    world.upload()
    world.google.clock.advance(4000)
    with pytest.raises(Transient, match="access token is not accepted any more"):
        world.accounts.keys(world.account)

    assert world.calls("ListServiceAccountKeys") == 1


@pytest.mark.parametrize("verb", ["list", "get", "create", "disable", "enable", "delete"])
def test_a_missing_permission_names_permission_account_and_command(world: Neighbours, verb: str) -> None:
    key_id, _ = world.upload()
    world.google.access.deny(f"iam.serviceAccountKeys.{verb}")
    acts: dict[str, Callable[[], object]] = {
        "list": lambda: world.accounts.keys(world.account),
        "get": lambda: world.accounts.key(world.account, key_id),
        "create": lambda: world.accounts.create(world.account),
        "disable": lambda: world.accounts.disable(world.account, key_id, world.permit("disable_key", key_id)),
        "enable": lambda: world.accounts.enable(world.account, key_id),
        "delete": lambda: world.accounts.delete(world.account, key_id, world.permit("delete_key", key_id)),
    }

    with pytest.raises(Permanent, match=f"lacks iam.serviceAccountKeys.{verb} on {EMAIL}") as refusal:
        acts[verb]()
    assert refusal.value.code == "iam-permission"
    assert refusal.value.next_command == (
        f"gcloud iam service-accounts add-iam-policy-binding {EMAIL} --project acme"
        " --member serviceAccount:rotator@sandbox.iam.gserviceaccount.com --role roles/iam.serviceAccountKeyAdmin"
    )


def test_an_api_that_is_off_names_the_command_that_turns_it_on() -> None:
    info = ErrorInfo(reason="SERVICE_DISABLED", metadata={"service": "iam.googleapis.com", "consumer": "projects/123"})
    refused = PermissionDenied("SERVICE_DISABLED", error_info=info)  # type: ignore[no-untyped-call]
    attempt = Attempt(what="listing keys", permission="iam.serviceAccountKeys.list", grant="", forbidden="iam-permission")
    refusal = meaning(refused, attempt, "MEMBER")

    assert isinstance(refusal, Permanent)
    assert (refusal.code, refusal.next_command) == ("api-disabled", "gcloud services enable iam.googleapis.com --project 123")


@pytest.mark.parametrize("shape", ["FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"])
@pytest.mark.parametrize("mint", ["upload", "create"])
def test_the_cap_of_ten_is_known_in_both_its_shapes(world: Neighbours, shape: str, mint: str) -> None:
    world.google.iam.limit_error = shape  # type: ignore[assignment]
    account = world.google.iam.account(EMAIL)
    assert account is not None
    for _ in range(10):
        world.google.make_key(account)

    with pytest.raises(Permanent, match="has its 10 user-managed keys") as refusal:
        world.upload() if mint == "upload" else world.accounts.create(world.account)
    assert refusal.value.code == "key-cap"


def test_a_bare_precondition_with_few_keys_is_not_called_the_cap(world: Neighbours) -> None:
    world.fail("UploadServiceAccountKey", "FAILED_PRECONDITION", text="Precondition check failed.")
    with pytest.raises(Permanent, match="refused without a reason") as refusal:
        world.upload()

    assert refusal.value.code == "precondition"


@pytest.mark.parametrize("prefix", ["iam.", "iam.managed."])
@pytest.mark.parametrize(("what", "other"), [("Upload", "create"), ("Creation", "upload")])
def test_an_organisation_policy_is_named_with_the_other_way(world: Neighbours, prefix: str, what: str, other: str) -> None:
    constraint = f"{prefix}disableServiceAccountKey{what}"
    world.google.iam.constraints.add(constraint)

    with pytest.raises(Permanent, match=f'policy {constraint} forbids it; set mint = "{other}"') as refusal:
        world.upload() if what == "Upload" else world.accounts.create(world.account)
    assert refusal.value.code == "org-policy"
    assert refusal.value.next_command == f"gcloud org-policies describe {constraint} --effective --project acme"


def test_an_organisation_policy_is_known_by_its_text_alone(world: Neighbours) -> None:
    world.fail("CreateServiceAccountKey", "FAILED_PRECONDITION", text="Key creation is not allowed on this service account.")
    with pytest.raises(Permanent, match=r"disableServiceAccountKeyCreation .or its iam.managed form.") as refusal:
        world.accounts.create(world.account)

    assert refusal.value.code == "org-policy"


def test_a_life_that_is_too_long_is_told_in_seconds(world: Neighbours) -> None:
    world.google.iam.key_expiry_hours = 24
    begin = world.now
    with pytest.raises(Permanent, match=r"\d+ s asked for, 86400 s allowed") as refusal:
        world.accounts.upload(world.account, world.accounts.generate(), begin, begin + timedelta(days=90))

    assert refusal.value.code == "lifetime"


def test_a_key_file_that_cannot_be_read_is_not_quoted(world: Neighbours) -> None:
    """A JSONDecodeError carries the document: as a cause it would bring a private key into every traceback."""
    account = Account(email=EMAIL, project="acme", unique_id="1")
    pem = world.accounts.generate().reveal()

    class Torn:
        name = f"{account.resource}/keys/4f1c"
        private_key_data = b'{"private_key": "' + pem.encode() + b'"'

    world.accounts._iam = type("Api", (), {"create_service_account_key": lambda *_, **__: Torn()})()  # type: ignore[attr-defined]
    with pytest.raises(Permanent, match="the answer holds no key file; delete it") as refusal:
        world.accounts.create(account)

    assert refusal.value.__suppress_context__
    assert not any(line in told(refusal.value) for line in pem.splitlines()[1:-1])


def test_no_log_message_and_no_repr_holds_key_material(world: Neighbours, caplog: pytest.LogCaptureFixture) -> None:
    """google-cloud logs whole requests and answers at DEBUG, private keys and tokens included, unless silenced."""
    said: list[str] = []
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "google"):
        logging.getLogger("google").propagate = True
        file = world.key_file()
        key_id, private = world.accounts.create(world.account)
        world.staging.prepare("puller-acme", "prod")
        version = world.staging.add("puller-acme", private)
        world.staging.read("puller-acme", version)
        said += [world.registry.exchange(file).text, world.registry.pull(file, "europe-docker.pkg.dev", "acme/images/app").text]
        for service in ("iam", "secretmanager", "oauth2", "registry", "monitoring"):
            quoted = f"refused: {private.reveal()} ya29.stolen"
            world.google.faults.add(
                Fault(
                    service=service,
                    answer="400" if service in {"oauth2", "registry"} else "INVALID_ARGUMENT",
                    text=quoted,
                    times=0,
                )
            )
        for act in (
            lambda: world.accounts.create(world.account),
            lambda: world.accounts.keys(world.account),
            world.upload,
            lambda: world.accounts.disable(world.account, key_id, world.permit("disable_key", key_id)),
            lambda: world.staging.add("puller-acme", private),
            lambda: world.staging.read("puller-acme", version),
            lambda: world.staging.prepare("puller-acme", "prod"),
            lambda: world.registry.exchange(file),
            lambda: world.registry.pull(file, "europe-docker.pkg.dev", "acme/images/app"),
            lambda: world.usage.use(world.account, [KeyId("a")], [], world.now - timedelta(days=1), world.now),
        ):
            try:
                said.append(repr(act()))
            except (Permanent, Transient) as fault:
                said += [str(fault), repr(fault), fault.next_command if isinstance(fault, Permanent) else ""]
    said += [repr(each) for each in (world.accounts, world.staging, world.registry, world.usage, world.token, file, private)]
    for entry in caplog.records:
        said += [entry.getMessage(), repr(vars(entry))]

    text = "\n".join(said)
    assert len(said) > 20
    assert world.token.reveal() not in text
    assert "ya29.stolen" not in text
    assert [line for line in material(world.google) if line in text] == []
