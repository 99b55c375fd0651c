"""The landscape's own hands: JSON over TLS to the API server, as its administrator or with anybody's token."""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from sandbox.garden.kind import Kind, Tree
from sandbox.garden.refusal import Refusal

TIMEOUT = 60.0
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def path(kind: Kind, namespace: str = "", name: str = "", part: str = "", **query: str) -> str:
    """Where the API server has it."""
    words = [f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"]
    words += ["namespaces", quote(namespace)] if namespace else []
    words += [each for each in (kind.plural, quote(name), part) if each]
    return "/".join(words) + (f"?{urlencode(query)}" if query else "")


class Api:
    """One API server and one caller. Safe for threads."""

    def __init__(self, server: str, authority: Path, token: str = "") -> None:
        """Connect nothing yet."""
        self.server = server
        self.authority = authority
        self.token = token
        self.context = ssl.create_default_context(cafile=authority)

    def as_bearer(self, token: str) -> "Api":
        """The same server with another token."""
        return Api(self.server, self.authority, token)

    def request(
        self, method: str, where: str, body: object = None, content_type: str = "application/json", manager: str = "kubectl"
    ) -> Tree:
        """The answer. Raises: Refusal in the server's words; OSError when there is no answer."""
        content = None if body is None else json.dumps(body).encode()
        headers = self._headers(manager) | {"Content-Type": content_type}
        connection = self._connection(TIMEOUT)
        try:
            connection.request(method, where, body=content, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        found: Tree = json.loads(text) if text[:1] == b"{" else {"message": text.decode("utf-8", "replace")}
        if answer.status >= http.client.BAD_REQUEST:
            raise Refusal(answer.status, found.get("message", ""), reason=found.get("reason", ""), details=found.get("details"))
        return found

    def ready(self, where: str = "/readyz") -> bool:
        """The server answers 200 there."""
        try:
            self.request("GET", where)
        except (Refusal, OSError, http.client.HTTPException):
            return False
        return True

    def watch(self, kind: Kind, version: str, seconds: int) -> Iterator[Tree]:
        """Every change after this version, until the time is over or the server has enough."""
        connection = self._connection(seconds + 5)
        try:
            where = path(kind, watch="true", resourceVersion=version, timeoutSeconds=str(seconds))
            connection.request("GET", where, headers=self._headers("watch"))
            answer = connection.getresponse()
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()

    def _headers(self, manager: str) -> dict[str, str]:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Accept": "application/json", "User-Agent": manager, **bearer}

    def _connection(self, seconds: float) -> http.client.HTTPSConnection:
        """A connection of its own for each request: none is ever left open, and TLS on loopback costs little."""
        parts = urlsplit(self.server)
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=seconds, context=self.context)

    # --- objects ---

    def get(self, kind: Kind, namespace: str, name: str) -> Tree:
        """The object. Raises: Refusal 404."""
        return self.request("GET", path(kind, namespace, name))

    def find(self, kind: Kind, namespace: str, name: str) -> Tree | None:
        """The object, or None."""
        try:
            return self.get(kind, namespace, name)
        except Refusal as refusal:
            if refusal.code == http.client.NOT_FOUND:
                return None
            raise

    def all(self, kind: Kind, namespace: str = "") -> list[Tree]:
        """All of them, of a namespace or of all."""
        return list(self.request("GET", path(kind, namespace)).get("items") or [])

    def create(self, kind: Kind, tree: Tree, *, manager: str = "kubectl-create") -> Tree:
        """What is stored."""
        tree = {"apiVersion": kind.api_version, "kind": kind.kind, **tree}
        where = path(kind, tree["metadata"].get("namespace", ""), fieldManager=manager)
        return self.request("POST", where, tree, manager=manager)

    def ensure(self, kind: Kind, tree: Tree) -> None:
        """It is there, as given or as it was."""
        try:
            self.create(kind, tree)
        except Refusal as refusal:
            if refusal.reason != "AlreadyExists":
                raise

    def patch(
        self, kind: Kind, namespace: str, name: str, patch: Tree | list[Tree], part: str = "", *, manager: str = "kubectl-edit"
    ) -> Tree:
        """The object after a JSON Patch (a list) or a merge patch, of itself or of a part like `status`."""
        content_type = JSON_PATCH if isinstance(patch, list) else MERGE_PATCH
        return self.request("PATCH", path(kind, namespace, name, part, fieldManager=manager), patch, content_type, manager)

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """The object is gone, or Terminating."""
        self.request("DELETE", path(kind, namespace, name))


def kubeconfig(server: str, authority: Path, token: str, user: str, namespace: str, name: str = "real") -> Mapping[str, Any]:
    """What kubectl and the rotator need to reach the server as this user."""
    data = base64.b64encode(authority.read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": data}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": namespace}}],
        "users": [{"name": user, "user": {"token": token}}],
    }
