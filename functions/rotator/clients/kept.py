"""A Garden's token in a secret of Secret Manager: the newest version is the token.

A person puts the first one there; from then on the program adds the next before the last one ends. Versions before the last two
are destroyed. Tokens that are read here open a Garden, so they are kept by no one but `login.Tokens`.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud import secretmanager_v1 as secretmanager
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from rotator import permission
from rotator.clients.garden.login import expiry
from rotator.clients.rpc import Attempt, Caller
from rotator.clients.staging import crc32c
from rotator.clients.token import AccessToken
from rotator.errors import Absent, Permanent, RotatorError, Transient
from rotator.record import Place

AGAIN = timedelta(seconds=60)
"""Asked more often than this, the secret is not read again: each activation asks who it is."""

SPARED = 2
"""So many versions stay: `latest` may lag, and whoever read the one before need not fail."""

_DESTROYED = secretmanager.SecretVersion.State.DESTROYED


class KeptToken:
    """One secret with the token of one Garden. Safe for threads."""

    def __init__(
        self, channel: grpc.Channel, access: Callable[[], AccessToken], name: str, place: Place, now: Callable[[], datetime]
    ) -> None:
        """Connect nothing. `name`: projects/P/secrets/S; `access`: gives an access token of ours for one question to Google.

        `place`: the Garden, and a namespace where its ServiceAccount may stand.
        """
        transport = SecretManagerServiceGrpcTransport(channel=channel)
        self._secrets: Any = secretmanager.SecretManagerServiceClient(transport=transport)
        self._transport = transport
        self._access = access
        self._name = name
        self._place = place
        self._now = now
        self._lock = threading.Lock()
        self._token = ""
        self._read_at: datetime | None = None

    def read(self) -> str:
        """The token, read at most a minute ago. Raises: Permanent when there is none that is good, Transient."""
        with self._lock:
            if self._read_at is None or self._now() - self._read_at >= AGAIN:
                self._token, self._read_at = self._newest(), self._now()
            end = expiry(self._token)
            if end is not None and end <= self._now():
                raise self._useless(f"the token of Garden {self._place.garden} in it ended on {end:%Y-%m-%d, %H:%M} UTC")
            return self._token

    def keep(self, token: str) -> None:
        """The token is the newest version; only the one before it stays. Again: one more. Raises: Permanent, Transient."""
        data = token.encode("ascii")
        request = {"parent": self._name, "payload": {"data": data, "data_crc32c": crc32c(data)}}
        send = partial(self._secrets.add_secret_version, request=request)
        made = self._call("versions.add", "adding a version to", send)
        with self._lock:
            self._token, self._read_at = token, self._now()
        self._tidy(int(made.name.rpartition("/")[2]))

    def _newest(self) -> str:
        send = partial(self._secrets.access_secret_version, request={"name": f"{self._name}/versions/latest"})
        none = f"no token of Garden {self._place.garden} is in it"
        try:
            answer = self._call("versions.access", "reading", send, repeat=True)
        except Absent:
            raise self._useless(none) from None
        if answer.payload.data_crc32c != crc32c(answer.payload.data):
            raise Transient(f"reading secret {self._name}: it arrived damaged; read again later")
        try:
            found: str = answer.payload.data.decode("ascii").strip()
        except UnicodeDecodeError:
            found = ""
        if not found:
            raise self._useless(none)
        return found

    def _tidy(self, newest: int) -> None:
        send = partial(self._secrets.list_secret_versions, request={"parent": self._name})
        listed = self._call("versions.list", "listing versions of", lambda **how: list(send(**how)), repeat=True)
        numbers = sorted(int(one.name.rpartition("/")[2]) for one in listed if one.state != _DESTROYED)
        for number in [each for each in numbers if each < newest][: -(SPARED - 1)]:
            self._destroy(number)

    def _destroy(self, number: int) -> None:
        send = partial(self._secrets.destroy_secret_version, request={"name": f"{self._name}/versions/{number}"})
        self._call("versions.destroy", f"destroying version {number} of", send)

    def _call(self, right: str, verb: str, send: Callable[..., Any], *, repeat: bool = False) -> Any:
        _, project, _, secret = self._name.split("/")
        row = permission.google(f"secretmanager.{right}")
        attempt = Attempt(
            what=f"{verb} secret {self._name}",
            permission=row.name,
            grant=permission.Resource("secret", secret, project).bind(row.role, "MEMBER"),
            forbidden="garden-token",
        )
        return Caller(self._access(), self._transport).call(lambda how: send(**how), attempt, repeat=repeat, read=_state)

    def _useless(self, why: str) -> Permanent:
        _, project, _, secret = self._name.split("/")
        make = f"kubectl --namespace {self._place.namespace} create token registry-key-rotator --duration 720h"
        fill = f"{make} | gcloud secrets versions add {secret} --project {project} --data-file=-"
        return Permanent(
            f"reading secret {self._name}: {why}; put one there: {fill}",
            code="garden-token",
            next_command=fill,
        )


def _state(fault: exceptions.GoogleAPICallError, attempt: Attempt) -> RotatorError | None:
    """Disabled and destroyed versions are refused by FAILED_PRECONDITION."""
    if isinstance(fault, exceptions.FailedPrecondition):
        return Absent(f"{attempt.what}: its version is disabled or destroyed")
    return None
