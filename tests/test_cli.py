"""The command as a person meets it: real processes, the real wire, exit codes, one-line faults."""

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import ROOT, START, Cli
from rotator.cli import codes
from sandbox import landscape
from sandbox.cloud import USER, Cloud
from sandbox.garden.kind import SHOOTS

QUICK = {"poll": "1s", "request": "1s", "propagation": "2s", "soak": "2h", "idle": "1h", "quiet": "2h"}
HEAVY = re.compile(r"\| +(google|kubernetes|httpx|rich|cryptography|grpc|typer|tenacity)[.\n]")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with landscape.cloud() as running:
        for garden in running.gardens.values():
            for namespace, name in garden.names(SHOOTS):
                garden.behave(namespace, name, start_delay=0.0, duration=0.0)
        yield running


@pytest.fixture
def cli(cloud: Cloud, tmp_path: Path) -> Iterator[Cli]:
    """A command for this cloud, checked at the end: it never said anything of a private key."""
    command = Cli(cloud.write_config(tmp_path / "etc", waits=QUICK), tmp_path / "state.db")
    yield command
    said = "".join(command.said)
    assert not [pem for pem in cloud.google.key_files_issued() if any(line in said for line in pem.split("\n")[1:-2])]


# --- the whole story ---


def test_a_rotation_from_discovery_to_the_end_of_the_old_key(cli: Cli, cloud: Cloud) -> None:
    found = cli("discover")
    assert found.code == 0
    assert "unmanaged" in found.out
    assert "is not immutable" in found.out

    tree = cli("discover", "-o", "json").tree
    assert (tree["schema"], tree["kind"]) == ("registry-key-rotator/v1", "inventory")
    (puller,) = (one for one in tree["credentials"] if one["credential"] == landscape.PULLER)
    assert (len(puller["shoots"]), len(puller["secrets"])) == (8, 3)

    planned = cli("plan", "puller", "-o", "json")
    (plan,) = planned.tree["plans"]
    assert planned.code == 2
    assert plan["due"]
    assert plan["counts"] == {"moves": 7, "waits": 1, "handover": 0, "skipped": 0, "waves": 3}
    assert cli("plan", "puller").code == 2
    assert cli("status").code == 0

    running = cli.begin("rotate", "puller", "--reason", "a test", "--by", "ann", "-o", "json")
    garden, namespace, name = landscape.CONFINED
    wait_for(lambda: "puller-acme-prod-v1" in str(cloud.gardens[garden].shoot(namespace, name)["spec"]))
    cloud.gardens[garden].maintenance(namespace, name)
    out, err = running.communicate(timeout=60)
    cli.said += [out, err]
    assert running.returncode == 2, err
    assert "8 Shoots moved" in err
    assert "live/garden-search/crawler settled" in err
    assert not [pull for pull in cloud.pull_everywhere() if pull.fault]

    status = cli("status", "-o", "json")
    assert status.code == 2
    (credential,) = status.tree["credentials"]
    retirement = next(one for one in credential["records"] if one["record"] == "retirement")
    assert credential["replacing"] == [retirement["public_key"]]
    assert retirement["not_before"] is not None

    assert cli("run", "--once").code == 2
    hours(cloud, 4)
    assert cli("run", "--once").code == 2
    late = cli("status", "-o", "json")
    assert late.tree["at"] > status.tree["at"]
    assert f"as of {late.tree['at'][:10]}" in late.err
    hours(cloud, 4)
    ended = cli("run", "--once")
    assert ended.code == 0, ended.err
    assert "Gone" in ended.out

    described = cli("describe", retirement["id"], "-o", "json").tree
    assert described["phase"] == "Gone"
    assert {"nobody_names_it", "all_have_settled"} <= {f["name"] for e in described["evidence"] for f in e["facts"]}
    assert "nobody names it" in cli("describe", retirement["id"]).out

    again = cli("run", "--once")
    assert (again.code, "nothing is due" in again.err) == (0, True)
    assert cli("plan", "puller").code == 0


def test_a_killed_rotation_goes_on_at_once(cli: Cli, cloud: Cloud) -> None:
    """A claim lasts a quarter of an hour, but that of a dead process on this machine is not waited for."""
    running = cli.begin("rotate", "puller")
    garden, namespace, name = landscape.CONFINED
    wait_for(lambda: "puller-acme-prod-v1" in str(cloud.gardens[garden].shoot(namespace, name)["spec"]))
    running.kill()
    running.communicate()
    cloud.gardens[garden].maintenance(namespace, name)

    done = cli("rotate", "puller")

    assert done.code == 2, done.err + cli("describe", "puller-acme-prod-r1").out
    assert [one[1] for one in done_rotations(cli)] == ["Done"]


def test_an_interrupted_rotation_says_how_to_go_on(cli: Cli) -> None:
    running = cli.begin("rotate", "puller")
    assert running.stderr is not None
    said = [running.stderr.readline()]
    while said[-1] and "Ctrl-C is fine" not in said[-1]:
        said.append(running.stderr.readline())
    held = cli("status")
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)

    assert "waits for 1 Shoot to roll out and settle" in said[-1]
    assert "1 of 8 moved Shoots to settle, at most until" in "".join(said)
    assert "Shoots settle  at most 20" in held.out
    assert running.returncode == 2, err
    assert "go on with: rotator rotate puller" in err


