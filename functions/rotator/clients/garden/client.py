"""One Garden cluster, as steps ask for it: protocol `world.Garden` over HTTP."""

import base64
import copy
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

import msgspec

from rotator.clients.calls import ServerClock
from rotator.clients.garden import bindings, caches, pages, patches, renewal, review, shoots
from rotator.clients.garden.login import Login, life
from rotator.clients.garden.request import CORE, GARDENER, Request, Verb
from rotator.clients.garden.secrets import Reader
from rotator.clients.garden.transport import Transport
from rotator.clients.garden.wire import Item, Page
from rotator.errors import Absent, Conflict, StalePermit, Unreadable
from rotator.permission import GardenRight
from rotator.secret import USERNAME, Draft, HeldSecret
from rotator.shoot import FIELD_MANAGER, Mark, Shoot
from rotator.world import Move, Permit

_PAGE = msgspec.json.Decoder(Page)
_ITEM = msgspec.json.Decoder(Item)

ACCEPTED = "the installed webhook accepts it"
NOBODY = "nobody to judge: no cache of this Shoot takes its credential from these entries"


class KubernetesGarden:
    """Secrets and Shoots of one Garden. Safe for threads; every answer's `Date` sets the clock."""

    def __init__(self, name: str, login: Login, clock: ServerClock) -> None:
        """Connect nothing yet. `name`: what the configuration calls this Garden."""
        self._name = name
        self._clock = clock
        self._transport = Transport(name, login, clock)
        self._secrets = Reader(name)

    def activation(self) -> Self:
        """This Garden for one activation: the fence is its own, connections and what was decoded are shared."""
        other = copy.copy(self)
        other._transport = self._transport.activation()  # noqa: SLF001 - of our own kind
        return other

    def shoots(self, namespace: str) -> tuple[Shoot, ...]:
        """All Shoots at one consistent read. Raises: Unreadable."""

        def take(body: bytes) -> tuple[str, list[Shoot]]:
            try:
                page = _PAGE.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError) as fault:
                raise self._undecodable(f"Shoots of {namespace}", fault) from None
            return page.metadata.next, [shoots.read(item, self._name) for item in page.items or ()]

        return pages.collect(self._transport, Request("list", GARDENER, "shoots", namespace), take)

    def bindings(self, namespace: str) -> tuple[str, ...]:
        """Names of Secrets of this namespace that SecretBindings and CredentialsBindings name. Raises: Unreadable."""
        return bindings.secrets(self._transport, namespace)

    def secret(self, namespace: str, name: str) -> HeldSecret | None:
        """The Secret, None when there is none (404 only). Raises: Unreadable."""
        try:
            body = self._transport.read(Request("get", CORE, "secrets", namespace, name))
        except Absent:
            return None
        try:
            return self._secrets.read(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise self._undecodable(f"Secret {namespace}/{name}", fault) from None

    def create_secret(self, draft: Draft) -> None:
        """Create the immutable Secret, with the token that `fence` told about. Raises: Exists, Denied."""
        request = Request("create", CORE, "secrets", draft.ref.namespace, draft.ref.name, {"fieldManager": FIELD_MANAGER})
        content = {"username": USERNAME, "password": draft.key_file.reveal()}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": draft.ref.name, "labels": draft.labels, "annotations": draft.annotations},
            "type": "Opaque",
            "immutable": True,
            "data": {entry: base64.b64encode(text.encode()).decode("ascii") for entry, text in content.items()},
        }
        self._transport.write(request, body)

    def judge(self, shoot: Shoot, moves: Sequence[Move]) -> str:
        """Ask the installed webhook about these moves by one nudged dry run, storing nothing; its words. Raises: Denied."""
        current = self._fresh(shoot)
        found = next((each for each in current.spec.extensions or () if each.type == caches.TYPE), None)
        if found is None or found.disabled:
            return NOBODY
        patch = patches.judge(shoots.read(current, self._name), moves, caches.decoded(found))
        if not patch:
            return NOBODY
        self._transport.write(_patch(shoot, dryRun="All"), patch)
        return ACCEPTED

    def move(self, shoot: Shoot, moves: Sequence[Move], mark: Mark) -> Shoot:
        """Point the entries at their new Secrets and mark the Shoot, in one patch. Raises: Conflict, Denied, Absent."""
        return shoots.read(self._item(self._change(shoot, patches.move(shoot, moves, mark)), shoot), self._name)

    def mark(self, shoot: Shoot, mark: Mark) -> None:
        """Write the mark only. Raises: Conflict, Denied, Absent."""
        self._change(shoot, patches.mark(shoot, mark))

    def delete_secret(self, secret: HeldSecret, permit: Permit) -> None:
        """Delete exactly this Secret, by uid and resourceVersion. Raises: Absent, Conflict, StalePermit."""
        if permit.action != "delete_secret" or permit.subject != secret.uid or self._clock.now() >= permit.until:
            raise StalePermit(f"deleting Secret {secret.ref}: its permit is for something else or too old; nothing was sent")
        preconditions = {"uid": secret.uid, "resourceVersion": secret.resource_version}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        self._transport.write(Request("delete", CORE, "secrets", secret.ref.namespace, secret.ref.name), body)

    def who(self) -> str:
        """Our user name there, as RBAC knows it. Raises: Absent where nobody tells, Unreadable."""
        return review.who(self._transport)

    def may(self, right: GardenRight, namespace: str, name: str = "") -> bool:
        """The Garden's authorizer lets us do this there, to the object of this name or to all. Raises: Unreadable."""
        return review.may(self._transport, right, namespace, name)

    def fence(self) -> datetime | None:
        """After this time no create of this worker can land; None when its credentials do not tell."""
        return self._transport.tokens.fence()

    def age(self) -> tuple[datetime | None, datetime | None]:
        """When the token that reads are sent with was issued and when it ends; None when it does not tell."""
        return life(self._transport.tokens.reading())

    def account(self) -> tuple[str, str]:
        """Namespace and name of the ServiceAccount that we are there. Raises: Permanent for who is none."""
        return renewal.account(self._transport)

    def another_token(self, life: timedelta) -> str:
        """A later token of that ServiceAccount, to which the server has answered. Raises: RotatorError."""
        return renewal.proved(self._transport, renewal.another(self._transport, life))

    def versions(self) -> tuple[str, str]:
        """Gardener's version (empty: not told) and that of Kubernetes. Raises: RotatorError."""
        from rotator.clients.garden import versions  # for `doctor` alone

        return versions.gardener(self._transport), versions.kubernetes(self._transport)

    def extension(self) -> tuple[str, str]:
        """The registry cache's registration and its version; each empty where it is not told. Raises: Absent, RotatorError."""
        from rotator.clients.garden import versions

        return versions.extension(self._transport, caches.TYPE)

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def _change(self, shoot: Shoot, patch: patches.Patch) -> bytes:
        """The Shoot after the patch. One call: only a refusal is looked into, because a failed test does not say which."""
        try:
            return self._transport.write(_patch(shoot), patch)
        except Conflict:
            self._fresh(shoot)
            raise

    def _fresh(self, shoot: Shoot) -> Item:
        """The Shoot as it is now, if it still is what was read. Raises: Absent, Conflict saying what changed."""
        item = self._item(self._transport.read(_request("get", shoot)), shoot)
        if item.metadata.uid != shoot.ref.uid:
            raise Conflict(f"Shoot {shoot.ref}: it was deleted and created anew since it was read; read again")
        if item.metadata.generation != shoot.generation:
            raise Conflict(
                f"Shoot {shoot.ref}: generation {item.metadata.generation} now, {shoot.generation} when it was read; read again"
            )
        return item

    def _item(self, body: bytes, shoot: Shoot) -> Item:
        try:
            return _ITEM.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise self._undecodable(f"Shoot {shoot.ref}", fault) from None

    def _undecodable(self, what: str, fault: Exception) -> Unreadable:
        # A decoder's message names the place and the types, never a value.
        return Unreadable(f"reading {what} in Garden {self._name}: the answer is not what its API promises: {fault}")


def _request(verb: Verb, shoot: Shoot) -> Request:
    return Request(verb, GARDENER, "shoots", shoot.ref.namespace, shoot.ref.name)


def _patch(shoot: Shoot, **query: str) -> Request:
    return _request("patch", shoot).asking(fieldManager=FIELD_MANAGER, **query)
