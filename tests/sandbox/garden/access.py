"""Who a caller is (bearer tokens) and what a caller may do (roles per namespace)."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sandbox.garden.kind import REVIEWS, Kind
from sandbox.garden.refusal import Refusal, forbidden
from sandbox.garden.store import new_uid

ADMIN = "system:admin"
"""The user that may do all; landscapes and owners use it."""

EVERYWHERE = "*"
"""As a namespace of a rule: all of them, and lists across namespaces."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One RBAC rule. `names` empty: all objects; otherwise what names no object is not covered: creates and whole lists.

    A review that names an object for a create is told yes, as in Kubernetes (rbac/v1, ResourceNameMatches).
    """

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("*",)

    def covers(self, verb: str, resource: str, name: str, group: str) -> bool:
        """The rule grants this."""
        if not {verb, "*"} & set(self.verbs) or not {resource, "*"} & set(self.resources):
            return False
        return bool({group, "*"} & set(self.groups)) and (not self.names or name in self.names)


ROTATOR = (
    Rule(("get", "create", "delete"), ("secrets",)),
    Rule(("get", "list", "patch"), ("shoots",)),
    Rule(("list",), ("secretbindings", "credentialsbindings")),
    Rule(("get",), ("configmaps", "workloadidentities")),
)
"""The minimal role, as the README has it."""


@dataclass(frozen=True, slots=True)
class _Token:
    user: str
    expires: datetime


class Access:
    """Tokens and rules."""

    def __init__(self) -> None:
        """Only the admin may do anything."""
        self._tokens: dict[str, _Token] = {}
        self._rules: dict[str, list[tuple[str, Rule]]] = {}
        self._withdrawn: set[tuple[str, str, str]] = set()
        self.needed: set[tuple[str, str, str, str]] = set()
        """User, verb, group and resource of everything that was ever asked for, or that admission asked about."""

    def issue(self, user: str, now: datetime, lifetime: timedelta) -> str:
        """A token for `user`, shaped as an unsigned JWT with `exp`."""
        expires = now + lifetime
        header = {"alg": "none", "typ": "JWT"}
        payload = {
            "iss": "https://garden.sandbox",
            "sub": user,
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
            "jti": new_uid(),
        }
        token = f"{_segment(header)}.{_segment(payload)}."
        self._tokens[token] = _Token(user, expires)
        return token

    def revoke(self, user: str, now: datetime) -> None:
        """No token issued to `user` so far is good any more."""
        for token, held in self._tokens.items():
            if held.user == user:
                self._tokens[token] = replace(held, expires=now)

    def user(self, authorization: str, now: datetime) -> str:
        """The bearer. Raises: Refusal 401, without details, for an absent, unknown or expired token."""
        held = self._tokens.get(authorization.removeprefix("Bearer ").strip())
        if held is None or now >= held.expires:
            raise Refusal(401, "Unauthorized")
        return held.user

    def allow(self, user: str, namespace: str, rules: Iterable[Rule]) -> None:
        """The rules hold for `user` in `namespace`, beside those that held before."""
        self._rules.setdefault(user, []).extend((namespace, rule) for rule in rules)

    def forbid(self, user: str, namespace: str) -> None:
        """`user` may do nothing in `namespace` any more."""
        self._rules[user] = [each for each in self._rules.get(user, []) if each[0] != namespace]

    def withdraw(self, user: str, verb: str, resource: str) -> None:
        """`user` may not do this anywhere, whatever the rules say, until `restore`."""
        self._withdrawn.add((user, verb, resource))

    def restore(self, user: str) -> None:
        """Only the rules decide about `user` again."""
        self._withdrawn = {each for each in self._withdrawn if each[0] != user}

    def needs(self, user: str, verb: str, kind: Kind, namespace: str, name: str, resource: str = "") -> bool:
        """The user may do this, and it is remembered that it was needed."""
        resource = resource or kind.plural
        if kind not in REVIEWS:
            self.needed.add((user, verb, kind.group, resource))
        return self.may(user, verb, resource, namespace, name, kind.group)

    def may(self, user: str, verb: str, resource: str, namespace: str, name: str, group: str) -> bool:
        """The user may do this. An empty namespace means cluster scope."""
        if user == ADMIN or resource in {kind.plural for kind in REVIEWS}:
            return True
        if (user, verb, resource) in self._withdrawn:
            return False
        if (verb, resource) == ("get", "configmaps") and (namespace, name) in PUBLIC_CONFIG_MAPS:
            return True
        if resource == "controllerregistrations":
            return True  # every authenticated user may (gardener.md)
        if resource == "namespaces":
            namespace = name
        return any(
            scope in (namespace, EVERYWHERE) and rule.covers(verb, resource, name, group)
            for scope, rule in self._rules.get(user, ())
        )

    def check(self, user: str, verb: str, kind: Kind, namespace: str, name: str, resource: str = "") -> None:
        """Raises: Refusal 403, in Kubernetes' words, unless the user may. `resource`: of a subresource, `shoots/status`."""
        resource = resource or kind.plural
        if self.needs(user, verb, kind, namespace, name, resource):
            return
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        raise forbidden(
            kind,
            "" if verb in ("create", "list") else name,
            f'User "{user}" cannot {verb} resource "{resource}" in API group "{kind.group}" {where}',
        )


PUBLIC_CONFIG_MAPS = (("gardener-system-public", "gardener-info"), ("kube-system", "cluster-identity"))


def _segment(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
