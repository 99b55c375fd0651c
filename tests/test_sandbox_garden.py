"""The sandbox's Garden answers as the real servers did: one test per row of gardener.md 11, and per rule around it."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import kubernetes
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.garden import ADMIN, ROTATOR, Behaviour, Garden, Refusal, Rule
from sandbox.operations import Operations

NS = "garden-dev"
SECRETS = f"/api/v1/namespaces/{NS}/secrets"
SHOOTS = f"/apis/core.gardener.cloud/v1beta1/namespaces/{NS}/shoots"
HOST = "europe-docker.pkg.dev"
REJECTED = "the server rejected our request due to an error in our request"
PROTECTION = "gardener.cloud/reference-protection"
Json = dict[str, Any]


def key_file() -> tuple[str, str]:
    """A key file, and the name of its public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return json.dumps({"type": "service_account", "private_key": pem}), hashlib.sha256(spki).hexdigest()


KEY1, PUBLIC1 = key_file()
KEY2, PUBLIC2 = key_file()


class World:
    """One Garden with a namespace, two good Secrets, one Shoot that uses the first, and a member's HTTP client."""

    def __init__(self) -> None:
        self.clock, self.operations, self.faults = Clock(), Operations(), Faults()
        self.garden = Garden("eu", self.clock, self.operations, self.faults)
        self.garden.start()
        self.garden.create_namespace(NS)
        self.garden.allow("rotator", NS, ROTATOR)
        self.garden.create_secret(NS, "v1", password=KEY1)
        self.garden.create_secret(NS, "v2", password=KEY2)
        self.http = self.client("rotator")
        self.admin = self.client(ADMIN)

    def client(self, user: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.garden.issue_token(user, 10**7)}"}
        return httpx.Client(base_url=self.garden.address, headers=headers, timeout=5, verify=False)

    def shoot(self, name: str = "demo", **more: Any) -> Json:
        self.garden.create_shoot(NS, name, {HOST: "ar"}, {"ar": "v1"}, **more)
        return self.garden.shoot(NS, name)

    def patch(self, operations: Any, name: str = "demo", **query: str) -> httpx.Response:
        headers = {"Content-Type": "application/json-patch+json"}
        params = {"fieldManager": "rotator", **query}
        return self.http.patch(f"{SHOOTS}/{name}", params=params, headers=headers, json=operations)

    def flip(self, secret: str = "v2", name: str = "demo", extra: tuple[Json, ...] = (), **query: str) -> httpx.Response:
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": self.garden.shoot(NS, name)["metadata"]["uid"]},
            {"op": "test", "path": "/spec/resources/0/name", "value": "ar"},
            {"op": "replace", "path": "/spec/resources/0/resourceRef/name", "value": secret},
            *extra,
        ]
        return self.patch(operations, name, **query)

    def delete(self, path: str, **preconditions: str) -> httpx.Response:
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
        return self.http.request("DELETE", path, json=body)

    def close(self) -> None:
        self.http.close()
        self.admin.close()
        self.garden.stop()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def refused(answer: httpx.Response, code: int, reason: str, *texts: str) -> Json:
    status: Json = answer.json()
    assert (answer.status_code, status["code"], status["reason"]) == (code, code, reason), status
    for text in texts:
        assert text in status["message"]
    return status


# --- the table 'What was seen' ---


def test_a_flip_grows_the_generation_in_the_response_and_names_the_manager(world: World) -> None:
    world.shoot()

    answer = world.flip()

    assert answer.status_code == 200
    assert answer.json()["metadata"]["generation"] == 2
    fields = {entry["manager"]: entry["fieldsV1"] for entry in answer.json()["metadata"]["managedFields"]}
    assert fields["rotator"] == {"f:spec": {"f:resources": {}}}
    assert "f:resources" not in fields["kubectl-create"]["f:spec"]


def test_a_dry_run_answers_the_next_generation_and_stores_nothing(world: World) -> None:
    before = world.shoot()

    answer = world.flip(dryRun="All").json()

    assert answer["metadata"]["generation"] == 2
    assert answer["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert world.garden.shoot(NS, "demo") == before
    last = world.operations.since()[-1]
    assert (last.method, last.mutating) == ("PATCH shoots (dry run)", False)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/resources/0/name", "value": "other"},
        {"op": "test", "path": "/metadata/uid", "value": "wrong"},
        {"op": "test", "path": "/metadata/generation", "value": 7},
        {"op": "test", "path": "/metadata/generation", "value": True},
        {"op": "replace", "path": "/spec/resources/5/resourceRef/name", "value": "v2"},
        {"op": "test", "path": "/spec/nowhere/deeper", "value": None},
        {"op": "remove", "path": "/metadata/annotations/absent"},
    ],
)
def test_every_patch_that_does_not_apply_answers_the_same_422(world: World, operation: Json) -> None:
    world.shoot()

    status = refused(world.patch([operation]), 422, "Invalid")

    assert (status["message"], status["details"]) == (REJECTED, {})


def test_a_reference_to_a_missing_secret_is_refused_by_admission(world: World) -> None:
    world.shoot()

    refused(world.flip("nope"), 403, "Forbidden", 'failed to resolve resource reference "ar": secrets "nope" not found')


