"""The hands of landscapes, project owners and their tools in the sandbox's Garden."""

import json

from sandbox.garden.access import ADMIN
from sandbox.garden.api import Api
from sandbox.garden.call import Call
from sandbox.garden.hands import Hands
from sandbox.garden.kind import (
    CONTROLLER_REGISTRATIONS,
    CREDENTIALS_BINDINGS,
    NAMESPACES,
    PROJECTS,
    SECRET_BINDINGS,
    Kind,
    Tree,
)
from sandbox.garden.patch import JSON_PATCH, MERGE_PATCH
from sandbox.garden.state import State
from sandbox.garden.store import new_uid, stamp


class Owner(Hands):
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

    def register_extension(self, name: str, kind: str) -> None:
        """The extension `name` serves `kind`, and nothing else; its deployment is for operators to read."""
        with self._state.lock:
            now = self._state.now()
            spec = {"resources": [{"kind": "Extension", "type": kind}], "deployment": {"deploymentRefs": [{"name": name}]}}
            tree: Tree = {"metadata": {"name": name, "uid": new_uid(), "creationTimestamp": stamp(now)}, "spec": spec}
            head = {"apiVersion": CONTROLLER_REGISTRATIONS.api_version, "kind": CONTROLLER_REGISTRATIONS.kind}
            self._state.put(CONTROLLER_REGISTRATIONS, {**head, **tree}, now)

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
