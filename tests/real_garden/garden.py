"""One Garden on the real servers, with the hands of its owners and operators: the methods of `sandbox.garden.Garden`.

Several may live on one landscape, each in project namespaces of its own.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from real_garden import base, member
from real_garden.api import kubeconfig
from real_garden.landscape import Landscape
from sandbox.garden import secret as secrets
from sandbox.garden import shoot as shoots
from sandbox.garden.access import Rule
from sandbox.garden.gardenlet import Credentials
from sandbox.garden.hands import Hands
from sandbox.garden.kind import SECRET_BINDINGS, SECRETS, SHOOTS, Kind, Tree
from sandbox.garden.refusal import Refusal

PATIENCE = 30.0
"""Seconds that controllers may need."""

RESOURCE_QUOTAS = Kind("", "v1", "ResourceQuota", "resourcequotas")


class RealGarden(Hands):
    """Project namespaces on a landscape."""

    def __init__(self, name: str, landscape: Landscape) -> None:
        """No namespace yet."""
        self.name = name
        self.landscape = landscape
        self.namespaces: list[str] = []
        self.address = landscape.plane.server
        self._admin = landscape.plane.admin

    def start(self) -> None:
        """The landscape answers already."""

    def stop(self) -> None:
        """The landscape answers as long as its owner wants."""

    # --- access ---

    def issue_token(self, user: str, lifetime: float = 3600.0) -> str:
        """A bearer token of the ServiceAccount `user`, good for `lifetime` seconds, at least ten minutes."""
        return member.token(self._admin, user, lifetime)

    def revoke_tokens(self, user: str) -> None:
        """All tokens of `user` so far answer 401, soon."""
        old = self._admin.as_bearer(self.issue_token(user))
        member.revoke(self._admin, user)
        eventually(lambda: _refused(old))

    def kubeconfig(self, user: str, namespace: str = "default") -> Mapping[str, Any]:
        """A kubeconfig with a fresh token for `user`."""
        authority = self.landscape.plane.files.authority.certificate
        return kubeconfig(self.address, authority, self.issue_token(user), user, namespace, self.name)

    def allow(self, user: str, namespace: str, rules: Iterable[Rule]) -> None:
        """`user` may do this in `namespace`, beside what it might before."""
        rules = tuple(rules)
        member.allow(self._admin, user, namespace, rules)
        for rule in rules:
            for verb in rule.verbs:
                self._until_reviewed(user, namespace, verb, rule.resources[0], rule.names[:1], allowed=True)

    def forbid(self, user: str, namespace: str) -> None:
        """`user` may do nothing in `namespace` any more."""
        member.forbid(self._admin, user, namespace)
        self._until_reviewed(user, namespace, "list", "shoots", (), allowed=False)

    def may(self, user: str, namespace: str, verb: str, resource: str, name: str = "") -> bool:
        """What the server's authoriser says."""
        groups = {kind.plural: kind.group for kind in member.KINDS}
        attributes = {"namespace": namespace, "verb": verb, "group": groups[resource], "resource": resource, "name": name}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": member.user_name(user), "resourceAttributes": attributes},
        }
        answer = self._admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def _until_reviewed(
        self, user: str, namespace: str, verb: str, resource: str, names: tuple[str, ...], *, allowed: bool
    ) -> None:
        """The authoriser's caches know; both API servers cache answers for some seconds."""
        eventually(lambda: self.may(user, namespace, verb, resource, *names) is allowed)

    # --- writes ---

    def create(self, kind: Kind, tree: Tree, *, manager: str = "kubectl-create") -> Tree:
        """The object is there; the answer is what is stored."""
        return self._admin.create(kind, tree, manager=manager)

    def patch(self, kind: Kind, namespace: str, name: str, patch: Tree | list[Tree], *, manager: str = "kubectl-edit") -> Tree:
        """The object is patched: a list is a JSON Patch, an object a merge patch."""
        return self._admin.patch(kind, namespace, name, patch, manager=manager)

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """The object is gone, or Terminating."""
        self._admin.delete(kind, namespace, name)

    def create_namespace(self, namespace: str) -> None:
        """The project namespace is there, with the binding that Shoots of the builder name."""
        base.project(self._admin, namespace)
        self.namespaces.append(namespace)

    def create_binding(
        self, namespace: str, name: str, secret: str, *, kind: str = "CredentialsBinding", secret_namespace: str | None = None
    ) -> None:
        """A CredentialsBinding, or SecretBinding, of `namespace` names the Secret, which is there."""
        where = secret_namespace or namespace
        if where != namespace:
            base.project(self._admin, where)
        if kind == "SecretBinding":
            base.provider_secret(self._admin, where, secret)
            metadata = {"name": name, "namespace": namespace}
            reference = {"name": secret, "namespace": where}
            self.create(SECRET_BINDINGS, {"metadata": metadata, "provider": {"type": "gcp"}, "secretRef": reference})
        else:
            base.binding(self._admin, namespace, name, secret, where)

    def set_quota(self, namespace: str, count: int) -> None:
        """The namespace may hold so many Secrets. No quota controller runs here: what is used is counted once."""
        metadata = {"name": "gardener", "namespace": namespace}
        hard = {"count/secrets": str(count)}
        self.create(RESOURCE_QUOTAS, {"metadata": metadata, "spec": {"hard": hard}})
        used = {"count/secrets": str(len(self._admin.all(SECRETS, namespace)))}
        self._admin.patch(RESOURCE_QUOTAS, namespace, "gardener", {"status": {"hard": hard, "used": used}}, "status")

    # --- what operators and Gardener's controllers do ---

    def catch_up(self) -> None:
        """Gardenlets have done all that they can, and finalizers on Secrets follow references. Raises: TimeoutError."""
        eventually(self._quiet)

    def behave(self, namespace: str, name: str, **changes: Any) -> None:
        """The Shoot's runs go like this from now on; of Behaviour, outcome, text and healthy count here."""
        key = (namespace, name)
        gardenlet = self.landscape.gardenlet
        gardenlet.behave(key, replace(gardenlet.behaviour(key), **changes))

    def reconcile(self, namespace: str, name: str) -> None:
        """A periodic run starts: no new generation, the whole current spec."""
        self.landscape.gardenlet.reconcile((namespace, name))

    def _quiet(self) -> bool:
        return all(self._rolled_out(namespace) and self._protected(namespace) for namespace in self.namespaces)

    def _rolled_out(self, namespace: str) -> bool:
        for tree in self._admin.all(SHOOTS, namespace):
            key = (namespace, tree["metadata"]["name"])
            status = tree.get("status") or {}
            unable = shoots.ignored(tree) or not tree["spec"].get("seedName")
            if unable or self.landscape.gardenlet.behaviour(key).outcome == "stuck":
                continue
            observed = status.get("observedGeneration") == tree["metadata"]["generation"]
            if not observed or shoots.deleting(tree) or shoots.last_operation(tree).get("state") == "Processing":
                return False
        return True

    def _protected(self, namespace: str) -> bool:
        """The reference controller is through with Secrets and Shoots. Were a Shoot deleted in between, the Secret's finalizer
        would stay for good."""
        found = self._admin.all(SHOOTS, namespace)
        named = {name for tree in found for name in shoots.secrets_named(tree)}
        unseen = [
            tree
            for tree in found
            if shoots.secrets_named(tree)
            and not shoots.deleting(tree)
            and secrets.REFERENCE_PROTECTION not in tree["metadata"].get("finalizers", ())
        ]
        return not unseen and all(
            (secrets.REFERENCE_PROTECTION in tree["metadata"].get("finalizers", ())) == (tree["metadata"]["name"] in named)
            for tree in self._admin.all(SECRETS, namespace)
        )

    # --- what is there ---

    def running(self, namespace: str, name: str) -> Credentials:
        """Upstream to (username, password) that the Shoot's caches would run now."""
        return dict(self.landscape.gardenlet.shoots_running()).get((namespace, name), {})

    def shoots_running(self) -> Iterator[tuple[str, str, Credentials]]:
        """Namespace, name and credentials of every Shoot whose caches would run any."""
        for (namespace, name), credentials in self.landscape.gardenlet.shoots_running():
            if namespace in self.namespaces:
                yield namespace, name, credentials

    def secret(self, namespace: str, name: str) -> Tree | None:
        """The Secret, or None."""
        return self._admin.find(SECRETS, namespace, name)

    def shoot(self, namespace: str, name: str) -> Tree:
        """The Shoot. Raises: KeyError."""
        tree = self.find_shoot(namespace, name)
        if tree is None:
            raise KeyError(f"{namespace}/{name}: no such Shoot")
        return tree

    def find_shoot(self, namespace: str, name: str) -> Tree | None:
        """The Shoot, or None."""
        return self._admin.find(SHOOTS, namespace, name)

    def names(self, kind: Kind, namespace: str | None = None) -> list[tuple[str, str]]:
        """Namespace and name of all objects of a kind in this Garden."""
        places = self.namespaces if namespace is None else [namespace]
        return [(place, tree["metadata"]["name"]) for place in places for tree in self._admin.all(kind, place)]


def eventually(true: Any, seconds: float = PATIENCE) -> None:
    """It has become true. Raises: TimeoutError."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds:.0f} s")
        time.sleep(0.05)


def _refused(caller: Any) -> bool:
    try:
        caller.request("GET", "/api")
    except Refusal as refusal:
        return refusal.code == 401
    return False