def test_a_reference_to_a_terminating_secret_passes_and_keeps_it(world: World) -> None:
    world.shoot()
    world.shoot("other")
    world.garden.point(NS, "other", "ar", "v2")
    assert world.http.delete(f"{SECRETS}/v2").json()["metadata"]["deletionTimestamp"]

    assert world.flip("v2").status_code == 200
    world.garden.point(NS, "other", "ar", "v1")

    assert world.http.get(f"{SECRETS}/v2").status_code == 200
    world.garden.point(NS, "demo", "ar", "v1")
    refused(world.http.get(f"{SECRETS}/v2"), 404, "NotFound", 'secrets "v2" not found')
    gone = [each for each in world.operations.since() if each.facts.get("name") == "v2"][-1]
    assert (gone.facts["exists"], gone.facts["by"]) == (False, "gardener-controller-manager")


def test_every_entry_of_a_changed_list_must_be_readable_for_the_caller(world: World) -> None:
    world.garden.create_config_map(NS, "policy", {"a": "b"})
    policy = {"name": "policy", "resourceRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "policy"}}
    world.garden.create_shoot(NS, "demo", {HOST: "ar"}, {"ar": "v1"}, extra_spec={"resources": [policy]})
    world.garden.forbid("rotator", NS)
    world.garden.allow("rotator", NS, ROTATOR[:2])
    move = [{"op": "replace", "path": "/spec/resources/1/resourceRef/name", "value": "v2"}]

    status = refused(world.patch(move), 403, "Forbidden", "cannot reference a resource you are not allowed to read")

    assert "policy" not in status["message"]
    note = [{"op": "add", "path": "/metadata/annotations/note", "value": "x"}]
    assert world.patch(note).status_code == 200


def test_confinement_holds_the_generation_until_it_is_switched_off(world: World) -> None:
    world.shoot()
    on = world.garden.edit(NS, "demo", {"maintenance": {"confineSpecUpdateRollout": True}})
    note = {"op": "add", "path": "/metadata/annotations/note", "value": "x"}

    flipped = world.flip(extra=(note,)).json()

    assert (on["metadata"]["generation"], flipped["metadata"]["generation"]) == (1, 1)
    assert flipped["spec"]["resources"][0]["resourceRef"]["name"] == "v2"
    assert world.garden.running(NS, "demo")[HOST][1] == KEY1
    off = world.garden.edit(NS, "demo", {"maintenance": {"confineSpecUpdateRollout": False}})
    assert off["metadata"]["generation"] == 2
    assert world.garden.running(NS, "demo")[HOST][1] == KEY2


def test_a_confined_shoot_rolls_out_in_its_maintenance_window(world: World) -> None:
    world.shoot(confined=True)
    world.flip()

    world.garden.maintenance(NS, "demo")

    shoot = world.garden.shoot(NS, "demo")
    assert (shoot["metadata"]["generation"], shoot["status"]["observedGeneration"]) == (2, 2)
    assert world.garden.running(NS, "demo")[HOST] == ("_json_key", KEY2)


def test_the_operation_reconcile_is_consumed_and_counts_once_there_is_a_last_operation(world: World) -> None:
    world.shoot(start_delay=60)
    early = world.garden.annotate(NS, "demo", {"gardener.cloud/operation": "reconcile"})
    world.garden.annotate(NS, "demo", {"gardener.cloud/operation": None})
    world.clock.advance(61)

    late = world.garden.annotate(NS, "demo", {"gardener.cloud/operation": "reconcile"})

    assert early["metadata"]["generation"] == 1
    assert late["metadata"]["generation"] == 2
    assert "gardener.cloud/operation" not in late["metadata"]["annotations"]


def test_the_operation_maintain_leaves_the_generation(world: World) -> None:
    world.shoot()

    noted = world.garden.annotate(NS, "demo", {"gardener.cloud/operation": "maintain"})

    assert noted["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"immutable": False}, "should be immutable"),
        (
            {"username": "_json_key\n"},
            'the data entry "username" in the referenced secret "garden-dev/bad" contains whitespace',
        ),
        ({"password": " "}, 'the data entry "password" in the referenced secret "garden-dev/bad" is empty'),
        ({"third": "x"}, "should have only two data entries"),
        ({"password": "{"}, "failed to unmarshal ServiceAccount json"),
        ({"password": '{"type": 1}'}, "failed to unmarshal ServiceAccount json"),
        ({"password": '{"credential_source": "x"}'}, 'forbidden ServiceAccount field "credential_source"'),
    ],
)
def test_the_webhook_refuses_a_new_shoot_with_a_bad_secret(world: World, change: Json, text: str) -> None:
    world.garden.create_secret(NS, "bad", **{"password": "{}", **change})

    with pytest.raises(Refusal) as refusal:
        world.garden.create_shoot(NS, "demo", {HOST: "ar"}, {"ar": "bad"})

    start = 'admission webhook "validation.registry-cache.extensions.gardener.cloud" denied the request: spec.extensions[0].'
    assert str(refusal.value).startswith(start) or str(refusal.value).startswith(start.replace("spec.", "[spec."))
    assert "providerConfig.caches[0].secretReferenceName: Invalid value: " in str(refusal.value)
    assert text in str(refusal.value)
    assert refusal.value.code == 403


