"""google.iam.admin.v1.IAM as the google-cloud-iam client speaks it; only the methods of keys, and those around them."""

from collections.abc import Callable
from typing import Any

from google.cloud import iam_admin_v1 as iam_admin
from google.iam.v1 import iam_policy_pb2
from google.protobuf.empty_pb2 import Empty

from sandbox import iam_key, keys
from sandbox.access import Access
from sandbox.door import Note, Refused
from sandbox.grpc_door import Rpc
from sandbox.iam import Iam, facts
from sandbox.iam_key import Key

KeyType = iam_admin.ListServiceAccountKeysRequest.KeyType
Origin = iam_admin.ServiceAccountKeyOrigin
PublicKeyType = iam_admin.ServiceAccountPublicKeyType

_KEYS = "iam.serviceAccountKeys"


class IamService:
    """The methods, each for one request of one known caller."""

    def __init__(self, iam: Iam, access: Access) -> None:
        """Serve this state."""
        self._iam = iam
        self._access = access

    def rpcs(self) -> dict[str, Rpc]:
        """The table of methods for the gRPC door."""
        one = iam_admin.ServiceAccountKey
        return {
            "ListServiceAccountKeys": _rpc(
                iam_admin.ListServiceAccountKeysRequest, iam_admin.ListServiceAccountKeysResponse, self.list_keys
            ),
            "GetServiceAccountKey": _rpc(iam_admin.GetServiceAccountKeyRequest, one, self.get_key),
            "CreateServiceAccountKey": _rpc(iam_admin.CreateServiceAccountKeyRequest, one, self.create_key, mutating=True),
            "UploadServiceAccountKey": _rpc(iam_admin.UploadServiceAccountKeyRequest, one, self.upload_key, mutating=True),
            "DisableServiceAccountKey": _rpc(
                iam_admin.DisableServiceAccountKeyRequest, Empty, self._becomes(iam_key.DISABLED), mutating=True
            ),
            "EnableServiceAccountKey": _rpc(
                iam_admin.EnableServiceAccountKeyRequest, Empty, self._becomes(iam_key.ENABLED), mutating=True
            ),
            "DeleteServiceAccountKey": _rpc(
                iam_admin.DeleteServiceAccountKeyRequest, Empty, self._becomes(iam_key.DELETED), mutating=True
            ),
            "GetServiceAccount": _rpc(iam_admin.GetServiceAccountRequest, iam_admin.ServiceAccount, self.get_account),
            "TestIamPermissions": Rpc(
                request=iam_policy_pb2.TestIamPermissionsRequest,
                response=iam_policy_pb2.TestIamPermissionsResponse,
                target=lambda request: str(request.resource),
                run=self.test_permissions,
            ),
        }

    def list_keys(self, request: Any, caller: str, _note: Note) -> Any:
        """All keys of the asked types, without any public key data. Not paginated."""
        account, _ = self._iam.resolve(request.name, f"{_KEYS}.list")
        self._access.require(caller, f"{_KEYS}.list", account.name)
        wanted = list(request.key_types)
        if KeyType.KEY_TYPE_UNSPECIFIED in wanted or len(wanted) != len(set(wanted)):
            raise Refused("INVALID_ARGUMENT", "key_types must not hold KEY_TYPE_UNSPECIFIED or the same type twice.")
        shown = [_shown(key, state) for key, state in self._iam.listed(account)]
        return iam_admin.ListServiceAccountKeysResponse(keys=[key for key in shown if not wanted or key.key_type in wanted])

    def get_key(self, request: Any, caller: str, _note: Note) -> Any:
        """One key, with its public key only when a type is asked for."""
        key = self._key(request.name, caller, "get", stale=True)
        shown = _shown(key, self._iam.seen(key))
        if request.public_key_type == PublicKeyType.TYPE_X509_PEM_FILE:
            shown.public_key_data = key.x509()
        elif request.public_key_type == PublicKeyType.TYPE_RAW_PUBLIC_KEY:
            shown.public_key_data = keys.public_pem(key.public)
        return shown

    def create_key(self, request: Any, caller: str, note: Note) -> Any:
        """A key of Google's making. Each success is a new one; the private key is in this answer only."""
        account, _ = self._iam.resolve(request.name, f"{_KEYS}.create")
        self._access.require(caller, f"{_KEYS}.create", account.name)
        if request.private_key_type == iam_admin.ServiceAccountPrivateKeyType.TYPE_PKCS12_FILE:
            raise Refused("UNIMPLEMENTED", "The sandbox makes no PKCS12 files.")
        key, key_file = self._iam.create(account)
        note.facts = facts(key, caller)
        shown = _shown(key, key.state)
        shown.private_key_type = iam_admin.ServiceAccountPrivateKeyType.TYPE_GOOGLE_CREDENTIALS_FILE
        shown.private_key_data = key_file.encode()
        return shown

    def upload_key(self, request: Any, caller: str, note: Note) -> Any:
        """A key whose certificate the caller sent; the permission is the one of create."""
        account, _ = self._iam.resolve(request.name, f"{_KEYS}.create")
        self._access.require(caller, f"{_KEYS}.create", account.name)
        key = self._iam.upload(account, request.public_key_data)
        note.facts = facts(key, caller)
        return _shown(key, key.state)

    def get_account(self, request: Any, caller: str, _note: Note) -> Any:
        """The account with its unique id."""
        account, _ = self._iam.resolve(request.name, "iam.serviceAccounts.get")
        self._access.require(caller, "iam.serviceAccounts.get", account.name)
        return iam_admin.ServiceAccount(
            name=account.name,
            project_id=account.project,
            unique_id=account.unique_id,
            email=account.email,
            oauth2_client_id=account.unique_id,
        )

    def test_permissions(self, request: Any, caller: str, _note: Note) -> Any:
        """Those of the asked permissions that the caller holds on the account."""
        account, _ = self._iam.resolve(request.resource, "iam.serviceAccounts.get")
        held = [one for one in request.permissions if self._access.holds(caller, one, account.name)]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=held)

    def _becomes(self, state: str) -> Callable[[Any, str, Note], Any]:
        verb = {iam_key.ENABLED: "enable", iam_key.DISABLED: "disable", iam_key.DELETED: "delete"}[state]

        def run(request: Any, caller: str, note: Note) -> Any:
            key = self._key(request.name, caller, verb, stale=False)
            self._iam.change(key, state)
            note.facts = facts(key, caller)
            return Empty()

        return run

    def _key(self, name: str, caller: str, verb: str, *, stale: bool) -> Key:
        account, _ = self._iam.resolve(name, f"{_KEYS}.{verb}")
        self._access.require(caller, f"{_KEYS}.{verb}", account.name)
        return self._iam.key(name, f"{_KEYS}.{verb}", stale=stale)


def _rpc(request: Any, response: Any, run: Callable[[Any, str, Note], Any], *, mutating: bool = False) -> Rpc:
    return Rpc(request=request, response=response, target=lambda sent: str(sent.name), run=run, mutating=mutating)


def _shown(key: Key, state: str) -> Any:
    return iam_admin.ServiceAccountKey(
        name=key.name,
        key_algorithm=iam_admin.ServiceAccountKeyAlgorithm.KEY_ALG_RSA_2048,
        valid_after_time=key.valid_after,
        valid_before_time=key.valid_before,
        key_origin=Origin.USER_PROVIDED if key.origin == iam_key.USER else Origin.GOOGLE_PROVIDED,
        key_type=KeyType.SYSTEM_MANAGED if key.origin == iam_key.SYSTEM else KeyType.USER_MANAGED,
        disabled=state == iam_key.DISABLED,
    )
