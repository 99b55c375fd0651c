"""A whole rotation and retirement on the real API servers, by the real command with a member's kubeconfig."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from checker import Checker
from cli_runner import Cli
from real_garden import audit
from real_garden.cloud import NAMESPACES, RealCloud, configured, populated
from real_garden.garden import eventually
from real_garden.landscape import Landscape
from sandbox import landscape as words
from sandbox.garden import secret as secrets
from sandbox.operations import Operation

pytestmark = pytest.mark.real

CRAWLER = words.CONFINED[1:]


@pytest.fixture(scope="module")
def cloud(landscape: Landscape) -> Iterator[RealCloud]:
    with populated(landscape) as running:
        yield running


@pytest.fixture
def cli(cloud: RealCloud, tmp_path: Path) -> Iterator[Cli]:
    """A command for this cloud, checked at the end: it never said anything of a private key."""
    command = Cli(configured(cloud, tmp_path / "etc"), tmp_path / "state.db")
    yield command
    said = "".join(command.said)
    assert not [pem for pem in cloud.google.key_files_issued() if any(line in said for line in pem.split("\n")[1:-2])]


def test_a_rotation_from_discovery_to_the_end_of_the_old_key(cli: Cli, cloud: RealCloud, landscape: Landscape) -> None:
    garden = cloud.gardens["live"]
    tree = cli("discover", "-o", "json").tree
    (puller,) = (one for one in tree["credentials"] if one["credential"] == words.PULLER)
    assert (len(puller["shoots"]), len(puller["secrets"])) == (8, 3)
    assert cli("plan", "puller", "-o", "json").tree["plans"][0]["counts"]["moves"] == 7

    running = cli.begin("rotate", "puller", "--reason", "a test", "--by", "ann", "-o", "json")
    eventually(lambda: "puller-acme-prod-v1" in str(garden.shoot(*CRAWLER)["spec"]) or running.poll() is not None, 120)
    garden.maintenance(*CRAWLER)
    out, err = running.communicate(timeout=120)
    cli.said += [out, err]
    assert running.returncode == 2, err
    assert "8 Shoots moved" in err
    assert not [pull for pull in cloud.pull_everywhere() if pull.fault]

    status = cli("status", "-o", "json")
    retirement = next(r for one in status.tree["credentials"] for r in one["records"] if r["record"] == "retirement")
    old = retirement["public_key"]
    end = time.monotonic() + 120
    while (ran := cli("run", "--once")).code == 2 and time.monotonic() < end:
        assert not [pull for pull in cloud.pull_everywhere() if pull.fault]
        time.sleep(1)
    assert ran.code == 0, ran.err

    assert cli("describe", retirement["id"], "-o", "json").tree["phase"] == "Gone"
    assert {key.state for key in keys_of(cloud, words.PULLER) if key.public_key == old} <= {"deleted"}
    left = [name for namespace in NAMESPACES for _, name in garden.names(secrets.SECRETS, namespace)]
    assert not {"ar-credentials", "artifact-registry"} & set(left)
    seen = history(cloud, landscape)
    assert Checker(accounts=frozenset({words.PULLER})).read(seen) == []
    assert {entry.method for entry in seen if by_rotator(entry)} == {"CREATE secrets", "PATCH shoots", "DELETE secrets"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on the PATH")
def test_kubectl_shows_what_the_readme_says(cli: Cli, cloud: RealCloud, tmp_path: Path) -> None:
    config = tmp_path / "etc" / "kubeconfig-live.yaml"

    shoots = kubectl(config, "-n", words.PAYMENTS, "get", "shoots")
    refused = kubectl(config, "-n", words.PAYMENTS, "get", "secrets")

    assert shoots.returncode == 0, shoots.stderr
    assert {"archive", "checkout", "fraud", "invoices", "ledger"} <= {line.split()[0] for line in shoots.stdout.splitlines()}
    assert "cannot list resource" in refused.stderr


def kubectl(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", "--kubeconfig", str(config), "--cache-dir", str(config.parent / "cache"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def keys_of(cloud: RealCloud, email: str) -> list[object]:
    account = cloud.google.iam.account(email)
    assert account is not None
    return list(account.keys.values())


def history(cloud: RealCloud, landscape: Landscape) -> list[Operation]:
    """All that happened, at Google (the sandbox's log), in the Garden (audit logs), and at the gardenlet stand-in."""
    gardenlet = [entry for entry in landscape.operations.since() if entry.target.partition("/")[0] in NAMESPACES]
    garden = audit.operations("live", landscape.plane.audit_logs, NAMESPACES)
    return audit.history([cloud.operations.since(), garden, gardenlet])


def by_rotator(entry: Operation) -> bool:
    return entry.service.startswith("garden:") and "rotator" in str(entry.facts.get("by", ""))
