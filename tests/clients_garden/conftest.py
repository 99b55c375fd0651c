"""A Garden for each test."""

from collections.abc import Iterator

import pytest

from garden_neighbour import FILE, HOST, NS, Neighbour
from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden, Login
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.garden import ROTATOR, Garden
from sandbox.operations import Operations


@pytest.fixture
def garden() -> Iterator[Neighbour]:
    clock, operations, faults = Clock(), Operations(), Faults()
    server = Garden("eu", clock, operations, faults)
    server.start()
    server.create_namespace(NS)
    server.allow("rotator", NS, ROTATOR)
    for name in ("ar-v1", "ar-v2"):
        server.create_secret(NS, name, "_json_key", FILE.reveal())
    heard = ServerClock()
    client = KubernetesGarden("eu", Login.server(server.address, None, lambda: server.issue_token("rotator")), heard)
    yield Neighbour(server, clock, faults, operations, client, heard)
    client.close()
    server.stop()


@pytest.fixture
def caching(garden: Neighbour) -> Neighbour:
    garden.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"})
    return garden