def test_the_webhook_never_looks_at_the_secret_when_only_the_reference_changes(world: World) -> None:
    world.shoot()
    world.garden.create_secret(NS, "bad", "a b", "x", immutable=False, third="x")

    assert world.flip("bad").status_code == 200


NUDGES: list[Json] = [
    {"op": "add", "path": "/spec/extensions/0/providerConfig/caches/0/highAvailability", "value": {"enabled": True}},
    {"op": "add", "path": "/spec/extensions/0/providerConfig/caches/0/http", "value": {"tls": False}},
]


@pytest.mark.parametrize("nudge", NUDGES)
def test_a_nudged_dry_run_has_the_webhook_judge_the_new_secret(world: World, nudge: Json) -> None:
    before = world.shoot()
    world.garden.create_secret(NS, "bad", password="{}", immutable=False)

    refused(world.flip("bad", extra=(nudge,), dryRun="All"), 403, "Forbidden", "should be immutable")

    assert world.flip("v2", extra=(nudge,), dryRun="All").status_code == 200
    assert world.garden.shoot(NS, "demo") == before


def test_a_nudge_that_only_writes_a_default_out_is_no_nudge(world: World) -> None:
    world.shoot()
    world.garden.create_secret(NS, "bad", password="{}", immutable=False)
    default = {"op": "add", "path": "/spec/extensions/0/providerConfig/caches/0/http", "value": {"tls": True}}

    assert world.flip("bad", extra=(default,), dryRun="All").status_code == 200


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({}, {"volume": {"size": "20Gi"}}, "volume.size: Invalid value"),
        ({"volume": {"size": "10Gi"}}, {"volume": {"size": "10240Mi"}, "http": {"tls": False}}, ""),
        ({}, {"volume": {"storageClassName": "fast"}}, "volume.storageClassName: Invalid value"),
        ({"garbageCollection": {"ttl": "0s"}}, {"garbageCollection": {"ttl": "1h"}}, "cannot be enabled (ttl > 0)"),
        ({}, {"garbageCollection": {"ttl": "0s"}}, ""),
        ({}, {"surprise": 1}, 'strict decoding error: unknown field "caches[0].surprise"'),
        ({}, {"highAvailability": {"enabled": "yes"}}, "cannot unmarshal"),
        ({}, {"upstream": "https://x"}, "upstream: Invalid value"),
        ({}, {"secretReferenceName": "absent"}, "failed to find referenced resource with name absent and kind Secret"),
    ],
)
def test_the_webhook_has_rules_for_updates(world: World, old: Json, new: Json, text: str) -> None:
    def extension(cache: Json) -> list[Json]:
        config = {"apiVersion": "registry.extensions.gardener.cloud/v1alpha3", "kind": "RegistryConfig"}
        return [{"type": "registry-cache", "providerConfig": {**config, "caches": [{"upstream": HOST, **cache}]}}]

    world.garden.create_shoot(NS, "demo", extra_spec={"extensions": extension(old)})

    answer = world.patch([{"op": "replace", "path": "/spec/extensions", "value": extension(new)}])

    if text:
        refused(answer, 403, "Forbidden", "admission webhook", text)
    else:
        assert answer.status_code == 200


def test_a_webhook_that_is_down_makes_every_update_a_500(world: World) -> None:
    world.shoot()
    world.garden.knobs.webhook_down = True
    note = [{"op": "add", "path": "/metadata/annotations/note", "value": "x"}]

    for answer in (world.flip(), world.flip(dryRun="All"), world.patch(note)):
        refused(answer, 500, "InternalError", 'failed calling webhook "validation.registry-cache')


def test_an_immutable_secret_keeps_its_data_but_not_its_labels(world: World) -> None:
    path = f"{SECRETS}/v1"
    merge = {"Content-Type": "application/merge-patch+json"}

    data = world.admin.patch(path, json={"data": {"password": "eA=="}}, headers=merge)
    flag = world.admin.patch(path, json={"immutable": False}, headers=merge)
    label = world.admin.patch(path, json={"metadata": {"labels": {"a": "b"}}}, headers=merge)

    refused(data, 422, "Invalid", "field is immutable when `immutable` is set")
    refused(flag, 422, "Invalid", "field is immutable when `immutable` is set")
    assert label.json()["metadata"]["labels"] == {"a": "b"}


def test_a_delete_whose_precondition_fails_names_both_values(world: World) -> None:
    secret = world.garden.secret(NS, "v1")
    assert secret is not None
    uid, version = secret["metadata"]["uid"], secret["metadata"]["resourceVersion"]

    refused(world.delete(f"{SECRETS}/v1", uid="nope"), 409, "Conflict", "nope", uid)
    refused(world.delete(f"{SECRETS}/v1", resourceVersion="1"), 409, "Conflict", "(1)", version)

    assert world.delete(f"{SECRETS}/v1", uid=uid, resourceVersion=version).status_code == 200
    assert world.delete(f"{SECRETS}/v1", uid=uid).status_code == 404


