"""What `infra/` promises, read from its files: the provider's schema, least privilege, and the same names as in the program."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator import permission, settings
from rotator.deployment import OTEL
from rotator.doors.hints import understand
from rotator.doors.push import Message
from rotator.hint import Hint, Ignored
from rotator.record import retirement_id, rotation_id, saga
from rotator.staged import LABEL, secret_id
from rotator.stores.firestore_layout import INDEXES, TTL, UNINDEXED
from terraform_files import INFRA, ROOT, Folder, faults, read

FOLDER = read()
CORPUS = Path(__file__).resolve().parent / "corpus" / "events"
EXAMPLES = sorted(path.parent for path in (INFRA / "examples").glob("*/main.tf"))


def test_the_provider_knows_every_type_argument_and_block() -> None:
    assert faults(FOLDER) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"acl_deadline_seconds": 600}, "no argument acl_deadline_seconds"),
        ({"push_config": [{"endpoint": "x"}]}, "push_config: no argument endpoint"),
        ({"push_config": [{}]}, "push_config: push_endpoint is missing"),
        ({"push_config": "x"}, "push_config: a block, not an argument"),
        ({"filter": [{}]}, "filter: an argument, not a block"),
        ({"expiration_policy": [{"ttl": ""}] * 2}, "expiration_policy: 2 times, at most 1"),
        ({"topic": None}, "topic is missing"),
    ],
)
def test_the_check_can_fail(change: dict[str, Any], said: str) -> None:
    good = FOLDER.of("google_pubsub_subscription")["push"]
    changed = {name: value for name, value in {**good, **change}.items() if value is not None}

    found = faults(Folder({("google_pubsub_subscription", "push"): changed}, {}, {}, {}, {}, {}))

    assert any(said in line for line in found)


def test_no_private_key_can_come_into_the_state() -> None:
    assert {kind for kind, _ in FOLDER.resources} & {
        "google_service_account_key",
        "google_secret_manager_secret_version",
    } == set()
    assert not any("ttl" in body or "expire_time" in body for body in FOLDER.of("google_secret_manager_secret").values())


def test_each_identity_has_what_its_work_needs_and_no_more() -> None:
    """The table says whose work needs what; tests/test_identities.py holds it to what each is asked for."""
    for who, names in FOLDER.locals["on_keys"].items():
        assert set(names) == {right.name for right in permission.on_resource("account", who)}
    granted = {who: set(names) for who, names in FOLDER.locals["on_keys"].items()}
    staging = FOLDER.of("google_secret_manager_secret_iam_member")["staging"]
    usage = FOLDER.of("google_project_iam_member")["usage"]

    assert tuple(granted) == tuple(FOLDER.locals["identities"]) == permission.EVERYBODY
    assert granted["revoker"] & granted["minter"] == granted["reader"]
    assert set(FOLDER.locals["on_staging"]) == {right.name for right in permission.on_resource("secret", "minter")}
    assert staging["member"] == '${local.member["minter"]}'
    assert FOLDER.of("google_project_iam_custom_role")["usage"]["permissions"] == [
        right.name for right in permission.on_resource("project", "revoker")
    ]
    assert usage["member"] == '${local.member["revoker"]}'


def test_gardens_tokens_are_renewed_by_the_reader_and_only_read_by_the_others() -> None:
    granted = {who: set(names) for who, names in FOLDER.locals["on_tokens"].items()}
    bound = FOLDER.of("google_secret_manager_secret_iam_member")["garden_token"]

    assert granted == {who: {right.name for right in permission.KEPT if who in right.who} for who in permission.EVERYBODY}
    assert bound["member"] == "${local.member[each.value.who]}"
    assert "secret_data" not in FOLDER.of("google_secret_manager_secret")["garden_token"]


def test_the_next_commands_give_each_identity_a_role_of_its_own_in_the_gardens() -> None:
    said = FOLDER.outputs["next"]["value"]

    assert "for who, each in google_service_account.this" in said
    assert "rotator rbac GARDEN --for ${who} --user ${each.email} | kubectl apply -f -" in said


def test_rights_on_keys_are_bound_to_accounts_and_never_to_projects() -> None:
    bound = {name: body["role"] for name, body in FOLDER.of("google_project_iam_member").items()}

    assert bound == {
        "usage": "${google_project_iam_custom_role.usage[each.key].name}",
        "books": "roles/datastore.user",
        "telemetry": "${each.value.role}",
    }
    assert "condition" in FOLDER.of("google_project_iam_member")["books"]
    assert FOLDER.of("google_service_account_iam_member")["keys"]["role"].startswith("${google_project_iam_custom_role.keys[")


def test_every_subscription_stays_and_gives_up_to_a_person() -> None:
    longest = max(each["timeout"] for each in FOLDER.locals["functions"].values())
    subscriptions = FOLDER.of("google_pubsub_subscription")

    assert all(body["expiration_policy"] == [{"ttl": ""}] for body in subscriptions.values())
    assert subscriptions["push"]["ack_deadline_seconds"] > longest
    assert subscriptions["push"]["dead_letter_policy"][0]["dead_letter_topic"] == "${google_pubsub_topic.dead.id}"
    assert subscriptions["push"]["push_config"][0]["oidc_token"][0]["audience"]
    assert subscriptions["push"]["retry_policy"]


def test_events_are_secret_manager_saying_rotate_or_anybody_elses() -> None:
    wanted = 'attributes.eventType = "SECRET_ROTATE" OR NOT attributes:eventType'

    assert FOLDER.locals["deliveries"]["events"]["filter"].replace("\\", "") == wanted


def leaves(tree: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where the texts of this message are."""
    for name, value in tree.items():
        yield from leaves(value, (*place, name)) if isinstance(value, dict) else [(*place, name)]


