"""rotator.toml: bad input and its exact fault lines, all at once. Good input: test_settings.py."""

from pathlib import Path

import pytest

from rotator.errors import Invalid
from rotator.policy import Waits
from rotator.settings import EXAMPLE, load
from settings_texts import ACCOUNT, GARDEN, GOOD, HEAD, SANDBOX, SERVER, faults

SPAN = 'is not a span; write it like "7d", "12h", "90s"'
SERVER_EXAMPLE = '"https://api.garden.example"'
EMAIL = 'a service account, like "puller@acme-prod.iam.gserviceaccount.com"'
OTHER = ACCOUNT.replace("puller", "other")

BAD = {
    "syntax": ("installation = \n", ["line 1, column 16: Invalid value"]),
    "table twice": (GOOD + "[policy]\n[policy]\n", ["line 9, column 8: Cannot declare ('policy',) twice"]),
    "empty": (
        "",
        [
            'installation: is missing; it is a name of at most 63 letters a-z, digits, - and _, like "acme-caches"',
            "garden: is missing; it is a list of tables; write [[garden]]",
            "account: is missing; it is a list of tables; write [[account]]",
        ],
    ),
    "nothing in a garden": (
        HEAD + "[[garden]]\n" + ACCOUNT,
        [
            'garden[0].name: is missing; it is a name of at most 63 letters a-z, digits and -, like "live"',
            'garden[0].namespaces: is missing; it is a list, each a project namespace, like "garden-acme"',
            "garden[0]: says neither kubeconfig nor server; write one of them",
        ],
    ),
    "no namespaces": (
        GOOD.replace('["garden-acme"]', "[]"),
        ['garden[0].namespaces: is empty; it is a list, each a project namespace, like "garden-acme"'],
    ),
    "a table for a list": (
        GOOD.replace("[[garden]]", "[garden]"),
        ["garden: a table is not a list of tables; write [[garden]]"],
    ),
    "a list for a table": (GOOD + "[[policy]]\n", ["policy: a list is not a table; write [policy]"]),
    "a number for a policy": (
        GOOD + "policy = 3\n",
        ["account[0].policy: 3 is not a table; write [account.policy]"],
    ),
    "unknown key": (GOOD + '[polcy]\nmode = "manual"\n', ["polcy: is unknown; did you mean policy?"]),
    "unknown key far from all": (
        GOOD + "[policy.waits]\nxyz = 1\n",
        [
            "policy.waits.xyz: is unknown; known here: " + ", ".join(Waits.__struct_fields__),
        ],
    ),
    "unknown key with a dot": (
        GOOD + '[policy]\n"mo.de" = 1\n',
        ['policy."mo.de": is unknown; did you mean mode?'],
    ),
    "span": (GOOD + 'policy.waits.soak = "7 days"\n', [f'account[0].policy.waits.soak: "7 days" {SPAN}']),
    "span as number": (GOOD + "[policy]\nmax_age = 90\n", [f"policy.max_age: 90 {SPAN}"]),
    "mode": (
        GOOD + '[policy]\nmode = "auto"\n',
        ['policy.mode: "auto" is not one of "observe", "manual", "automatic"'],
    ),
    "confirm": (
        GOOD + '[policy]\nconfirm = ["publish", "delete"]\n',
        ['policy.confirm[1]: "delete" is not one of "publish", "roll_out", "delete_secrets", "disable_key", "delete_key"'],
    ),
    "kinds": (
        GOOD + '[policy]\nadopt = "yes"\nattempts = true\nother_users = [1]\nprobes = { "a.b" = 2024-01-01 }\n'
        "waves = { growth = inf, canary = 1.5 }\n",
        [
            'policy.adopt: "yes" is not true or false',
            "policy.attempts: true is not a whole number",
            "policy.other_users[0]: 1 is not text",
            'policy.probes."a.b": a date is not text',
            "policy.waves.growth: inf is not a number",
            "policy.waves.canary: 1.5 is not a whole number",
        ],
    ),
    "installation": (
        GOOD.replace('"acme"', '"Acme.Prod"'),
        [
            'installation: "Acme.Prod" is not a name of at most 63 letters a-z, digits, - and _, like "acme-caches"',
        ],
    ),
    "email": (
        GOOD.replace("puller@acme", "puller@acme\\n"),
        [f'account[0].email: "puller@acme\\n-prod.iam.gserviceaccount.com" is not {EMAIL}'],
    ),
    "project unknown": (
        GOOD.replace("puller@acme-prod.iam", "1-compute@developer"),
        ['account[0].project: is missing, and "1-compute@developer.gserviceaccount.com" does not tell it'],
    ),
    "garden both ways": (
        GOOD.replace("kubeconfig =", 'server = "https://x"\nkubeconfig ='),
        ["garden[0]: says both kubeconfig and server; write one of them"],
    ),
    "keys of the other way": (
        GOOD.replace("kubeconfig =", 'ca_file = "x"\ntoken_file = "x"\nkubeconfig ='),
        [
            "garden[0].ca_file: does not go with kubeconfig; leave it out",
            "garden[0].token_file: does not go with kubeconfig; leave it out",
        ],
    ),
    "server without token": (
        HEAD + SERVER.replace('token_env = "LIVE"', 'context = "x"') + ACCOUNT,
        [
            "garden[0].context: does not go with server; leave it out",
            "garden[0]: needs with server exactly one of google_audience, token_secret, token_file, token_env",
        ],
    ),
    "token not set": (
        HEAD + SERVER + ACCOUNT,
        ["garden[0].token_env: what is written is not the name of an environment variable that is set"],
    ),
    "password in a server": (
        HEAD + SERVER.replace("//api", "//ann:secret@api").replace("env", "file") + ACCOUNT,
        ["garden[0].server: what is written is not the address of an API server, like " + SERVER_EXAMPLE],
    ),
    "http": (
        HEAD + SERVER.replace("https", "http").replace("env", "file") + ACCOUNT,
        ["garden[0].server: would send the token unencrypted; write https://"],
    ),
    "real garden next to the sandbox": (
        HEAD + SERVER.replace("env", "file") + ACCOUNT + SANDBOX,
        ["garden[0].server: is not on this machine, but [sandbox] is set: its keys must not reach a real Garden"],
    ),
    "sandbox elsewhere": (
        GOOD + SANDBOX.replace("127.0.0.1:8085", "10.0.0.1:8085").replace("//127.0.0.1", "//127.0.0.1@evil.example"),
        [
            'sandbox.grpc: "10.0.0.1:8085" is not a loopback address, like "127.0.0.1:8085"',
            'sandbox.http: "http://127.0.0.1@evil.example:8080" is not a loopback address, like "http://127.0.0.1:8080"',
        ],
    ),
    "pace": (
        GOOD.replace("kubeconfig", "entries_per_second = 0\nkubeconfig"),
        ["garden[0].entries_per_second: 0 is not above 0"],
    ),
    "twice": (
        HEAD + GARDEN.replace('["garden-acme"]', '["garden-acme", "garden-b", "garden-acme"]') + GARDEN + ACCOUNT + ACCOUNT,
        [
            'garden[0].namespaces[2]: "garden-acme" is at garden[0].namespaces[0] already',
            'garden[1].name: "live" is at garden[0].name already',
            'account[1].email: "puller@acme-prod.iam.gserviceaccount.com" is at account[0].email already',
        ],
    ),
    "base of another": (
        GOOD + OTHER + 'base = "puller-acme-prod"\n',
        ['account[1].base: names would begin with "puller-acme-prod", as those of account[0]; write another base'],
    ),
    "a policy that cannot be kept": (
        GOOD + 'policy.max_age = "10d"\n' + OTHER,
        [
            "account[0].policy: max_age is 10d, but the waits before an old key is disabled add up to 17d11m",
        ],
    ),
    "a common policy that cannot be kept, said once": (
        GOOD + OTHER + '[policy]\nmax_age = "10d"\n',
        ["policy: max_age is 10d, but the waits before an old key is disabled add up to 17d11m"],
    ),
    "everything at once, in the order of the file": (
        'instalation = "acme"\n'
        + GARDEN.replace("garden-acme", "Garden")
        + GARDEN
        + ACCOUNT
        + "base = 1\n[policy]\nmode = 1\n",
        [
            "instalation: is unknown; did you mean installation?",
            'garden[0].namespaces[0]: "Garden" is not a project namespace, like "garden-acme"',
            'garden[1].name: "live" is at garden[0].name already',
            'account[0].base: 1 is not a name of at most 180 letters a-z, digits and -, like "puller"',
            'policy.mode: 1 is not one of "observe", "manual", "automatic"',
            'installation: is missing; it is a name of at most 63 letters a-z, digits, - and _, like "acme-caches"',
        ],
    ),
}


