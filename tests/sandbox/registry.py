"""Artifact Registry's Docker face: challenge, tokens, manifests and blobs, for every host of pkg.dev and gcr.io (gcp.md 3).

Who may pull is decided at the manifest; who somebody is, at the token. A token outlives its key.
"""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox import image
from sandbox.door import Door, Note
from sandbox.google_http import Answer, Request, as_json
from sandbox.image import Image
from sandbox.registry_login import ANONYMOUS, Login, Puller

_PERMISSION = "artifactregistry.repositories.downloadArtifacts"
_PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs|tags)/(?P<reference>[^/]+)")
_SCOPE = re.compile(r"repository:(?P<name>[^ ]+):(?P<actions>[a-z,*]+)")


@dataclass(slots=True, kw_only=True, eq=False)
class Repository:
    """A repository of one host. Its images, tagged `latest`, are `path` itself and `path/<image>`; more come by `push`."""

    host: str
    path: str
    private: bool
    images: dict[str, Image] = field(default_factory=dict)
    pushed: dict[str, dict[str, Image]] = field(default_factory=dict)

    def push(self, name: str, tag: str) -> Image:
        """The image has one more tag, with content that nobody has pulled before."""
        fresh = image.build(f"{self.host}/{name}:{tag}")
        self.pushed.setdefault(name, {})[tag] = fresh
        return fresh

    def tags(self, name: str) -> dict[str, Image]:
        """What can be pulled under the name, by tag."""
        latest = {"latest": self.images[name]} if name in self.images else {}
        return latest | self.pushed.get(name, {})

    def holds(self, name: str) -> bool:
        """Whether a name asked for lies in this repository."""
        return name == self.path or name.startswith(f"{self.path}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticket:
    puller: Puller
    names: frozenset[str]
    expires_at: datetime


class Registry:
    """All repositories of all hosts. The public attributes are knobs."""

    name = "registry"

    def __init__(self, login: Login, door: Door) -> None:
        """Begin without repositories."""
        self.token_lifetime = 3600.0
        """Seconds a registry token lives, whatever becomes of its key."""
        self.tells_life = True
        """Whether /v2/token says how long its token lives."""
        self.bad_key_status = 401
        """What /v2/token says to a key that does not authenticate; reports differ: 401 or 403."""
        self.refuses_role_at_token = False
        """Whether a missing role is told by /v2/token already, not by the manifest."""
        self._login = login
        self._door = door
        self._repositories: list[Repository] = []
        self._grants: set[tuple[str, str, str]] = set()
        self._tickets: dict[str, _Ticket] = {}

    def add(self, host: str, path: str, *, private: bool = True, images: tuple[str, ...] = ("app",)) -> Repository:
        """The repository exists and its images can be pulled by those who may."""
        names = (path, *(f"{path}/{one}" for one in images))
        repository = Repository(
            host=host.lower(), path=path, private=private, images={name: image.build(name) for name in names}
        )
        self._repositories.append(repository)
        return repository

    def grant(self, email: str, host: str, path: str) -> None:
        """The account may pull everything under the path."""
        self._grants.add((email, host.lower(), path))

    def revoke(self, email: str, host: str, path: str) -> None:
        """That grant is gone."""
        self._grants.discard((email, host.lower(), path))

    def target(self, request: Request) -> str:
        """Host and path, with the repository a token is asked for."""
        names = _scopes(request)
        return f"{request.host}{request.path}" + (f"?{names[0]}" if names else "")

    def answer(self, request: Request, note: Note) -> Answer:
        """What a puller gets; who it was and by which key is in the log."""
        match = _PATH.fullmatch(request.path)
        names = _scopes(request)
        note.facts = {
            "host": request.host,
            "repository": match["name"] if match else names[0] if names else None,
            "public_key": None,
            "caller": ANONYMOUS.name,
        }
        if request.verb not in {"GET", "HEAD"}:
            return _error(405, "UNSUPPORTED", "The operation is unsupported.")
        if request.path == "/v2/token":
            return self._token(request, names, note)
        if request.path.rstrip("/") != "/v2" and match is None:
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        found = self._who(request, match["name"] if match else None)
        if isinstance(found, Answer):
            return found
        note.facts |= {"public_key": found.public_key, "caller": found.name}
        if match is None:
            return as_json(200, {})
        refusal = self._refusal(found, request, match["name"])
        return refusal or self._content(request, match["name"], match["kind"], match["reference"])

    def _token(self, request: Request, names: list[str], note: Note) -> Answer:
        puller = self._login.puller(request.headers.get("authorization"))
        if puller is None:
            if self.bad_key_status == 403 and names:
                return _unauthenticated(names[0])
            return _error(self.bad_key_status, "UNAUTHORIZED", "authentication failed")
        note.facts |= {"public_key": puller.public_key, "caller": puller.name}
        refusals = [self._refusal(puller, request, name) for name in names]
        refusal = next((one for one in refusals if one is not None), None)
        if refusal is not None and (puller is ANONYMOUS or self.refuses_role_at_token):
            return refusal
        value = secrets.token_urlsafe(32)
        expires_at = self._door.clock.now() + timedelta(seconds=self.token_lifetime)
        self._tickets[value] = _Ticket(puller=puller, names=frozenset(names), expires_at=expires_at)
        life = {"expires_in": int(self.token_lifetime)} if self.tells_life else {}
        return as_json(200, {"token": value, **life})

    def _who(self, request: Request, name: str | None) -> Puller | Answer:
        """The puller behind a registry token or Basic credentials, or the challenge to show some."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return self._login.puller(request.headers["authorization"]) or _error(
                self.bad_key_status, "UNAUTHORIZED", "authentication failed"
            )
        ticket = self._tickets.get(value) if scheme.lower() == "bearer" else None
        if ticket is None or ticket.expires_at <= self._door.clock.now() or (name and name not in ticket.names):
            return _challenge(request)
        return ticket.puller

    def _refusal(self, puller: Puller, request: Request, name: str) -> Answer | None:
        repository = self._find(request, name)
        if repository is not None and not repository.private:
            return None
        if puller is ANONYMOUS:
            return _unauthenticated(name)
        granted = repository is not None and any(
            email == puller.name and host == repository.host and (name == path or name.startswith(f"{path}/"))
            for email, host, path in self._grants
        )
        if granted:
            return None
        resource = _resource(name)
        return _error(403, "DENIED", f'Permission "{_PERMISSION}" denied on resource "{resource}" (or it may not exist)')

    def _content(self, request: Request, name: str, kind: str, reference: str) -> Answer:
        repository = self._find(request, name)
        tags = repository.tags(name) if repository else {}
        if not tags:
            return _error(404, "MANIFEST_UNKNOWN", "Requested entity was not found.")
        if kind == "tags":
            return as_json(200, {"name": name, "tags": sorted(tags)})
        if kind == "blobs":
            blob = next((one.blobs[reference] for one in tags.values() if reference in one.blobs), None)
            if blob is None:
                return _error(404, "BLOB_UNKNOWN", "Requested entity was not found.")
            headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": reference}
            return Answer(200, blob, headers)
        accepted = request.headers.get("accept", "*/*")
        found = tags.get(reference) or next((one for one in tags.values() if one.digest == reference), None)
        if found is None or not (image.MANIFEST in accepted or "*/*" in accepted):
            return _error(404, "MANIFEST_UNKNOWN", "Requested entity was not found.")
        return Answer(200, found.manifest, {"Content-Type": image.MANIFEST, "Docker-Content-Digest": found.digest})

    def _find(self, request: Request, name: str) -> Repository | None:
        """The repository of the host asked; behind a bare loopback address, of any host."""
        held = [one for one in self._repositories if one.holds(name)]
        exact = [one for one in held if one.host == request.host]
        return next(iter(exact or (held if request.loopback else [])), None)


def _scopes(request: Request) -> list[str]:
    found = [_SCOPE.fullmatch(one) for scope in request.query.get("scope", []) for one in scope.split()]
    return [match["name"] for match in found if match and "pull" in match["actions"].split(",")]


def _challenge(request: Request) -> Answer:
    scheme = "http" if request.loopback else "https"
    service = f',service="{request.host}"' if request.host == "gcr.io" or request.host.endswith(".gcr.io") else ""
    header = {"WWW-Authenticate": f'Bearer realm="{scheme}://{request.host}/v2/token"{service}'}
    return _error(401, "UNAUTHORIZED", "authentication failed", header)


def _unauthenticated(name: str) -> Answer:
    return _error(
        403,
        "DENIED",
        f'Unauthenticated request. Unauthenticated requests do not have permission "{_PERMISSION}" '
        f'on resource "{_resource(name)}" (or it may not exist)',
    )


def _resource(name: str) -> str:
    project, _, rest = name.partition("/")
    return f"projects/{project}/locations/sandbox/repositories/{rest.partition('/')[0]}"


def _error(status: int, code: str, text: str, headers: dict[str, str] | None = None) -> Answer:
    return as_json(status, {"errors": [{"code": code, "message": text}]}, headers)
