"""A scene for pulls: a cloud whose Shoots are reconciled from outside, with real caches, and nodes that pull all the time.

The key state at Google changes with delays on both ends: a new key is refused for a while, a disabled one still works for a
while, and lists show both late. Everything happens in the machine's own time.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caches import binary
from caches.authority import Authority
from caches.fleet import Fleet
from caches.node import Image, PullSecret
from caches.pulling import Pulling, Verdict
from caches.uplink import Uplink
from cli_runner import Cli
from gardenlet import Credential, Gardenlet, Place, Wire
from pull_ground import Ground, on_sandbox
from sandbox.cloud import Cloud
from sandbox.garden import secret as secrets
from sandbox.garden.kind import SHOOTS
from sandbox.iam_key import Account, Key

PULLER = "puller@acme-prod.iam.gserviceaccount.com"
NODES = "nodes@acme-prod.iam.gserviceaccount.com"
EUROPE, FRANKFURT = "europe-docker.pkg.dev", "europe-west3-docker.pkg.dev"
PATHS = {EUROPE: "acme-prod/images", FRANKFURT: "acme-prod/base"}
PAYMENTS, SEARCH = "garden-payments", "garden-search"

MEMORY = Path("/dev/shm")
ROOM = 2**29
"""Bytes; volumes lie in memory where it has so much: they are thousands of small files."""

WAITS = {
    "propagation": "60s",
    "poll": "1s",
    "request": "1s",
    "settle": "60s",
    "soak": "4s",
    "idle": "2s",
    "unknown_use": "4s",
    "quiet": "3s",
}
"""All waits of the policy in the machine's own seconds; a demo's days would only hide a gate that opens too early."""

BOTH = (EUROPE, FRANKFURT)
Wanted = Mapping[tuple[str, str], tuple[str, ...]]
"""Upstreams by namespace and Shoot."""
Options = Mapping[str, Mapping[str, Any]]
"""Of single Shoots, by name, as `Garden.create_shoot` takes them."""


@dataclass
class Scene:
    """One Garden, one account whose key all caches share, and everything that lives on it."""

    ground: Ground
    uplink: Uplink
    fleet: Fleet
    gardenlet: Gardenlet
    pulling: Pulling
    cli: Cli
    account: Account
    old: Key
    forgetful: set[str] = field(default_factory=set)
    """Shoots whose owners forgot the pull Secret."""

    @property
    def cloud(self) -> Cloud:
        """Google, and the clock."""
        return self.ground.cloud

    @property
    def garden(self) -> Any:
        """The Garden, in its owners' hands."""
        return self.ground.garden

    def shoots(self) -> list[dict[str, Any]]:
        """All Shoots, as they are."""
        return [self.garden.shoot(namespace, name) for namespace, name in self.garden.names(SHOOTS)]

    def log_roll_out(self, place: Place, credentials: tuple[Credential, ...]) -> None:
        """The sandbox's log has what the Shoot's caches run from now on."""
        keys = {secrets.public_key_of(one.password) for one in credentials}
        facts = {"namespace": place.namespace, "name": place.name, "uid": place.uid}
        self.cloud.operations.add(
            at=self.cloud.clock.now(),
            service=f"gardenlet:{self.garden.name}",
            method="ROLLOUT shoots",
            target=str(place),
            mutating=True,
            facts={**facts, "public_keys": sorted(key for key in keys if key), "by": "gardenlet"},
        )

    def verdict(self) -> Verdict:
        """What came of the pulls; nobody pulls any more."""
        self.pulling.stop()
        return self.pulling.verdict()


