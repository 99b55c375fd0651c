"""What `discover` and `plan` say when something cannot be read, stands in the way, or is under way."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest

from cli_runner import ROOT, Cli
from sandbox import landscape
from sandbox.cloud import USER, Cloud
from sandbox.garden.kind import SHOOTS

QUICK = {"poll": "1s", "request": "1s", "propagation": "2s", "soak": "2h", "idle": "1h", "quiet": "2h"}
LIST = "iam.serviceAccountKeys.list"


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


@contextmanager
def running() -> Iterator[Cloud]:
    with landscape.cloud() as made:
        for garden in made.gardens.values():
            for namespace, name in garden.names(SHOOTS):
                garden.behave(namespace, name, start_delay=0.0, duration=0.0)
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def cloud(shared: Cloud) -> Iterator[Cloud]:
    yield shared
    for garden in shared.gardens.values():
        garden.restore(USER)
    shared.google.access.restore()


@pytest.fixture
def cli(cloud: Cloud, tmp_path: Path) -> Cli:
    return Cli(cloud.write_config(tmp_path / "etc", waits=QUICK), tmp_path / "state.db")


def close(cli: Cli, garden: str) -> str:
    """The Garden's address leads nowhere from now on; gives that address."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    file = cli.config.parent / f"kubeconfig-{garden}.yaml"
    file.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", file.read_text()))
    return f"127.0.0.1:{port}"


def row(text: str, first: str) -> list[str]:
    return next(line.split() for line in text.split("\n") if line.strip().startswith(first))


# --- what cannot be read ---


def test_a_plan_without_the_list_of_keys_says_so(cli: Cli, cloud: Cloud) -> None:
    """Story: IAM refused the list, and the plan said of every account that no Shoot uses a key of it: nothing to rotate."""
    cloud.google.access.deny(LIST)
    ran = cli("plan")

    assert ran.code == 1
    assert "othing to rotate" not in ran.out
    assert "nothing is due" not in ran.err
    assert ran.out.count("Not known: the account's keys could not be read") == 3
    assert ran.err.count("403") == 3
    assert LIST in ran.err
    assert "gcloud" in ran.err
    assert all(LIST in one["keys_unread"] for one in cli("plan", "-o", "json").tree["plans"])


def test_a_discovery_without_the_list_of_keys_counts_none(cli: Cli, cloud: Cloud) -> None:
    cloud.google.access.deny(LIST)
    ran = cli("discover")

    assert ran.code == 1
    assert row(ran.out, landscape.PULLER)[2] == "?"
    assert row(ran.out, landscape.PULLER)[-1] == "?"
    assert LIST in ran.err
    assert len(cli("discover", "-o", "json").tree["unread"]) == 3


def test_what_a_dead_garden_hides_is_said_ahead_of_the_plan(cli: Cli) -> None:
    address = close(cli, "canary")
    ran = cli("plan", "puller")

    assert ran.code == 1
    assert ran.out.startswith("INCOMPLETE: ")
    assert ran.err.split("\n")[0] == "rotator: waiting for Garden canary ..."
    assert ran.err.count("waiting for") == 1
    assert f"no answer from http://{address}: connection refused" in ran.err
    assert "tried again" not in ran.err
    assert "writes  2+ Secrets" in ran.out
    assert "moves   6+ Shoots in 3+ waves" in ran.out


def test_a_key_is_not_called_unmanaged_while_shoots_may_live_on_it_elsewhere(cli: Cli) -> None:
    keys = cli("discover", "puller", "-o", "json").tree["credentials"][0]["keys"]
    assert {key["role"] for key in keys} == {"in use", "unmanaged"}

    close(cli, "live")
    ran = cli("discover")
    (partly,) = cli("discover", "puller", "-o", "json").tree["credentials"]

    assert ran.code == 1
    assert ran.out.startswith("INCOMPLETE: ")
    assert row(ran.out, landscape.PULLER)[3:5] == ["1+", "2+"]
    assert "unmanaged" not in ran.out
    assert partly["partial"]
    assert {key["role"] for key in partly["keys"]} == {"in use", "unclear"}


# --- what will block ---