def test_the_finalizer_follows_the_references(world: World) -> None:
    world.shoot()
    assert world.http.get(f"{SECRETS}/v1").json()["metadata"]["finalizers"] == [PROTECTION]

    world.flip()

    assert "finalizers" not in world.http.get(f"{SECRETS}/v1").json()["metadata"]
    assert world.http.get(f"{SECRETS}/v2").json()["metadata"]["finalizers"] == [PROTECTION]


def test_a_late_finalizer_leaves_a_window_in_which_a_referenced_secret_really_goes(world: World) -> None:
    world.garden.knobs.protection_delay = 5
    world.shoot()

    assert world.http.delete(f"{SECRETS}/v1").json()["status"] == "Success"

    assert world.http.get(f"{SECRETS}/v1").status_code == 404


def test_a_shoot_being_deleted_has_a_frozen_spec(world: World) -> None:
    world.shoot()
    world.garden.behave(NS, "demo", duration=600)
    world.garden.delete_shoot(NS, "demo")

    text = "spec: Forbidden: cannot update shoot spec if deletion timestamp is set. Requested changes: "
    refused(world.flip(), 422, "Invalid", text)

    assert world.garden.shoot(NS, "demo")["metadata"]["generation"] == 2
    assert world.garden.running(NS, "demo")
    world.clock.advance(601)
    assert world.http.get(f"{SHOOTS}/demo").status_code == 404
    assert not world.garden.running(NS, "demo")
    finalizers = world.http.get(f"{SECRETS}/v1").json()["metadata"].get("finalizers")
    assert finalizers is None


def test_a_shoot_is_not_deleted_without_confirmation(world: World) -> None:
    world.shoot()
    world.garden.annotate(NS, "demo", {"confirmation.gardener.cloud/deletion": None})

    refused(world.admin.delete(f"{SHOOTS}/demo"), 403, "Forbidden", "confirmation.gardener.cloud/deletion")


def test_the_finalizer_gardener_stays(world: World) -> None:
    world.shoot()

    refused(world.patch([{"op": "remove", "path": "/metadata/finalizers"}]), 403, "Forbidden", 'finalizer "gardener"')


def test_lists_come_in_pages_of_one_snapshot(world: World) -> None:
    for number in range(5):
        world.shoot(f"s{number}")

    first = world.http.get(SHOOTS, params={"limit": 2}).json()
    world.shoot("s9")
    world.garden.point(NS, "s4", "ar", "v2")
    second = world.http.get(SHOOTS, params={"limit": 2, "continue": first["metadata"]["continue"]}).json()
    third = world.http.get(SHOOTS, params={"limit": 2, "continue": second["metadata"]["continue"]}).json()

    assert first["metadata"]["remainingItemCount"] == 3
    items = [item for page in (first, second, third) for item in page["items"]]
    assert [item["metadata"]["name"] for item in items] == ["s0", "s1", "s2", "s3", "s4"]
    assert items[4]["spec"]["resources"][0]["resourceRef"]["name"] == "v1"
    assert len({page["metadata"]["resourceVersion"] for page in (first, second, third)}) == 1
    assert "continue" not in third["metadata"]


def test_resource_version_zero_knows_no_limit(world: World) -> None:
    for number in range(3):
        world.shoot(f"s{number}")

    page = world.http.get(SHOOTS, params={"limit": 1, "resourceVersion": "0"}).json()

    assert len(page["items"]) == 3
    assert "continue" not in page["metadata"]


def test_a_continue_token_may_be_junk_or_expired(world: World) -> None:
    world.shoot("a")
    world.shoot("b")
    token = world.http.get(SHOOTS, params={"limit": 1}).json()["metadata"]["continue"]

    refused(world.http.get(SHOOTS, params={"continue": "junk"}), 400, "BadRequest", "invalid continue token")

    world.clock.advance(301)
    refused(world.http.get(SHOOTS, params={"limit": 1, "continue": token}), 410, "Expired", "too old")


def test_an_existing_name_is_a_409(world: World) -> None:
    body = {"metadata": {"name": "v1"}, "data": {}}

    status = refused(world.http.post(SECRETS, json=body), 409, "AlreadyExists", 'secrets "v1" already exists')

    assert status["details"] == {"name": "v1", "kind": "secrets"}


def test_a_bad_or_expired_token_is_a_401_without_details(world: World) -> None:
    token = world.garden.issue_token("rotator", 60)
    payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    with httpx.Client(base_url=world.garden.address, headers={"Authorization": f"Bearer {token}"}) as client:
        assert client.get(f"{SECRETS}/v1").status_code == 200
        world.clock.advance(61)
        expired = client.get(f"{SECRETS}/v1")
    bad = world.http.get(f"{SECRETS}/v1", headers={"Authorization": "Bearer nonsense"})

    for answer in (expired, bad):
        assert refused(answer, 401, "Unauthorized").get("details") is None
    assert payload["exp"] - payload["iat"] == 60