def test_the_loop_ends_cleanly_at_sigterm(cli: Cli) -> None:
    running = cli.begin("run")
    assert running.stderr is not None
    assert re.match(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ rotator: running", running.stderr.readline())
    time.sleep(1)
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=30)

    assert running.returncode == 0, err
    assert "Traceback" not in err


def test_the_way_back(cli: Cli, cloud: Cloud) -> None:
    old = next(key for key in cli("discover", "-o", "json").tree["credentials"][2]["keys"] if key["role"] == "in use")
    cloud.gardens["live"].edit(landscape.SEARCH, "crawler", {"maintenance": {"confineSpecUpdateRollout": False}})
    assert cli("rotate", "puller").code == 2

    back = cli("rotate", "puller", "--to", old["id"][:10], "-o", "json")

    assert back.code == 2, back.err
    assert back.tree["credentials"][0]["live"]["public_key"] == old["public_key"]


# --- what blocks ---


def test_a_key_that_does_not_prove_to_work_ends_with_four(cli: Cli, cloud: Cloud) -> None:
    cloud.google.iam.works_after = 1e6
    tried = cli("rotate", "puller")
    assert tried.code == 4
    assert "key-not-accepted" in tried.out + tried.err
    assert cli("status").code == 4
    assert "rotator retry puller-acme-prod-r1" in cli("status").out

    assert cli("retry", "puller-acme-prod-r1", "--reason", "IAM is back").code == 0
    assert cli("status").code == 2


def test_a_foreign_mark_blocks_with_three(cli: Cli, tmp_path: Path) -> None:
    other = cli.config.read_text().replace('installation = "acme-caches"', 'installation = "somebody-else"')
    config = tmp_path / "etc" / "other.toml"
    config.write_text(other)
    begun = Cli(config, tmp_path / "other.db").begin("rotate", "puller", "--until-waiting")
    assert begun.stderr is not None
    wait_for(lambda: "Staged" in (begun.stderr.readline() if begun.stderr else ""))
    begun.kill()
    begun.communicate()

    blocked = cli("rotate", "puller")

    assert blocked.code == 3, blocked.err
    assert "foreign-installation" in blocked.out


def test_suspension_holds_everything_until_it_is_resumed(cli: Cli) -> None:
    assert cli("suspend", "--reason", "holidays").code == 0
    held = cli("status", "-o", "json")
    assert held.tree["suspensions"][0]["why"] == "holidays"
    assert "holidays" in cli("status").out
    assert cli("resume", "-o", "json").tree["suspended"] is False
    assert "was not suspended" in cli("resume").err


# --- faults: one line, 1, nothing half-done ---


def test_usage_faults_end_with_one_not_with_work_pending(cli: Cli) -> None:
    for words in (["nonsense"], ["rotate"], ["suspend", "--nonsense"], []):
        ran = cli(*words)
        assert (ran.code, ran.out) == (1, ""), words
        assert "--help" in ran.fault


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "nobody@nowhere"], "credential nobody@nowhere"),
        (["status", "nobody"], "credential nobody"),
        (["status", "puller-acme-prod-r9"], "record puller-acme-prod-r9: there is none of this id"),
        (["status", "--bogus"], "see: rotator status --help"),
        (["rotate", "acme"], "it could be"),
        (["rotate", "mirror"], 'its mode is "observe"'),
        (["rotate", "puller", "--to", "ffff"], "no key of that name"),
        (["describe", "nothing-r1"], "record nothing-r1"),
        (["retry", "nothing-r1"], "record nothing-r1"),
        (["reenable", "ffff", "--reason", "x"], "reenabling ffff"),
        (["explain", "nonsense"], "code nonsense"),
    ],
    ids=lambda words: "-".join(words) if isinstance(words, list) else "",
)
def test_what_is_not_there_is_said_in_one_line(cli: Cli, words: list[str], said: str) -> None:
    ran = cli(*words)

    assert (ran.code, ran.out) == (1, "")
    assert said in ran.fault


def test_a_file_that_was_named_and_is_not_there_is_one_line(cli: Cli, tmp_path: Path) -> None:
    ran = cli("status", ROTATOR_CONFIG=str(tmp_path / "none.toml"))
    assert (ran.code, "none.toml, which ROTATOR_CONFIG names" in ran.fault) == (1, True)

    ran = cli("--config", str(tmp_path / "none.toml"), "status")
    assert (ran.code, "none.toml, which --config names" in ran.fault) == (1, True)

    ran = cli("status", ROTATOR_STATE=str(tmp_path / "away" / "x.db"))
    assert (ran.code, f"there is no folder {tmp_path / 'away'}" in ran.fault) == (1, True)
    assert not (tmp_path / "away").exists()


