"""Where a scene of pulls is set: Google is the sandbox's; the Garden is the sandbox's, or one on the real API servers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from caches import binary
from real_garden.build import Unavailable
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
def standing(where: str, folder: Path, *namespaces: str) -> Iterator[Ground]:
    """The Garden is the "sandbox"'s, or "real". Skips the test when there is no such thing here."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(on_real(folder, *namespaces) if where == "real" else on_sandbox(*namespaces))
        except Unavailable as why:
            binary.unavailable(str(why))
        yield found


@contextmanager
def on_sandbox(*namespaces: str) -> Iterator[Ground]:
    """A Garden of the sandbox."""
    with Cloud() as cloud:
        garden = cloud.add_garden("live", *namespaces)
        garden.knobs.gardenlet_outside = True
        headers = {"Authorization": f"Bearer {garden.issue_token(ADMIN, DAY)}"}
        with httpx.Client(base_url=garden.address, headers=headers, timeout=10, trust_env=False) as client:
            yield Ground("sandbox", cloud, garden, client, lambda: list(cloud.operations.since()))


@contextmanager
def on_real(folder: Path, *namespaces: str) -> Iterator[Ground]:
    """A Garden on real API servers of its own, whose audit logs are its history. Raises: real_garden.build.Unavailable."""
    from real_garden import audit
    from real_garden.cloud import RealCloud
    from real_garden.landscape import Landscape

    with Landscape(folder) as landscape:
        landscape.gardenlet.stop()
        with RealCloud(landscape) as cloud:
            garden, admin = cloud.add_garden("live", *namespaces), landscape.plane.admin

            def history() -> list[Operation]:
                served = audit.operations("live", landscape.plane.audit_logs, namespaces)
                return audit.history([cloud.operations.since(), served])

            headers = {"Authorization": f"Bearer {admin.token}"}
            with httpx.Client(
                base_url=admin.server, verify=admin.context, headers=headers, timeout=30, trust_env=False
            ) as client:
                yield Ground("real", cloud, garden, client, history)
