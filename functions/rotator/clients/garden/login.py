"""Who we are to a Garden, and how long the token that says so is good.

Creates are fenced (design.md section 4): the token that a create is sent with is fixed by `fence`, whose answer the step saves
before the create; it is never exchanged for a later one behind the step's back. Reads, patches and deletes need no fence, they
take whatever token is good.
"""

import base64
import binascii
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from kubernetes.client.configuration import Configuration

from rotator.clients.calls import ServerClock
from rotator.errors import Permanent

Source = Callable[[], str]
"""Gives a bearer token that is good now. The seam for other ways in: OIDC id tokens of Google's metadata server, say."""

NEARLY = timedelta(minutes=1)
"""A token with less life is renewed before a read."""

FENCE = timedelta(minutes=5)
"""A token with less life is renewed before it becomes the fence: one step must fit in."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach one Garden. `token` None: a client certificate, or nothing, is in the configuration.

    `renews`: the token is of a ServiceAccount that may ask for its own next ones.
    """

    configuration: Configuration
    token: Source | None
    renews: bool = False

    @staticmethod
    def kubeconfig(path: Path, context: str | None = None) -> "Login":
        """The login that a context of this file describes: token, exec plugin or client certificate."""
        configuration, seen = _loaded(path, context), _stamp(path)

        def bearer() -> str:
            """Whatever the package has, renewed by its own hook (exec plugins), and read again when the file was replaced."""
            nonlocal seen
            if (stamp := _stamp(path)) != seen:
                fresh = _loaded(path, context)
                configuration.api_key, configuration.refresh_api_key_hook = fresh.api_key, fresh.refresh_api_key_hook
                seen = stamp
            return str(configuration.get_api_key_with_prefix("BearerToken", "authorization") or "").removeprefix("Bearer ")

        return Login(configuration, bearer if bearer() else None)

    @staticmethod
    def server(server: str, ca_file: Path | None, token: Source, *, renews: bool = False) -> "Login":
        """A login by address, CA certificate (None: the system's) and a source of tokens."""
        configuration = Configuration(host=server.rstrip("/"))
        if ca_file is not None:
            configuration.ssl_ca_cert = str(ca_file)
        _strict(configuration)
        return Login(configuration, token, renews)


def _loaded(path: Path, context: str | None) -> Configuration:
    from kubernetes.config import kube_config
    from kubernetes.config.config_exception import ConfigException

    configuration = Configuration()
    load: Callable[..., None] = kube_config.load_kube_config  # untyped over there
    try:
        load(str(path), context, client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError) as fault:
        raise _unusable(f"reading kubeconfig {path}: {type(fault).__name__}; check path and context") from fault
    except Exception:  # noqa: BLE001 - whatever a file that is no kubeconfig does to the package's parser
        # Without a cause: a parser quotes what it read, and tokens are in there.
        raise _unusable(f"reading kubeconfig {path}: it is no kubeconfig; check the file") from None
    _strict(configuration)
    return configuration


def _stamp(path: Path) -> tuple[int, int] | None:
    """Another one when the file was written anew or replaced; None while it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def static(token: str) -> Source:
    """Always this token."""
    return token.strip


def from_file(path: Path) -> Source:
    """What the file holds at the moment; Kubernetes and Secret Manager mounts replace it in time."""

    def read() -> str:
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as fault:
            raise _unusable(f"reading token file {path}: {type(fault).__name__}; check that it is there") from fault

    return read


def _unusable(message: str) -> Permanent:
    return Permanent(message, code="garden-token", next_command="rotator retry")


def _strict(configuration: Configuration) -> None:
    # The package's default repeats requests by itself, a DELETE four times; calls.call is the one retry layer.
    configuration.retries = False
    # Two at once: one page is read while the next is on its way.
    configuration.connection_pool_maxsize = 4


class _Claims(msgspec.Struct):
    exp: float | None = None
    iat: float | None = None
    sub: str = ""


def expiry(token: str) -> datetime | None:
    """When the token ends, if it is a JWT that says so. The signature is the server's business."""
    return life(token)[1]


def life(token: str) -> tuple[datetime | None, datetime | None]:
    """When the token was issued and when it ends, each if it says so."""
    claims = _claims(token)
    try:
        issued, ends = (None if each is None else datetime.fromtimestamp(each, UTC) for each in (claims.iat, claims.exp))
    except (ValueError, OverflowError, OSError):
        return None, None
    return issued, ends


def subject(token: str) -> str:
    """Whose the token is, if it says so."""
    return _claims(token).sub


def _claims(token: str) -> _Claims:
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        return _Claims()
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=_Claims)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return _Claims()


class Tokens:
    """The tokens of one client: one for reads, renewed when needed; one for creates, fixed by `fence`."""

    def __init__(self, source: Source | None, clock: ServerClock, brief: Source | None = None) -> None:
        """Ask nothing yet. `brief`: gives tokens for creates, which end soon (None: those of `source`)."""
        self._source = source
        self._brief = brief or source
        self._clock = clock
        self._lock = threading.RLock()  # `brief` asks the server with a token for reads
        self._reading = ""
        self._creating = ""

    def reading(self) -> str:
        """A token that is good now; empty when a certificate speaks for us."""
        with self._lock:
            self._reading = self._good(self._reading, NEARLY, self._source)
            return self._reading

    def creating(self) -> str:
        """The token that the last `fence` spoke about."""
        with self._lock:
            self._creating = self._creating or self._good("", FENCE, self._brief)
            return self._creating

    def fence(self) -> datetime | None:
        """The end of the token that creates are sent with from now on; None when it does not tell."""
        with self._lock:
            self._creating = self._good(self._creating, FENCE, self._brief)
            return expiry(self._creating)

    def refused(self, token: str) -> None:
        """The server said 401 to this token: it is not used again. A saved fence stays right: the token opens nothing now."""
        with self._lock:
            self._reading = "" if self._reading == token else self._reading
            self._creating = "" if self._creating == token else self._creating

    def _good(self, token: str, life: timedelta, source: Source | None) -> str:
        if source is None:
            return ""
        end = expiry(token)
        if end is not None and self._clock.now() + life < end:
            return token
        return source()