def test_what_comes_next_is_another_command(cli: Cli, tmp_path: Path) -> None:
    """Not the very one that failed, and no retry where there is no record."""
    broken = tmp_path / "broken.db"
    broken.write_text("this is no database, but it is long enough to be read as one" * 100)
    assert "next: rotator doctor" in cli("status", ROTATOR_STATE=str(broken)).err
    assert "next:" not in cli("rbac", "live", "--kubeconfig", "/nope").err


def test_all_faults_of_a_configuration_are_told_at_once(cli: Cli, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(cli.config.read_text().replace('name = "live"', 'nane = "live"').replace('"manual"', '"manuel"'))
    ran = cli("--config", str(broken), "discover")

    assert ran.code == 1
    assert "nane" in ran.err
    assert "manuel" in ran.err


def test_an_unreachable_garden_is_named_and_the_others_are_shown(cli: Cli) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    file = cli.config.parent / "kubeconfig-live.yaml"
    file.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", file.read_text()))
    ran = cli("discover")

    waiting, fault, _ = ran.err.split("\n")
    assert ran.code == 1
    assert waiting == "rotator: waiting for Garden live ..."
    assert "Garden live" in fault
    assert "nightly" in ran.out
    assert "live/" not in ran.out


def test_an_expired_token_is_named(cli: Cli, cloud: Cloud) -> None:
    cloud.gardens["live"].revoke_tokens(USER)
    ran = cli("discover")

    assert ran.code == 1
    assert "token of Garden live has expired" in ran.fault
    assert "live/" not in ran.out


def test_a_missing_permission_says_what_to_grant(cli: Cli, cloud: Cloud) -> None:
    cloud.gardens["live"].forbid(USER, landscape.SEARCH)
    ran = cli("discover")

    assert ran.code == 1
    assert "403" in ran.fault
    assert "shoots" in ran.fault
    assert landscape.SEARCH in ran.fault


# --- words ---


def test_help_tells_examples_and_exit_codes(cli: Cli) -> None:
    ran = cli("--help")

    assert (ran.code, ran.err) == (0, "")
    assert "exit codes:" in ran.out
    assert max(map(len, ran.out.split("\n"))) <= 120
    for command in re.findall(r"^    (\w+)  ", ran.out, flags=re.MULTILINE):
        told = cli(command, "--help")
        assert told.code == 0
        assert max(map(len, told.out.split("\n"))) <= 120
    assert "--limit \\\n    --image" in cli("probe", "--help").out


def test_every_code_of_blocked_is_explained(cli: Cli) -> None:
    found = set(codes_in_source())
    unexplained = {code for code in found if code not in codes.CODES and not code.endswith("*")}

    assert not unexplained
    assert not set(codes.CODES) - found - {code for code in codes.CODES if code.startswith("confirm-")}
    assert cli("explain", "failure-budget").out.strip() == codes.CODES["failure-budget"]
    assert len(cli("explain").out.strip().split("\n")) == len(codes.CODES) + 1
    assert cli("version").out.startswith("rotator ")
    assert cli("--version").out == cli("version").out


@pytest.mark.parametrize("words", [["--help"], ["status"], ["explain"]], ids=" ".join)
def test_quick_commands_load_no_heavy_library(cli: Cli, words: list[str]) -> None:
    ran = cli(*words, python=("-X", "importtime"))

    assert ran.code == 0
    assert not HEAVY.findall(ran.err)


def test_colour_is_for_terminals_that_want_it(cli: Cli) -> None:
    def seen(**environment: str) -> bytes:
        main, side = os.openpty()
        subprocess.run(
            [sys.executable, "-c", START, "explain"], stdout=side, env=cli.environment(COLUMNS="80", **environment), check=True
        )
        os.close(side)
        return os.read(main, 100_000)

    assert b"\x1b[" in seen()
    assert b"\x1b[" not in seen(NO_COLOR="1")
    assert "\x1b[" not in cli("explain").out


# --- how it is done ---


def wait_for(condition: object, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if callable(condition) and condition():
            return
        time.sleep(0.1)
    raise TimeoutError(f"not within {seconds} s")


def hours(cloud: Cloud, count: int) -> None:
    """Time passes, caches pull."""
    for _ in range(count):
        cloud.advance(3600)
        assert not [pull for pull in cloud.pull_everywhere() if pull.fault]


def done_rotations(cli: Cli) -> list[tuple[str, str]]:
    every = [one for credential in cli("status", "--all", "-o", "json").tree["credentials"] for one in credential["records"]]
    return [(one["id"], one["phase"]) for one in every if one["record"] == "rotation"]


def codes_in_source() -> Iterator[str]:
    """Every literal that becomes the code of a block."""
    for path in sorted((ROOT / "functions" / "rotator").rglob("*.py")):
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") == "Blocked" and call.args:
                yield from literals(call.args[0], constants)
            for keyword in call.keywords:
                if keyword.arg in {"code", "forbidden"}:
                    yield from literals(keyword.value, constants)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["code"]:
                yield from literals(node.value, constants)


def literals(node: ast.expr, constants: dict[str, object]) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp():
            yield from literals(node.body, constants)
            yield from literals(node.orelse, constants)
        case ast.JoinedStr():
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
        case ast.Name() if isinstance(constants.get(node.id), str):
            yield str(constants[node.id])
        case _:
            return
