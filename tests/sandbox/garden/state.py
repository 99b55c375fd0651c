"""All that a Garden knows, under one lock, and the one way to write to it."""

import threading
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.clock import Clock
from sandbox.garden import secret as secrets
from sandbox.garden import shoot as shoots
from sandbox.garden.access import Access
from sandbox.garden.agenda import Agenda
from sandbox.garden.gardenlet import Gardenlet
from sandbox.garden.kind import SECRETS, SHOOTS, Kind, Tree
from sandbox.garden.protection import Protection
from sandbox.garden.selection import Pages
from sandbox.garden.store import Store, Stored
from sandbox.operations import Operations


@dataclass(slots=True, kw_only=True)
class Knobs:
    """How this Garden behaves; change at will, also while it runs. Times in seconds, of the sandbox clock unless said."""

    token_lifetime: float = 3600.0
    """Of tokens from `kubeconfig`."""
    longest_token: float = 45 * 86400.0
    """What operators allow a TokenRequest at most."""
    anonymous: str = ""
    """Who a caller without a token is taken for ("": nobody, 401). kubectl sends no token over plain HTTP."""
    webhook_down: bool = False
    """The registry-cache webhook does not answer: 500 on every create and update of a Shoot with the extension."""
    registry_config_versions: tuple[str, ...] = ("v1alpha3",)
    """Which versions of RegistryConfig the extension decodes."""
    reference_checks_per_second: float = 0.0
    """gardener-apiserver's limiter: entries of `spec.resources` per second of real time (really 5); 0: no limit."""
    protection_delay: float = 0.0
    """From the first reference to the finalizer on the Secret."""
    release_delay: float = 0.0
    """From the last reference's end to the finalizer's."""
    continue_lifetime: float = 300.0
    """Older continue tokens answer 410."""
    gardenlet_outside: bool = False
    """Specs are brought to caches by a program that speaks HTTP (tests/gardenlet), not by the sandbox itself."""
    quotas: dict[str, int] = field(default_factory=dict)
    """How many Secrets a namespace may hold."""
    terminating_namespaces: set[str] = field(default_factory=set)
    """Creates are refused there."""


class State:
    """Objects, access, controllers. Every reader and writer holds `lock`."""

    def __init__(self, name: str, clock: Clock, operations: Operations) -> None:
        """An empty Garden."""
        self.name = name
        self.lock = threading.RLock()
        self.knobs = Knobs()
        self.store = Store()
        self.access = Access()
        self.pages = Pages()
        self.agenda = Agenda()
        self.protection = Protection(self)
        self.gardenlet = Gardenlet(self)
        self._clock = clock
        self._operations = operations

    def now(self) -> datetime:
        """The sandbox's time."""
        return self._clock.now()

    def catch_up(self) -> datetime:
        """Gardener's controllers have done all that was due by now; the answer is that now."""
        now = self.now()
        self.agenda.catch_up(now)
        return now

    def put(self, kind: Kind, tree: Tree, at: datetime) -> Stored:
        """The tree is stored, and the controllers that watch its kind know."""
        metadata = tree["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        old = self.store.find(kind, namespace, name)
        stored = self.store.put(kind, tree)
        if kind is SHOOTS:
            named = shoots.secrets_named(old.tree) if old else ()
            self.protection.follow(namespace, name, named, shoots.secrets_named(tree), at)
            self.gardenlet.wake(namespace, name, at)
        elif kind is SECRETS and old is None:
            self.protection.notice(namespace, name, at)
        return stored

    def drop(self, kind: Kind, tree: Tree, at: datetime) -> None:
        """The object is gone, and the controllers that watch its kind know."""
        namespace, name = tree["metadata"].get("namespace", ""), tree["metadata"]["name"]
        self.store.remove(kind, namespace, name)
        if kind is SHOOTS:
            self.protection.follow(namespace, name, shoots.secrets_named(tree), (), at)
            self.gardenlet.forget(namespace, name)

    def log(
        self,
        method: str,
        target: str,
        at: datetime,
        *,
        by: str,
        service: str = "",
        mutating: bool = True,
        outcome: str = "ok",
        answered: bool = True,
        facts: Tree | None = None,
    ) -> None:
        """One more entry in the sandbox's log; `by` is added to the facts there are."""
        self._operations.add(
            at=at,
            service=service or f"garden:{self.name}",
            method=method,
            target=target,
            mutating=mutating,
            outcome=outcome,
            answered=answered,
            facts=None if facts is None else {**facts, "by": by},
        )


def facts_of(kind: Kind, tree: Tree, *, exists: bool = True) -> Tree:
    """What the log says about an object of any kind."""
    if kind is SECRETS:
        return secrets.facts(tree, exists=exists)
    if kind is SHOOTS:
        return shoots.facts(tree, exists=exists)
    metadata = tree["metadata"]
    return {
        "kind": kind.kind,
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata["uid"],
        "exists": exists,
    }
