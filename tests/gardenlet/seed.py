"""What a gardenlet needs from whoever runs the caches of its Shoots, and what it tells them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One Shoot, and no other of the same name."""

    namespace: str
    name: str
    uid: str = field(compare=False, default="")

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a cache logs in with."""

    username: str
    password: str = field(repr=False)


class Caches(Protocol):
    """The extension's side: caches of Shoots."""

    def deploy(self, place: Place, caches: Mapping[str, Credential | None]) -> None:
        """The Shoot is to have exactly these caches, by upstream. Returns before they run, as the extension does."""

    def remove(self, place: Place) -> None:
        """The Shoot has no cache any more, at once."""

    def healthy(self, place: Place) -> bool:
        """Every cache of the Shoot that there is now answers its probe."""


def place_of(shoot: Tree) -> Place:
    """The Shoot's place."""
    metadata = shoot["metadata"]
    return Place(metadata["namespace"], metadata["name"], metadata["uid"])


def caches_of(spec: Tree, secrets: Mapping[str, Credential]) -> dict[str, Credential | None]:
    """Upstream to credential, as the registry-cache extension reads a spec; `secrets` by the name of the entry.

    Raises: KeyError for a cache whose entry has no credential.
    """
    found: dict[str, Credential | None] = {}
    for extension in spec.get("extensions") or ():
        if extension["type"] == "registry-cache" and not extension.get("disabled"):
            for cache in (extension.get("providerConfig") or {}).get("caches") or ():
                entry = cache.get("secretReferenceName")
                found[cache["upstream"]] = None if entry is None else secrets[entry]
    return found
