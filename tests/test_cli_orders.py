"""What the command refuses to order, or need not order, and what it says instead."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import Cli
from sandbox import landscape
from sandbox.cloud import Cloud
from sandbox.garden.kind import SHOOTS

QUICK = {"poll": "1s", "request": "1s", "propagation": "2s", "soak": "2h", "idle": "1h", "quiet": "2h"}
PULLER = landscape.PULLER
FIRST = "puller-acme-prod-r1"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with landscape.cloud() as running:
        for garden in running.gardens.values():
            for namespace, name in garden.names(SHOOTS):
                garden.behave(namespace, name, start_delay=0.0, duration=0.0)
        running.gardens["live"].edit(landscape.SEARCH, "crawler", {"maintenance": {"confineSpecUpdateRollout": False}})
        yield running


@pytest.fixture
def cli(cloud: Cloud, tmp_path: Path) -> Cli:
    return Cli(cloud.write_config(tmp_path / "etc", waits=QUICK), tmp_path / "state.db")


def ids(cli: Cli) -> list[str]:
    every = cli("status", "--all", "-o", "json").tree["credentials"]
    return sorted(one["id"] for credential in every for one in credential["records"])


def live_key(cli: Cli) -> str:
    (found,) = cli("status", PULLER, "-o", "json").tree["credentials"]
    return str(found["live"]["public_key"])


# --- 3, 6: it lives on that key already ---


def test_a_second_rotation_is_ordered_only_when_it_is_due_or_asked_for(cli: Cli) -> None:
    assert cli("rotate", "puller").code == 2  # the old key's retirement is pending
    before = ids(cli)

    again = cli("rotate", "puller")

    assert again.code == 0, again.err
    assert re.search(
        r"lives on key \w{8} already since 2\d{3}-\d\d-\d\d \d\d:\d\d UTC, \d+s ago \(puller-acme-prod-r1\)", again.err
    )
    assert re.search(r"nothing to do; the next rotation is due 2\d{3}-\d\d-\d\d \(in \d+d\)", again.err)
    assert f"rotator rotate {PULLER} --new" in again.err
    assert FIRST in again.out
    assert ids(cli) == before

    same = cli("rotate", "puller", "--to", live_key(cli)[:8], "-o", "json")

    assert (same.code, same.tree["kind"]) == (0, "status")
    assert "nothing to do" in same.err
    assert ids(cli) == before

    assert cli("rotate", "puller", "--new").code == 2
    assert "puller-acme-prod-r2" in ids(cli)


# --- 4: suspended ---


@pytest.mark.parametrize("whom", [(), ("puller",)], ids=["everything", "one"])
def test_a_suspended_credential_is_not_rotated(cli: Cli, whom: tuple[str, ...]) -> None:
    assert cli("suspend", *whom, "--reason", "holidays", "--by", "ann").code == 0

    for more in ((), ("--new",), ("--to", "ffff")):
        refused = cli("rotate", "puller", *more)
        assert (refused.code, refused.out) == (1, "")
        assert "was suspended by ann at 2" in refused.fault
        assert "UTC: holidays; go on with: rotator resume" in refused.fault
        assert refused.fault.endswith(f"resume {PULLER}" if whom else "resume")
    assert ids(cli) == []


# --- 14, 31: suspend, resume ---


def test_the_emergency_brake_takes_no_reason_and_says_what_it_replaces(cli: Cli) -> None:
    assert cli("suspend", "--by", "ann").code == 0
    assert "no reason given" in cli("status").out

    again = cli("suspend", "--reason", "an incident", "--by", "bob")
    assert re.search(r"replaces the suspension by ann at 2.* UTC: no reason given", again.err)
    resumed = cli("resume", "--reason", "it is over")
    assert (resumed.code, "automation as a whole goes on" in resumed.err, "it is over" in resumed.err) == (0, True, True)


def test_what_stays_suspended_is_named(cli: Cli) -> None:
    cli("suspend", "puller", "--reason", "holidays", "--by", "ann")

    said = cli("resume").err

    assert "automation as a whole was not suspended" in said
    assert f"still suspended: {PULLER}, by ann: holidays (rotator resume {PULLER})" in said


# --- 17, 26: what is there already ---


def test_there_is_nothing_to_retry_or_waive_of_what_runs_or_is_finished(cli: Cli, cloud: Cloud) -> None:
    cloud.google.iam.works_after = 1e6
    assert cli("rotate", "puller").code == 4
    superseding = cli("rotate", "puller", "--new", "--until-waiting")
    assert re.search(
        r"puller-acme-prod-r2 supersedes puller-acme-prod-r1, which was Minted; its key \w{8} is retired", superseding.err
    )

    for words in (("retry", FIRST), ("waive", FIRST, "live/garden-payments/fraud", "--reason", "x")):
        assert f"it is finished (Superseded); see: rotator describe {FIRST}" in cli(*words).fault


def test_a_shoot_that_has_settled_is_not_waived(cli: Cli) -> None:
    assert cli("rotate", "puller").code == 2
    (retirement,) = (one for one in ids(cli) if "-k" in one)

    assert "it has settled already" in cli("waive", retirement, "live/garden-payments/fraud", "--reason", "x").fault
    assert cli("run", "--once").code == 2
    assert "it is not blocked: it looks again by itself at 2" in cli("retry", retirement).fault


# --- 21: a long wait ---


def test_a_long_wait_says_what_for_and_until_when(cli: Cli, cloud: Cloud) -> None:
    garden, namespace, name = landscape.CONFINED
    cloud.gardens[garden].edit(namespace, name, {"maintenance": {"confineSpecUpdateRollout": True}})

    ran = cli("rotate", "puller", "--until-waiting")

    assert ran.code == 2
    said = [line for line in ran.err.split("\n") if "Ctrl-C is fine" in line]
    assert len(said) == 1, ran.err
    assert re.search(r"waits for 1 Shoot to roll out and settle, until 2\d{3}-\d\d-\d\d \d\d:\d\d UTC at most", said[0])
