"""A hundred Shoots on the real API servers: a roll-out against the pace that admission allows, a scan against its bytes."""

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

import figures
from real_fleet import HOST, SECONDS, Fleet, history, laid
from real_garden.cloud import RealCloud
from real_garden.landscape import Landscape
from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden, Login, pages
from rotator.clients.garden.request import GARDENER, Request
from sandbox.cloud import USER
from sandbox.garden.kind import SHOOTS

pytestmark = pytest.mark.real

COUNT = 100
PACE = 5.0
"""Entries of spec.resources per second that gardener-apiserver's admission looks up (gardener.md, section 11), and we take."""

WIDE = {"per_seed": COUNT, "limit": COUNT, "growth": float(COUNT)}


@pytest.fixture(scope="module")
def fleet(landscape: Landscape, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One project of a hundred Shoots on one key, reconciled at once; waves as wide as can be."""
    with RealCloud(landscape) as cloud:
        found = laid(cloud, f"garden-{secrets.token_hex(3)}", tmp_path_factory.mktemp("scale"), SECONDS, waves=WIDE)
        for number in range(COUNT - len(found.garden.names(SHOOTS))):
            found.garden.create_shoot(found.ns, f"more-{number}", {HOST: "ar"}, {"ar": "ar-credentials"})
        found.garden.catch_up()
        yield found


def test_a_roll_out_is_as_fast_as_admission_allows(fleet: Fleet, landscape: Landscape) -> None:
    ran = fleet.cli("rotate", "puller", "--reason", "a test")

    assert ran.code == 2, ran.err
    ours = [o for o in history(fleet, landscape) if o.method == "PATCH shoots" and o.outcome == "ok" and by_rotator(o.facts)]
    assert len(ours) == COUNT
    took = seconds(ours[0].at, ours[-1].at)
    named = [name for _, name in fleet.garden.names(SHOOTS)]
    entries = sum(len(fleet.garden.shoot(fleet.ns, name)["spec"]["resources"]) for name in named) - 1  # less the first patch
    floor = entries / PACE
    figures.put(
        "real_rollout_vs_pace", value=took, unit="s", floor=floor, ratio=took / floor, goal=1.1, met=took <= 1.1 * floor
    )
    assert took <= 1.5 * floor


def test_a_scan_costs_little_more_than_its_bytes(fleet: Fleet) -> None:
    login = Login.server(fleet.garden.address, fleet.garden.landscape.plane.files.authority.certificate, lambda: token(fleet))
    garden = KubernetesGarden("live", login, ServerClock())
    request = Request("list", GARDENER, "shoots", fleet.ns, query={"limit": "250"})
    assert len(garden.shoots(fleet.ns)) == COUNT

    took = [
        (timed(lambda: pages._token(garden._transport.read(request))), timed(lambda: garden.shoots(fleet.ns))) for _ in range(9)
    ]

    floor, scan = (statistics.median(each) for each in zip(*took, strict=True))
    ratio = scan / floor
    figures.put("real_scan_vs_floor", value=scan * 1e3, unit="ms", floor=floor * 1e3, ratio=ratio, goal=1.5, met=ratio <= 1.5)


def token(fleet: Fleet) -> str:
    return str(fleet.garden.issue_token(USER))


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def seconds(first: datetime, last: datetime) -> float:
    return (last - first).total_seconds()


def by_rotator(facts: dict[str, object]) -> bool:
    return "rotator" in str(facts.get("by", ""))
