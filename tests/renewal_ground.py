"""A cloud with one Garden that is reached by a token in Secret Manager, and the program before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.cloud import secretmanager_v1 as secretmanager

from rotator import wiring
from rotator.renewal import Seen
from rotator.wiring import Wired
from sandbox.cloud import USER, Cloud
from sandbox.garden.access import Rule
from sandbox.garden.garden import Garden

NS = "garden-acme"
SECRET = "projects/acme-prod/secrets/garden-live"
DAY = 86400.0


@dataclass
class Ground:
    """See above."""

    cloud: Cloud
    folder: Path
    wired: Wired

    @property
    def garden(self) -> Garden:
        return self.cloud.gardens["live"]

    def put(self, token: str) -> None:
        """A person has put this token into the secret."""
        secrets = self.cloud.google.secrets
        secrets.add(secrets.find(SECRET), token.encode(), None)

    def versions(self) -> list[str]:
        """The states of all versions, oldest first."""
        return [version.state for version in self.cloud.google.secrets.find(SECRET).versions]

    def look(self) -> Seen:
        """What came of one look at the logins."""
        self.wired.hear()
        (seen,) = self.wired.renew_logins()
        return seen

    def sees(self) -> int:
        """Another process sees so many Shoots."""
        other = wiring.open(self.folder / "rotator.toml", {"ROTATOR_STATE": str(self.folder / "state.db")})
        try:
            return len(other.gardens()["live"].shoots(NS))
        finally:
            other.close()


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Such a cloud; a person has just put a token of 30 days into the secret."""
    with Cloud() as cloud:
        garden = cloud.add_garden("live", NS)
        garden.create_shoot(NS, "api", {}, {})
        garden.allow(USER, "garden", [Rule(("create",), ("serviceaccounts/token",), names=("registry-key-rotator",))])
        cloud.may_touch("puller@acme-prod.iam.gserviceaccount.com")
        cloud.google.create_account("acme-prod", "puller@acme-prod.iam.gserviceaccount.com")
        wanted = secretmanager.Secret(replication={"automatic": {}})
        cloud.google.secrets.create("projects/acme-prod", "garden-live", wanted)
        config = cloud.write_config(folder)
        by_secret = f'server = "{garden.address}"\ntoken_secret = "{SECRET}"'
        config.write_text(config.read_text().replace('kubeconfig = "kubeconfig-live.yaml"', by_secret))
        wired = wiring.open(config, {"ROTATOR_STATE": str(folder / "state.db")})
        found = Ground(cloud, folder, wired)
        found.put(garden.issue_token(USER, 30 * DAY))
        try:
            yield found
        finally:
            wired.close()