def test_a_call_without_a_token_is_a_401_unless_a_knob_says_who_it_is(world: World) -> None:
    with httpx.Client(base_url=world.garden.address, verify=False) as client:
        refused(client.get(f"{SECRETS}/v1"), 401, "Unauthorized")
        world.garden.knobs.anonymous = "rotator"
        assert client.get(f"{SECRETS}/v1").status_code == 200


def test_a_member_may_not_list_projects(world: World) -> None:
    answer = world.http.get("/apis/core.gardener.cloud/v1beta1/projects")

    refused(answer, 403, "Forbidden", 'User "rotator" cannot list resource "projects"', "at the cluster scope")


def test_flip_generation_test_and_annotation_fit_in_one_patch(world: World) -> None:
    world.shoot()
    test = {"op": "test", "path": "/metadata/generation", "value": 1}
    note = {"op": "add", "path": "/metadata/annotations/rotator.example.org~1moved", "value": "r1 1"}

    answer = world.flip(extra=(test, note))

    assert answer.json()["metadata"]["annotations"]["rotator.example.org/moved"] == "r1 1"


def test_a_test_against_null_passes_only_while_the_annotation_is_absent(world: World) -> None:
    world.shoot()
    absent = {"op": "test", "path": "/metadata/annotations/note", "value": None}
    note = {"op": "add", "path": "/metadata/annotations/note", "value": "x"}

    assert world.patch([absent, note]).status_code == 200
    refused(world.patch([absent, note]), 422, "Invalid", REJECTED)


def test_a_role_with_resource_names_is_enough_for_the_check_of_those(world: World) -> None:
    world.garden.forbid("rotator", NS)
    rules = (Rule(("get", "delete"), ("secrets",), ("v1", "v2")), Rule(("get", "patch"), ("shoots",)))
    world.garden.allow("rotator", NS, rules)
    world.garden.create_secret(NS, "v3", password=KEY2)
    world.shoot()

    assert world.flip("v2").status_code == 200
    refused(world.flip("v3"), 403, "Forbidden", "cannot reference a resource you are not allowed to read")
    refused(world.http.get(SECRETS), 403, "Forbidden", 'secrets is forbidden: User "rotator" cannot list resource "secrets"')


def test_a_dangling_shoot_can_be_noted_and_healed(world: World) -> None:
    world.garden.knobs.protection_delay = 3600
    world.shoot()
    world.garden.delete_secret(NS, "v1")
    world.garden.reconcile(NS, "demo")
    status = world.garden.shoot(NS, "demo")["status"]
    assert status["lastOperation"]["state"] == "Error"
    assert 'secrets "v1" not found' in status["lastErrors"][0]["description"]

    assert world.patch([{"op": "add", "path": "/metadata/annotations/note", "value": "x"}]).status_code == 200
    assert world.flip("v2").status_code == 200

    assert world.garden.shoot(NS, "demo")["status"]["lastOperation"]["state"] == "Succeeded"
    assert world.garden.running(NS, "demo")[HOST][1] == KEY2


def test_reference_checks_queue_at_the_limiters_rate_and_hold_up_nobody_else(world: World) -> None:
    world.shoot()
    world.garden.knobs.reference_checks_per_second = 10
    flips = [threading.Thread(target=world.flip, args=(secret,), kwargs={"dryRun": "All"}) for secret in ("v2",) * 3]
    begun = time.monotonic()
    for thread in flips:
        thread.start()
    read = world.http.get(f"{SHOOTS}/demo")
    read_after = time.monotonic() - begun
    for thread in flips:
        thread.join()

    assert time.monotonic() - begun >= 0.29
    assert read.status_code == 200
    assert read_after < 0.25


# --- access, discovery, other rules of the API server ---


def test_the_kubernetes_client_works_with_the_kubeconfig(world: World) -> None:
    world.shoot()
    with kubernetes.config.new_client_from_config_dict(world.garden.kubeconfig("rotator")) as api:  # type: ignore[no-untyped-call]  # the library's
        uid = world.garden.shoot(NS, "demo")["metadata"]["uid"]
        body = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "replace", "path": "/spec/resources/0/resourceRef/name", "value": "v2"},
        ]
        headers = {"Content-Type": "application/json-patch+json", "Accept": "application/json"}
        request = api.param_serialize(
            "PATCH", f"{SHOOTS}/demo", header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        answer = api.call_api(*request)
        content = json.loads(answer.read())
        secret = kubernetes.client.CoreV1Api(api).read_namespaced_secret("v2", NS)

    assert answer.status == 200
    assert content["spec"]["resources"][0]["resourceRef"]["name"] == "v2"
    assert secret.immutable is True


def test_a_json_patch_sent_as_strategic_merge_patch_is_a_400(world: World) -> None:
    world.shoot()
    headers = {"Content-Type": "application/strategic-merge-patch+json"}

    refused(world.http.patch(f"{SHOOTS}/demo", headers=headers, json=[]), 400, "BadRequest", "error decoding patch")
    plain = world.http.patch(f"{SHOOTS}/demo", json=[])
    refused(plain, 415, "UnsupportedMediaType")


def test_access_is_per_user_verb_and_namespace(world: World) -> None:
    world.garden.create_namespace("garden-other")

    status = refused(
        world.http.get("/api/v1/namespaces/garden-other/secrets/x"),
        403,
        "Forbidden",
        'secrets "x" is forbidden: User "rotator" cannot get resource "secrets" in API group "" ',
        'in the namespace "garden-other"',
    )

    assert status["details"] == {"name": "x", "kind": "secrets"}
    put = world.http.put(f"{SHOOTS}/demo", json={})
    refused(put, 403, "Forbidden", 'shoots.core.gardener.cloud "demo" is forbidden', 'in API group "core.gardener.cloud"')
    assert world.http.get("/api/v1/namespaces/kube-system/configmaps/cluster-identity").status_code == 200


def allowed(world: World, **attributes: str) -> bool:
    answer = world.http.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        json={"spec": {"resourceAttributes": {"namespace": NS, **attributes}}},
    )
    assert answer.status_code == 201
    return bool(answer.json()["status"]["allowed"])