def test_a_retirement_that_must_block_is_told_before_anything_begins(cli: Cli) -> None:
    """The plan promised to delete the old Secrets; weeks later the retirement was blocked: nobody had adopted them."""
    assert "wait for a person" not in cli("plan", "puller").out
    cli.config.write_text(cli.config.read_text().replace("adopt = true", "adopt = false"))

    planned, found = cli("plan", "puller"), cli("discover", "puller")

    for text in (planned.out, found.out):
        assert text.count("wait for a person: Secret ") == 3
        assert "kubectl -n garden-search delete secret artifact-registry" in text
        assert "set adopt = true" in text
    assert len(cli("plan", "puller", "-o", "json").tree["plans"][0]["will_block"]) == 3


# --- counting ---


def test_a_shoot_without_a_credential_has_none_whomever_one_asks_about(cli: Cli) -> None:
    counted = "1 Shoot without a credential of a registry cache"

    assert counted in cli("discover").out
    assert counted in cli("discover", "builds").out


def test_a_key_that_we_uploaded_is_as_old_as_our_books_say(tmp_path: Path) -> None:
    """Its certificate begins two minutes before the upload; a key of a minute showed as three minutes old."""
    with running() as cloud:
        cli = Cli(cloud.write_config(tmp_path / "etc", waits=QUICK), tmp_path / "state.db")
        before = cloud.clock.now()
        garden, namespace, name = landscape.CONFINED
        cloud.gardens[garden].edit(namespace, name, {"maintenance": {"confineSpecUpdateRollout": False}})
        assert cli("rotate", "puller").code == 2
        (found,) = cli("discover", "puller", "-o", "json").tree["credentials"]
        (wanted,) = (key for key in found["keys"] if key["role"] == "wanted")

        assert datetime.fromisoformat(wanted["made_at"]) >= before - timedelta(seconds=2)
        assert row(cli("discover", "puller").out, wanted["id"][:8])[3].endswith("s")


def test_the_doctor_says_which_garden_it_waits_for_and_what_it_could_not_ask(cli: Cli) -> None:
    close(cli, "live")
    ran = cli("doctor")

    assert ran.code == 1
    assert ran.err.split("\n")[0] == "rotator: waiting for Garden live ..."
    assert ran.out.count("not asked: Garden live could not be reached") == 2
    assert "3 could not be asked" in ran.err


def test_a_plan_in_the_middle_of_a_rotation_is_what_that_one_still_does(tmp_path: Path) -> None:
    """It showed the next rotation instead, with every Shoot moving once more."""
    with running() as cloud:
        cli = Cli(cloud.write_config(tmp_path / "etc", waits=QUICK), tmp_path / "state.db")
        garden, namespace, name = landscape.CONFINED
        begun = cli.begin("rotate", "puller")
        until(lambda: "puller-acme-prod-v1" in str(cloud.gardens[garden].shoot(namespace, name)["spec"]))
        begun.kill()
        begun.communicate()
        ran = cli("plan", "puller")

        assert ran.code == 2
        assert "A rotation is under way: puller-acme-prod-r1." in ran.out
        assert "still to come: Shoots have moved" in ran.out
        assert "live/garden-search/crawler moved " in ran.out
        assert "-v2" not in ran.out


# --- words ---


def test_what_is_odd_about_many_secrets_is_said_once_and_whether_it_matters(cli: Cli) -> None:
    out = cli("discover").out

    assert out.count("pretty-printed, not one line: does no harm") <= 3
    assert "Secrets canary/garden-lab/ar-credentials, live/garden-payments/ar-credentials, live/garden-search/" in out


def test_the_sandbox_lists_every_command_of_the_readme_in_columns(tmp_path: Path) -> None:
    ran = subprocess.Popen(
        [sys.executable, "-m", "sandbox", str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT / "tests"
    )
    assert ran.stdout is not None
    said = list(takewhile(lambda line: not line.startswith("Ctrl-C"), ran.stdout))
    ran.send_signal(signal.SIGINT)
    ran.communicate(timeout=30)
    readme = (ROOT / "README.md").read_text().split("### On the real")[0]
    found = [re.fullmatch(r"(  curl \S.*? {2,})(\S.*)\n", line) for line in said]
    columns = [line[1] for line in found if line]

    assert set(re.findall(r"^rotator (\w+)", readme, flags=re.MULTILINE)) <= set(re.findall(r"  rotator (\w+)", "".join(said)))
    assert len(columns) == 4
    assert len(set(map(len, columns))) == 1
