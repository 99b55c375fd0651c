"""The shoot-reference controller: the finalizer on every Secret that a Shoot of its namespace names (gardener.md 6).

It follows specs, not roll-outs; it comes late by a knob; it goes with the last reference.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sandbox.garden import secret as secrets
from sandbox.garden.kind import SECRETS
from sandbox.garden.secret import REFERENCE_PROTECTION

if TYPE_CHECKING:
    from sandbox.garden.state import State

CONTROLLER = "gardener-controller-manager"


class Protection:
    """Which Shoots name which Secret, and the finalizers that follow from it."""

    def __init__(self, state: State) -> None:
        """No Shoot names anything."""
        self._state = state
        self._references: dict[tuple[str, str], set[str]] = {}

    def references(self, namespace: str, secret: str) -> frozenset[str]:
        """The Shoots whose spec names the Secret."""
        return frozenset(self._references.get((namespace, secret), ()))

    def follow(self, namespace: str, shoot: str, before: tuple[str, ...], after: tuple[str, ...], at: datetime) -> None:
        """The Shoot names `after` now; finalizers will follow."""
        for secret in set(after) - set(before):
            shoots = self._references.setdefault((namespace, secret), set())
            if not shoots:
                self.notice(namespace, secret, at, referenced=True)
            shoots.add(shoot)
        for secret in set(before) - set(after):
            shoots = self._references[namespace, secret]
            shoots.discard(shoot)
            if not shoots:
                del self._references[namespace, secret]
                due = at + timedelta(seconds=self._state.knobs.release_delay)
                self._state.agenda.put(due, partial(self._release, namespace, secret))

    def notice(self, namespace: str, secret: str, at: datetime, *, referenced: bool = False) -> None:
        """The Secret will carry the finalizer after the delay, if a Shoot names it then."""
        if referenced or (namespace, secret) in self._references:
            due = at + timedelta(seconds=self._state.knobs.protection_delay)
            self._state.agenda.put(due, partial(self._protect, namespace, secret))

    def _protect(self, namespace: str, name: str, at: datetime) -> None:
        stored = self._state.store.find(SECRETS, namespace, name)
        if stored is None or (namespace, name) not in self._references:
            return
        metadata = stored.tree["metadata"]
        finalizers = metadata.get("finalizers", [])
        # Kubernetes accepts no new finalizer on an object that is being deleted.
        if REFERENCE_PROTECTION in finalizers or "deletionTimestamp" in metadata:
            return
        metadata = {**metadata, "finalizers": [*finalizers, REFERENCE_PROTECTION]}
        self._state.put(SECRETS, {**stored.tree, "metadata": metadata}, at)

    def _release(self, namespace: str, name: str, at: datetime) -> None:
        stored = self._state.store.find(SECRETS, namespace, name)
        if stored is None or (namespace, name) in self._references:
            return
        metadata = dict(stored.tree["metadata"])
        finalizers = metadata.get("finalizers", [])
        if REFERENCE_PROTECTION not in finalizers:
            return
        metadata["finalizers"] = [each for each in finalizers if each != REFERENCE_PROTECTION]
        if not metadata["finalizers"]:
            del metadata["finalizers"]
        tree = {**stored.tree, "metadata": metadata}
        if "deletionTimestamp" in metadata and "finalizers" not in metadata:
            self._state.drop(SECRETS, tree, at)
            facts = secrets.facts(tree, exists=False)
            self._state.log("DELETE secrets", f"{namespace}/{name}", at, by=CONTROLLER, facts=facts)
        else:
            self._state.put(SECRETS, tree, at)