def test_an_access_review_tells_verb_group_and_name(world: World) -> None:
    """A review for a create that names an object is told yes by a rule for that name: so does RBAC, which sees a name there."""
    world.garden.forbid("rotator", NS)
    rules = (
        Rule(("get", "create"), ("secrets",), ("v1",), ("",)),
        Rule(("patch",), ("shoots",), groups=("core.gardener.cloud",)),
    )
    world.garden.allow("rotator", NS, rules)

    assert allowed(world, verb="patch", group="core.gardener.cloud", resource="shoots")
    assert not allowed(world, verb="patch", group="", resource="shoots")
    assert not allowed(world, verb="update", group="core.gardener.cloud", resource="shoots")
    assert allowed(world, verb="get", resource="secrets", name="v1")
    assert not allowed(world, verb="get", resource="secrets", name="v2")
    assert not allowed(world, verb="get", resource="secrets")
    assert not allowed(world, verb="create", resource="secrets")
    assert allowed(world, verb="create", resource="secrets", name="v1")


def test_a_withdrawn_verb_is_refused_and_reviewed_so_until_it_is_restored(world: World) -> None:
    world.garden.withdraw("rotator", "list", "shoots")
    review = {"verb": "list", "group": "core.gardener.cloud", "resource": "shoots"}

    assert (world.http.get(SHOOTS).status_code, allowed(world, **review)) == (403, False)
    world.garden.restore("rotator")
    assert (world.http.get(SHOOTS).status_code, allowed(world, **review)) == (200, True)


@pytest.mark.parametrize("path", ["/version", "/api", "/apis", "/api/v1", "/apis/core.gardener.cloud/v1beta1", "/readyz"])
def test_the_server_describes_itself(world: World, path: str) -> None:
    assert world.http.get(path).status_code == 200


def test_the_date_header_is_sandbox_time(world: World) -> None:
    world.clock.advance(86_400 * 400)

    assert str((world.clock.now()).year) in world.admin.get("/version").headers["Date"]


def test_selectors_choose(world: World) -> None:
    world.garden.create_secret(NS, "w1", password=KEY1, labels={"team": "a", "tier": "x"})
    world.garden.create_secret(NS, "w2", password=KEY1, labels={"team": "b"})

    def names(**params: str) -> list[str]:
        return [item["metadata"]["name"] for item in world.admin.get(SECRETS, params=params).json()["items"]]

    assert names(labelSelector="team=a") == ["w1"]
    assert names(labelSelector="team in (a, b),!tier") == ["w2"]
    assert names(labelSelector="team,team!=a") == ["w2"]
    assert names(fieldSelector="metadata.name=v1") == ["v1"]
    refused(world.admin.get(SECRETS, params={"fieldSelector": "spec.x=1"}), 400, "BadRequest")
    refused(world.admin.get(SECRETS, params={"labelSelector": "=="}), 400, "BadRequest")


def test_a_full_quota_refuses_even_a_name_that_exists(world: World) -> None:
    world.garden.knobs.quotas[NS] = 2

    refused(world.http.post(SECRETS, json={"metadata": {"name": "v1"}}), 403, "Forbidden", "exceeded quota")


def test_creates_need_a_living_namespace(world: World) -> None:
    absent = world.admin.post("/api/v1/namespaces/garden-x/secrets", json={"metadata": {"name": "a"}})
    world.garden.knobs.terminating_namespaces.add(NS)
    dying = world.http.post(SECRETS, json={"metadata": {"name": "a"}})

    refused(absent, 404, "NotFound", 'namespaces "garden-x" not found')
    refused(dying, 403, "Forbidden", "because it is being terminated")


def test_a_put_needs_the_newest_resource_version(world: World) -> None:
    shoot = world.shoot()
    world.flip()

    stale = world.admin.put(f"{SHOOTS}/demo", json=shoot)
    del shoot["metadata"]["resourceVersion"]
    missing = world.admin.put(f"{SHOOTS}/demo", json=shoot)

    refused(stale, 409, "Conflict", "the object has been modified")
    refused(missing, 422, "Invalid", "must be specified for an update")
    shoot = world.garden.shoot(NS, "demo")
    shoot["spec"]["resources"][0]["resourceRef"]["name"] = "v1"
    assert world.admin.put(f"{SHOOTS}/demo", json=shoot).json()["metadata"]["generation"] == 3


