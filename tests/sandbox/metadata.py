"""The metadata server of the machine the rotator runs on: the rotator's own identity and access tokens.

Like the real one it hands out the same token until five minutes before its end: `expires_in` is mostly less than the
lifetime.
"""

from collections.abc import Callable
from urllib.parse import unquote

from sandbox.access import Access, AccessToken
from sandbox.clock import Clock
from sandbox.door import Note
from sandbox.google_http import Answer, Request, as_json

_ROOT = "/computeMetadata/v1"
_FLAVOR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
_FRESH = 300
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Metadata:
    """What google-auth asks there."""

    name = "metadata"

    def __init__(self, access: Access, clock: Clock, principal: str, project: str = "sandbox") -> None:
        """Speak for this principal."""
        self.token_lifetime = 3600.0
        """Seconds a new access token lives."""
        self.reuses_tokens = True
        """Whether the same token is handed out until its last five minutes."""
        self.identity: Callable[[str], str] | None = None
        """Gives an identity token for an audience; None: the machine has no identity."""
        self._access = access
        self._clock = clock
        self._principal = principal
        self._project = project
        self._token: AccessToken | None = None

    def target(self, request: Request) -> str:
        """The path."""
        return request.path

    def answer(self, request: Request, _note: Note) -> Answer:
        """A token, or a fact about the machine."""
        if request.headers.get("metadata-flavor") != "Google":
            return Answer(403, b"Missing Metadata-Flavor:Google header.", _FLAVOR)
        path = unquote(request.path).removeprefix(_ROOT).rstrip("/")
        pages: dict[str, Callable[[], Answer]] = {}
        for account in ("default", self._principal):
            base = f"/instance/service-accounts/{account}"
            pages[f"{base}/token"] = self._fresh_token
            pages[f"{base}/identity"] = lambda: self._identity(request)
            pages[f"{base}/email"] = lambda: _text(self._principal)
            pages[base] = self._account
        pages["/project/project-id"] = lambda: _text(self._project)
        pages["/universe/universe-domain"] = lambda: _text("googleapis.com")
        pages[""] = lambda: _text("computeMetadata/\n")  # how google-auth finds out where it runs
        page = pages.get(path)
        return Answer(404, b"Not Found", _FLAVOR) if page is None else page()

    def _account(self) -> Answer:
        return as_json(200, {"aliases": ["default"], "email": self._principal, "scopes": [_SCOPE]}, _FLAVOR)

    def _identity(self, request: Request) -> Answer:
        audiences = request.query.get("audience", [])
        if len(audiences) != 1:
            return Answer(400, b"non-empty audience parameter required", _FLAVOR)
        if self.identity is None:
            return Answer(404, b"Not Found", _FLAVOR)
        return _text(self.identity(audiences[0]))

    def _fresh_token(self) -> Answer:
        token = self._token
        if token is None or not self.reuses_tokens or self._left(token) < _FRESH:
            token = self._token = self._access.issue(self._principal, self.token_lifetime)
        body = {"access_token": token.value, "expires_in": int(self._left(token)), "token_type": "Bearer"}
        return as_json(200, body, _FLAVOR)

    def _left(self, token: AccessToken) -> float:
        return (token.expires_at - self._clock.now()).total_seconds()


def _text(page: str) -> Answer:
    """Google's library wants to know the type of every page."""
    return Answer(200, page.encode(), {"Content-Type": "application/text", **_FLAVOR})
