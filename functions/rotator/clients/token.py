"""The one access token that a worker works with.

It is a plain token, fetched once and never exchanged for a later one: its expiry is the fence of everything that burns at IAM
(design.md section 4). A worker that outlives it gets UNAUTHENTICATED and ends; the next activation has a token of its own.
"""

import math
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import httpx
import msgspec

from rotator.clients import calls
from rotator.clients.calls import ServerClock
from rotator.errors import Permanent, RotatorError, Transient

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN = "gcloud auth application-default login"
METADATA = "metadata.google.internal"
INTERNAL_SERVER_ERROR = 500
LONGEST = timedelta(hours=12)
"""A token that does not tell its end is taken for one of the longest that an organisation can allow."""

STEP = 10.0
"""Seconds. Servers tell what is left in whole seconds, downwards: by that, a token would end later at each look in a second."""

_ATTEMPT = "getting an access token"
_DEFAULT = "/computeMetadata/v1/instance/service-accounts/default"


class Grant:
    """What a source gave: the token's value, its end, whose it is (empty: unknown) and which project pays for its calls."""

    __slots__ = ("expires", "member", "quota_project", "value")

    def __init__(self, value: str, expires: datetime, *, member: str = "", quota_project: str = "") -> None:
        """`member` as IAM policies name it, with its kind: serviceAccount:name@project.iam.gserviceaccount.com."""
        self.value = value
        self.expires = expires
        self.member = member
        self.quota_project = quota_project

    def __repr__(self) -> str:
        """Tell the end, never the value."""
        return f"Grant(expires {self.expires:%Y-%m-%dT%H:%M:%SZ})"


Source = Callable[[], Grant]
"""Asks somebody for a token, once per call."""


class AccessToken:
    """One access token, fetched at its first use. Safe for threads."""

    def __init__(self, source: Source) -> None:
        """Ask nothing yet."""
        self._source = source
        self._lock = threading.Lock()
        self._grant: Grant | None = None

    def reveal(self) -> str:
        """The token itself: for the authorization of a request, nowhere else."""
        return self._granted().value

    @property
    def expires(self) -> datetime:
        """After this time no call that was sent with it can land. UTC, by the server's clock, in whole STEPs upwards."""
        end = self._granted().expires.timestamp()
        return datetime.fromtimestamp(math.ceil(end / STEP) * STEP, UTC)

    @property
    def member(self) -> str:
        """Whom a person must grant something to, as IAM policies name them."""
        return self._granted().member or "YOUR_MEMBER"

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What each request carries."""
        grant = self._granted()
        pairs = (("authorization", f"Bearer {grant.value}"),)
        return (*pairs, ("x-goog-user-project", grant.quota_project)) if grant.quota_project else pairs

    def __repr__(self) -> str:
        """Tell the end, never the value."""
        return f"AccessToken({self._grant or 'not fetched yet'})"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "an access token is not pickled"
        raise TypeError(msg)

    def _granted(self) -> Grant:
        with self._lock:
            if self._grant is None:
                self._grant = self._source()
            return self._grant


class _Issued(msgspec.Struct):
    """The metadata server's answer. Decoded and left at once: its repr would show the token."""

    access_token: str
    expires_in: float


def identity(http: httpx.Client, address: str, audience: str) -> Callable[[], str]:
    """Gives an OpenID token of the machine's own identity for this audience: how a Garden knows us without a stored token.

    Source: https://cloud.google.com/run/docs/authenticating/service-to-service (metadata server). Raises: Transient, Permanent.
    """
    query = {"audience": audience, "format": "full"}

    def ask() -> str:
        url = f"http://{address}{_DEFAULT}/identity"
        answer = http.get(url, params=query, headers={"Metadata-Flavor": "Google"})
        return answer.raise_for_status().text.strip()

    def meaning(fault: Exception) -> RotatorError | None:
        what = f"getting an identity token for the audience {audience}"
        if isinstance(fault, httpx.HTTPStatusError) and fault.response.status_code < INTERNAL_SERVER_ERROR:
            said = f"the metadata server says {fault.response.status_code}"
            why = f"{said}; google_audience works where the program has an identity"
            return Permanent(f"{what}: {why}", code="garden-token", next_command="rotator retry")
        if isinstance(fault, httpx.TransportError):
            why = f"no metadata server at {address} ({type(fault).__name__}); elsewhere than on Google Cloud use token_file"
            return Transient(f"{what}: {why}")
        return Transient(f"{what}: {type(fault).__name__}; tried again later") if isinstance(fault, httpx.HTTPError) else None

    return lambda: calls.call(ask, meaning, repeat=True)


