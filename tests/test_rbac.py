"""`rotator rbac`: what it prints is enough for a whole rotation and retirement, and nothing in it is superfluous."""

import json
import re
import socket
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from house import EMAIL, NAMESPACE, POLICY, USER, House, house
from rotator import needs, permission
from rotator.cli import main
from rotator.key import Email
from rotator.permission import EVERYBODY, GARDEN, GOOGLE, in_garden
from rotator.report import google_roles, role
from rotator.states import name_of
from rotator.view import Charge
from rotator.wiring import Wired
from sandbox import landscape
from sandbox.cloud import USER as MEMBER
from sandbox.cloud import Cloud
from sandbox.garden.access import Rule

SUBJECT = role.Subject("rotator", NAMESPACE)


def printed(h: House, w: Wired, *, wide: bool = False) -> list[dict[str, Any]]:
    """The documents of the YAML, as kubectl would read them."""
    seen = needs.look("acme", w.charges, w.service.records()[0], w.gardens(), w.places)
    places = needs.wide(w.places, w.charges) if wide else needs.narrow(seen, ahead=2)
    text = "\n".join(role.lines("registry-key-rotator-acme", places, SUBJECT))
    found = [one for one in yaml.safe_load_all(text) if one]
    assert found == role.tree("registry-key-rotator-acme", places, SUBJECT)["items"]
    return found


def rules(documents: Iterable[dict[str, Any]]) -> list[Rule]:
    """The rules of the Roles, as the sandbox's authorizer takes them."""
    return [
        Rule(tuple(r["verbs"]), tuple(r["resources"]), tuple(r.get("resourceNames", ())), tuple(r["apiGroups"]))
        for document in documents
        if document["kind"] == "Role"
        for r in document["rules"]
    ]


def only(h: House, w: Wired, allowed: Iterable[Rule]) -> None:
    h.live.forbid(USER, NAMESPACE)
    h.live.allow(USER, NAMESPACE, list(allowed))


def landscape_of(h: House) -> Wired:
    """Two Shoots on a hand-made key, of which one names a ConfigMap and a WorkloadIdentity, too; a foreign binding."""
    h.populate(2)
    h.live.add_companions(NAMESPACE, "shoot-0")
    h.live.create_secret(NAMESPACE, "infrastructure", username="gcp", password="x")
    h.live.create_binding(NAMESPACE, "infrastructure", "infrastructure")
    h.live.create_secret(NAMESPACE, "of-others", username="gcp", password="x")
    return h.wire()


# --- enough ---


@pytest.mark.parametrize("wide", [False, True], ids=["by name", "any name"])
def test_with_exactly_the_printed_role_two_rotations_run_through_to_the_end_of_the_old_keys(wide: bool) -> None:
    with house() as h:
        w = landscape_of(h)
        only(h, w, rules(printed(h, w, wide=wide)))

        h.rotate(w)
        first = {name_of(record.state) for record in h.whole(w)}
        h.rotate(w, new=True)
        second = {name_of(record.state) for record in h.whole(w)}

        assert (first, second) == ({"Done", "Gone"}, {"Done", "Gone"})
        assert h.violations() == []
        assert h.live.secret(NAMESPACE, "ar-credentials") is None
        assert h.live.secret(NAMESPACE, "puller-acme-prod-v1") is None
        assert h.live.secret(NAMESPACE, "puller-acme-prod-v2") is not None
        groups = {right.resource: right.group for right in GARDEN}
        assert h.live.needed(USER) == {(right.verb, groups[right.resource], right.resource) for right in GARDEN}


# --- nothing superfluous ---


@pytest.mark.slow
@pytest.mark.parametrize("right", [None, *GARDEN], ids=lambda right: str(right or "with all"))
def test_without_any_one_of_its_verbs_the_old_key_does_not_end(right: permission.GardenRight | None) -> None:
    with house() as h:
        w = landscape_of(h)
        only(h, w, rules(printed(h, w)))
        begun = w.service.rotate(EMAIL, h.now(), by="test", why="a test")
        if right is not None:
            h.live.withdraw(USER, right.verb, right.resource)

        h.carry(w, begun.id, most=5)
        w.service.tick(h.now())
        for record in w.service.records()[0]:
            h.carry(w, record.id, horizon=timedelta(days=2), most=10)

        assert ("Gone" in {name_of(record.state) for record in w.service.records()[0]}) == (right is None)
        assert h.violations() == []


