"""The requests that a gardenlet sends to a Garden: list Shoots, get Secrets, patch status, let a deleted Shoot go."""

import base64
from collections.abc import Sequence
from http import HTTPStatus

import httpx

from gardenlet.seed import Credential, Place, Tree

SHOOTS = "/apis/core.gardener.cloud/v1beta1/namespaces/{}/shoots"
SECRETS = "/api/v1/namespaces/{}/secrets"
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
MANAGER = {"fieldManager": "gardenlet"}
FINALIZER = "gardener"


class Wire:
    """One Garden, for some project namespaces. The client carries address, certificates and rights."""

    def __init__(self, client: httpx.Client, namespaces: Sequence[str]) -> None:
        """Connect nothing yet."""
        self._client = client
        self.namespaces = tuple(namespaces)

    def close(self) -> None:
        """No connection is open."""
        self._client.close()

    def shoots(self) -> list[Tree]:
        """All Shoots, in one consistent list per namespace. Raises: httpx.HTTPError."""
        found: list[Tree] = []
        for namespace in self.namespaces:
            answer = self._client.get(SHOOTS.format(namespace)).raise_for_status()
            found += answer.json()["items"]
        return found

    def credential(self, namespace: str, name: str) -> Credential | None:
        """What the Secret holds; None when there is no such Secret. Raises: httpx.HTTPError; KeyError for other content."""
        answer = self._client.get(f"{SECRETS.format(namespace)}/{name}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        data = answer.raise_for_status().json().get("data") or {}
        return Credential(*(base64.b64decode(data[key]).decode() for key in ("username", "password")))

    def write_status(self, place: Place, status: Tree) -> Tree | None:
        """The Shoot as it is after its status was patched; None when it is gone. Raises: httpx.HTTPError."""
        return self._patch(f"{SHOOTS.format(place.namespace)}/{place.name}/status", {"status": status}, place)

    def hold(self, shoot: Tree, place: Place) -> bool:
        """Whether Gardener's finalizer is on the Shoot, so that a deletion waits for its run. Raises: httpx.HTTPError.

        It is not when somebody else wrote since `shoot` was read: list again.
        """
        there = shoot["metadata"].get("finalizers") or []
        if FINALIZER in there:
            return True
        body = {"metadata": {"finalizers": [FINALIZER, *there], "resourceVersion": shoot["metadata"]["resourceVersion"]}}
        return self._patch(f"{SHOOTS.format(place.namespace)}/{place.name}", body, place) is not None

    def let_go(self, shoot: Tree, place: Place) -> None:
        """Gardener's finalizer is off the Shoot, so it vanishes if nobody else holds it. Raises: httpx.HTTPError."""
        left = [each for each in shoot["metadata"].get("finalizers") or () if each != FINALIZER]
        body = {"metadata": {"finalizers": left or None}}
        self._patch(f"{SHOOTS.format(place.namespace)}/{place.name}", body, place)

    def _patch(self, path: str, body: Tree, place: Place) -> Tree | None:
        metadata = {**body.get("metadata", {}), "uid": place.uid}
        answer = self._client.patch(path, params=MANAGER, headers=MERGE_PATCH, json={**body, "metadata": metadata})
        if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            return None  # gone, or another Shoot has its name: the next list tells
        written: Tree = answer.raise_for_status().json()
        return written
