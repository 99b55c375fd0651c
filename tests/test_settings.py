"""rotator.toml: good input and its values. Bad input: test_settings_faults.py."""

import pickle
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from rotator import settings_rules, toml
from rotator.deployment import Deployment
from rotator.policy import Policy, Waits, text
from rotator.settings import EXAMPLE, SandboxSettings, load
from settings_texts import ACCOUNT, GOOD, HEAD, SANDBOX, SERVER, loaded


def test_the_example_is_accepted_and_dangerous_nothing_is_on(tmp_path: Path) -> None:
    read = loaded(tmp_path, EXAMPLE)

    assert read.installation == "acme-caches"
    assert [garden.name for garden in read.garden] == ["live"]
    assert read.account[0].policy == Policy()
    assert read.account[0].policy.mode == "observe"
    assert read.sandbox is None


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    read = loaded(tmp_path, GOOD)
    garden, account = read.garden[0], read.account[0]

    assert garden.kubeconfig == tmp_path / "live.yaml"
    assert (garden.context, garden.entries_per_second) == ("", 1.0)
    assert (account.project, account.base, account.staging_project) == ("acme-prod", "puller-acme-prod", "acme-prod")
    assert read.file == tmp_path / "rotator.toml"
    assert read.store == Path("/home/ann/.local/state/registry-key-rotator/state.db")
    assert read.deployment == Deployment()


def test_policies_merge_key_by_key(tmp_path: Path) -> None:
    content = GOOD + (
        'policy = { mode = "automatic", waits = { quiet = "1d12h" }, waves = { canary = 2 }, probes = { b = "y:2" } }\n'
        '[policy]\nmode = "manual"\nconfirm = ["delete_key"]\n'
        '[policy.waits]\nquiet = "1d"\nsoak = "36h"\n[policy.waves]\ngrowth = 3\n[policy.probes]\na = "x:1"\nb = "y:1"\n'
    )
    policy = loaded(tmp_path, content).account[0].policy

    assert (policy.mode, policy.confirm) == ("automatic", ("delete_key",))
    assert policy.waits == Waits(quiet=timedelta(hours=36), soak=timedelta(hours=36))
    assert (policy.waves.canary, policy.waves.growth) == (2, 3.0)
    assert policy.probes == {"a": "x:1", "b": "y:2"}


def test_delivery_is_direct_unless_said_for_all_or_for_one(tmp_path: Path) -> None:
    own = ACCOUNT.replace("puller", "own") + 'policy = { delivery = "direct" }\n'
    read = loaded(tmp_path, GOOD + own + '[policy]\ndelivery = "handover"\n')

    assert [account.policy.delivery for account in read.account] == ["handover", "direct"]
    assert loaded(tmp_path, GOOD).account[0].policy.delivery == "direct"


def test_a_garden_in_line_takes_its_token_from_the_environment_and_shows_it_nowhere(tmp_path: Path) -> None:
    garden = loaded(tmp_path, HEAD + SERVER + 'ca_file = "~/ca.pem"\n' + ACCOUNT, LIVE=" marker-of-a-token\n").garden[0]

    assert garden.token is not None
    assert garden.token.reveal() == "marker-of-a-token"
    assert garden.ca_file == Path("/home/ann/ca.pem")
    assert "marker" not in repr(garden)
    for encode in (msgspec.json.encode, pickle.dumps):
        with pytest.raises(TypeError):
            encode(garden)


@pytest.mark.parametrize(
    ("line", "project", "staging"),
    [
        ("", "acme-prod", "acme-prod"),
        ('project = "other-one"\n', "other-one", "other-one"),
        ('staging_project = "vault-one"\n', "acme-prod", "vault-one"),
    ],
)
def test_private_keys_are_staged_in_the_accounts_own_project_unless_said(
    tmp_path: Path, line: str, project: str, staging: str
) -> None:
    account = loaded(tmp_path, GOOD + line).account[0]

    assert (account.project, account.staging_project) == (project, staging)


def test_a_staging_project_for_all_yields_to_an_accounts_own(tmp_path: Path) -> None:
    own = ACCOUNT.replace("puller", "own") + 'staging_project = "own-vault"\n'
    read = loaded(tmp_path, 'staging_project = "vault-one"\n' + GOOD + own)

    assert [account.staging_project for account in read.account] == ["vault-one", "own-vault"]


