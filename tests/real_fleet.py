"""A fleet of one project on either ground: the sandbox's Google, one account, one Secret, a few Shoots, the real command."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli_runner import Cli, Ran
from real_garden import cloud as real
from real_garden.landscape import Landscape
from real_ground import withdrawn
from sandbox.cloud import USER, Cloud
from sandbox.garden.kind import WORKLOAD_IDENTITIES

EMAIL = "puller@acme-prod.iam.gserviceaccount.com"
HOST = "europe-docker.pkg.dev"
SECONDS = real.QUICK
WAITS = {"poll": "1s", "request": "1s", "propagation": "2s", "soak": "2h", "idle": "1h", "unknown_use": "2h", "quiet": "2h"}


@dataclass
class Fleet:
    """One project `ns` of the Garden `live`; two Shoots live on the Secret ar-credentials, one beside foreign entries."""

    cloud: Cloud
    ns: str
    cli: Cli

    @property
    def garden(self) -> Any:
        """Its hands."""
        return self.cloud.gardens["live"]

    def without(self, verb: str, resource: str) -> None:
        """The rotator has the documented Role but for one verb."""
        self.garden.forbid(USER, self.ns)
        self.garden.allow(USER, self.ns, withdrawn(verb, resource))

    def wait(self) -> None:
        """The next wait of the policy is over."""
        if isinstance(self.cloud, real.RealCloud):
            time.sleep(2)
        else:
            self.cloud.advance(3 * 3600)

    def retire(self, tries: int = 20) -> Ran:
        """What the last `run --once` said, when nothing is pending any more or the tries are over."""
        for _ in range(tries):
            ran = self.cli("run", "--once")
            if ran.code != 2:
                break
            self.wait()
        return ran


@contextmanager
def on_sandbox(folder: Path) -> Iterator[Fleet]:
    """A fleet in the sandbox."""
    with Cloud() as cloud:
        yield _laid(cloud, "garden-acme", folder, WAITS)


@contextmanager
def on_real(landscape: Landscape, folder: Path) -> Iterator[Fleet]:
    """A fleet in a new project on the real servers; what takes hours in the sandbox takes seconds."""
    with real.RealCloud(landscape) as cloud:
        yield _laid(cloud, f"garden-{secrets.token_hex(3)}", folder, SECONDS)


def _laid(cloud: Cloud, namespace: str, folder: Path, waits: dict[str, str]) -> Fleet:
    google = cloud.google
    google.monitoring.lag = 0.0
    account = google.create_account("acme-prod", EMAIL)
    google.repository(HOST, "acme-prod/images")
    google.grant(account, HOST, "acme-prod/images")
    cloud.images[HOST] = "acme-prod/images/app:latest"
    cloud.may_touch(EMAIL, mode="manual", adopt=True)
    garden = cloud.add_garden("live", namespace)
    garden.create_secret(namespace, "ar-credentials", password=google.make_key(account)[1])
    garden.create_config_map(namespace, "policy", {})
    identity = {"audiences": ["gcp"], "targetSystem": {"type": "gcp"}}
    garden.create(WORKLOAD_IDENTITIES, {"metadata": {"name": "identity", "namespace": namespace}, "spec": identity})
    garden.create_shoot(namespace, "api", {HOST: "ar"}, {"ar": "ar-credentials"})
    foreign = [("policy", "v1", "ConfigMap"), ("identity", WORKLOAD_IDENTITIES.api_version, "WorkloadIdentity")]
    entries = [
        {"name": name, "resourceRef": {"apiVersion": version, "kind": kind, "name": name}} for name, version, kind in foreign
    ]
    garden.create_shoot(namespace, "web", {HOST: "ar"}, {"ar": "ar-credentials"}, extra_spec={"resources": entries})
    garden.catch_up()
    return Fleet(cloud, namespace, Cli(cloud.write_config(folder / "etc", waits=waits), folder / "state.db"))


def blocked(fleet: Fleet) -> str:
    """All that the status says about records that need a person."""
    return json.dumps(fleet.cli("status", "-o", "json").tree)
