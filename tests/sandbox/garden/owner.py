"""What landscapes, project owners and their tools write into a Garden, from Python."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.garden import landscape
from sandbox.garden import shoot as shoots
from sandbox.garden.access import ADMIN
from sandbox.garden.api import Api
from sandbox.garden.call import Call
from sandbox.garden.kind import (
    CONFIG_MAPS,
    CREDENTIALS_BINDINGS,
    NAMESPACES,
    PROJECTS,
    SECRET_BINDINGS,
    SECRETS,
    SHOOTS,
    WORKLOAD_IDENTITIES,
    Kind,
    Tree,
)
from sandbox.garden.patch import JSON_PATCH, MERGE_PATCH
from sandbox.garden.state import State
from sandbox.garden.store import new_uid, stamp


class Owner:
    """Writes go through the same verbs as HTTP, as `system:admin`. Raises: Refusal where HTTP refuses."""

    def __init__(self, state: State, api: Api) -> None:
        """Own this Garden's objects."""
        self._state = state
        self._api = api

    def create_namespace(self, namespace: str) -> None:
        """The project namespace is there."""
        with self._state.lock:
            now = self._state.now()
            metadata = {"uid": new_uid(), "creationTimestamp": stamp(now)}
            labels = {"kubernetes.io/metadata.name": namespace, "gardener.cloud/role": "project"}
            tree = {"metadata": {**metadata, "name": namespace, "labels": labels}, "status": {"phase": "Active"}}
            self._state.put(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", **tree}, now)
            project = namespace.removeprefix("garden-")
            tree = {"metadata": {**metadata, "name": project}, "spec": {"namespace": namespace}}
            self._state.put(PROJECTS, {"apiVersion": PROJECTS.api_version, "kind": "Project", **tree}, now)

    def create_config_map(self, namespace: str, name: str, data: Mapping[str, str]) -> Tree:
        """The ConfigMap is there."""
        return self.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": namespace}, "data": dict(data)})

    def create_workload_identity(self, namespace: str, name: str) -> None:
        """The WorkloadIdentity is there."""
        with self._state.lock:
            now = self._state.now()
            metadata = {"name": name, "namespace": namespace, "uid": new_uid(), "creationTimestamp": stamp(now)}
            kind = WORKLOAD_IDENTITIES
            self._state.put(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}, now)

    def create_binding(
        self, namespace: str, name: str, secret: str, *, kind: str = "CredentialsBinding", secret_namespace: str | None = None
    ) -> None:
        """A CredentialsBinding, or SecretBinding, of `namespace` names the Secret."""
        reference = {"name": secret, "namespace": secret_namespace or namespace}
        with self._state.lock:
            now = self._state.now()
            metadata = {"name": name, "namespace": namespace, "uid": new_uid(), "creationTimestamp": stamp(now)}
            tree: Tree = {"kind": kind, "metadata": metadata, "provider": {"type": "gcp"}}
            if kind == "SecretBinding":
                tree |= {"apiVersion": SECRET_BINDINGS.api_version, "secretRef": reference}
                self._state.put(SECRET_BINDINGS, tree, now)
            else:
                reference |= {"apiVersion": "v1", "kind": "Secret"}
                tree |= {"apiVersion": CREDENTIALS_BINDINGS.api_version, "credentialsRef": reference}
                self._state.put(CREDENTIALS_BINDINGS, tree, now)

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
            with self._state.lock:
                self._state.gardenlet.behave(namespace, name, **behaviour)
        return self.create(SHOOTS, tree, manager=manager)

    def point(self, namespace: str, shoot: str, entry: str, secret: str, *, manager: str = "kubectl-edit") -> Tree:
        """The Shoot's entry names `secret`: what an owner, or an owner's tool, does."""
        with self._state.lock:
            stored = self._state.store.find(SHOOTS, namespace, shoot)
            entries = shoots.resources(stored.tree) if stored else []
        for index, each in enumerate(entries):
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

    def add_companions(self, namespace: str, name: str) -> None:
        """The Shoot also names a ConfigMap and a WorkloadIdentity, which are there."""
        self.create_config_map(namespace, "audit-policy", {"policy": "{}"})
        self.create_workload_identity(namespace, "deployer")
        with self._state.lock:
            stored = self._state.store.find(SHOOTS, namespace, name)
        entries = stored.tree["spec"].get("resources", []) if stored else []
        targets = {"audit": (CONFIG_MAPS, "audit-policy"), "identity": (WORKLOAD_IDENTITIES, "deployer")}
        more = [
            {"name": entry, "resourceRef": {"apiVersion": kind.api_version, "kind": kind.kind, "name": target}}
            for entry, (kind, target) in targets.items()
        ]
        self.edit(namespace, name, {"resources": [*entries, *more]})

    def delete_secret(self, namespace: str, name: str) -> None:
        """The Secret is deleted, or Terminating while a Shoot names it."""
        self.delete(SECRETS, namespace, name)

    def create(self, kind: Kind, tree: Tree, *, manager: str = "kubectl-create") -> Tree:
        """The object is there; the answer is what is stored."""
        return self._perform("create", kind, tree["metadata"].get("namespace", ""), manager=manager, body=tree)

    def patch(self, kind: Kind, namespace: str, name: str, patch: Tree | list[Tree], *, manager: str = "kubectl-edit") -> Tree:
        """The object is patched: a list is a JSON Patch, an object a merge patch."""
        content_type = JSON_PATCH if isinstance(patch, list) else MERGE_PATCH
        return self._perform("patch", kind, namespace, name, manager=manager, body=patch, content_type=content_type)

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """The object is gone, or Terminating."""
        self._perform("delete", kind, namespace, name, manager="kubectl")

    def _perform(
        self,
        verb: str,
        kind: Kind,
        namespace: str,
        name: str = "",
        *,
        manager: str,
        body: Tree | list[Tree] | None = None,
        content_type: str = "application/json",
    ) -> Tree:
        content = b"" if body is None else json.dumps(body).encode()
        call = Call(
            verb=verb,
            kind=kind,
            namespace=namespace,
            name=name,
            user=ADMIN,
            manager=manager,
            content_type=content_type,
            body=content,
        )
        answer: Tree = json.loads(self._api.perform(call).body)
        return answer
