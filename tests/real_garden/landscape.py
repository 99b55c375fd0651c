"""The real servers with Gardener's basics laid: control plane, webhook, reference controller, the gardenlet stand-in."""

from pathlib import Path
from types import TracebackType
from typing import Self

from real_garden import base
from real_garden.build import binaries
from real_garden.control_plane import ControlPlane
from real_garden.extension import Webhook
from real_garden.gardenlet import Gardenlet
from sandbox.clock import Clock
from sandbox.operations import Operations


class Landscape:
    """Everything runs from `__init__` to `stop`. Shoots in all namespaces are reconciled at once."""

    def __init__(self, folder: Path, name: str = "live", operations: Operations | None = None) -> None:
        """All servers answer. Raises: Unavailable, Failed."""
        self.operations = operations or Operations()
        self.clock = Clock()
        self.plane = ControlPlane(folder, binaries())
        try:
            self.webhook = Webhook(self.plane)
            login = self.plane.kubeconfig("gardener-controller-manager")
            self.plane.start("reference-controller", "reference-controller", str(login))
            base.lay(self.plane.admin)
            self.gardenlet = Gardenlet(self.plane.admin, name, self.operations, self.clock)
            self.gardenlet.start()
        except BaseException:
            self.plane.stop()
            raise

    def stop(self) -> None:
        """No server answers any more."""
        self.gardenlet.stop()
        self.plane.stop()

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()
