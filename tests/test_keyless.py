"""A Garden that trusts Google's identity tokens: nothing is stored to get in, and what goes wrong is one line."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rotator import wiring
from rotator.errors import Permanent, RotatorError, Transient
from rotator.settings import SandboxSettings
from rotator.wiring import Wired
from sandbox.cloud import USER, Cloud
from test_schedule_worker import nobody

NS = "garden-acme"
AUDIENCE = "gardener-live"


@pytest.fixture(name="cloud")
def _cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        garden = cloud.add_garden("live", NS)
        cloud.may_touch("puller@acme-prod.iam.gserviceaccount.com")
        garden.create_shoot(NS, "api", {}, {})
        cloud.google.metadata.identity = lambda audience: garden.issue_token(USER) if audience == AUDIENCE else "nobody"
        yield cloud


def wired(cloud: Cloud, folder: Path, audience: str = AUDIENCE) -> Wired:
    """The program, with the Garden by address and audience instead of a kubeconfig."""
    config = cloud.write_config(folder)
    by_audience = f'server = "{cloud.gardens["live"].address}"\ngoogle_audience = "{audience}"'
    config.write_text(config.read_text().replace('kubeconfig = "kubeconfig-live.yaml"', by_audience))
    return wiring.open(config, {"ROTATOR_STATE": str(folder / "state.db")})


def looked(cloud: Cloud, folder: Path, audience: str = AUDIENCE) -> int:
    """How many Shoots are seen."""
    found = wired(cloud, folder, audience)
    try:
        return len(found.gardens()["live"].shoots(NS))
    finally:
        found.close()


def test_the_machines_identity_opens_the_garden_and_its_end_is_the_fence(cloud: Cloud, tmp_path: Path) -> None:
    found = wired(cloud, tmp_path)
    garden = found.gardens()["live"].activation()

    assert len(garden.shoots(NS)) == 1
    fence = garden.fence()
    assert fence is not None
    assert fence > found.clock.now()
    found.close()


def test_another_audience_is_refused_by_the_garden(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(RotatorError, match="401"):
        looked(cloud, tmp_path, "somebody-else")


def test_a_machine_without_identity_is_told_so(cloud: Cloud, tmp_path: Path) -> None:
    cloud.google.metadata.identity = None

    with pytest.raises(Permanent, match=r"identity token for the audience gardener-live: the metadata server says 404"):
        looked(cloud, tmp_path)


def test_where_there_is_no_metadata_server_another_way_is_named(cloud: Cloud, tmp_path: Path) -> None:
    """The address is held: when the sandbox only stopped, another test's server took its port and answered."""
    found = wired(cloud, tmp_path)
    with nobody() as address:
        nowhere = SandboxSettings(grpc=address, http=f"http://{address}")
        lost = Wired(msgspec.structs.replace(found.settings, sandbox=nowhere))

        with pytest.raises(Transient, match=r"no metadata server at .*; elsewhere than on Google Cloud use token_file"):
            lost.gardens()["live"].shoots(NS)
    lost.close()
    found.close()