def test_secrets_of_others_are_not_in_it() -> None:
    with house() as h:
        w = landscape_of(h)
        allowed = rules(printed(h, w))
        names = {verb: {name for rule in allowed if verb in rule.verbs for name in rule.names} for verb in ("get", "delete")}

        versions = {f"puller-acme-prod-v{number}" for number in (1, 2)}
        assert names["get"] - {"audit-policy", "deployer"} == {"ar-credentials", "infrastructure", *versions}
        assert names["delete"] == {"ar-credentials", *versions}


def test_what_a_rotation_asks_of_google_is_what_the_table_has() -> None:
    """`enable` and `versions.get` need a key taken back and a version destroyed under our hands; other tests do that."""
    with house() as h:
        w = landscape_of(h)
        h.rotate(w)
        h.whole(w)

        needed, table = h.google.access.needed, {right.name for right in GOOGLE}
        assert needed <= table
        assert table - needed == {"iam.serviceAccountKeys.enable", "secretmanager.versions.get", *unread(needed)}


def unread(needed: set[str]) -> set[str]:
    """The staged key is read only when it has left the process that made it."""
    return {"secretmanager.versions.access"} - needed


# --- modes, and what people did ---


def of(h: House, **policy: Any) -> tuple[Charge, ...]:
    return (Charge(email=EMAIL, project="acme-prod", base="puller-acme-prod", policy=replace(POLICY, **policy)),)


def named(places: Iterable[needs.PlaceNeeds]) -> dict[str, tuple[str, ...]]:
    return {str(need.right): need.names for place in places for need in place.needs}


def test_an_observing_rotator_only_reads() -> None:
    with house() as h:
        w = landscape_of(h)
        found = named(needs.narrow(needs.look("acme", of(h, mode="observe"), (), w.gardens(), w.places), ahead=3))

        assert set(found) == {
            "list shoots", "get shoots", "list secretbindings", "list credentialsbindings", "get secrets",
        }  # fmt: skip
        assert found["get secrets"] == ("ar-credentials", "infrastructure")


def test_hand_made_secrets_may_be_deleted_only_where_they_are_adopted() -> None:
    with house() as h:
        w = landscape_of(h)
        found = named(needs.narrow(needs.look("acme", of(h, adopt=False), (), w.gardens(), w.places), ahead=1))

        assert found["delete secrets"] == ("puller-acme-prod-v1",)


def test_secrets_that_the_books_remember_stay_in_it() -> None:
    """The proof asks for every Secret that ever held the key, also for those that are long gone."""
    with house() as h:
        w = landscape_of(h)
        h.rotate(w)
        h.whole(w)
        found = named(needs.narrow(needs.look("acme", w.charges, w.service.records()[0], w.gardens(), w.places), ahead=1))

        assert found["get secrets"] == ("ar-credentials", "infrastructure", "puller-acme-prod-v1", "puller-acme-prod-v2")


def test_the_roles_at_google_have_every_permission_once_and_bind_each_account() -> None:
    other = Charge(
        email=Email("mirror@acme-shared.iam.gserviceaccount.com"), project="acme-shared", base="mirror", policy=POLICY
    )
    watched = replace(other, policy=replace(POLICY, mode="observe"))
    with house() as h:
        text = "\n".join(
            google_roles.lines("user:ann", google_roles.commands("Acme", (*of(h), watched), {EMAIL: "acme-vault"}))
        )

    permissions = [name for line in text.split("\n") if "--permissions" in line for name in line.split()[-1].split(",")]
    written = {right.name for right in GOOGLE} - {"secretmanager.secrets.create"}
    assert set(permissions) == written
    assert text.count("add-iam-policy-binding") == 4
    assert f'{EMAIL} --project acme-prod --member "$MEMBER" --role projects/acme-prod/roles/registryKeyRotatorKeys\n' in text
    assert "roles/registryKeyRotatorKeysRead" in text
    assert "gcloud secrets create registry-key-rotator-puller-acme-prod --project acme-vault" in text
    assert 'MEMBER="user:ann"' in text


def test_with_a_topic_secret_managers_agent_of_each_staging_project_may_publish_there() -> None:
    topic = "projects/acme-events/topics/key-expiry"
    with house() as h:
        found = google_roles.commands("acme", of(h), {EMAIL: "acme-vault"}, topic)
        without = google_roles.commands("acme", of(h), {EMAIL: "acme-vault"})

    lines = [line for _, each in found for line in each]
    agent = "service-$(gcloud projects describe acme-vault --format 'value(projectNumber)')@gcp-sa-secretmanager"
    assert "gcloud beta services identity create --service secretmanager.googleapis.com --project acme-vault" in lines
    assert any(f"topics add-iam-policy-binding {topic}" in line and agent in line for line in lines)
    assert not any("pubsub" in line for _, each in without for line in each)


