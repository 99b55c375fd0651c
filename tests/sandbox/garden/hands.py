"""What landscapes, project owners and their tools do to a Garden, in terms of create, patch and delete.

Who derives from it says how these reach the Garden: the sandbox's by its own verbs, the real one by HTTP. So the same
landscapes and the same tests stand on both.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.garden import landscape
from sandbox.garden import shoot as shoots
from sandbox.garden.kind import CONFIG_MAPS, SECRETS, SHOOTS, Kind, Tree


class Hands(ABC):
    """Writes of `system:admin`. Raises: Refusal where HTTP refuses."""

    @abstractmethod
    def create(self, kind: Kind, tree: Tree, *, manager: str = "kubectl-create") -> Tree:
        """The object is there; the answer is what is stored."""

    @abstractmethod
    def patch(self, kind: Kind, namespace: str, name: str, patch: Tree | list[Tree], *, manager: str = "kubectl-edit") -> Tree:
        """The object is patched: a list is a JSON Patch, an object a merge patch."""

    @abstractmethod
    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """The object is gone, or Terminating."""

    @abstractmethod
    def find_shoot(self, namespace: str, name: str) -> Tree | None:
        """A copy of the Shoot, or None."""

    @abstractmethod
    def behave(self, namespace: str, name: str, **changes: Any) -> None:
        """The Shoot's runs go like this from now on (fields of Behaviour); what hung or erred goes on at once."""

    def create_config_map(self, namespace: str, name: str, data: Mapping[str, str]) -> Tree:
        """The ConfigMap is there."""
        return self.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": namespace}, "data": dict(data)})

    def create_secret(
        self,
        namespace: str,
        name: str,
        username: str = "_json_key",
        password: str = "",
        *,
        immutable: bool = True,
        labels: Mapping[str, str] = {},
        annotations: Mapping[str, str] = {},
        owner_references: Iterable[Tree] = (),
        manager: str = "kubectl-create",
        **extra: str,
    ) -> Tree:
        """The Secret is there; `extra` are further data entries."""
        entries = {"username": username, "password": password, **extra}
        tree = landscape.secret(
            namespace,
            name,
            entries,
            immutable=immutable,
            labels=labels,
            annotations=annotations,
            owner_references=list(owner_references),
        )
        return self.create(SECRETS, tree, manager=manager)

    def create_shoot(
        self,
        namespace: str,
        name: str,
        caches: Mapping[str, str | None] = {},
        resources: Mapping[str, str] = {},
        *,
        purpose: str = "evaluation",
        seed: str | None = "gcp-eu1",
        confined: bool = False,
        hibernated: bool = False,
        ignored: bool = False,
        labels: Mapping[str, str] = {},
        annotations: Mapping[str, str] = {},
        extra_spec: Mapping[str, Any] = {},
        manager: str = "kubectl-create",
        **behaviour: Any,
    ) -> Tree:
        """The Shoot is there, with `caches` (upstream to entry) and `resources` (entry to Secret); `behaviour` as `behave`."""
        tree = landscape.shoot(
            namespace,
            name,
            caches=caches,
            resources=resources,
            purpose=purpose,
            seed=seed,
            confined=confined,
            hibernated=hibernated,
            ignored=ignored,
            labels=labels,
            annotations=annotations,
            extra_spec=extra_spec,
        )
        if behaviour:
            self.behave(namespace, name, **behaviour)
        return self.create(SHOOTS, tree, manager=manager)

    def point(self, namespace: str, shoot: str, entry: str, secret: str, *, manager: str = "kubectl-edit") -> Tree:
        """The Shoot's entry names `secret`: what an owner, or an owner's tool, does."""
        tree = self.find_shoot(namespace, shoot)
        for index, each in enumerate(shoots.resources(tree) if tree else []):
            if each["name"] == entry:
                path = f"/spec/resources/{index}/resourceRef/name"
                return self.patch(SHOOTS, namespace, shoot, [{"op": "replace", "path": path, "value": secret}], manager=manager)
        raise KeyError(f"{namespace}/{shoot} has no entry {entry}")

    def delete_shoot(self, namespace: str, name: str) -> None:
        """The deletion is confirmed and asked for; the gardenlet goes on from there."""
        self.annotate(namespace, name, {shoots.CONFIRMATION: "true"})
        self.delete(SHOOTS, namespace, name)

    def annotate(
        self, namespace: str, name: str, annotations: Mapping[str, str | None], *, manager: str = "kubectl-annotate"
    ) -> Tree:
        """The Shoot carries these annotations; None takes one off."""
        return self.patch(SHOOTS, namespace, name, {"metadata": {"annotations": dict(annotations)}}, manager=manager)

    def edit(self, namespace: str, name: str, spec: Tree, *, manager: str = "kubectl-edit") -> Tree:
        """The Shoot's spec is merged with `spec` (lists are replaced)."""
        return self.patch(SHOOTS, namespace, name, {"spec": spec}, manager=manager)

    def delete_secret(self, namespace: str, name: str) -> None:
        """The Secret is deleted, or Terminating while a Shoot names it."""
        self.delete(SECRETS, namespace, name)

    def maintenance(self, namespace: str, name: str) -> None:
        """The maintenance window has come: what a confined Shoot held back is rolled out; a Failed one is retried."""
        failed = shoots.last_operation(self.find_shoot(namespace, name) or {}).get("state") == "Failed"
        operation = {shoots.OPERATION: "retry" if failed else "reconcile"}
        self.annotate(namespace, name, operation, manager="gardener-controller-manager")

    def hibernate(self, namespace: str, name: str) -> None:
        """The owner sends the Shoot to sleep; its caches stop when the run succeeds."""
        self.edit(namespace, name, {"hibernation": {"enabled": True}})

    def wake(self, namespace: str, name: str) -> None:
        """The owner wakes the Shoot up; its caches start with the spec of now."""
        self.edit(namespace, name, {"hibernation": {"enabled": False}})

    def ignore(self, namespace: str, name: str) -> None:
        """The gardenlet leaves the Shoot alone."""
        self.annotate(namespace, name, {shoots.IGNORE: "true"})

    def unignore(self, namespace: str, name: str) -> None:
        """The gardenlet sees the Shoot again and does what has piled up."""
        self.annotate(namespace, name, {shoots.IGNORE: None})
