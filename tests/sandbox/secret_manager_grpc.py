"""google.cloud.secretmanager.v1.SecretManagerService as the google-cloud-secret-manager client speaks it."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from google.cloud import secretmanager_v1 as api
from google.iam.v1 import iam_policy_pb2
from google.protobuf.empty_pb2 import Empty

from sandbox.access import Access
from sandbox.crc32c import crc32c
from sandbox.door import Call, Door, Note, Refused
from sandbox.grpc_door import Rpc
from sandbox.secret_manager import Secret, SecretManager, State, Version, facts

_LABEL = re.compile(r"labels\.([a-z0-9_-]+)\s*[=:]\s*\"?([a-z0-9_-]*)\"?")
_NAME = re.compile(r"name\s*:\s*\"?([A-Za-z0-9_-]+)\"?")
_STATE = re.compile(r"state\s*[=:]\s*\"?(ENABLED|DISABLED|DESTROYED)\"?")
_PAGE = 25_000


class SecretManagerService:
    """The methods, each for one request of one known caller."""

    def __init__(self, store: SecretManager, access: Access, door: Door) -> None:
        """Serve this state."""
        self._store = store
        self._access = access
        self._door = door

    def rpcs(self) -> dict[str, Rpc]:
        """The table of methods for the gRPC door."""
        return {
            "CreateSecret": Rpc(
                request=api.CreateSecretRequest,
                response=api.Secret,
                target=lambda request: f"{request.parent}/secrets/{request.secret_id}",
                run=self.create,
                mutating=True,
            ),
            "UpdateSecret": Rpc(
                request=api.UpdateSecretRequest,
                response=api.Secret,
                target=lambda request: str(request.secret.name),
                run=self.update,
                mutating=True,
            ),
            "GetSecret": _rpc(api.GetSecretRequest, api.Secret, self.get),
            "ListSecrets": _rpc(api.ListSecretsRequest, api.ListSecretsResponse, self.list_secrets, target="parent"),
            "DeleteSecret": _rpc(api.DeleteSecretRequest, Empty, self.delete, mutating=True),
            "AddSecretVersion": _rpc(api.AddSecretVersionRequest, api.SecretVersion, self.add, target="parent", mutating=True),
            "GetSecretVersion": _rpc(api.GetSecretVersionRequest, api.SecretVersion, self.get_version),
            "ListSecretVersions": _rpc(
                api.ListSecretVersionsRequest, api.ListSecretVersionsResponse, self.list_versions, target="parent"
            ),
            "AccessSecretVersion": _rpc(api.AccessSecretVersionRequest, api.AccessSecretVersionResponse, self.access_version),
            "EnableSecretVersion": _rpc(
                api.EnableSecretVersionRequest, api.SecretVersion, self._becomes("enable", State.ENABLED), mutating=True
            ),
            "DisableSecretVersion": _rpc(
                api.DisableSecretVersionRequest,
                api.SecretVersion,
                self._becomes("disable", State.DISABLED),
                mutating=True,
            ),
            "DestroySecretVersion": _rpc(
                api.DestroySecretVersionRequest,
                api.SecretVersion,
                self._becomes("destroy", State.DESTROYED),
                mutating=True,
            ),
            "TestIamPermissions": Rpc(
                request=iam_policy_pb2.TestIamPermissionsRequest,
                response=iam_policy_pb2.TestIamPermissionsResponse,
                target=lambda request: str(request.resource),
                run=self.test_permissions,
            ),
        }

    def test_permissions(self, request: Any, caller: str, _note: Note) -> Any:
        """Those of the asked permissions that the caller holds on the secret; none when there is no such secret.

        Source: the method's documentation (secretmanager v1): an absent secret is an empty set, not NOT_FOUND.
        """
        try:
            self._store.find(request.resource)
        except Refused:
            return iam_policy_pb2.TestIamPermissionsResponse()
        held = [one for one in request.permissions if self._access.holds(caller, one, request.resource)]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=held)

    def create(self, request: Any, caller: str, note: Note) -> Any:
        """A secret without versions."""
        self._access.require(caller, "secretmanager.secrets.create", request.parent)
        secret = self._store.create(request.parent, request.secret_id, request.secret)
        note.facts = facts(secret, None)
        return secret.message

    def update(self, request: Any, caller: str, note: Note) -> Any:
        """The fields that the mask names are as sent."""
        secret = self._secret(request.secret.name, caller, "secrets.update")
        self._store.update(secret, request.secret, request.update_mask.paths)
        note.facts = facts(secret, None)
        return secret.message

    def get(self, request: Any, caller: str, _note: Note) -> Any:
        """The secret's metadata."""
        return self._secret(request.name, caller, "secrets.get").message

    def list_secrets(self, request: Any, caller: str, _note: Note) -> Any:
        """The project's secrets that match the filter, newest first."""
        self._access.require(caller, "secretmanager.secrets.list", request.parent)
        found = [one.message for one in self._store.listed(request.parent) if _matches_secret(one, request.filter)]
        page, following = _page(found, request)
        return api.ListSecretsResponse(secrets=page, next_page_token=following, total_size=len(found))

    def delete(self, request: Any, caller: str, note: Note) -> Any:
        """The secret with all its versions is gone; each version that was left has an entry of its own."""
        secret = self._secret(request.name, caller, "secrets.delete")
        left = [version for version in secret.versions if version.message.state != State.DESTROYED]
        self._store.delete(secret, request.etag)
        for version in left:
            call = Call(service="secretmanager", method="DeleteSecret", target=version.message.name, mutating=True)
            self._door.record(call, facts(secret, version))
        note.facts = facts(secret, None)
        return Empty()

    def add(self, request: Any, caller: str, note: Note) -> Any:
        """One more version, every time."""
        secret = self._secret(request.parent, caller, "versions.add")
        checksum = request.payload.data_crc32c if "data_crc32c" in request.payload else None
        version = self._store.add(secret, request.payload.data, checksum)
        note.facts = facts(secret, version)
        return version.message

    def get_version(self, request: Any, caller: str, _note: Note) -> Any:
        """The version's metadata."""
        return self._version(request.name, caller, "get")[1].message

    def list_versions(self, request: Any, caller: str, _note: Note) -> Any:
        """The secret's versions that match the filter, newest first."""
        secret = self._secret(request.parent, caller, "versions.list")
        shown = self._store.listed_versions(secret)
        found = [version.message for version in shown if _matches_version(version, request.filter)]
        page, following = _page(found, request)
        return api.ListSecretVersionsResponse(versions=page, next_page_token=following, total_size=len(found))

    def access_version(self, request: Any, caller: str, _note: Note) -> Any:
        """The payload with its checksum; the answer's name has the number, whatever alias was asked for."""
        _, version = self._version(request.name, caller, "access")
        payload = self._store.access(version)
        return api.AccessSecretVersionResponse(
            name=version.message.name, payload=api.SecretPayload(data=payload, data_crc32c=crc32c(payload))
        )

    def _becomes(self, verb: str, state: Any) -> Callable[[Any, str, Note], Any]:
        def run(request: Any, caller: str, note: Note) -> Any:
            if not request.name.rpartition("/")[2].isdecimal():
                raise Refused("INVALID_ARGUMENT", "Aliases are good for get and access only.")
            secret, version = self._version(request.name, caller, verb)
            self._store.change(secret, version, state, request.etag)
            note.facts = facts(secret, version)
            return version.message

        return run

    def _secret(self, name: str, caller: str, permission: str) -> Secret:
        self._access.require(caller, f"secretmanager.{permission}", name)
        return self._store.find(name)

    def _version(self, name: str, caller: str, verb: str) -> tuple[Secret, Version]:
        self._access.require(caller, f"secretmanager.versions.{verb}", name)
        return self._store.find_version(name)


