"""Who the rotator is in a project: a ServiceAccount with a Role of exactly the documented verbs, and tokens for it.

The verbs themselves are `sandbox.garden.access.ROTATOR`: one table for the sandbox and for the real servers.
"""

from collections.abc import Iterable

from real_garden.api import Api, path
from sandbox.garden.access import Rule
from sandbox.garden.kind import KINDS, NAMESPACES, Kind, Tree

SERVICE_ACCOUNTS = Kind("", "v1", "ServiceAccount", "serviceaccounts")
ROLES = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDINGS = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
PREFIX = "system:serviceaccount:"


def account(user: str) -> tuple[str, str]:
    """Namespace and name of the ServiceAccount; a bare name lives in the namespace `garden`."""
    namespace, _, name = user.removeprefix(PREFIX).rpartition(":")
    return namespace or "garden", name


def user_name(user: str) -> str:
    """As RBAC and audit logs call it."""
    return PREFIX + ":".join(account(user))


def ensure(admin: Api, user: str) -> None:
    """The ServiceAccount is there."""
    namespace, name = account(user)
    admin.ensure(NAMESPACES, {"metadata": {"name": namespace}})
    admin.ensure(SERVICE_ACCOUNTS, {"metadata": {"name": name, "namespace": namespace}})


def token(admin: Api, user: str, seconds: float) -> str:
    """A fresh token; the server gives none for less than ten minutes."""
    ensure(admin, user)
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": max(600, int(seconds))},
    }
    answer = admin.request("POST", path(SERVICE_ACCOUNTS, *account(user), "token"), request)
    return str(answer["status"]["token"])


def revoke(admin: Api, user: str) -> None:
    """No token issued so far is good any more; the roles stay."""
    admin.delete(SERVICE_ACCOUNTS, *account(user))
    ensure(admin, user)


def role(namespace: str, name: str, rules: Iterable[Rule]) -> Tree:
    """A Role with these rules, each resource in its API group."""
    groups = {kind.plural: kind.group for kind in KINDS}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "rules": [
            {
                "apiGroups": sorted({groups[resource] for resource in rule.resources}),
                "resources": list(rule.resources),
                "verbs": list(rule.verbs),
                **({"resourceNames": list(rule.names)} if rule.names else {}),
            }
            for rule in rules
        ],
    }


def allow(admin: Api, user: str, namespace: str, rules: Iterable[Rule]) -> None:
    """`user` may do this in the namespace, beside what it might before."""
    ensure(admin, user)
    home, name = account(user)
    granted = role(namespace, name, rules)
    before = admin.find(ROLES, namespace, name)
    if before is None:
        admin.create(ROLES, granted)
    else:
        more = [rule for rule in granted["rules"] if rule not in (before.get("rules") or [])]
        admin.patch(ROLES, namespace, name, {"rules": [*(before.get("rules") or []), *more]})
    reference = {"apiGroup": ROLES.group, "kind": ROLES.kind, "name": name}
    subject = {"kind": SERVICE_ACCOUNTS.kind, "name": name, "namespace": home}
    metadata = {"name": name, "namespace": namespace}
    admin.ensure(ROLE_BINDINGS, {"metadata": metadata, "roleRef": reference, "subjects": [subject]})


def forbid(admin: Api, user: str, namespace: str) -> None:
    """`user` may do nothing in the namespace any more."""
    name = account(user)[1]
    if admin.find(ROLES, namespace, name) is not None:
        admin.patch(ROLES, namespace, name, {"rules": []})
