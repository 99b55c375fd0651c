"""The Garden client against the sandbox's Garden, over the wire: what it reads, what it sends, what refusals mean to it."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden, Login
from rotator.clients.garden import login as logins
from rotator.clients.garden.errors import words
from rotator.errors import Absent, Conflict, Denied, Exists, Permanent, RotatorError, StalePermit, Transient, Unreadable
from rotator.key import Account, Email, KeyFile, KeyId, PrivateKey, PublicKey
from rotator.secret import Draft, SecretRef
from rotator.shoot import FIELD_MANAGER, MARK, Cache, Mark, Reference, Shoot, why_not_settled
from rotator.world import Garden as GardenProtocol
from rotator.world import Move, Permit
from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.garden import ROTATOR, Garden
from sandbox.garden.kind import SHOOTS
from sandbox.keys import KeyPair
from sandbox.operations import Operations

NS = "garden-acme"
HOST = "europe-docker.pkg.dev"
EMAIL = Email("puller@acme.iam.gserviceaccount.com")
PAIR = KeyPair()
ACCOUNT = Account(EMAIL, "acme", "1234567890")
FILE = KeyFile(PrivateKey(PAIR.pem, PublicKey(PAIR.public_key)), ACCOUNT, KeyId("4f1c"))
MARKED = Mark("r-1", 1)


@dataclass(frozen=True)
class Bench:
    server: Garden
    clock: Clock
    faults: Faults
    operations: Operations
    client: KubernetesGarden
    heard: ServerClock

    def shoot(self, name: str = "api") -> Shoot:
        return next(shoot for shoot in self.client.shoots(NS) if shoot.ref.name == name)

    def fail(self, method: str, answer: str, *, times: int = 0, text: str = "injected", when: str = "before") -> None:
        self.faults.add(Fault(service="garden:*", method=method, answer=answer, times=times, text=text, when=when))


@pytest.fixture
def bench() -> Iterator[Bench]:
    clock, operations, faults = Clock(), Operations(), Faults()
    server = Garden("eu", clock, operations, faults)
    server.start()
    server.create_namespace(NS)
    server.allow("rotator", NS, ROTATOR)
    for name in ("ar-v1", "ar-v2"):
        server.create_secret(NS, name, "_json_key", FILE.reveal())
    heard = ServerClock()
    client = KubernetesGarden("eu", Login.server(server.address, None, lambda: server.issue_token("rotator")), heard)
    yield Bench(server, clock, faults, operations, client, heard)
    client.close()
    server.stop()


@pytest.fixture
def caching(bench: Bench) -> Bench:
    bench.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"})
    return bench


def move(shoot: Shoot, new: str = "ar-v2", old: str = "ar-v1") -> list[Move]:
    return [Move(each.index, each.entry, old, new) for each in shoot.references if each.secret == old or old != "ar-v1"]


def draft(name: str = "ar-v3") -> Draft:
    return Draft(ref=SecretRef("eu", NS, name), installation="prod", key_file=FILE)


def permit(uid: str, **changes: object) -> Permit:
    return Permit(**{"action": "delete_secret", "subject": uid, "until": datetime.now(UTC) + timedelta(hours=1), **changes})  # type: ignore[arg-type]


def test_it_is_the_garden_that_steps_ask_for(bench: Bench) -> None:
    garden: GardenProtocol = bench.client

    assert garden.shoots(NS) == ()


# --- reading Shoots ---


def test_a_shoot_is_read_with_its_references_caches_and_state(caching: Bench) -> None:
    caching.clock.advance(3600)

    shoot = caching.shoot()

    assert shoot.references == (Reference(0, "ar", "ar-v1"),)
    assert shoot.caches == (Cache(HOST, "ar"),)
    assert shoot.cache_config == 0
    assert shoot.bindings == ("infrastructure",)
    assert (shoot.purpose, shoot.seed, shoot.status_seed, shoot.generation) == ("evaluation", "gcp-eu1", "gcp-eu1", 1)
    assert why_not_settled(shoot) == ""


def test_all_four_places_that_name_a_secret_are_read(bench: Bench) -> None:
    server = {
        "admissionPlugins": [{"name": "ImagePolicyWebhook", "kubeconfigSecretName": "plugin"}],
        "structuredAuthorization": {"configMapName": "authz", "kubeconfigs": [{"authorizerName": "a", "secretName": "authz"}]},
    }
    dns = {
        "providers": [
            {"type": "google-clouddns", "secretName": "dns-old"},
            {"type": "aws-route53", "credentialsRef": {"apiVersion": "v1", "kind": "Secret", "name": "dns-new"}},
            {"type": "azure-dns", "credentialsRef": {"apiVersion": "x/v1", "kind": "WorkloadIdentity", "name": "not-a-secret"}},
        ]
    }
    for name in ("plugin", "authz", "dns-old", "dns-new"):
        bench.server.create_secret(NS, name, "user", "word")
    bench.server.create_shoot(NS, "api", {}, {"ar": "ar-v1"}, extra_spec={"dns": dns, "kubernetes": {"kubeAPIServer": server}})

    shoot = bench.shoot()

    assert shoot.other_secrets == ("authz", "dns-new", "dns-old", "plugin")
    assert shoot.names() == {"authz", "dns-new", "dns-old", "plugin", "ar-v1"}


def test_an_entry_of_another_kind_is_no_reference(bench: Bench) -> None:
    bench.server.create_config_map(NS, "policy", {})
    policy = {"name": "policy", "resourceRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "policy"}}
    bench.server.create_shoot(NS, "api", {}, {"ar": "ar-v1"}, extra_spec={"resources": [policy]})

    assert bench.shoot().references == (Reference(1, "ar", "ar-v1"),)


def test_labels_and_annotations_of_ours_are_read_leniently(bench: Bench) -> None:
    notes = {"registry-key-rotator/skip": "", MARK: "garbage"}
    bench.server.create_shoot(NS, "api", annotations=notes, labels={"registry-key-rotator/canary": "true"}, ignored=True)
    bench.server.create_shoot(NS, "web", annotations={"registry-key-rotator/skip": "yes", MARK: "r-7 12"})

    api, web = bench.client.shoots(NS)

    assert (api.canary, api.skip, api.ignored, api.mark) == (True, False, True, None)
    assert (web.canary, web.skip, web.ignored, web.mark) == (False, True, False, Mark("r-7", 12))


def test_confined_hibernated_and_deleting_are_seen(bench: Bench) -> None:
    bench.server.create_shoot(NS, "api", confined=True, hibernated=True)
    bench.server.create_shoot(NS, "web", ignored=True)
    bench.server.delete_shoot(NS, "web")
    bench.clock.advance(3600)

    api, web = bench.client.shoots(NS)

    assert (api.confined, api.hibernate, api.hibernated, api.deleting) == (True, True, True, False)
    assert web.deleting


def test_a_list_of_thousands_comes_page_by_page_and_complete(bench: Bench) -> None:
    for number in range(520):
        bench.server.create_shoot(NS, f"s-{number:04}")

    names = [shoot.ref.name for shoot in bench.client.shoots(NS)]

    assert names == [f"s-{number:04}" for number in range(520)]
    assert sum(each.method == "LIST shoots" for each in bench.operations.since()) == 3


def test_a_list_that_expires_starts_over(bench: Bench) -> None:
    for number in range(260):
        bench.server.create_shoot(NS, f"s-{number:04}")
    bench.faults.add(Fault(service="garden:*", method="LIST shoots", answer="410", nth=2))

    assert len(bench.client.shoots(NS)) == 260


def test_a_list_that_always_expires_is_transient(bench: Bench) -> None:
    bench.fail("LIST shoots", "410")

    with pytest.raises(Transient, match="expired 3 times"):
        bench.client.shoots(NS)


def test_a_namespace_that_cannot_be_read_names_the_right_to_grant(bench: Bench) -> None:
    bench.server.forbid("rotator", NS)

    with pytest.raises(Unreadable, match=f"grant list on shoots in namespace {NS}"):
        bench.client.shoots(NS)
    with pytest.raises(Unreadable, match=f"grant get on secrets in namespace {NS}"):
        bench.client.secret(NS, "ar-v1")
    with pytest.raises(Unreadable, match="grant list on secretbindings"):
        bench.client.bindings(NS)


def test_bindings_name_secrets_of_this_namespace_only(bench: Bench) -> None:
    bench.server.create_binding(NS, "a", "infra")
    bench.server.create_binding(NS, "b", "legacy", kind="SecretBinding")
    bench.server.create_binding(NS, "c", "elsewhere", secret_namespace="garden-other")

    assert bench.client.bindings(NS) == ("infra", "legacy")


def test_the_clock_follows_the_server(bench: Bench) -> None:
    bench.clock.advance(86400)
    bench.client.shoots(NS)

    assert abs(bench.heard.now() - bench.clock.now()) < timedelta(seconds=3)


# --- moving and marking ---


def test_a_move_points_the_entry_at_its_new_secret_and_marks_the_shoot(caching: Bench) -> None:
    before = caching.shoot()

    after = caching.client.move(before, move(before), MARKED)

    assert after.references == (Reference(0, "ar", "ar-v2"),)
    assert (after.generation, after.mark) == (2, MARKED)
    assert after.marked_at is not None
    assert FIELD_MANAGER in [each["manager"] for each in caching.server.shoot(NS, "api")["metadata"]["managedFields"]]


def test_a_shoot_without_annotations_is_marked_too(caching: Bench) -> None:
    names = caching.server.shoot(NS, "api")["metadata"]["annotations"]
    caching.server.annotate(NS, "api", dict.fromkeys(names))
    if caching.server.shoot(NS, "api")["metadata"].get("annotations"):
        caching.server.patch(SHOOTS, NS, "api", [{"op": "remove", "path": "/metadata/annotations"}])

    caching.client.mark(caching.shoot(), MARKED)

    assert caching.shoot().mark == MARKED


def test_a_mark_leaves_the_spec_alone(caching: Bench) -> None:
    before = caching.shoot()

    caching.client.mark(before, MARKED)

    after = caching.shoot()
    assert (after.references, after.generation, after.mark) == (before.references, before.generation, MARKED)


def test_a_move_of_a_shoot_that_changed_is_a_conflict_and_changes_nothing(caching: Bench) -> None:
    before = caching.shoot()
    caching.server.edit(NS, "api", {"purpose": "testing"})

    with pytest.raises(Conflict, match="generation 2 now, 1 when it was read"):
        caching.client.move(before, move(before), MARKED)
    assert caching.shoot().mark is None


@pytest.mark.parametrize("wrong", [{"old": "ar-v9"}, {"entry": "other"}, {"index": 7}], ids=str)
def test_a_move_whose_tests_fail_at_the_server_is_a_conflict(caching: Bench, wrong: dict[str, object]) -> None:
    shoot = caching.shoot()
    moves = [Move(**{"index": 0, "entry": "ar", "old": "ar-v1", "new": "ar-v2", **wrong})]  # type: ignore[arg-type]

    with pytest.raises(Conflict, match="422"):
        caching.client.move(shoot, moves, MARKED)


def test_a_move_of_another_shoot_of_the_same_name_is_a_conflict(caching: Bench) -> None:
    before = caching.shoot()
    caching.server.delete_shoot(NS, "api")
    caching.clock.advance(7200)
    caching.server.catch_up()
    caching.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"})

    with pytest.raises(Conflict, match="created anew"):
        caching.client.move(before, move(before), MARKED)


def test_a_move_of_a_shoot_that_is_gone_is_absent(caching: Bench) -> None:
    before = caching.shoot()
    caching.server.delete_shoot(NS, "api")
    caching.clock.advance(7200)

    with pytest.raises(Absent):
        caching.client.move(before, move(before), MARKED)


def test_a_move_to_a_missing_secret_is_denied_in_the_servers_words(caching: Bench) -> None:
    shoot = caching.shoot()

    with pytest.raises(Denied, match='secrets "nope" not found'):
        caching.client.move(shoot, move(shoot, "nope"), MARKED)


def test_a_missing_right_to_patch_blocks_and_names_the_right(caching: Bench) -> None:
    shoot = caching.shoot()
    caching.server.forbid("rotator", NS)
    caching.server.allow("rotator", NS, [rule for rule in ROTATOR if "patch" not in rule.verbs])
    caching.server.allow("rotator", NS, [type(ROTATOR[0])(("get", "list"), ("shoots",))])

    with pytest.raises(Permanent, match=f"grant patch on shoots in namespace {NS}") as refused:
        caching.client.move(shoot, move(shoot), MARKED)
    assert refused.value.code == "garden-access"


def test_a_webhook_that_is_down_is_transient(caching: Bench) -> None:
    shoot = caching.shoot()
    caching.server.knobs.webhook_down = True

    with pytest.raises(Transient, match="failed calling webhook"):
        caching.client.move(shoot, move(shoot), MARKED)


@pytest.mark.parametrize("answer", ["429", "503", "500", "lost"])
def test_a_write_that_may_succeed_later_is_transient_and_sent_once(caching: Bench, answer: str) -> None:
    shoot = caching.shoot()
    caching.fail("PATCH shoots", answer)

    with pytest.raises(Transient):
        caching.client.move(shoot, move(shoot), MARKED)
    assert [each.method for each in caching.operations.since() if each.method == "PATCH shoots"] == ["PATCH shoots"]


def test_a_read_is_repeated(caching: Bench) -> None:
    caching.fail("GET secrets", "503", times=2)

    assert caching.client.secret(NS, "ar-v1") is not None


# --- confined Shoots ---


@pytest.fixture
def confined(bench: Bench) -> Bench:
    bench.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"}, confined=True)
    bench.clock.advance(3600)
    shoot = bench.shoot()
    bench.client.move(shoot, move(shoot), Mark("r-1", shoot.generation))
    bench.clock.advance(60)
    return bench


def test_a_confined_shoot_that_nobody_wrote_since_our_mark_is_not_touched(confined: Bench) -> None:
    shoot = confined.shoot()

    assert (shoot.confined, shoot.touched, shoot.needs_mark) == (True, False, False)


def test_a_confined_shoot_is_touched_by_a_change_there_and_back(confined: Bench) -> None:
    confined.server.point(NS, "api", "ar", "ar-v1")
    confined.server.point(NS, "api", "ar", "ar-v2")

    assert confined.shoot().touched


def test_a_confined_shoot_is_touched_by_removing_all_entries(confined: Bench) -> None:
    """Owners may drop the cache; managedFields then shows no trace, and the Shoot runs on with the old key for a day."""
    confined.server.edit(NS, "api", {"resources": None, "extensions": None})

    assert confined.shoot().touched


def test_a_touched_shoot_that_is_marked_anew_is_not_touched(confined: Bench) -> None:
    confined.server.point(NS, "api", "ar", "ar-v1")
    confined.clock.advance(60)
    shoot = confined.shoot()

    confined.client.mark(shoot, Mark("r-1", shoot.generation))

    assert not confined.shoot().touched


def test_a_mark_that_is_not_by_our_hand_counts_as_touched(bench: Bench) -> None:
    bench.server.create_shoot(NS, "api", confined=True, annotations={MARK: "r-1 1"})

    assert bench.shoot().touched


# --- judging ---


def test_a_good_secret_is_accepted_by_the_webhook_and_nothing_is_stored(caching: Bench) -> None:
    shoot = caching.shoot()

    assert "accepts" in caching.client.judge(shoot, move(shoot))
    assert caching.shoot() == shoot


def test_a_mutable_secret_is_refused_by_the_webhook(caching: Bench) -> None:
    caching.server.create_secret(NS, "loose", "_json_key", FILE.reveal(), immutable=False)
    shoot = caching.shoot()

    with pytest.raises(Denied, match="admission webhook"):
        caching.client.judge(shoot, move(shoot, "loose"))
    assert caching.shoot() == shoot


def test_without_a_cache_that_uses_the_entry_there_is_nobody_to_judge(bench: Bench) -> None:
    bench.server.create_shoot(NS, "api", {HOST: None}, {"ar": "ar-v1"})
    bench.server.create_shoot(NS, "web", {}, {"ar": "ar-v1"})

    for shoot in bench.client.shoots(NS):
        assert "nobody to judge" in bench.client.judge(shoot, move(shoot))


# --- Secrets ---


def test_a_created_secret_is_immutable_marked_and_holds_the_key(bench: Bench) -> None:
    bench.client.fence()
    bench.client.create_secret(draft())

    secret = bench.client.secret(NS, "ar-v3")
    assert secret is not None
    assert secret.holds(PublicKey(PAIR.public_key))
    assert (secret.immutable, secret.faults, secret.oddities, secret.owners) == (True, (), (), ())
    assert secret.installation == "prod"
    login = secret.login()
    assert login is not None
    assert (login.account, login.id) == (EMAIL, "4f1c")


def test_a_name_that_is_taken_exists(bench: Bench) -> None:
    with pytest.raises(Exists):
        bench.client.create_secret(draft("ar-v1"))


def test_a_quota_that_is_full_is_denied_in_the_servers_words(bench: Bench) -> None:
    bench.server.knobs.quotas[NS] = 2

    with pytest.raises(Denied, match="quota"):
        bench.client.create_secret(draft())


def test_a_create_is_never_repeated(bench: Bench) -> None:
    bench.fail("CREATE secrets", "lost", when="after", times=1)

    with pytest.raises(Transient):
        bench.client.create_secret(draft())
    assert bench.client.secret(NS, "ar-v3") is not None


def test_a_secret_that_is_not_there_is_none(bench: Bench) -> None:
    assert bench.client.secret(NS, "nope") is None


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PRETTY = json.dumps(json.loads(FILE.reveal()), indent=2)


@pytest.mark.parametrize(
    ("username", "password", "oddity"),
    [
        ("_json_key", PRETTY, "pretty-printed"),
        ("_json_key_base64", packed(FILE.reveal()), "base64"),
        ("_json_key", FILE.reveal().replace("oauth2.googleapis.com/token", "evil.example/token"), "token_uri"),
        ("_json_key", FILE.reveal().replace('"universe_domain":"googleapis.com"', '"universe_domain":"x"'), "universe_domain"),
    ],
    ids=["pretty", "base64", "token_uri", "universe"],
)
def test_hand_made_forms_of_a_key_are_found_and_said(bench: Bench, username: str, password: str, oddity: str) -> None:
    bench.server.create_secret(NS, "hand", username, password)

    secret = bench.client.secret(NS, "hand")
    assert secret is not None
    assert secret.holds(PublicKey(PAIR.public_key))
    assert any(oddity in each for each in secret.oddities)


def test_a_key_in_an_odd_entry_of_a_mutable_secret_is_found(bench: Bench) -> None:
    bench.server.create_secret(NS, "infra", "user", "word", immutable=False, **{"serviceaccount.json": FILE.reveal()})  # type: ignore[arg-type]

    secret = bench.client.secret(NS, "infra")
    assert secret is not None
    assert [key.entry for key in secret.keys] == ["serviceaccount.json"]
    assert secret.login() is None
    assert secret.oddities[:2] == ("it is mutable", "it has more entries than username and password: serviceaccount.json")


def test_a_key_file_that_holds_no_key_is_said(bench: Bench) -> None:
    bench.server.create_secret(NS, "broken", "_json_key", '{"private_key":"nonsense","client_email":"a@b"}')

    secret = bench.client.secret(NS, "broken")
    assert secret is not None
    assert secret.keys == ()
    assert secret.oddities == ("entry password: its private key cannot be read",)


@pytest.mark.parametrize(
    ("owner", "made"),
    [
        ("Flux Kustomization", {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
        ("Flux HelmRelease", {"labels": {"helm.toolkit.fluxcd.io/name": "apps"}}),
        ("Argo CD", {"annotations": {"argocd.argoproj.io/tracking-id": "apps:/Secret:x"}}),
        ("External Secrets", {"labels": {"reconcile.external-secrets.io/created-by": "x"}}),
        ("ExternalSecret", {"owner_references": [{"apiVersion": "e/v1", "kind": "ExternalSecret", "name": "x", "uid": "1"}]}),
        ("Terraform", {"manager": "Terraform"}),
        ("Terraform", {"manager": "HashiCorp"}),
        ("Helm", {"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
        ("kubectl apply", {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}),
    ],
)
def test_a_tool_that_would_re_create_a_secret_is_named(bench: Bench, owner: str, made: dict[str, object]) -> None:
    bench.server.create_secret(NS, "owned", "_json_key", FILE.reveal(), **made)  # type: ignore[arg-type]

    secret = bench.client.secret(NS, "owned")
    assert secret is not None
    assert [each.partition(" (")[0] for each in secret.owners] == [owner]


def test_a_secret_is_deleted_with_its_permit(bench: Bench) -> None:
    secret = bench.client.secret(NS, "ar-v1")
    assert secret is not None

    bench.client.delete_secret(secret, permit(secret.uid))

    assert bench.client.secret(NS, "ar-v1") is None
    with pytest.raises(Absent):
        bench.client.delete_secret(secret, permit(secret.uid))


@pytest.mark.parametrize(
    "stale",
    [{"action": "delete_key"}, {"subject": "other"}, {"until": datetime(2026, 1, 1, tzinfo=UTC)}],
    ids=["action", "subject", "until"],
)
def test_a_stale_permit_sends_nothing(bench: Bench, stale: dict[str, object]) -> None:
    secret = bench.client.secret(NS, "ar-v1")
    assert secret is not None

    with pytest.raises(StalePermit):
        bench.client.delete_secret(secret, permit(secret.uid, **stale))
    assert bench.client.secret(NS, "ar-v1") == secret


def test_a_secret_that_was_replaced_is_not_deleted(bench: Bench) -> None:
    secret = bench.client.secret(NS, "ar-v1")
    assert secret is not None
    bench.server.delete_secret(NS, "ar-v1")
    bench.server.create_secret(NS, "ar-v1", "_json_key", FILE.reveal())

    with pytest.raises(Conflict):
        bench.client.delete_secret(secret, permit(secret.uid))
    assert bench.client.secret(NS, "ar-v1") is not None


def test_a_referenced_secret_is_protected_and_then_deleting(caching: Bench) -> None:
    secret = caching.client.secret(NS, "ar-v1")
    assert secret is not None
    assert (secret.protected, secret.deleting) == (True, False)

    caching.client.delete_secret(secret, permit(secret.uid))

    after = caching.client.secret(NS, "ar-v1")
    assert after is not None
    assert after.deleting


def test_a_forbidden_delete_is_never_gone(bench: Bench) -> None:
    secret = bench.client.secret(NS, "ar-v1")
    assert secret is not None
    bench.server.forbid("rotator", NS)

    with pytest.raises(Permanent, match="grant delete on secrets"):
        bench.client.delete_secret(secret, permit(secret.uid))


# --- login and fence ---


def test_the_fence_is_the_end_of_the_token_that_creates_are_sent_with(bench: Bench) -> None:
    fence = bench.client.fence()

    assert fence is not None
    assert timedelta(minutes=59) < fence - bench.clock.now() <= timedelta(hours=1)
    assert bench.client.fence() == fence


def test_a_create_behind_its_fence_is_refused_though_a_newer_token_could_be_had(bench: Bench) -> None:
    """A paused worker that wakes up an hour late must not slip past the fence with a renewed token."""
    fence = bench.client.fence()
    bench.clock.advance(3700)
    bench.client.shoots(NS)

    with pytest.raises(Transient, match="garden-token"):
        bench.client.create_secret(draft())
    renewed = bench.client.fence()
    bench.client.create_secret(draft())

    assert fence is not None
    assert renewed is not None
    assert renewed > fence


def test_a_revoked_token_is_renewed_for_reads(bench: Bench) -> None:
    bench.client.shoots(NS)
    bench.server.revoke_tokens("rotator")

    assert bench.client.shoots(NS) == ()


def test_a_token_that_nobody_renews_is_said(bench: Bench) -> None:
    login = Login.server(bench.server.address, None, logins.static("nonsense"))
    client = KubernetesGarden("eu", login, bench.heard)

    with pytest.raises(Transient, match=r"garden-token: list shoots .* 401"):
        client.shoots(NS)
    assert client.fence() is None
    client.close()


def test_a_kubeconfig_logs_in_and_its_token_is_the_fence(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(bench.server.kubeconfig("rotator", NS)))
    client = KubernetesGarden("eu", Login.kubeconfig(path), bench.heard)

    assert client.shoots(NS) == ()
    assert client.fence() is not None
    client.close()


def test_a_kubeconfig_without_the_context_is_said(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(bench.server.kubeconfig("rotator", NS)))

    with pytest.raises(Permanent, match="check path and context"):
        Login.kubeconfig(path, "nope")
    with pytest.raises(Permanent, match="check path and context"):
        Login.kubeconfig(tmp_path / "absent")


def test_a_token_file_is_read_when_a_token_is_needed(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "token"
    client = KubernetesGarden("eu", Login.server(bench.server.address, None, logins.from_file(path)), bench.heard)

    with pytest.raises(Permanent, match="token file"):
        client.shoots(NS)
    path.write_text(bench.server.issue_token("rotator") + "\n")

    assert client.shoots(NS) == ()
    client.close()


def test_a_garden_that_does_not_answer_is_transient(bench: Bench) -> None:
    bench.client.fence()
    bench.server.stop()

    with pytest.raises(Transient, match="no answer"):
        bench.client.create_secret(draft())


def test_an_answer_that_is_not_the_apis_keeps_gates_shut(bench: Bench) -> None:
    bench.server.create_shoot(NS, "api")
    stored = bench.server._state.store.find(SHOOTS, NS, "api")
    assert stored is not None
    bench.server._state.store.put(SHOOTS, {**stored.tree, "spec": {**stored.tree["spec"], "resources": "text"}})

    with pytest.raises(Unreadable, match="resources"):
        bench.client.shoots(NS)


@pytest.mark.parametrize(
    "text", ["-----BEGIN PRIVATE KEY-----\nMIIE", "x" * 1000, "a " + "QUJD" * 40], ids=["pem", "long", "base64"]
)
def test_a_servers_words_are_bounded_and_carry_no_key(text: str) -> None:
    said = words(text)

    assert len(said) <= 300
    assert "MIIE" not in said
    assert "QUJD" not in said


def test_no_error_is_without_a_next_step(bench: Bench) -> None:
    bench.server.forbid("rotator", NS)
    faults: list[RotatorError] = []
    for call in (lambda: bench.client.shoots(NS), lambda: bench.client.create_secret(draft())):
        try:
            call()
        except RotatorError as fault:
            faults.append(fault)

    assert len(faults) == 2
    assert all("grant " in str(fault) for fault in faults)
