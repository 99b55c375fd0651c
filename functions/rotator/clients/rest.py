"""Google's REST APIs that have no library of their own here: what is sent and read, and what their refusals mean."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx
import msgspec

from rotator.clients import calls
from rotator.errors import Absent, Permanent, RotatorError, TokenExpired, Transient, Unreadable, Untold

T = TypeVar("T")

_AGAIN = {httpx.codes.REQUEST_TIMEOUT, httpx.codes.CONFLICT, httpx.codes.TOO_MANY_REQUESTS}
"""Beside the server's own errors."""


class Rest:
    """One API. Safe for threads."""

    def __init__(self, http: httpx.Client, authorize: Callable[[], str], base: str) -> None:
        """`base`: https://NAME.googleapis.com, or an emulator of it. Connects at the first question."""
        self._http = http
        self._authorize = authorize
        self._base = base
        self._host = base.removeprefix("https://")
        self._emulated = base.startswith("http:")  # nobody asks Google without TLS

    def get(self, path: str, kind: type[T], **query: str) -> T:
        """What is at this path. Raises: Absent, Unreadable, Transient, Permanent; Untold by emulators."""
        return self._ask("GET", path, kind, query, None)

    def held(self, path: str, permissions: Sequence[str]) -> frozenset[str]:
        """Those of the permissions that we hold there: testIamPermissions. Raises: as `get`."""
        return frozenset(self._ask("POST", f"{path}:testIamPermissions", _Held, {}, {"permissions": permissions}).permissions)

    def post(self, path: str, body: object, what: str) -> None:
        """The body was taken, once or several times. `what`: what is attempted, for people. Raises: as `get`."""
        self._ask("POST", path, dict, {}, body, what)

    def _ask(self, method: str, path: str, kind: type[T], query: dict[str, str], body: object, what: str = "") -> T:
        what = what or f"asking about {path}"
        content = None if body is None else msgspec.json.encode(body)

        def send() -> bytes:
            headers = {"Authorization": f"Bearer {self._authorize()}", "Content-Type": "application/json"}
            answer = self._http.request(method, f"{self._base}/v1/{path}", params=query, content=content, headers=headers)
            return answer.raise_for_status().content

        found = calls.call(send, lambda caught: self._meaning(caught, what, path), repeat=True)
        try:
            return msgspec.json.decode(found, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Transient(f"{what}: an answer that cannot be read; look at proxies") from None

    def _meaning(self, caught: Exception, what: str, path: str) -> RotatorError | None:
        match caught:
            case RotatorError():
                return caught
            case httpx.HTTPStatusError():
                return self._refused(caught.response, what, path)
            case httpx.HTTPError():
                return Transient(f"{what}: no answer ({type(caught).__name__}); look at network and proxies")
            case _:
                return None

    def _refused(self, answer: httpx.Response, what: str, path: str) -> RotatorError:
        if self._emulated and _unplayed(answer):
            return Untold(f"{what}: {answer.status_code}: the emulator does not tell", code="google-answer")
        match answer.status_code:
            case httpx.codes.UNAUTHORIZED:
                return TokenExpired(f"{what}: our access token is not accepted any more")
            case httpx.codes.FORBIDDEN if b"SERVICE_DISABLED" in answer.content:
                enable = f"gcloud services enable {self._host} --project {path.split('/')[1]}"
                return Permanent(f"{what}: the API is not enabled", code="api-disabled", next_command=enable)
            case httpx.codes.FORBIDDEN:
                return Unreadable(f"{what}: 403: we may not")
            case httpx.codes.NOT_FOUND:
                return Absent(f"{what}: it is not there")
            case httpx.codes.NOT_IMPLEMENTED:
                return Permanent(f"{what}: 501: Google does not know this question", code="google-answer")
            case status if status in _AGAIN or answer.is_server_error:
                return Transient(f"{what}: {status}")
            case status:
                return Permanent(f"{what}: {status}", code="google-answer")


def _unplayed(answer: httpx.Response) -> bool:
    """An emulator has no such method: it says so, or its web server knows no such page. What is not there is a document."""
    match answer.status_code:
        case httpx.codes.NOT_IMPLEMENTED:
            return True
        case httpx.codes.NOT_FOUND:
            return b'"error"' not in answer.content
        case _:
            return False


class _Held(msgspec.Struct, frozen=True):
    """The answer of testIamPermissions: none held, no field."""

    permissions: tuple[str, ...] = ()