def wait_for(what: Callable[[], object], why: str, seconds: float = 60.0) -> None:
    """It is so. Raises: AssertionError when it did not become so in time."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {why}"
        time.sleep(0.05)


def more_pulls(built: Scene, number: int) -> None:
    """So many more pulls have ended."""
    count = built.pulling.count()
    wait_for(lambda: built.pulling.count() >= count + number, f"{number} more pulls")


def end(running: subprocess.Popen[str]) -> None:
    """The command was asked to stop and has."""
    running.send_signal(signal.SIGINT)
    try:
        running.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()


@contextmanager
def scene(
    wanted: Wanted, options: Options | None = None, *, stops_after: float = 2.0, ground: Ground | None = None
) -> Iterator[Scene]:
    """The Shoots run their caches, and nodes pull. Without a ground: on the sandbox."""
    program = binary.registry()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pulls-", dir=_volumes())))
        ground = ground or stack.enter_context(on_sandbox(*sorted({namespace for namespace, _ in wanted})))
        account, old, pull_secret = _google(ground)
        authority, google = Authority(folder), ground.cloud.google
        uplink = Uplink(authority, BOTH, google.http_address)
        uplink.start()
        stack.callback(uplink.stop)
        fleet = Fleet(program, folder, authority, uplink.address)
        stack.callback(fleet.close)
        wire = Wire(ground.client, ground.cloud.namespaces[ground.garden.name])
        gardenlet = Gardenlet(wire, fleet, ground.cloud.clock.now)
        forgetful: set[str] = set()
        pulling = Pulling(
            fleet, _publisher(ground), google.http_address,
            lambda place: None if place.name in forgetful else pull_secret, authority.client(),
        )  # fmt: skip
        cli = Cli(ground.cloud.write_config(folder / "etc", waits=WAITS), folder / "state.db")
        built = Scene(ground, uplink, fleet, gardenlet, pulling, cli, account, old, forgetful)
        fleet.running = built.log_roll_out
        _populate(built, wanted, options or {})
        gardenlet.start()
        stack.callback(gardenlet.stop)
        awake = sum(len(hosts) for (_, name), hosts in wanted.items() if not (options or {}).get(name, {}).get("hibernated"))
        wait_for(lambda: len([pod for _, pod in fleet.all() if pod.ready]) == awake, "all caches answer")
        pulling.start()
        stack.callback(pulling.stop)
        wait_for(lambda: len(pulling.good()) == awake, "every cache was pulled from")
        _delay(ground.cloud, stops_after)
        yield built


def _volumes() -> Path | None:
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


def _google(ground: Ground) -> tuple[Account, Key, PullSecret]:
    """Two accounts that may pull everything: the caches' and the nodes', each with one key."""
    google = ground.cloud.google
    google.monitoring.lag = 0.0
    account, nodes = google.create_account("acme-prod", PULLER), google.create_account("acme-prod", NODES)
    for host, path in PATHS.items():
        google.registry.grant(PULLER, host, path)
        google.registry.grant(NODES, host, path)
        ground.cloud.images[host] = f"{path}/app:latest"
    ground.cloud.may_touch(PULLER, mode="manual", adopt=True)
    key_id, key_file = google.make_key(account, by="terraform@acme.example")
    for namespace in ground.cloud.namespaces[ground.garden.name]:
        ground.garden.create_secret(namespace, "ar-credentials", password=key_file)
    return account, account.keys[key_id], PullSecret("_json_key", google.make_key(nodes, by="terraform@acme.example")[1])


def _publisher(ground: Ground) -> Callable[[str, str], Image]:
    repositories = {host: ground.cloud.google.repository(host, path) for host, path in PATHS.items()}

    def publish(upstream: str, tag: str) -> Image:
        name = f"{PATHS[upstream]}/app"
        return Image(upstream, name, tag, repositories[upstream].push(name, tag).digest)

    return publish


def _populate(built: Scene, wanted: Wanted, options: Options) -> None:
    for (namespace, name), hosts in wanted.items():
        caches = dict.fromkeys(hosts, "ar")
        built.garden.create_shoot(namespace, name, caches, {"ar": "ar-credentials"}, **options.get(name, {}))


def _delay(cloud: Cloud, stops_after: float) -> None:
    """From now on, changes of keys take their time."""
    cloud.google.iam.works_after = 2.0
    cloud.google.iam.stops_after = stops_after
    cloud.google.iam.stale = 1.0
