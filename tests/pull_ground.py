"""Where a scene of pulls is set: Google is the sandbox's; the Garden is the sandbox's, or one on the real API servers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.cloud import Cloud
from sandbox.garden.access import ADMIN
from sandbox.operations import Operation

DAY = 86400.0


@dataclass(frozen=True)
class Ground:
    """An empty Garden `live` with its project namespaces, whose Shoots nobody reconciles yet."""

    name: str
    cloud: Cloud
    garden: Any
    """Its owners' and operators' hands; both kinds have the same methods."""
    client: httpx.Client
    """The gardenlet's."""
    history: Callable[[], list[Operation]]
    """All that happened, as the checker of our promises reads it."""


@contextmanager
def on_sandbox(*namespaces: str) -> Iterator[Ground]:
    """A Garden of the sandbox."""
    with Cloud() as cloud:
        garden = cloud.add_garden("live", *namespaces)
        garden.knobs.gardenlet_outside = True
        headers = {"Authorization": f"Bearer {garden.issue_token(ADMIN, DAY)}"}
        with httpx.Client(base_url=garden.address, headers=headers, timeout=10, trust_env=False) as client:
            yield Ground("sandbox", cloud, garden, client, lambda: list(cloud.operations.since()))