def finding(place: tuple[str, ...], state: str = "ACTIVE") -> Any:
    """A finding in Security Command Center's form that names the key there and nowhere else."""
    data = json.loads((CORPUS / "scc-leaked.json").read_text(encoding="utf-8"))["data"]
    key = data["finding"]["access"]["serviceAccountKeyName"]
    for each in leaves(data):
        inner = data
        for name in each[:-1]:
            inner = inner[name]
        inner[each[-1]] = key if each == place else "x"
    data["finding"]["state"] = state
    return understand(Message("1", json.dumps(data).encode(), {}))


def test_the_filter_of_findings_passes_what_the_door_reads_and_nothing_else() -> None:
    """In a filter fields have underscores; `resource.` begins those of the message's resource, all others are the finding's."""

    def place(field: str) -> tuple[str, ...]:
        path = re.sub("_(.)", lambda found: found[1].upper(), field).split(".")
        return tuple(path) if path[0] == "resource" else ("finding", *path)

    body = FOLDER.of("google_scc_v2_project_notification_config")["keys"]
    passed = {place(field) for field in FOLDER.locals["finding_names"]}
    data = json.loads((CORPUS / "scc-leaked.json").read_text(encoding="utf-8"))["data"]
    places = [each for each in leaves(data) if each != ("finding", "state")]

    assert {each for each in places if isinstance(finding(each), Hint)} == passed
    assert all(isinstance(finding(each, "INACTIVE"), Ignored) for each in passed)
    assert 'state = \\"ACTIVE\\"' in body["streaming_config"][0]["filter"]


def test_a_wake_up_reaches_the_identity_that_may_do_the_work() -> None:
    """The filters split on an attribute that the program sets by the record's id."""
    filters = {name: each["filter"].replace("\\", "") for name, each in FOLDER.locals["deliveries"].items()}

    assert filters["retire"] == f'attributes.saga = "{saga(retirement_id("puller-acme-prod", "c0ffee" * 8, 1))}"'  # type: ignore[arg-type]
    assert filters["rotate"] == f"NOT {filters['retire']}"
    assert saga(rotation_id("puller-acme-prod", 7)) == "rotation"
    assert FOLDER.locals["functions"]["rotate"]["who"] == "minter"
    assert FOLDER.locals["functions"]["retire"]["who"] == "revoker"


def test_firestore_has_the_indexes_that_the_queries_need() -> None:
    made = [tuple(field["field_path"] for field in body["fields"]) for body in FOLDER.of("google_firestore_index").values()]
    fields = FOLDER.of("google_firestore_field")
    plain = {(each["collection"], each["field"]) for each in fields["unindexed"]["for_each"].values()}
    ends = fields["history_ends"]

    assert sorted(made) == sorted(INDEXES)
    assert (ends["collection"], ends["field"]) == TTL
    assert {"ttl_config", "index_config"} <= set(ends)
    assert plain | {TTL} == set(UNINDEXED)


def test_staged_keys_lie_where_the_program_looks_for_them() -> None:
    staging = FOLDER.of("google_secret_manager_secret")["staging"]

    assert staging["secret_id"] == secret_id("${each.key}")
    assert list(staging["labels"]) == [LABEL]
    assert staging["lifecycle"] == [{"ignore_changes": ["rotation"]}]  # Secret Manager moves it, and so do we