def test_ownership_moves_to_the_last_writer(world: World) -> None:
    world.shoot()
    note = {"op": "add", "path": "/metadata/annotations/note", "value": "x"}
    world.flip(extra=(note,))

    world.garden.point(NS, "demo", "ar", "v1", manager="argocd")

    entries = world.garden.shoot(NS, "demo")["metadata"]["managedFields"]
    fields = {entry["manager"]: entry["fieldsV1"] for entry in entries}
    assert fields["argocd"] == {"f:spec": {"f:resources": {}}}
    assert fields["rotator"] == {"f:metadata": {"f:annotations": {"f:note": {}}}}
    assert fields["gardenlet"]["f:status"]


def test_a_write_that_changes_nothing_leaves_the_resource_version(world: World) -> None:
    before = world.shoot()

    answer = world.flip("v1")

    assert answer.json()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert world.operations.since()[-1].mutating


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"name": "ar"}, 'Duplicate value: "ar"'),
        ({"name": ""}, "Required value"),
        ({"resourceRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}, "Unsupported value"),
    ],
)
def test_the_list_of_resources_is_validated(world: World, entry: Json, text: str) -> None:
    world.shoot()
    full = {"name": "more", "resourceRef": {"apiVersion": "v1", "kind": "Secret", "name": "v1"}, **entry}

    refused(world.patch([{"op": "add", "path": "/spec/resources/-", "value": full}]), 422, "Invalid", text)


def test_the_label_of_the_extension_is_kept_by_the_server(world: World) -> None:
    label = "extensions.extensions.gardener.cloud/registry-cache"
    assert world.shoot()["metadata"]["labels"][label] == "true"

    world.patch([{"op": "add", "path": "/spec/extensions/0/disabled", "value": True}])

    assert label not in world.garden.shoot(NS, "demo")["metadata"].get("labels", {})
    assert world.garden.running(NS, "demo") == {}


def test_a_shoot_is_about_as_large_as_a_real_one(world: World) -> None:
    world.shoot()

    assert 4_500 < len(world.http.get(f"{SHOOTS}/demo").content) < 7_000


# --- gardenlet ---


def test_a_run_works_with_the_spec_and_secrets_of_its_start(world: World) -> None:
    world.shoot()
    world.garden.behave(NS, "demo", start_delay=10, duration=100)
    world.flip()
    assert world.garden.shoot(NS, "demo")["status"]["observedGeneration"] == 1
    world.clock.advance(11)
    started = world.garden.shoot(NS, "demo")["status"]
    world.garden.point(NS, "demo", "ar", "v1")
    world.clock.advance(100)

    running = world.garden.running(NS, "demo")[HOST][1]

    assert (started["observedGeneration"], started["lastOperation"]["state"]) == (2, "Processing")
    assert running == KEY2
    world.clock.advance(111)
    assert world.garden.running(NS, "demo")[HOST][1] == KEY1
    assert world.garden.shoot(NS, "demo")["status"]["observedGeneration"] == 3


def test_roll_outs_are_logged_by_public_key_and_never_with_key_bytes(world: World) -> None:
    world.shoot()
    world.flip()

    entries = world.operations.since()

    rolled = [entry.facts["public_keys"] for entry in entries if entry.service == "gardenlet:eu"]
    assert rolled == [[PUBLIC1], [PUBLIC2]]
    created = [entry.facts["public_keys"] for entry in entries if entry.method == "CREATE secrets"]
    assert created == [[PUBLIC1], [PUBLIC2]]
    assert "PRIVATE KEY" not in json.dumps([entry.as_json() for entry in entries])
    flip = next(entry for entry in entries if entry.method == "PATCH shoots")
    assert (flip.target, flip.facts["secrets"], flip.facts["generation"]) == (f"{NS}/demo", ["v2"], 2)


@pytest.mark.parametrize("outcome", ["Error", "Failed", "stuck"])
def test_a_run_that_does_not_succeed_leaves_the_caches_alone(world: World, outcome: str) -> None:
    world.shoot()
    world.garden.behave(NS, "demo", outcome=outcome)
    world.flip()

    status = world.garden.shoot(NS, "demo")["status"]

    assert status["lastOperation"]["state"] == ("Processing" if outcome == "stuck" else outcome)
    assert status["observedGeneration"] == 2
    assert world.garden.running(NS, "demo")[HOST][1] == KEY1
    world.garden.behave(NS, "demo", outcome="Succeeded")
    if outcome == "Failed":
        world.garden.annotate(NS, "demo", {"gardener.cloud/operation": "retry"})
    assert world.garden.running(NS, "demo")[HOST][1] == KEY2


def test_an_ignored_shoot_is_stored_but_not_touched(world: World) -> None:
    world.shoot()
    world.garden.ignore(NS, "demo")

    assert world.flip().json()["metadata"]["generation"] == 2

    assert world.garden.shoot(NS, "demo")["status"]["observedGeneration"] == 1
    world.garden.unignore(NS, "demo")
    assert world.garden.running(NS, "demo")[HOST][1] == KEY2


