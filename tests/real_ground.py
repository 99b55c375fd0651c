"""The same ground twice: a project namespace of the sandbox's Garden, and one on the real servers, with the rotator's client.

Tests of one contract run on both. What cannot be done by the same hands on both has a method here.
"""

import http.client
import itertools
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from garden_neighbour import FILE
from real_garden.api import JSON_PATCH, Api, path
from real_garden.garden import RealGarden, eventually
from real_garden.landscape import Landscape
from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden, Login
from rotator.secret import HeldSecret
from rotator.shoot import Shoot
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.garden import ROTATOR, Garden, Refusal, Rule
from sandbox.garden.kind import Kind, Tree
from sandbox.operations import Operations

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What a raw request was answered with."""

    code: int
    tree: Tree

    @property
    def said(self) -> tuple[int, str, str, Any]:
        """Code, reason, message and details: all that a client can decide on."""
        return self.code, self.tree.get("reason", ""), self.tree.get("message", ""), self.tree.get("details")


@dataclass
class Ground:
    """A project namespace `ns` with Secrets ar-v1 and ar-v2, and a client with the documented Role there."""

    server: Any
    ns: str
    user: str
    authority: Any = None
    clients: list[KubernetesGarden] = field(default_factory=list)

    @property
    def client(self) -> KubernetesGarden:
        """The rotator's client; it renews its tokens."""
        if not self.clients:
            self.clients.append(self.client_with(lambda: self.server.issue_token(self.user)))
        return self.clients[0]

    def client_with(self, source: Any) -> KubernetesGarden:
        """A client that takes its tokens there."""
        return KubernetesGarden("eu", Login.server(self.server.address, self.authority, source), ServerClock())

    def shoot(self, name: str = "api") -> Shoot:
        """As the client reads it."""
        return next(shoot for shoot in self.client.shoots(self.ns) if shoot.ref.name == name)

    def secret(self, name: str) -> HeldSecret:
        """As the client reads it."""
        found = self.client.secret(self.ns, name)
        assert found is not None
        return found

    def until_protected(self, name: str, *, protected: bool = True) -> HeldSecret:
        """The Secret once the reference controller has put its finalizer on, or taken it off."""
        eventually(lambda: self.secret(name).protected is protected)
        return self.secret(name)

    def raw(
        self, method: str, where: str, body: object = None, content_type: str = "application/json", **headers: str
    ) -> Answer:
        """One request with a fresh token of the rotator, past its client."""
        parts = urlsplit(self.server.address)
        if parts.scheme == "https":
            context = Api(self.server.address, self.authority).context
            connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=60, context=context)
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        bearer = {"Authorization": f"Bearer {self.server.issue_token(self.user)}", "Content-Type": content_type, **headers}
        try:
            connection.request(method, where, None if body is None else json.dumps(body), bearer)
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read()))
        finally:
            connection.close()

    def patch(self, kind: Kind, name: str, patch: list[Tree], **query: str) -> Answer:
        """A raw JSON Patch."""
        return self.raw("PATCH", path(kind, self.ns, name, **query), patch, JSON_PATCH)

    def only(self, *rules: Rule) -> None:
        """The rotator may do just this."""
        self.server.forbid(self.user, self.ns)
        self.server.allow(self.user, self.ns, rules)

    def without(self, verb: str, resource: str) -> None:
        """The documented Role, but for one verb."""
        self.only(*withdrawn(verb, resource))

    @contextmanager
    def webhook_down(self) -> Iterator[None]:
        """The extension's webhook does not answer meanwhile."""
        self.server.knobs.webhook_down = True
        yield
        self.server.knobs.webhook_down = False

    def quota(self, count: int) -> None:
        """The namespace may hold so many Secrets."""
        self.server.set_quota(self.ns, count)

    def gone(self, kind: Kind, name: str) -> bool:
        """It does not exist any more."""
        return (self.ns, name) not in self.server.names(kind, self.ns)


@dataclass
class RealGround(Ground):
    """The same on the real servers."""

    @contextmanager
    def webhook_down(self) -> Iterator[None]:
        """The webhook's process has ended; a new one is started afterwards."""
        webhook = self.server.landscape.webhook
        webhook.stop()
        yield
        webhook.start()


def withdrawn(verb: str, resource: str) -> tuple[Rule, ...]:
    """The documented Role without this verb on this resource."""
    rules = []
    for rule in ROTATOR:
        for each in rule.resources:
            verbs = tuple(one for one in rule.verbs if (one, each) != (verb, resource))
            rules += [Rule(verbs, (each,))] if verbs else []
    return tuple(rules)


@contextmanager
def on_sandbox() -> Iterator[Ground]:
    """A Garden of the sandbox."""
    server = Garden("eu", Clock(), Operations(), Faults())
    server.start()
    ground = Ground(server, "garden-acme", "system:serviceaccount:garden-acme:rotator")
    try:
        yield from _laid(ground)
    finally:
        server.stop()


@contextmanager
def on_real(landscape: Landscape) -> Iterator[Ground]:
    """A new project on the real servers."""
    namespace = f"garden-{secrets.token_hex(2)}{next(_NUMBERS)}"
    server = RealGarden("eu", landscape)
    authority = landscape.plane.files.authority.certificate
    yield from _laid(RealGround(server, namespace, f"system:serviceaccount:{namespace}:rotator", authority))


def _laid(ground: Ground) -> Iterator[Ground]:
    ground.server.create_namespace(ground.ns)
    ground.server.allow(ground.user, ground.ns, ROTATOR)
    for name in ("ar-v1", "ar-v2"):
        ground.server.create_secret(ground.ns, name, "_json_key", FILE.reveal())
    try:
        yield ground
    finally:
        for client in ground.clients:
            client.close()


def refused(call: Any) -> tuple[int, str, str, Any]:
    """How the hands were refused."""
    try:
        call()
    except Refusal as refusal:
        return refusal.code, refusal.reason, str(refusal), refusal.details
    raise AssertionError("it was not refused")
