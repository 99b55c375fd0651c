"""A Garden cluster over the wire, for protocol `world.Garden`.

The `kubernetes` package gives configuration, authentication and transport; answers are decoded straight from bytes into the
few fields that are needed, because a Shoot has tens of kilobytes and a Garden has thousands of Shoots.
"""

from rotator.clients.garden.client import KubernetesGarden
from rotator.clients.garden.login import Login

__all__ = ["KubernetesGarden", "Login"]