@pytest.mark.parametrize(
    ("email", "project"),
    [
        ("puller@acme.iam.gserviceaccount.com", "acme"),
        ("puller@acme.example.com.iam.gserviceaccount.com", "example.com:acme"),
        ("123-compute@developer.gserviceaccount.com", ""),
    ],
)
def test_an_accounts_address_tells_its_project(email: str, project: str) -> None:
    assert settings_rules.project_of(email) == project


def test_the_sandbox_is_taken_on_loopback_and_lets_gardens_be_there_too(tmp_path: Path) -> None:
    server = SERVER.replace("https://api.garden.example", "http://127.0.0.1:8081/live")
    read = loaded(tmp_path, HEAD + server + ACCOUNT + SANDBOX, LIVE="token")

    assert read.sandbox == SandboxSettings(grpc="127.0.0.1:8085", http="http://127.0.0.1:8080")
    assert read.garden[0].server == "http://127.0.0.1:8081/live"


def test_the_environment_says_where_the_store_is(tmp_path: Path) -> None:
    assert loaded(tmp_path, GOOD, ROTATOR_STATE="/data/s.db").store == Path("/data/s.db")
    assert loaded(tmp_path, GOOD, XDG_STATE_HOME="/state").store == Path("/state/registry-key-rotator/state.db")


def test_the_environment_says_what_is_around_an_installation(tmp_path: Path) -> None:
    database, work, expiry = (
        "projects/acme-ops/databases/(default)",
        "projects/acme-ops/topics/work",
        "projects/p-1/topics/expiry",
    )
    job = "projects/acme-ops/locations/europe-west1/jobs/schedule"
    facts = {
        "ROTATOR_FIRESTORE": database,
        "ROTATOR_WORK_TOPIC": work,
        "ROTATOR_EXPIRY_TOPIC": expiry,
        "ROTATOR_SCHEDULE_JOB": job,
    }

    read = loaded(tmp_path, GOOD, K_SERVICE="worker", CLOUD_RUN_TIMEOUT_SECONDS="120", **facts).deployment

    assert (read.cloud_run, read.firestore, read.work_topic, read.expiry_topic) == ("K_SERVICE", database, work, expiry)
    assert read.schedule_job == job
    assert read.budget == timedelta(seconds=100)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, 40),
        ({"ROTATOR_BUDGET": "25s"}, 25),
        ({"CLOUD_RUN_TIMEOUT_SECONDS": "5"}, 1),
        ({"CLOUD_RUN_TIMEOUT_SECONDS": "²"}, 40),
        ({"CLOUD_RUN_TIMEOUT_SECONDS": "3600"}, 540),
    ],
)
def test_an_activation_ends_well_before_its_request(tmp_path: Path, said: dict[str, str], seconds: int) -> None:
    assert loaded(tmp_path, GOOD, **said).deployment.budget == timedelta(seconds=seconds)


def test_the_file_is_looked_for_here_then_with_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / ".config" / "registry-key-rotator" / "rotator.toml"
    own.parent.mkdir(parents=True)
    own.write_text(GOOD.replace('"acme"', '"mine"'))
    said = tmp_path / "said.toml"
    said.write_text(GOOD.replace('"acme"', '"said"'))
    home = {"HOME": str(tmp_path)}

    assert load(None, home).installation == "mine"
    (tmp_path / "rotator.toml").write_text(GOOD)
    assert load(None, home).installation == "acme"
    assert load(None, home | {"ROTATOR_CONFIG": str(said)}).installation == "said"
    assert load(own, home | {"ROTATOR_CONFIG": str(said)}).installation == "mine"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("7d", 604800), ("12h", 43200), ("30m", 1800), ("90s", 90), ("1d12h", 129600), ("0s", 0), ("36500d", 3153600000)],
)
def test_a_span_is_read_and_written_back(written: str, seconds: int) -> None:
    assert toml.span(written) == timedelta(seconds=seconds)
    assert toml.span(text(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    ["", "7", "7 d", "7 days", "d", "-1d", "1h1d", "1.5h", "7d\n", "\u0667d", "36501d", "999999999h", "9999999999d", 7, None],
)
def test_what_is_no_span_is_none(written: object) -> None:
    assert toml.span(written) is None
