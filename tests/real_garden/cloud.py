"""The sandbox's Google with a Garden on the real servers: the landscape of `make sandbox`, in one Garden of three projects."""

from datetime import timedelta
from pathlib import Path

from real_garden.garden import RealGarden
from real_garden.landscape import Landscape
from sandbox import landscape
from sandbox.cloud import USER, Cloud
from sandbox.garden.access import ROTATOR

NAMESPACES = (landscape.PAYMENTS, landscape.SEARCH, landscape.LAB)
QUICK = {"poll": "1s", "request": "1s", "propagation": "5s", "soak": "5s", "idle": "2s", "unknown_use": "5s", "quiet": "5s"}
"""Time cannot be moved on here: the real servers live in the machine's. So what takes days takes seconds."""


class RealCloud(Cloud):
    """A cloud whose Gardens are projects on a real landscape, which others own."""

    def __init__(self, real: Landscape, *, behind: timedelta = timedelta(0)) -> None:
        """An empty cloud, whose clock is `behind` the machine's, and so the servers', by so much."""
        super().__init__(behind=behind)
        self._real = real

    def add_garden(self, name: str, *namespaces: str) -> RealGarden:  # type: ignore[override]  # it has the same methods
        """One more Garden, with these project namespaces, where the rotator has its minimal role."""
        garden = RealGarden(name, self._real)
        self.gardens[name] = garden  # type: ignore[assignment]
        self.namespaces[name] = list(namespaces)
        for namespace in namespaces:
            garden.create_namespace(namespace)
            garden.allow(USER, namespace, ROTATOR)
        return garden


def populated(real: Landscape) -> RealCloud:
    """The landscape of the sandbox, twelve Shoots, on the real servers; serving."""
    built = RealCloud(real, behind=landscape.PAST)
    built.start()
    garden = built.add_garden("live", *NAMESPACES)
    landscape.compose(built, garden, garden)  # type: ignore[arg-type]
    return built


def configured(built: RealCloud, folder: Path) -> Path:
    """The rotator.toml of this cloud."""
    return built.write_config(folder, waits=QUICK)
