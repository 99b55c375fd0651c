"""Requests out, bytes in: the only file that sends something to a Garden."""

import copy
from typing import Self

from rotator.clients import calls
from rotator.clients.calls import ServerClock
from rotator.clients.garden import errors, renewal
from rotator.clients.garden.login import Login, Tokens, static
from rotator.clients.garden.request import Request
from rotator.errors import RotatorError, Transient

CONNECT = 5.0
"""Seconds for the connection; the rest of the call's limit is for the answer."""

OK = range(200, 300)
UNAUTHORIZED = 401
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"


class Transport:
    """One Garden's API server, through the `kubernetes` package and its connection pool. Safe for threads."""

    def __init__(self, garden: str, login: Login, clock: ServerClock) -> None:
        """Connect nothing yet."""
        from kubernetes.client.api_client import ApiClient

        self.garden = garden
        self._login = login
        self._clock = clock
        self._client = ApiClient(login.configuration)
        self._host = str(login.configuration.host)
        self.tokens = self.own()

    def activation(self) -> Self:
        """The same connections with tokens of its own: what another renews must not carry this one past its fence."""
        other = copy.copy(self)
        other.tokens = other.own()
        return other

    def speaking(self, token: str) -> Self:
        """The same connections, with this token and no other."""
        other = copy.copy(self)
        other.tokens = Tokens(static(token), self._clock)
        return other

    def read(self, request: Request, body: object = None) -> bytes:
        """The answer's body, after a few repeats if the server or the net asks for them. `body`: of a posted question."""
        try:
            return self._read(request, body)
        except errors.UnauthorizedError:
            pass  # the source may have a newer token by now: one more try
        try:
            return self._read(request, body)
        except errors.UnauthorizedError as fault:
            raise Transient(str(fault)) from fault

    def write(self, request: Request, body: object) -> bytes:
        """The answer's body. Sent once: what became of a write whose answer is lost, the step finds out by reading."""
        token = self.tokens.creating() if request.verb == "create" else self.tokens.reading()
        try:
            return calls.call(lambda: self._send(request, body, token), self._reader(request), repeat=False)
        except errors.UnauthorizedError as fault:
            raise Transient(str(fault)) from fault

    def own(self) -> Tokens:
        """Tokens of the login, none asked for yet."""
        brief = (lambda: renewal.another(self, renewal.BRIEF)) if self._login.renews else None
        return Tokens(self._login.token, self._clock, brief)

    def _read(self, request: Request, body: object) -> bytes:
        return calls.call(lambda: self._send(request, body, self.tokens.reading()), self._reader(request), repeat=True)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.rest_client.close()

    def _reader(self, request: Request) -> calls.Reader:
        def read(fault: Exception) -> RotatorError | None:
            return errors.meaning(fault, request, self.garden, self._host)

        return read

    def _send(self, request: Request, body: object, token: str) -> bytes:
        headers = {"Accept": JSON, "User-Agent": "registry-key-rotator"}
        if body is not None:
            # The package sends a list as JSON Patch; a `str` it would silently send as strategic merge patch.
            headers["Content-Type"] = JSON_PATCH if isinstance(body, list) else JSON
        if token:
            headers["Authorization"] = f"Bearer {token}"
        whole = calls.limits().timeout
        connect = min(CONNECT, whole / 2)
        answer = self._client.call_api(
            request.method,
            self._host + request.path,
            header_params=headers,
            body=body,
            _request_timeout=(connect, whole - connect),
        )
        content: bytes = answer.response.data
        self._clock.heard(answer.headers.get("Date"))
        if answer.status in OK:
            return content
        if answer.status == UNAUTHORIZED:
            self.tokens.refused(token)
        raise errors.answered(answer.status, content)
