"""What Google says about us: who we are and which permissions we hold, for protocol `checkup.GoogleReview`.

Every call here reads. testIamPermissions needs no permission of its own; for a project it is asked of Resource Manager, over
REST, because no other API tells about a project.
"""

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
from google.cloud import iam_admin_v1 as iam
from google.cloud import secretmanager_v1 as secretmanager
from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from rotator import permission
from rotator.clients import calls
from rotator.clients.rpc import Attempt, Caller
from rotator.clients.token import AccessToken
from rotator.errors import Permanent, RotatorError, Transient
from rotator.key import TOKEN_URI
from rotator.permission import Resource
from rotator.staged import LABEL

MANAGER = "https://cloudresourcemanager.googleapis.com/v1/projects"
"""Source: Resource Manager v1, projects.testIamPermissions."""


class _Held(msgspec.Struct):
    """The answer of projects.testIamPermissions: none held, no field."""

    permissions: tuple[str, ...] = ()


class Review:
    """Asks for one worker with one access token."""

    def __init__(self, iam_channel: Any, staging_channel: Any, http: httpx.Client, token: AccessToken) -> None:
        """Connect nothing yet."""
        transport = IAMGrpcTransport(channel=iam_channel)
        self._iam: Any = iam.IAMClient(transport=transport)
        secrets = SecretManagerServiceGrpcTransport(channel=staging_channel)
        self._secrets: Any = secretmanager.SecretManagerServiceClient(transport=secrets)
        self._keys = Caller(token, transport)
        self._staging = Caller(token, secrets)
        self._http = http
        self._token = token

    def member(self) -> str:
        """Who we are; asking fetches the token."""
        return self._token.member

    def held(self, resource: Resource, names: Sequence[str]) -> frozenset[str]:
        """Those of the permissions that we hold there."""
        match resource.kind:
            case "account":
                path = f"projects/{resource.project}/serviceAccounts/{resource.name}"
                return self._tested(self._keys, self._iam, path, names, _attempt(resource))
            case "secret":
                path = f"projects/{resource.project}/secrets/{resource.name}"
                return self._tested(self._staging, self._secrets, path, names, _attempt(resource))
            case "project":
                return self._project(resource, names)

    def mark(self, resource: Resource) -> str:
        """The installation that the staging secret says it belongs to."""
        return str(self._secret(resource).labels.get(LABEL, ""))

    def number(self, resource: Resource) -> str:
        """The number of the staging secret's project: Secret Manager answers with it, whatever it was asked by."""
        return str(self._secret(resource).name).split("/")[1]

    def tokens(self) -> None:
        """Google's token endpoint answers."""
        self._get("asking Google's token endpoint", TOKEN_URI)

    def _secret(self, resource: Resource) -> Any:
        request = {"name": f"projects/{resource.project}/secrets/{resource.name}"}
        attempt = _attempt(resource, "secretmanager.secrets.get", "staging-permission")
        return self._staging.call(lambda how: self._secrets.get_secret(request=request, **how), attempt, repeat=True)

    def _tested(self, caller: Caller, client: Any, path: str, names: Sequence[str], attempt: Attempt) -> frozenset[str]:
        request = {"resource": path, "permissions": list(names)}
        answer = caller.call(lambda how: client.test_iam_permissions(request=request, **how), attempt, repeat=True)
        return frozenset(answer.permissions)

    def _project(self, resource: Resource, names: Sequence[str]) -> frozenset[str]:
        what = f"asking for our permissions in project {resource.project}"
        url = f"{MANAGER}/{resource.project}:testIamPermissions"
        headers = dict(self._token.metadata())

        def send() -> frozenset[str]:
            answer = self._http.post(url, json={"permissions": list(names)}, headers=headers)
            if answer.status_code != httpx.codes.OK:
                raise _refused(what, answer, resource.project)
            return frozenset(msgspec.json.decode(answer.content, type=_Held).permissions)

        return calls.call(send, lambda caught: _meaning(caught, what), repeat=True)

    def _get(self, what: str, url: str) -> None:
        calls.call(lambda: self._http.get(url), lambda caught: _meaning(caught, what), repeat=True)


def _attempt(resource: Resource, name: str = "", code: str = "google-answer") -> Attempt:
    right = permission.google(name) if name else permission.on_resource(resource.kind)[0]
    return Attempt(
        what=f"asking about {resource.kind} {resource.name} in {resource.project}",
        permission=name or "the right to ask about it",
        grant=resource.bind(right.role, "MEMBER"),
        forbidden=code,
    )


def _refused(what: str, answer: httpx.Response, project: str) -> RotatorError:
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        return Transient(f"{what}: {answer.status_code}; tried again later")
    enable = f"gcloud services enable cloudresourcemanager.googleapis.com --project {project}"
    return Permanent(
        f"{what}: {answer.status_code} from Resource Manager; its API may not be enabled, or there is no such project",
        code="api-disabled",
        next_command=enable,
    )


def _meaning(caught: Exception, what: str) -> RotatorError | None:
    match caught:
        case RotatorError():
            return caught
        case httpx.HTTPError():
            return Transient(f"{what}: no answer ({type(caught).__name__}); look at network and proxies")
        case msgspec.DecodeError():
            return Transient(f"{what}: an answer that cannot be read; look at proxies")
        case _:
            return None
