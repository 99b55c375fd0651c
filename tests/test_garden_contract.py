"""One contract of a Garden, kept by the sandbox and by the real API servers alike, as the rotator's client meets it.

Where the two disagree, the sandbox is changed: tests/real_disagreements.py lists what was found.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from garden_neighbour import HOST, MARKED, PAIR, draft, move, permit
from real_garden.garden import eventually
from real_ground import Ground, on_real, on_sandbox
from rotator.errors import Absent, Conflict, Denied, Exists, Transient
from rotator.key import PublicKey
from rotator.secret import Draft, SecretRef
from rotator.shoot import FIELD_MANAGER, Mark, Reference, why_not_settled
from rotator.world import Move
from sandbox.garden import Refusal
from sandbox.garden.kind import SECRETS, SHOOTS

if TYPE_CHECKING:
    from real_garden.landscape import Landscape


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    if request.param == "sandbox":
        with on_sandbox() as built:
            yield built
    else:
        landscape: Landscape = request.getfixturevalue("landscape")
        with on_real(landscape) as built:
            yield built


@pytest.fixture
def caching(ground: Ground) -> Ground:
    """A settled Shoot `api` whose cache takes its credential from ar-v1."""
    ground.server.create_shoot(ground.ns, "api", {HOST: "ar"}, {"ar": "ar-v1"})
    ground.server.catch_up()
    return ground


def here(ground: Ground, name: str) -> Draft:
    """A Secret to create in the namespace at hand."""
    made = draft(name)
    return Draft(ref=SecretRef("eu", ground.ns, name), installation=made.installation, key_file=made.key_file)


# --- reading ---


def test_a_shoot_is_read_with_its_references_and_state(caching: Ground) -> None:
    shoot = caching.shoot()

    assert shoot.references == (Reference(0, "ar", "ar-v1"),)
    assert [(each.upstream, each.entry) for each in shoot.caches] == [(HOST, "ar")]
    assert (shoot.purpose, shoot.seed, shoot.status_seed, shoot.generation) == ("evaluation", "gcp-eu1", "gcp-eu1", 1)
    assert why_not_settled(shoot) == ""


def test_a_list_of_hundreds_comes_page_by_page_and_complete(ground: Ground) -> None:
    for number in range(260):
        ground.server.create_shoot(ground.ns, f"s-{number:03}", seed=None)

    assert [shoot.ref.name for shoot in ground.client.shoots(ground.ns)] == [f"s-{number:03}" for number in range(260)]


def test_all_four_places_that_name_a_secret_are_read(ground: Ground) -> None:
    for name in ("plugin", "dns"):
        ground.server.create_secret(ground.ns, name, "user", "word", kubeconfig="none")
    server = {"admissionPlugins": [{"name": "ImagePolicyWebhook", "kubeconfigSecretName": "plugin"}]}
    reference = {"apiVersion": "v1", "kind": "Secret", "name": "dns"}
    dns = {"domain": f"api.{ground.ns}.example.org", "providers": [{"type": "google-clouddns", "credentialsRef": reference}]}
    kubernetes = {"version": "1.34.2", "kubeAPIServer": server}
    ground.server.create_shoot(
        ground.ns, "api", {}, {"ar": "ar-v1", "p": "plugin"}, extra_spec={"kubernetes": kubernetes, "dns": dns}
    )

    assert ground.shoot().other_secrets == ("dns", "plugin")


def test_bindings_name_secrets_of_this_namespace_only(ground: Ground) -> None:
    ground.server.create_binding(ground.ns, "b", "legacy", kind="SecretBinding")
    ground.server.create_binding(ground.ns, "c", "elsewhere", secret_namespace=f"{ground.ns}x")

    assert set(ground.client.bindings(ground.ns)) - {"infrastructure"} == {"legacy"}


# --- moving ---


def test_a_move_points_the_entry_at_its_new_secret_and_marks_the_shoot(caching: Ground) -> None:
    before = caching.shoot()

    after = caching.client.move(before, move(before), MARKED)

    assert after.references == (Reference(0, "ar", "ar-v2"),)
    assert (after.generation, after.mark) == (before.generation + 1, MARKED)
    assert after.marked_at is not None
    assert FIELD_MANAGER in [each["manager"] for each in caching.server.shoot(caching.ns, "api")["metadata"]["managedFields"]]


def test_a_moved_shoot_settles_on_its_new_secret(caching: Ground) -> None:
    before = caching.shoot()
    caching.client.move(before, move(before), Mark("r-1", before.generation))

    caching.server.catch_up()

    assert why_not_settled(caching.shoot()) == ""
    assert caching.until_protected("ar-v2").protected
    assert not caching.until_protected("ar-v1", protected=False).protected


def test_all_entries_of_a_shoot_move_in_one_patch(ground: Ground) -> None:
    ground.server.create_shoot(ground.ns, "api", {HOST: "ar", "us-docker.pkg.dev": "us"}, {"ar": "ar-v1", "us": "ar-v1"})
    shoot = ground.shoot()

    after = ground.client.move(shoot, move(shoot), MARKED)

    assert [each.secret for each in after.references] == ["ar-v2", "ar-v2"]
    assert after.generation == shoot.generation + 1


@pytest.mark.parametrize("wrong", [{"old": "ar-v9"}, {"entry": "other"}, {"index": 7}], ids=str)
def test_a_move_whose_tests_fail_at_the_server_is_a_conflict(caching: Ground, wrong: dict[str, object]) -> None:
    shoot = caching.shoot()
    moves = [Move(**{"index": 0, "entry": "ar", "old": "ar-v1", "new": "ar-v2", **wrong})]  # type: ignore[arg-type]

    with pytest.raises(Conflict, match="422"):
        caching.client.move(shoot, moves, MARKED)
    assert caching.shoot().mark is None


def test_a_move_of_a_shoot_that_changed_is_a_conflict_and_changes_nothing(caching: Ground) -> None:
    before = caching.shoot()
    caching.server.edit(caching.ns, "api", {"purpose": "testing"})

    with pytest.raises(Conflict, match="generation 2 now, 1 when it was read"):
        caching.client.move(before, move(before), MARKED)
    assert caching.shoot().mark is None


def test_a_move_of_another_shoot_of_the_same_name_is_a_conflict(caching: Ground) -> None:
    before = caching.shoot()
    caching.server.delete_shoot(caching.ns, "api")
    caching.server.catch_up()
    caching.server.create_shoot(caching.ns, "api", {HOST: "ar"}, {"ar": "ar-v1"})

    with pytest.raises(Conflict, match="created anew"):
        caching.client.move(before, move(before), MARKED)


def test_a_move_of_a_shoot_that_is_gone_is_absent(caching: Ground) -> None:
    before = caching.shoot()
    caching.server.delete_shoot(caching.ns, "api")
    eventually(lambda: caching.gone(SHOOTS, "api"))

    with pytest.raises(Absent):
        caching.client.move(before, move(before), MARKED)


def test_a_move_of_a_shoot_in_deletion_is_denied_in_the_servers_words(ground: Ground) -> None:
    ground.server.create_shoot(ground.ns, "api", {HOST: "ar"}, {"ar": "ar-v1"})
    ground.server.catch_up()
    ground.server.ignore(ground.ns, "api")
    ground.server.delete_shoot(ground.ns, "api")
    shoot = ground.shoot()

    assert shoot.deleting
    with pytest.raises(Denied, match=r"422: .*cannot update shoot spec if deletion timestamp is set"):
        ground.client.move(shoot, move(shoot), MARKED)


def test_a_move_to_a_missing_secret_is_denied_in_the_servers_words(caching: Ground) -> None:
    shoot = caching.shoot()

    with pytest.raises(Denied, match='secrets "nope" not found'):
        caching.client.move(shoot, move(shoot, "nope"), MARKED)


def test_a_move_to_a_secret_that_is_being_deleted_is_accepted(caching: Ground) -> None:
    caching.server.create_shoot(caching.ns, "web", {HOST: "ar"}, {"ar": "ar-v2"})
    caching.until_protected("ar-v2")
    caching.server.delete_secret(caching.ns, "ar-v2")
    before = caching.shoot()

    after = caching.client.move(before, move(before), MARKED)

    assert after.references[0].secret == "ar-v2"
    assert caching.secret("ar-v2").deleting


def test_a_shoot_whose_secret_is_gone_can_be_healed(caching: Ground) -> None:
    caching.until_protected("ar-v1")
    caching.server.delete_secret(caching.ns, "ar-v1")
    caching.server.patch(SECRETS, caching.ns, "ar-v1", {"metadata": {"finalizers": None}})
    eventually(lambda: caching.client.secret(caching.ns, "ar-v1") is None)
    before = caching.shoot()

    caching.client.mark(before, Mark("r-0", 1))
    after = caching.client.move(caching.shoot(), move(before), MARKED)

    assert after.references[0].secret == "ar-v2"


def test_a_foreign_entry_that_we_may_not_read_denies_the_move(ground: Ground) -> None:
    ground.server.create_config_map(ground.ns, "policy", {})
    policy = {"name": "policy", "resourceRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "policy"}}
    ground.server.create_shoot(ground.ns, "api", {HOST: "ar"}, {"ar": "ar-v1"}, extra_spec={"resources": [policy]})
    shoot = ground.shoot()
    ground.without("get", "configmaps")

    with pytest.raises(Denied, match="cannot reference a resource you are not allowed to read"):
        ground.client.move(shoot, move(shoot), MARKED)


def test_a_foreign_entry_that_is_gone_denies_the_move(ground: Ground) -> None:
    ground.server.create_secret(ground.ns, "foreign", "user", "word")
    ground.server.create_shoot(ground.ns, "api", {HOST: "ar"}, {"ar": "ar-v1", "other": "foreign"})
    ground.until_protected("foreign")
    ground.server.delete_secret(ground.ns, "foreign")
    ground.server.patch(SECRETS, ground.ns, "foreign", {"metadata": {"finalizers": None}})
    eventually(lambda: ground.client.secret(ground.ns, "foreign") is None)
    shoot = ground.shoot()

    with pytest.raises(Denied, match='secrets "foreign" not found'):
        ground.client.move(shoot, [Move(0, "ar", "ar-v1", "ar-v2")], MARKED)


# --- the webhook ---


def test_a_nudged_dry_run_is_judged_by_the_installed_webhook_and_stores_nothing(caching: Ground) -> None:
    before = caching.shoot()

    said = caching.client.judge(before, move(before))

    assert said == "the installed webhook accepts it"
    assert caching.shoot().references == before.references
    assert caching.shoot().generation == before.generation


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ({"immutable": False}, "should be immutable"),
        ({"username": "_json_key\n"}, "whitespace"),
        ({"third": "x"}, "two data entries"),
        ({"password": "{"}, "failed to unmarshal ServiceAccount json"),
        ({"password": '{"type": "service_account", "extra": "x"}'}, "extra"),
    ],
    ids=["mutable", "whitespace", "three entries", "broken JSON", "forbidden field"],
)
def test_a_nudged_dry_run_refuses_a_bad_secret_that_a_plain_move_lets_pass(
    caching: Ground, secret: dict[str, object], why: str
) -> None:
    content = {"username": "_json_key", "password": "{}", **secret}
    caching.server.create_secret(caching.ns, "bad", **content)
    shoot = caching.shoot()

    with pytest.raises(Denied, match=r"admission webhook .* denied the request: .*" + why):
        caching.client.judge(shoot, move(shoot, "bad"))
    assert caching.client.move(shoot, move(shoot, "bad"), MARKED).references[0].secret == "bad"


def test_a_webhook_that_is_down_is_transient(caching: Ground) -> None:
    shoot = caching.shoot()

    with caching.webhook_down(), pytest.raises(Transient, match="failed calling webhook"):
        caching.client.move(shoot, move(shoot), MARKED)
    assert caching.client.move(shoot, move(shoot), MARKED).mark == MARKED


# --- generations ---


def test_a_confined_shoot_moves_without_a_generation_until_its_window(ground: Ground) -> None:
    ground.server.create_shoot(ground.ns, "api", {HOST: "ar"}, {"ar": "ar-v1"}, confined=True)
    ground.server.catch_up()
    before = ground.shoot()

    moved = ground.client.move(before, move(before), Mark("r-1", before.generation))
    assert moved.generation == before.generation
    assert moved.references[0].secret == "ar-v2"
    assert why_not_settled(ground.shoot()) != ""

    ground.server.maintenance(ground.ns, "api")
    ground.server.catch_up()
    assert ground.shoot().generation == before.generation + 1
    assert why_not_settled(ground.shoot()) == ""


@pytest.mark.parametrize(
    ("operation", "grows", "stays"), [("reconcile", 1, False), ("maintain", 0, True), ("retry", 0, None)], ids=str
)
def test_the_operation_annotation_bumps_the_generation_when_it_is_reconcile(
    caching: Ground, operation: str, grows: int, stays: bool | None
) -> None:
    before = caching.shoot().generation

    after = caching.server.annotate(caching.ns, "api", {"gardener.cloud/operation": operation})

    assert after["metadata"]["generation"] == before + grows
    if stays is not None:
        assert ("gardener.cloud/operation" in after["metadata"]["annotations"]) is stays


def test_two_shoots_of_one_name_in_two_projects(ground: Ground) -> None:
    other = f"{ground.ns}y"
    ground.server.create_namespace(other)

    for namespace in (ground.ns, other):
        ground.server.create_shoot(namespace, "api")

    assert ground.shoot().ref.name == "api"


def test_a_plugins_kubeconfig_has_to_be_listed_in_the_resources(ground: Ground) -> None:
    ground.server.create_secret(ground.ns, "plugin", "user", "word")
    server = {"admissionPlugins": [{"name": "ImagePolicyWebhook", "kubeconfigSecretName": "plugin"}]}
    kubernetes = {"version": "1.34.2", "kubeAPIServer": server}

    with pytest.raises(Refusal, match=r"secret should be referenced in shoot \.spec\.resources"):
        ground.server.create_shoot(ground.ns, "api", extra_spec={"kubernetes": kubernetes})


def test_a_new_shoot_has_generation_one_and_its_extension_label(caching: Ground) -> None:
    metadata = caching.server.shoot(caching.ns, "api")["metadata"]

    assert metadata["generation"] == 1
    assert metadata["labels"]["extensions.extensions.gardener.cloud/registry-cache"] == "true"
    assert "gardener" in metadata["finalizers"]
    assert "gardener.cloud/created-by" in metadata["annotations"]


def test_a_mark_leaves_spec_and_generation_alone(caching: Ground) -> None:
    before = caching.shoot()

    caching.client.mark(before, MARKED)

    after = caching.shoot()
    assert (after.references, after.generation, after.mark) == (before.references, before.generation, MARKED)


# --- Secrets ---


def test_a_created_secret_is_immutable_marked_and_holds_the_key(ground: Ground) -> None:
    ground.client.fence()
    ground.client.create_secret(here(ground, "ar-v3"))

    secret = ground.secret("ar-v3")
    assert secret.holds(PublicKey(PAIR.public_key))
    assert (secret.immutable, secret.faults, secret.owners, secret.installation) == (True, (), (), "prod")


def test_a_name_that_is_taken_exists(ground: Ground) -> None:
    with pytest.raises(Exists):
        ground.client.create_secret(here(ground, "ar-v1"))


def test_a_quota_that_is_full_is_denied_in_the_servers_words(ground: Ground) -> None:
    ground.quota(len(ground.server.names(SECRETS, ground.ns)))

    with pytest.raises(Denied, match="exceeded quota: gardener"):
        ground.client.create_secret(here(ground, "ar-v3"))


def test_a_finalizer_comes_after_the_reference_and_goes_with_it(caching: Ground) -> None:
    assert caching.until_protected("ar-v1").protected

    caching.server.point(caching.ns, "api", "ar", "ar-v2")

    assert not caching.until_protected("ar-v1", protected=False).protected


def test_a_referenced_secret_that_is_deleted_terminates_until_nobody_names_it(caching: Ground) -> None:
    secret = caching.until_protected("ar-v1")

    caching.client.delete_secret(secret, permit(secret.uid))
    assert caching.secret("ar-v1").deleting

    caching.server.point(caching.ns, "api", "ar", "ar-v2")
    eventually(lambda: caching.client.secret(caching.ns, "ar-v1") is None)


def test_an_unreferenced_secret_is_deleted_once(ground: Ground) -> None:
    secret = ground.secret("ar-v1")

    ground.client.delete_secret(secret, permit(secret.uid))

    assert ground.client.secret(ground.ns, "ar-v1") is None
    with pytest.raises(Absent):
        ground.client.delete_secret(secret, permit(secret.uid))


def test_a_secret_that_changed_since_it_was_read_is_not_deleted(ground: Ground) -> None:
    secret = ground.secret("ar-v1")
    ground.server.patch(SECRETS, ground.ns, "ar-v1", {"metadata": {"labels": {"touched": "yes"}}})

    with pytest.raises(Conflict):
        ground.client.delete_secret(secret, permit(secret.uid))
    assert not ground.secret("ar-v1").deleting


# --- tokens ---


def test_a_token_that_ends_in_the_middle_is_renewed_for_reads_and_never_for_a_create(ground: Ground) -> None:
    ground.client.fence()
    ground.client.shoots(ground.ns)
    ground.server.revoke_tokens(ground.user)

    with pytest.raises(Transient, match="garden-token"):
        ground.client.create_secret(here(ground, "ar-v3"))
    assert ground.client.shoots(ground.ns) == ()
    ground.client.fence()
    ground.client.create_secret(here(ground, "ar-v3"))
    assert ground.secret("ar-v3").immutable


def test_a_token_that_nobody_renews_is_said(ground: Ground) -> None:
    client = ground.client_with(lambda: "nonsense")

    with pytest.raises(Transient, match=r"garden-token: list shoots .* 401"):
        client.shoots(ground.ns)
    client.close()
