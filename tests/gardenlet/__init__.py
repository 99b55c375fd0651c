"""A gardenlet outside: it reads Shoots and Secrets from a Garden over HTTP, writes `/status` as Gardener's reconciler does, and
has somebody roll caches out. The Garden may be the sandbox's or the real API servers: the protocol is the same.
"""

from gardenlet.gardenlet import Gardenlet, Pace
from gardenlet.seed import Caches, Credential, Place
from gardenlet.wire import Wire

__all__ = ["Caches", "Credential", "Gardenlet", "Pace", "Place", "Wire"]
