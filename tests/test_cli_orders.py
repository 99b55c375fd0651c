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
