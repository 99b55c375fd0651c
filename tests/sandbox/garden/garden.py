"""One Garden of the sandbox: the server, and what landscapes, owners and operators do to it from Python."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.garden import shoot as shoots
from sandbox.garden import shoot_status
from sandbox.garden.access import ADMIN, PUBLIC_CONFIG_MAPS, Rule
from sandbox.garden.api import Api
from sandbox.garden.gardenlet import Behaviour, Credentials
from sandbox.garden.kind import SECRETS, SHOOTS, Kind, Tree
from sandbox.garden.owner import Owner
from sandbox.garden.server import Door, Server
from sandbox.garden.state import Knobs, State
from sandbox.garden.store import Stored
from sandbox.operations import Operations


class Garden(Owner):
    """A Kubernetes API with Gardener's Shoots, admission and gardenlets; it lives in sandbox time."""

    def __init__(self, name: str, clock: Clock, operations: Operations, faults: Faults) -> None:
        """An empty Garden that does not serve yet."""
        self.name = name
        state = State(name, clock, operations)
        super().__init__(state, Api(state))
        self._door = Door(self._state, self._api, faults)
        self._server = Server(self._door, self._state)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._door.address = self.address
        for namespace, config_map in PUBLIC_CONFIG_MAPS:
            self.create_namespace(namespace)
            data = {"cluster-identity": f"garden-{name}", "gardenerAPIServer": "version: v1.149.3\n"}
            self.create_config_map(namespace, config_map, data)
        self.register_extension("extension-registry-cache", "registry-cache")

    # --- serving and access ---

    def start(self) -> None:
        """The Garden answers at `address`."""
        self._server.start()

    def stop(self) -> None:
        """The Garden does not answer any more; what it knows can still be read from Python."""
        self._server.stop()

    @property
    def knobs(self) -> Knobs:
        """How the API server and its controllers behave."""
        return self._state.knobs

    def issue_token(self, user: str, lifetime: float | None = None, age: float = 0.0) -> str:
        """A bearer token for `user`, good for `lifetime` seconds of the sandbox clock (default: the knob), issued `age` ago."""
        seconds = self.knobs.token_lifetime if lifetime is None else lifetime
        with self._state.lock:
            return self._state.access.issue(user, self._state.now() - timedelta(seconds=age), timedelta(seconds=seconds))

    def revoke_tokens(self, user: str) -> None:
        """All tokens of `user` so far answer 401."""
        with self._state.lock:
            self._state.access.revoke(user, self._state.now())

    def kubeconfig(self, user: str = ADMIN, namespace: str = "default") -> Tree:
        """A kubeconfig with a fresh token for `user`."""
        context = {"cluster": self.name, "user": user, "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "clusters": [{"name": self.name, "cluster": {"server": self.address}}],
            "contexts": [{"name": self.name, "context": context}],
            "users": [{"name": user, "user": {"token": self.issue_token(user)}}],
        }

    def allow(self, user: str, namespace: str, rules: Iterable[Rule]) -> None:
        """`user` may do this in `namespace` ("*": everywhere, also lists across namespaces)."""
        with self._state.lock:
            self._state.access.allow(user, namespace, rules)

    def forbid(self, user: str, namespace: str) -> None:
        """`user` may do nothing in `namespace` any more."""
        with self._state.lock:
            self._state.access.forbid(user, namespace)

    def withdraw(self, user: str, verb: str, resource: str) -> None:
        """`user` may not do this in any namespace, whatever the rules say, until `restore`."""
        with self._state.lock:
            self._state.access.withdraw(user, verb, resource)

    def restore(self, user: str) -> None:
        """Only the rules decide about `user` again."""
        with self._state.lock:
            self._state.access.restore(user)

    def needed(self, user: str) -> set[tuple[str, str, str]]:
        """Verb, group and resource of everything that `user` ever asked for, or that admission asked about for them."""
        with self._state.lock:
            return {(verb, group, resource) for who, verb, group, resource in self._state.access.needed if who == user}

    def forget_needed(self, user: str) -> None:
        """`user` has asked for nothing so far."""
        with self._state.lock:
            self._state.access.needed = {each for each in self._state.access.needed if each[0] != user}

    def expire_continues(self) -> None:
        """Every continue token so far answers 410."""
        with self._state.lock:
            self._state.pages.expire()

    # --- what operators and Gardener's controllers do ---

    def set_quota(self, namespace: str, count: int) -> None:
        """The namespace may hold so many Secrets."""
        self.knobs.quotas[namespace] = count

    def catch_up(self) -> None:
        """Gardenlets and controllers have done, and logged, all that was due by the sandbox's now."""
        with self._state.lock:
            self._state.catch_up()

    @property
    def behaviour(self) -> Behaviour:
        """How runs go in Shoots that have no behaviour of their own."""
        return self._state.gardenlet.default

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._state.gardenlet.default = behaviour

    def behave(self, namespace: str, name: str, **changes: Any) -> None:
        """The Shoot's runs go like this from now on (fields of Behaviour); what hung or erred goes on at once."""
        with self._state.lock:
            self._state.catch_up()
            self._state.gardenlet.behave(namespace, name, **changes)
            self._state.catch_up()

    def reconcile(self, namespace: str, name: str) -> None:
        """A periodic run starts: no new generation, the whole current spec."""
        with self._state.lock:
            self._state.catch_up()
            self._state.gardenlet.reconcile(namespace, name)
            self._state.catch_up()

    def migrate_start(self, namespace: str, name: str, seed: str) -> None:
        """The control plane is on its way to another seed: the spec is frozen, the caches run on with what they have."""
        with self._state.lock:
            now = self._state.catch_up()
            tree = shoot_status.migrating(self._shoot(namespace, name).tree, seed, now)
            self._state.put(SHOOTS, tree, now)
            self._log_shoot("UPDATE shoots", tree)

    def migrate_end(self, namespace: str, name: str) -> None:
        """The new seed restores the control plane, with the Shoot's behaviour."""
        with self._state.lock:
            now = self._state.catch_up()
            self._state.put(SHOOTS, shoot_status.arrived(self._shoot(namespace, name).tree, now), now)
            self._state.catch_up()

    # --- what is there ---

    def running(self, namespace: str, name: str) -> Credentials:
        """Upstream to (username, password), exactly as the Shoot's caches run them now."""
        with self._state.lock:
            self._state.catch_up()
            return self._state.gardenlet.running(namespace, name)

    def shoots_running(self) -> Iterator[tuple[str, str, Credentials]]:
        """Namespace, name and credentials of every Shoot whose caches run any."""
        with self._state.lock:
            self._state.catch_up()
            found = list(self._state.gardenlet.shoots_running())
        yield from found

    def secret(self, namespace: str, name: str) -> Tree | None:
        """A copy of the Secret, or None."""
        return self._copy(SECRETS, namespace, name)

    def shoot(self, namespace: str, name: str) -> Tree:
        """A copy of the Shoot. Raises: KeyError."""
        tree = self._copy(SHOOTS, namespace, name)
        if tree is None:
            raise KeyError(f"{namespace}/{name}: no such Shoot")
        return tree

    def find_shoot(self, namespace: str, name: str) -> Tree | None:
        """A copy of the Shoot, or None."""
        return self._copy(SHOOTS, namespace, name)

    def names(self, kind: Kind, namespace: str | None = None) -> list[tuple[str, str]]:
        """Namespace and name of all objects of a kind."""
        with self._state.lock:
            self._state.catch_up()
            found = [stored.tree["metadata"] for stored in self._state.store.all(kind, namespace)]
        return [(metadata.get("namespace", ""), metadata["name"]) for metadata in found]

    def _copy(self, kind: Kind, namespace: str, name: str) -> Tree | None:
        with self._state.lock:
            self._state.catch_up()
            stored = self._state.store.find(kind, namespace, name)
        return stored.draft() if stored else None

    def _shoot(self, namespace: str, name: str) -> Stored:
        stored = self._state.store.find(SHOOTS, namespace, name)
        if stored is None:
            raise KeyError(f"{namespace}/{name}: no such Shoot")
        return stored

    def _log_shoot(self, method: str, tree: Tree) -> None:
        target = f"{tree['metadata']['namespace']}/{tree['metadata']['name']}"
        self._state.log(method, target, self._state.now(), by="gardener-controller-manager", facts=shoots.facts(tree))
