"""Google's token endpoint and Artifact Registry as a registry cache meets them, for protocol `world.Registry`.

The only honest test of a key is to use it. Assertions go to the one pinned token endpoint, whatever a key file says; a key file
goes only to the host that it is for. How to read the answers: gcp.md section 3.3. The status does not tell a bad key from a
missing role, the text does.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from rotator.clients import calls, crypto
from rotator.clients.calls import ServerClock
from rotator.clients.image import ACCEPT, Image
from rotator.clients.words import words
from rotator.errors import Permanent, RotatorError, Transient
from rotator.key import TOKEN_URI, KeyFile, short
from rotator.secret import USERNAME
from rotator.world import Answer

Body = TypeVar("Body", bound=msgspec.Struct)

Carried = Callable[[], dict[str, Any]]
"""Makes what a request carries, as httpx names it; anew for each try."""

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/userinfo.email"
"""The token is thrown away, so it may as well open nothing."""

ASSERTION_LIFE = 300
"""Seconds that an assertion is good for."""

_DOUBTS = "it may be new and not known everywhere yet, or deleted, disabled or expired, or our clock may be wrong"


class _Granted(msgspec.Struct):
    """The answer of a token endpoint, good or bad."""

    access_token: str = ""
    token: str = ""
    error: str = ""
    error_description: str = ""
    expires_in: float | None = None


class Ticket:
    """A registry's token. `seconds`: its life as the registry tells it, if it does. Plain, so that no repr shows the token."""

    __slots__ = ("key_file", "probe", "seconds", "token", "upstream")

    def __init__(self, token: str, key_file: KeyFile, upstream: str, probe: Image | None, seconds: float | None) -> None:
        """`token`: for the authorization of a pull, nowhere else."""
        self.token = token
        self.key_file = key_file
        self.upstream = upstream
        self.probe = probe
        self.seconds = seconds


class _Error(msgspec.Struct):
    """One error of a registry. Source: OCI distribution specification, error codes."""

    message: str = ""


class _Errors(msgspec.Struct):
    """A registry's refusal."""

    errors: tuple[_Error, ...] = ()