def test_what_takes_our_key_waits_until_googles_identities_may_use_it() -> None:
    takes = {place for place, body in FOLDER.resources.items() if "var.kms_key" in json.dumps(body)}
    grant = ("google_kms_crypto_key_iam_member", "agents")

    assert takes > {grant, ("google_storage_bucket", "source"), ("google_secret_manager_secret", "staging")}
    waiting = {place for place in takes if f"${{{'.'.join(grant)}}}" in FOLDER.resources[place].get("depends_on", ())}
    assert waiting == takes - {grant}
    assert FOLDER.resources[grant]["role"] == "roles/cloudkms.cryptoKeyEncrypterDecrypter"


def test_every_function_is_an_entry_point_and_every_fact_is_read() -> None:
    main = (ROOT / "functions" / "main.py").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "functions" / "rotator").rglob("*.py"))

    assert {each["entry"] for each in FOLDER.locals["functions"].values()} == set(
        re.findall(r"^def (\w+)\(", main, re.MULTILINE)
    )
    assert [name for name in FOLDER.locals["environment"] if f'"{name}"' not in code] == []


def test_telemetry_goes_where_the_program_can_send_it_with_the_roles_that_the_readme_names() -> None:
    ways = {name.strip('"'): facts for name, facts in FOLDER.locals["telemetry"].items()}
    pins = (ROOT / "functions" / "requirements.txt").read_text(encoding="utf-8")
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]["otel"]
    said = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What it tells")[2]

    assert set(ways) == {"", *OTEL.split("|")}
    assert {name: facts.get("ROTATOR_OTEL", "") for name, facts in ways.items()} == {name: name for name in ways}
    assert [name for name in extra if f"\n{name.partition('>')[0]}==" not in pins] == []  # the archive brings it
    assert set(FOLDER.locals["telemetry_roles"]) == set(re.findall(r"`(roles/telemetry\.\w+)`", said))


def test_nobody_without_a_name_calls_anything() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in INFRA.glob("*.tf") if path.name != "variables.tf")

    assert "allUsers" not in text
    assert "allAuthenticatedUsers" not in text


def test_every_variable_and_output_is_described() -> None:
    for named in (FOLDER.variables, FOLDER.outputs):
        assert [name for name, body in named.items() if not body.get("description")] == []
    unused = [name for name in FOLDER.variables if not used(f"var.{name}")]
    assert unused == []


def used(word: str) -> bool:
    """Some file other than the one that declares it has the word."""
    texts = [path.read_text(encoding="utf-8") for path in INFRA.glob("*.tf") if path.name != "variables.tf"]
    return any(re.search(rf"\b{re.escape(word)}\b", text) for text in texts)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_sets_what_must_be_set_and_nothing_unknown(example: Path) -> None:
    (given,) = read(example).modules.values()
    needed = {name for name, body in FOLDER.variables.items() if "default" not in body}

    assert set(given) - {"source"} <= set(FOLDER.variables)
    assert needed <= set(given)


def test_the_files_are_formatted() -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("no terraform here; get it: https://developer.hashicorp.com/terraform/install")
    done = subprocess.run([terraform, "fmt", "-check", "-recursive", INFRA], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_terraform_takes_it_and_its_own_tests_pass(tmp_path: Path) -> None:
    """Where a google provider is at hand: installed, or a `dev_overrides` folder in the CLI configuration."""
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("no terraform here; get it: https://developer.hashicorp.com/terraform/install")
    shutil.copytree(INFRA, tmp_path / "infra")

    def said(command: str) -> subprocess.CompletedProcess[str]:
        words = [terraform, f"-chdir={tmp_path / 'infra'}", command, "-no-color"]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    valid = said("validate")
    if "Missing required provider" in valid.stderr:
        pytest.skip("no google provider here; terraform init fetches one")
    tested = said("test")

    assert valid.returncode == 0, valid.stderr
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_the_container_is_a_way_without_functions(tmp_path: Path) -> None:
    """Its settings can be loaded as they stand, it names what the program reads, and it may do little on its own cluster."""
    documents = {
        each["kind"]: each for each in yaml.safe_load_all((INFRA / "kubernetes/rotator.yaml").read_text(encoding="utf-8"))
    }
    config = tmp_path / "rotator.toml"
    config.write_text(documents["ConfigMap"]["data"]["rotator.toml"], encoding="utf-8")
    spec = documents["Deployment"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}

    assert settings.load(config, {}).account[0].policy.mode == "observe"
    assert set(environment) == {"ROTATOR_CONFIG", "ROTATOR_STATE"}
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert container["args"] == ["rotator", "run"]
    assert spec["template"]["spec"]["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"]
