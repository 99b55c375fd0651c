"""What stands between a decoded request and the store: decoding, the check of references, the webhook."""

import re
import threading
import time

from sandbox.garden import registry_cache
from sandbox.garden import shoot as shoots
from sandbox.garden.call import Call
from sandbox.garden.kind import REFERABLE, SECRETS, SHOOTS, Tree
from sandbox.garden.refusal import SUBDOMAIN, bad_request, forbidden, invalid, webhook_down
from sandbox.garden.state import State

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 253


class Queued(Exception):
    """The request has to wait for the limiter before its references are checked."""

    def __init__(self, entries: int) -> None:
        """`entries` live GETs are ahead."""
        super().__init__(f"{entries} references to check")
        self.entries = entries


class Limiter:
    """gardener-apiserver's one client for all users' reference checks: first come, first served, at a fixed rate."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._lock = threading.Lock()
        self._free = 0.0

    def wait(self, entries: int, rate: float) -> None:
        """The caller's `entries` have had their turn, at `rate` per second of real time."""
        with self._lock:
            self._free = max(self._free, time.monotonic()) + entries / rate
            turn = self._free
        time.sleep(max(0.0, turn - time.monotonic()))


def decoded(call: Call) -> Tree:
    """The object in the body of a create or an update. Raises: Refusal 400, 422."""
    tree, kind = call.document(), call.kind
    given = (tree.get("apiVersion", kind.api_version), tree.get("kind", kind.kind))
    if given != (kind.api_version, kind.kind):
        message = f"{given[1]} in version {given[0]} cannot be handled as a {kind.kind}: converting is not possible"
        raise bad_request(message)
    tree |= {"apiVersion": kind.api_version, "kind": kind.kind}
    metadata = tree.setdefault("metadata", {})
    if not isinstance(metadata, dict) or (kind is SHOOTS and not isinstance(tree.get("spec"), dict)):
        raise bad_request(f"{kind.kind} cannot be handled: json: cannot unmarshal")
    name, namespace = metadata.get("name"), metadata.get("namespace", call.namespace)
    if namespace != call.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if not name:
        text = "Required value: name or generateName is required"
        raise invalid(kind, "", [("metadata.name", "FieldValueRequired", text)])
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        text = f'Invalid value: "{name}": {SUBDOMAIN}'
        raise invalid(kind, name, [("metadata.name", "FieldValueInvalid", text)])
    return tree


def check_references(state: State, user: str, old: Tree | None, new: Tree, *, checked: bool) -> None:
    """ResourceReferenceManager lets the Shoot pass: when the list changed, every entry is readable and there.

    Raises: Queued when the limiter is on and the request has not had its turn (`checked`). Refusal 403.
    """
    entries = shoots.resources(new)
    if not entries or (old is not None and entries == shoots.resources(old)):
        return
    if state.knobs.reference_checks_per_second and not checked:
        raise Queued(len(entries))
    namespace, name = new["metadata"]["namespace"], new["metadata"]["name"]
    for entry in entries:
        target = entry.get("resourceRef") or {}
        kind = REFERABLE.get((target.get("apiVersion", ""), target.get("kind", "")))
        if kind is None:
            continue
        referred = target.get("name") or ""
        if not referred:
            continue  # validation says so
        if not state.access.may(user, "get", kind.plural, namespace, referred):
            raise forbidden(SHOOTS, name, "cannot reference a resource you are not allowed to read")
        if state.store.find(kind, namespace, referred) is None:
            why = f'failed to resolve resource reference "{entry.get("name")}": {kind.resource} "{referred}" not found'
            raise forbidden(SHOOTS, name, why)


def call_webhook(state: State, old: Tree | None, new: Tree) -> None:
    """The extension's webhook lets the Shoot pass, if its object selector picks the Shoot. Raises: Refusal 403, 500."""
    labels = [(tree or {}).get("metadata", {}).get("labels") or {} for tree in (old, new)]
    if not any(each.get(shoots.CACHE_LABEL) == "true" for each in labels):
        return
    if state.knobs.webhook_down:
        raise webhook_down(registry_cache.WEBHOOK)
    namespace = new["metadata"]["namespace"]

    def find_secret(name: str) -> Tree | None:
        stored = state.store.find(SECRETS, namespace, name)
        return stored.tree if stored else None

    registry_cache.review(old, new, find_secret, state.knobs.registry_config_versions)