class ArtifactRegistry:
    """Tries keys. Safe for threads."""

    def __init__(self, http: httpx.Client, clock: ServerClock) -> None:
        """`http` follows no redirects and has timeouts. Connect nothing yet."""
        self._http = http
        self._clock = clock

    def exchange(self, key_file: KeyFile) -> Answer:
        """Whether the key is exchanged for an access token."""
        key = f"key {short(key_file.id)} of {key_file.account.email}"
        answer = self._send(f"exchanging {key} for a token", "POST", TOKEN_URI, lambda: {"data": self._assertion(key_file)})
        granted = _decoded(answer, _Granted)
        if answer.status_code == httpx.codes.OK and granted.access_token:
            return Answer(True, f"{key} was exchanged for an access token")
        said = words(f"{granted.error or answer.status_code} {granted.error_description}")
        if granted.error == "invalid_grant":
            return Answer(False, f"Google does not accept {key} ({said}): {_DOUBTS}", propagating=True, said=said)
        if not granted.error:
            raise Transient(f"exchanging {key} for a token: {answer.status_code} without a reason; tried again later")
        return Answer(False, f"Google does not exchange {key} for a token ({said})", said=said)

    def pull(self, key_file: KeyFile, upstream: str, image: str | None) -> Answer:
        """Whether the registry accepts the key; with an image, whether it may pull it."""
        ticket = self.ticket(key_file, upstream, image)
        return ticket if isinstance(ticket, Answer) else self.look(ticket)

    def ticket(self, key_file: KeyFile, upstream: str, image: str | None) -> "Ticket | Answer":
        """The registry's own token for this key, or its refusal."""
        probe = None if image is None else Image.parse(upstream, image)
        key = f"key {short(key_file.id)}"
        where = f"{probe} at {upstream}" if probe else upstream
        realm, query = self._challenge(upstream)
        if probe:
            query["scope"] = f"repository:{probe.repository}:pull"
        login = (USERNAME, key_file.reveal())
        answer = self._send(f"logging in to {upstream} with {key}", "GET", realm, lambda: {"params": query, "auth": login})
        granted = _decoded(answer, _Granted)
        token = granted.token or granted.access_token
        if answer.status_code != httpx.codes.OK or not token:
            return _refused(answer, key_file, where, probe)
        return Ticket(token, key_file, upstream, probe, granted.expires_in)

    def look(self, ticket: "Ticket") -> Answer:
        """Whether this token, which may have outlived its key, may pull the image that it is for."""
        if ticket.probe is None:
            key = f"key {short(ticket.key_file.id)}"
            return Answer(True, f"{ticket.upstream} accepts {key}; no probe image, so nothing was pulled")
        return self._manifest(ticket.key_file, ticket.upstream, ticket.probe, ticket.token)

    def greet(self, upstream: str) -> None:
        """The registry answers and says where to log in: itself. Raises: Permanent, Transient."""
        self._challenge(upstream)

    def _manifest(self, key_file: KeyFile, upstream: str, probe: Image, token: str) -> Answer:
        url = f"https://{upstream}/v2/{probe.repository}/manifests/{probe.reference}"
        headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPT}
        what = f"looking at {probe} at {upstream} with key {short(key_file.id)}"
        answer = self._send(what, "HEAD", url, lambda: {"headers": headers})
        match answer.status_code:
            case httpx.codes.OK:
                return Answer(True, f"key {short(key_file.id)} may pull {probe} from {upstream}")
            case httpx.codes.NOT_FOUND:
                accepted = f"{upstream} accepts key {short(key_file.id)}"
                return Answer(True, f"{accepted}, but has no image {probe}: correct the policy's probes")
            case _:
                # HEAD has no body, and only the body tells a bad key from a missing role.
                refusal = self._send(what, "GET", url, lambda: {"headers": headers})
                return _refused(refusal, key_file, f"{probe} at {upstream}", probe)

    def _challenge(self, upstream: str) -> tuple[str, dict[str, str]]:
        """Where this registry gives tokens, and for which service.

        Raises: Permanent when that is another host: a key file is shown to nobody else.
        """
        what = f"asking {upstream} where to log in"
        answer = self._send(what, "GET", f"https://{upstream}/v2/", dict)
        found = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("WWW-Authenticate", "")))
        if answer.status_code != httpx.codes.UNAUTHORIZED or "realm" not in found:
            raise Permanent(
                f"{what}: {answer.status_code} and no challenge; is it an Artifact Registry?", code="registry-answer"
            )
        realm = urlsplit(found["realm"])
        if realm.scheme != "https" or realm.netloc.lower() != upstream.lower():
            raise Permanent(
                f"{what}: it names {words(realm.scheme)}://{words(realm.netloc)}; the key was not sent there",
                code="realm-mismatch",
            )
        return found["realm"], {"service": found.get("service", upstream)}

    def _assertion(self, key_file: KeyFile) -> dict[str, str]:
        issued = int(self._clock.now().timestamp())
        claims: dict[str, str | int] = {
            "iss": key_file.account.email,
            "scope": SCOPE,
            "aud": TOKEN_URI,
            "iat": issued,
            "exp": issued + ASSERTION_LIFE,
        }
        return {"grant_type": GRANT_TYPE, "assertion": crypto.jwt(key_file.private, key_file.id, claims)}

    def _send(self, what: str, method: str, url: str, carry: Carried) -> httpx.Response:
        """The answer, unless it is one to ask for again."""

        def send() -> httpx.Response:
            answer = self._http.request(method, url, **carry())
            self._clock.heard(answer.headers.get("Date"))
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
                raise Transient(f"{what}: {answer.status_code}; tried again later")
            return answer

        def meaning(fault: Exception) -> RotatorError | None:
            match fault:
                case RotatorError():
                    return fault
                case httpx.InvalidURL() | httpx.UnsupportedProtocol():
                    return Permanent(f"{what}: that is no host name; correct the upstream", code="upstream-name")
                case httpx.HTTPError():
                    return Transient(f"{what}: no answer ({type(fault).__name__}); tried again later")
                case _:
                    return None

        return calls.call(send, meaning, repeat=True)


def _refused(answer: httpx.Response, key_file: KeyFile, where: str, probe: Image | None) -> Answer:
    """What it means that the registry said no to this key."""
    said = "; ".join(error.message for error in _decoded(answer, _Errors).errors)
    key = f"key {short(key_file.id)} of {key_file.account.email}"
    text = words(f"{answer.status_code} {said}")
    unauthenticated = answer.status_code == httpx.codes.UNAUTHORIZED or "Unauthenticated request" in said
    if not unauthenticated and re.search(r"Permission .* denied", said) and probe:
        grant = probe.grant(key_file.account.email)
        return Answer(
            False, f"{where}: {key} is accepted but lacks roles/artifactregistry.reader; grant it: {grant} ({text})", said=text
        )
    if unauthenticated or answer.status_code == httpx.codes.FORBIDDEN:
        return Answer(False, f"{where}: {key} is not accepted ({text}): {_DOUBTS}", propagating=True, said=text)
    return Answer(False, f"{where}: unexpected answer to {key} ({text})", said=text)


def _decoded(answer: httpx.Response, shape: type[Body]) -> Body:
    """The body in this shape; an empty one for a page that is not JSON."""
    try:
        return msgspec.json.decode(answer.content, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return shape()