def test_a_hibernated_shoot_succeeds_and_runs_nothing_until_it_wakes(world: World) -> None:
    world.shoot()
    world.garden.hibernate(NS, "demo")
    world.flip()

    status = world.garden.shoot(NS, "demo")["status"]

    assert (status["hibernated"], status["lastOperation"]["state"]) == (True, "Succeeded")
    assert list(world.garden.shoots_running()) == []
    world.garden.wake(NS, "demo")
    assert world.garden.running(NS, "demo")[HOST][1] == KEY2


def test_a_migrating_shoot_is_frozen_and_its_caches_run_on(world: World) -> None:
    world.shoot()
    world.garden.migrate_start(NS, "demo", "gcp-eu2")

    refused(world.flip(), 403, "Forbidden", "cannot change shoot spec during Migrate operation")

    shoot = world.garden.shoot(NS, "demo")
    assert (shoot["spec"]["seedName"], shoot["status"]["seedName"]) == ("gcp-eu2", "gcp-eu1")
    assert world.garden.running(NS, "demo")[HOST][1] == KEY1
    world.garden.migrate_end(NS, "demo")
    operation = world.garden.shoot(NS, "demo")["status"]["lastOperation"]
    assert (operation["type"], operation["state"]) == ("Restore", "Succeeded")
    assert world.flip().status_code == 200


def test_health_and_frozen_resources_show_in_the_status(world: World) -> None:
    world.shoot()
    world.garden.behave(NS, "demo", health_delay=60, frozen=True)
    world.flip()

    def health() -> str:
        conditions = world.garden.shoot(NS, "demo")["status"]["conditions"]
        return next(str(each["status"]) for each in conditions if each["type"] == "SystemComponentsHealthy")

    assert health() == "Progressing"
    world.clock.advance(61)
    assert health() == "True"
    constraints = {each["type"]: each["status"] for each in world.garden.shoot(NS, "demo")["status"]["constraints"]}
    assert constraints["HasIgnoredManagedResources"] == "False"
    assert world.garden.running(NS, "demo")[HOST][1] == KEY1


def test_an_unscheduled_shoot_runs_nothing(world: World) -> None:
    world.shoot(seed=None)

    assert "lastOperation" not in world.garden.shoot(NS, "demo")["status"]
    assert world.garden.running(NS, "demo") == {}
    world.garden.delete_shoot(NS, "demo")
    assert world.garden.find_shoot(NS, "demo") is None


def test_a_missing_secret_blocks_the_deletion_of_a_shoot(world: World) -> None:
    world.garden.knobs.protection_delay = 3600
    world.shoot()
    world.garden.delete_secret(NS, "v1")

    world.garden.delete_shoot(NS, "demo")

    operation = world.garden.shoot(NS, "demo")["status"]["lastOperation"]
    assert (operation["type"], operation["state"]) == ("Delete", "Error")
    world.garden.create_secret(NS, "v1", password=KEY1)
    world.clock.advance(61)
    assert world.garden.find_shoot(NS, "demo") is None


def test_a_garden_has_a_default_behaviour(world: World) -> None:
    world.garden.behaviour = Behaviour(duration=30)

    assert world.shoot()["status"]["lastOperation"]["state"] == "Processing"


# --- faults ---


def test_a_lost_request_has_no_effect_and_a_lost_answer_has(world: World) -> None:
    world.faults.add(Fault(service="garden:eu", method="CREATE secrets", target=f"{NS}/a"))
    world.faults.add(Fault(service="garden:eu", method="CREATE secrets", target=f"{NS}/b", when="after"))

    for name in ("a", "b"):
        with pytest.raises(httpx.RemoteProtocolError):
            world.http.post(SECRETS, json={"metadata": {"name": name}})

    assert (world.garden.secret(NS, "a") is None, world.garden.secret(NS, "b") is None) == (True, False)
    before, after = [entry for entry in world.operations.since() if entry.target in (f"{NS}/a", f"{NS}/b")]
    assert (before.outcome, before.answered) == ("lost", False)
    assert (after.outcome, after.answered) == ("ok", False)


def test_a_fault_with_a_number_is_a_status(world: World) -> None:
    world.shoot()
    world.faults.add(Fault(method="PATCH shoots", answer="429", text="too many requests, please try again later"))

    answer = world.flip()

    refused(answer, 429, "TooManyRequests", "please try again later")
    assert answer.headers["Retry-After"] == "1"
    assert world.flip().status_code == 200


def test_a_fault_that_hangs_gives_no_answer(world: World) -> None:
    world.faults.add(Fault(method="GET secrets", answer="hang", seconds=30))

    with pytest.raises(httpx.ReadTimeout):
        world.http.get(f"{SECRETS}/v1", timeout=0.1)


def test_a_stopped_garden_breaks_its_connections_at_once() -> None:
    world = World()
    world.http.get("/version")
    begun = time.monotonic()

    world.close()

    assert time.monotonic() - begun < 0.5
