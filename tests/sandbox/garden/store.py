"""What this Garden holds. Trees are never changed in place: a write puts a new tree where the old one was.

That makes snapshots free (a list keeps its tuple of objects) and lets each object keep its encoded bytes, so that a list of
thousands of Shoots is a join.
"""

import itertools
import json
import uuid
from collections.abc import Iterator
from datetime import datetime

from sandbox.garden.kind import Kind, Tree


class Stored:
    """One version of one object."""

    __slots__ = ("_encoded", "tree")

    def __init__(self, tree: Tree) -> None:
        """Take over `tree`; nobody changes it from now on."""
        self.tree = tree
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The object as JSON."""
        if self._encoded is None:
            self._encoded = json.dumps(self.tree, separators=(",", ":")).encode()
        return self._encoded

    def draft(self) -> Tree:
        """A deep copy to change."""
        draft: Tree = json.loads(self.encoded)
        return draft


class Store:
    """All objects by kind, namespace and name, under one resourceVersion counter."""

    def __init__(self) -> None:
        """Begin empty."""
        self._shelves: dict[str, dict[str, dict[str, Stored]]] = {}
        self._versions = itertools.count(101)
        self.version = 100

    def find(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        """The object, or None."""
        return self._shelves.get(kind.plural, {}).get(namespace, {}).get(name)

    def all(self, kind: Kind, namespace: str | None = None) -> Iterator[Stored]:
        """The objects of a namespace (None: of all) in etcd's order: by namespace, then by name."""
        shelf = self._shelves.get(kind.plural, {})
        for each in sorted(shelf) if namespace is None else (namespace,):
            objects = shelf.get(each, {})
            for name in sorted(objects):
                yield objects[name]

    def count(self, kind: Kind, namespace: str) -> int:
        """How many there are."""
        return len(self._shelves.get(kind.plural, {}).get(namespace, {}))

    def put(self, kind: Kind, tree: Tree) -> Stored:
        """The tree is the object's newest version and carries a new resourceVersion."""
        self.version = next(self._versions)
        metadata = {**tree["metadata"], "resourceVersion": str(self.version)}
        stored = Stored({**tree, "metadata": metadata})
        shelf = self._shelves.setdefault(kind.plural, {}).setdefault(metadata.get("namespace", ""), {})
        shelf[metadata["name"]] = stored
        return stored

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """The object is gone."""
        self.version = next(self._versions)
        self._shelves[kind.plural][namespace].pop(name, None)


def new_uid() -> str:
    """A uid that no other object has."""
    return str(uuid.uuid4())


def stamp(at: datetime) -> str:
    """The time as metav1.Time writes it: whole seconds, UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