# --- the command ---


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with landscape.cloud() as running:
        yield running


@pytest.fixture
def config(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ROTATOR_STATE", str(tmp_path / "state.db"))
    path = cloud.write_config(tmp_path / "etc")
    monkeypatch.setenv("ROTATOR_CONFIG", str(path))
    yield path
    cloud.gardens["live"].restore(MEMBER)


def test_it_speaks_yaml_and_json_for_kubectl(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rbac", "live"]) == 0
    text = [one for one in yaml.safe_load_all(capsys.readouterr().out) if one]
    assert main(["rbac", "live", "-o", "json"]) == 0
    tree = json.loads(capsys.readouterr().out)

    assert tree["kind"] == "List"
    assert tree["items"] == text
    assert [(one["kind"], one["metadata"]["namespace"]) for one in text] == [
        (kind, namespace) for namespace in ("garden-payments", "garden-search") for kind in ("Role", "RoleBinding")
    ]
    subject = {"kind": "ServiceAccount", "name": "registry-key-rotator", "namespace": "garden"}  # whose login the settings have
    assert [one["subjects"] for one in text if one["kind"] == "RoleBinding"] == [[subject], [subject]]


def test_it_binds_whom_the_command_names_or_a_service_account_to_come(
    config: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = config.parent / "admin.yaml"
    admin.write_text(json.dumps(cloud.gardens["live"].kubeconfig()))
    (config.parent / "kubeconfig-live.yaml").unlink()
    words = ["rbac", "live/garden-search", "--kubeconfig", str(admin)]
    bound = []
    for more in ([], ["--user", "ann"], ["--service-account", "bots/rotator"], ["--service-account", "rotator"]):
        assert main([*words, *more]) == 0
        bound.append(list(yaml.safe_load_all(capsys.readouterr().out))[1]["subjects"][0])

    assert [(one["kind"], one.get("namespace"), one["name"]) for one in bound] == [
        ("ServiceAccount", "garden-payments", "registry-key-rotator"),
        ("User", None, "ann"),
        ("ServiceAccount", "bots", "rotator"),
        ("ServiceAccount", "garden-payments", "rotator"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rbac"], "say which (live, canary): rotator rbac live"),
        (["rbac", "lab"], "there is no Garden lab"),
        (["rbac", "live/garden-lab"], "has no namespace garden-lab"),
        (["rbac", "live", "--kubeconfig", "none.yaml"], "none.yaml"),
        (["rbac", "--google", "--member", "foo"], "--member foo: it has the form serviceAccount:"),
        (["rbac", "--google", "--member", 'user:a@b.example"; id; "'], "it has the form serviceAccount:"),
        (["rbac", "live", "--google"], "GARDEN is for a Garden; with --google say --member"),
        (["rbac", "live", "--member", "user:ann@acme.example"], "--member is for --google"),
    ],
    ids=lambda words: "-".join(words) if isinstance(words, list) else "",
)
def test_bad_input_is_one_line(config: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(words) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_without_a_member_it_is_said_who_is_to_be_put_in(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rbac", "--google"]) == 0
    assert "no --member was given: put it in place of serviceAccount:ROTATOR@PROJECT" in capsys.readouterr().err


def test_a_garden_that_does_not_answer_is_said_soon(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It takes connections and never says a word: the worst way to be down."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        file = config.parent / "kubeconfig-live.yaml"
        text = file.read_text()
        file.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{deaf.getsockname()[1]}", text))
        began = time.monotonic()
        assert main(["rbac", "live"]) == 1
        took = time.monotonic() - began
        file.write_text(text)

    out, err = capsys.readouterr()
    assert took < 12
    assert out == ""
    assert err.count("\n") == 1
    assert "Garden live" in err


def test_names_that_cannot_be_read_make_no_half_role(config: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    """Applied over a whole one, half a Role would take rights away."""
    cloud.gardens["live"].withdraw(MEMBER, "list", "shoots")
    assert main(["rbac", "live"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "rotator rbac live/garden-payments --kubeconfig ADMIN.yaml" in err

    assert main(["rbac", "live", "--all-secrets"]) == 0
    assert "resourceNames" not in capsys.readouterr().out
    admin = config.parent / "admin.yaml"
    admin.write_text(json.dumps(cloud.gardens["live"].kubeconfig()))
    assert main(["rbac", "live", "--kubeconfig", str(admin)]) == 0
    out = capsys.readouterr().out
    assert '"ar-credentials"' in out
    assert '"name": "registry-key-rotator", "namespace": "garden"' in out


def test_a_role_is_bound_to_all_identities_of_an_installation(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = [f"{who}@acme-rotator.iam.gserviceaccount.com" for who in ("reader", "minter", "revoker")]
    words = [word for user in users for word in ("--user", user)]

    assert main(["rbac", "live/garden-payments", "--all-secrets", *words]) == 0

    said = capsys.readouterr()
    (bound,) = [one for one in yaml.safe_load_all(said.out) if one and one["kind"] == "RoleBinding"]
    assert [(each["kind"], each["name"]) for each in bound["subjects"]] == [("User", user) for user in users]
    assert f"for user {users[0]} and user {users[1]} and user {users[2]}, which" in said.err


MANIFESTS = Path(__file__).resolve().parent.parent / "infra" / "garden"


@pytest.mark.parametrize("who", [None, *EVERYBODY])
def test_the_manifests_of_infra_are_what_is_printed(who: permission.Identity | None) -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        subject = role.Subject(f"rotator-acme-{who}@acme-rotator.iam.gserviceaccount.com") if who else SUBJECT
        name = "-".join(filter(None, ("registry-key-rotator-acme", who)))
        text = "\n".join(role.lines(name, needs.wide(w.places, w.charges, who), subject))

    manifest = (MANIFESTS / f"{who or 'role'}.yaml").read_text(encoding="utf-8")
    assert manifest.split("# Garden live", 1)[1].strip() == text.split("# Garden live", 1)[1].strip()


@pytest.mark.parametrize("who", EVERYBODY)
def test_an_identity_gets_a_role_of_its_own_with_its_verbs_by_name(
    config: Path, capsys: pytest.CaptureFixture[str], who: permission.Identity
) -> None:
    user = f"rotator-acme-caches-{who}@acme-rotator.iam.gserviceaccount.com"

    assert main(["rbac", "live/garden-payments", "--for", who, "--user", user]) == 0

    made, bound = [one for one in yaml.safe_load_all(capsys.readouterr().out) if one]
    granted = {f"{verb} {resource}" for r in made["rules"] for verb in r["verbs"] for resource in r["resources"]}
    secrets = {verb for r in made["rules"] if r["resources"] == ["secrets"] and "resourceNames" in r for verb in r["verbs"]}
    companions = {"get configmaps", "get workloadidentities"}  # no Shoot there has any
    assert granted == {str(right) for right in in_garden(who)} - companions
    assert secrets == ({"get", "delete"} if who == "revoker" else {"get"})
    assert {one["metadata"]["name"] for one in (made, bound)} == {f"registry-key-rotator-acme-caches-{who}"}
    assert bound["roleRef"]["name"] == made["metadata"]["name"]
    assert [each["name"] for each in bound["subjects"]] == [user]


def test_identities_share_the_roles_at_google_among_them() -> None:
    observed = Charge(email=Email("mirror@acme.iam.gserviceaccount.com"), project="acme", base="mirror", policy=POLICY)
    observed = replace(observed, policy=replace(POLICY, mode="observe"))
    with house() as h:
        charges = (*of(h), observed)
        texts = {
            who: "\n".join(google_roles.lines("user:ann", google_roles.commands("acme", charges, {EMAIL: "vault"}, who=who)))
            for who in EVERYBODY
        }

    for who, text in texts.items():
        names = {name for line in text.split("\n") if "--permissions" in line for name in line.split()[-1].split(",")}
        assert names == {right.name for right in GOOGLE if who in right.who}
        assert f"roles/registryKeyRotatorKeys{who.capitalize()}\n" in text
        assert "roles/registryKeyRotatorKeysRead" in text
    assert [who for who in EVERYBODY if "gcloud secrets create" in texts[who]] == ["minter"]
    assert [who for who in EVERYBODY if "registryKeyRotatorUsage" in texts[who]] == ["revoker"]


def test_identities_have_the_names_of_the_table(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's parser does not load the table: `--help` must be quick."""
    with pytest.raises(SystemExit):
        main(["rbac", "--help"])
    assert f"--for {{{','.join(EVERYBODY)}}}" in " ".join(capsys.readouterr().out.split())