def _rpc(
    request: Any,
    response: Any,
    run: Callable[[Any, str, Note], Any],
    *,
    target: str = "name",
    mutating: bool = False,
) -> Rpc:
    return Rpc(
        request=request,
        response=response,
        target=lambda sent: str(getattr(sent, target)),
        run=run,
        mutating=mutating,
    )


def _page(found: Sequence[Any], request: Any) -> tuple[Sequence[Any], str]:
    start = int(request.page_token or 0)
    end = start + (min(request.page_size, _PAGE) or _PAGE)
    return found[start:end], str(end) if end < len(found) else ""


def _terms(text: str) -> list[str]:
    return [term.strip(" ()") for term in re.split(r"\s+AND\s+", text.strip())] if text.strip() else []


def _matches_secret(secret: Secret, text: str) -> bool:
    for term in _terms(text):
        label, name = _LABEL.fullmatch(term), _NAME.fullmatch(term)
        if label and secret.message.labels.get(label.group(1)) != label.group(2):
            return False
        if name and name.group(1) not in secret.message.name:
            return False
        if not label and not name:
            raise Refused("INVALID_ARGUMENT", f"The sandbox does not understand the filter {term!r}.")
    return True


def _matches_version(version: Version, text: str) -> bool:
    for term in _terms(text):
        state = _STATE.fullmatch(term)
        if state is None:
            raise Refused("INVALID_ARGUMENT", f"The sandbox does not understand the filter {term!r}.")
        if version.state.upper() != state.group(1):
            return False
    return True