def from_metadata(http: httpx.Client, address: str, clock: ServerClock) -> Source:
    """Tokens of a metadata server, or of something that answers like one, at `host:port`."""

    def ask(path: str) -> httpx.Response:
        answer = http.get(f"http://{address}{_DEFAULT}/{path}", headers={"Metadata-Flavor": "Google"})
        clock.heard(answer.headers.get("Date"))
        return answer.raise_for_status()

    def fetch() -> Grant:
        issued = msgspec.json.decode(ask("token").content, type=_Issued)
        expires = clock.now() + timedelta(seconds=issued.expires_in)
        return Grant(issued.access_token, expires, member=f"serviceAccount:{ask('email').text.strip()}")

    return lambda: calls.call(fetch, _meaning, repeat=True)


def from_google(http: httpx.Client, clock: ServerClock) -> Source:
    """Tokens of whoever the machine or the person is to Google: Application Default Credentials."""

    def fetch() -> Grant:
        import google.auth
        from google.auth import _helpers

        request: Any = _Request(http, clock)
        credentials: Any = google.auth.default(scopes=[SCOPE], request=request)[0]
        credentials.refresh(request)
        # The library computes the expiry by this machine's clock; what counts is the time that is left.
        left = credentials.expiry - _helpers.utcnow() if credentials.expiry else LONGEST  # type: ignore[no-untyped-call]
        email = getattr(credentials, "service_account_email", "")
        return Grant(
            str(credentials.token),
            clock.now() + left,
            member=f"serviceAccount:{email}" if "@" in email else "",
            quota_project=credentials.quota_project_id or "",
        )

    return lambda: calls.call(fetch, _meaning, repeat=False)  # google-auth repeats by itself here


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer as google-auth reads it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Request:
    """google-auth's requests, sent over our route, so that their Date is heard. Source: google.auth.transport.Request."""

    def __init__(self, http: httpx.Client, clock: ServerClock) -> None:
        self._http = http
        self._clock = clock

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Answer:
        from google.auth.exceptions import TransportError

        most = calls.limits().timeout
        limit = min(timeout or most, most)
        try:
            answer = self._http.request(method, url, content=body, headers=dict(headers or {}), timeout=limit)
        except httpx.HTTPError as fault:
            raise TransportError(type(fault).__name__) from fault  # type: ignore[no-untyped-call]
        self._clock.heard(answer.headers.get("Date"))
        return _Answer(answer.status_code, answer.headers, answer.content)


def _meaning(fault: Exception) -> RotatorError | None:
    from google.auth import exceptions

    match fault:
        case RotatorError():
            return fault
        case exceptions.DefaultCredentialsError():
            why = "this machine has no Application Default Credentials, or they cannot be read"
            return Permanent(f"{_ATTEMPT}: {why}; log in: {LOGIN}", code="no-credentials", next_command=LOGIN)
        case exceptions.RefreshError() if re.search("(?i)invalid_grant|reauth", str(fault)):
            why = "the login has expired or was revoked"
            return Permanent(f"{_ATTEMPT}: {why}; log in: {LOGIN}", code="no-credentials", next_command=LOGIN)
        case httpx.HTTPStatusError():
            return Transient(f"{_ATTEMPT} from the metadata server: {fault.response.status_code}; tried again later")
        case exceptions.GoogleAuthError() | httpx.HTTPError() | msgspec.DecodeError():
            return Transient(f"{_ATTEMPT}: no usable answer ({type(fault).__name__}); tried again later")
        case _:
            return None
