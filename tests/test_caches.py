"""The harness of real caches: what it renders, what it leaves behind, and one cache from its first pull to its restart."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from caches import binary, node
from caches.authority import Authority, Identity
from caches.config import Site, render
from caches.fleet import Fleet
from caches.node import Image, PullFailed, PullSecret
from caches.uplink import Uplink
from cli_runner import ROOT
from gardenlet import Credential, Place
from pull_scene import EUROPE, wait_for
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.google import Google
from sandbox.iam_key import DISABLED
from sandbox.operations import Operations

EMAIL = "puller@acme-prod.iam.gserviceaccount.com"
NAME = "acme-prod/images/app"
HOME = Place("garden-acme", "api", "1")
SITE = Site(5000, 5001, Path("/volume"), Identity(Path("/tls.crt"), Path("/tls.key")))

SLEEPER = """
import subprocess, sys, time
from caches.guard import Guard
guard = Guard()
child = subprocess.Popen(["sleep", "600"])
guard.watch(child.pid)
print(child.pid, guard.pid, flush=True)
time.sleep(600)
"""


def test_a_password_is_quoted_as_the_extension_quotes_it() -> None:
    text = render(EUROPE, Credential("_json_key", '{"a": "it\'s"}'), SITE)

    assert "  remoteurl: https://europe-docker.pkg.dev\n" in text
    assert "  username: _json_key\n  password: '{\"a\": \"it''s\"}'\n" in text


def test_a_cache_without_credential_has_none_in_its_configuration() -> None:
    assert "username" not in render(EUROPE, None, SITE)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc, which Linux has")
def test_no_process_outlives_a_killed_test() -> None:
    """SIGKILL leaves no time to tidy up."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "tests")}
    test = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True, env=environment)
    assert test.stdout is not None
    child, guard = (int(word) for word in test.stdout.readline().split())
    assert running(child)

    test.kill()
    test.wait()
    test.stdout.close()

    wait_for(lambda: not running(child) and not running(guard), "both are gone", 10)


def running(pid: int) -> bool:
    """The process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def google() -> Iterator[Google]:
    built = Google(Clock(), Operations(), Faults()).start()
    yield built
    built.stop()


@pytest.mark.real
def test_a_cache_pulls_through_its_key_and_restarts_with_another(google: Google, tmp_path: Path) -> None:
    """It answers its probe with a dead key, too: only pulls tell."""
    program = binary.registry()
    account = google.create_account("acme-prod", EMAIL)
    repository = google.repository(EUROPE, "acme-prod/images")
    google.grant(account, EUROPE, "acme-prod/images")
    keys = [google.make_key(account) for _ in range(2)]
    authority = Authority(tmp_path)
    uplink = Uplink(authority, [EUROPE], google.http_address)
    uplink.start()
    fleet = Fleet(program, tmp_path, authority, uplink.address, apply_delay=0.0)

    def pull(tag: str) -> str:
        image = Image(EUROPE, NAME, tag, repository.push(NAME, tag).digest)
        try:
            node.from_cache(pod.site.port, authority.client(), image)
        except PullFailed as fault:
            return str(fault)
        return ""

    try:
        fleet.deploy(HOME, {EUROPE: Credential("_json_key", keys[0][1])})
        wait_for(lambda: fleet.all() and fleet.healthy(HOME), "the cache answers")
        ((_, pod),) = fleet.all()
        assert pull("one") == ""
        google.iam.change_by_hand(keys[0][0], DISABLED)
        assert pull("two").startswith("refused")
        assert fleet.healthy(HOME)

        fleet.deploy(HOME, {EUROPE: Credential("_json_key", keys[1][1])})
        wait_for(lambda: pod.restarts, "the cache has restarted")

        assert pull("three") == ""
        assert (len(pod.restarts), pod.crashes) == (1, 0)
        assert uplink.refused == []
    finally:
        fleet.close()
        uplink.stop()


def test_a_node_falls_back_with_the_pull_secret_only(google: Google) -> None:
    account = google.create_account("acme-prod", EMAIL)
    repository = google.repository(EUROPE, "acme-prod/images")
    google.grant(account, EUROPE, "acme-prod/images")
    secret = PullSecret("_json_key", google.make_key(account)[1])
    image = Image(EUROPE, NAME, "one", repository.push(NAME, "one").digest)

    node.from_upstream(google.http_address, image, secret)
    with pytest.raises(PullFailed, match="refused"):
        node.from_upstream(google.http_address, image, None)
    with pytest.raises(PullFailed, match="wrong content"):
        node.from_upstream(google.http_address, Image(EUROPE, NAME, "one", "sha256:0"), secret)