@pytest.mark.parametrize(("content", "expected"), BAD.values(), ids=BAD)
def test_every_fault_is_said_with_its_place(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert faults(tmp_path, content) == [f"rotator.toml: {line}" for line in expected]


@pytest.mark.parametrize("variable", ["K_SERVICE", "CLOUD_RUN_JOB"])
def test_the_sandbox_is_refused_on_cloud_run(tmp_path: Path, variable: str) -> None:
    found = faults(tmp_path, GOOD + SANDBOX, **{variable: "worker", **CLOUD, "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"})[:1]

    assert found == [f"rotator.toml: sandbox: is refused on Cloud Run ({variable} is set); it is for one machine only"]


CLOUD = {"ROTATOR_FIRESTORE": "projects/acme/databases/rotator"}


@pytest.mark.parametrize(
    ("said", "sandbox", "expected"),
    [
        (
            {"K_SERVICE": "api"},
            "",
            ["ROTATOR_FIRESTORE: is missing; on Cloud Run the embedded store would be gone with its instance"],
        ),
        (
            {"ROTATOR_FIRESTORE": "acme/rotator", "ROTATOR_WORK_TOPIC": "work", "ROTATOR_BUDGET": "1h"},
            "",
            [
                'ROTATOR_FIRESTORE: "acme/rotator" is not a database; write projects/PROJECT/databases/DATABASE',
                'ROTATOR_WORK_TOPIC: "work" is not a topic; write projects/PROJECT/topics/TOPIC',
                'ROTATOR_BUDGET: "1h" is not a span from 1s to 9m; write it like "40s"',
            ],
        ),
        (
            {"K_SERVICE": "worker", "ROTATOR_BUDGET": "9m", "CLOUD_RUN_TIMEOUT_SECONDS": "60", **CLOUD},
            "",
            ["ROTATOR_BUDGET: 9m is not less than a request lasts (1m); leave it out"],
        ),
        (
            {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:8080"},
            "",
            ["FIRESTORE_EMULATOR_HOST: is set, but rotator.toml has no [sandbox]; an emulator keeps no real keys"],
        ),
        (
            {"K_SERVICE": "api", "PUBSUB_EMULATOR_HOST": "127.0.0.1:8085", **CLOUD},
            "",
            ["PUBSUB_EMULATOR_HOST: is refused on Cloud Run (K_SERVICE is set); it is for one machine only"],
        ),
        (
            CLOUD,
            SANDBOX,
            ["ROTATOR_FIRESTORE: is set beside [sandbox], but FIRESTORE_EMULATOR_HOST is not; never mix the two"],
        ),
    ],
)
def test_facts_of_the_deployment_that_do_not_fit_are_said_with_their_variable(
    tmp_path: Path, said: dict[str, str], sandbox: str, expected: list[str]
) -> None:
    assert faults(tmp_path, GOOD + sandbox, **said) == expected


def test_without_a_file_an_example_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid) as refused:
        load(None, {"HOME": "/home/ann"})

    assert refused.value.faults == (
        "there is no rotator.toml and no /home/ann/.config/registry-key-rotator/rotator.toml; write one like this:\n\n"
        + EXAMPLE,
    )


def test_a_file_that_was_named_is_the_only_one_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"^there is no gone\.toml, which --config names$"):
        load(Path("gone.toml"), {"HOME": str(tmp_path)})
    with pytest.raises(Invalid, match=r"^there is no away\.toml, which ROTATOR_CONFIG names$"):
        load(None, {"HOME": str(tmp_path), "ROTATOR_CONFIG": "away.toml"})


@pytest.mark.parametrize(
    ("name", "expected"), [("", "cannot be read: Is a directory"), ("latin.toml", "is not text in UTF-8 (byte 16)")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "latin.toml").write_bytes(b'installation = "\xe9"')
    with pytest.raises(Invalid) as refused:
        load(tmp_path / name, {})

    assert refused.value.faults == (f"{tmp_path / name}: {expected}",)
