"""Who is calling and what they may do: access tokens that expire, and permissions that a test can take away.

A token outlives the key it came from; that is Google's rule (gcp.md 2), and the fence of the rotator rests on its expiry.
"""

import fnmatch
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.clock import Clock
from sandbox.door import Refused

_UNAUTHENTICATED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A bearer token; `public_key` names the service-account key it was exchanged for, if any."""

    value: str
    principal: str
    expires_at: datetime
    public_key: str | None = None


class Access:
    """All tokens ever issued, and the permissions of those who hold them.

    Members hold every permission that is not denied; everybody else, such as a puller's own service account, holds none.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with no members, no tokens and no denials."""
        self.members: set[str] = set()
        self._clock = clock
        self._tokens: dict[str, AccessToken] = {}
        self._denied: set[tuple[str, str]] = set()
        self.needed: set[str] = set()
        """Every permission that a call of a member needed."""

    def issue(self, principal: str, seconds: float, public_key: str | None = None) -> AccessToken:
        """A new token that works for `seconds` from now."""
        token = AccessToken(
            value=f"ya29.{secrets.token_urlsafe(48)}",
            principal=principal,
            expires_at=self._clock.now() + timedelta(seconds=seconds),
            public_key=public_key,
        )
        self._tokens[token.value] = token
        return token

    def find(self, value: str) -> AccessToken | None:
        """The token of that value if it is known and has not expired."""
        token = self._tokens.get(value)
        return token if token is not None and self._clock.now() < token.expires_at else None

    def caller(self, authorization: str | None) -> str:
        """Whom an `authorization` header or metadata entry belongs to.

        Raises: Refused UNAUTHENTICATED when it is absent, unknown or expired.
        """
        scheme, _, value = (authorization or "").partition(" ")
        token = self.find(value) if scheme.lower() == "bearer" else None
        if token is None:
            raise Refused("UNAUTHENTICATED", _UNAUTHENTICATED)
        return token.principal

    def revoke(self) -> None:
        """No token issued so far is good any more."""
        self._tokens.clear()

    def deny(self, permission: str, resource: str = "*") -> None:
        """No member holds this permission on resources that match the glob, until `allow`."""
        self._denied.add((permission, resource))

    def allow(self, permission: str, resource: str = "*") -> None:
        """The denial of exactly this permission and glob is gone."""
        self._denied.discard((permission, resource))

    def restore(self) -> None:
        """No denial is in force."""
        self._denied.clear()

    def holds(self, principal: str, permission: str, resource: str) -> bool:
        """Whether the principal has the permission on the resource."""
        return principal in self.members and not any(
            fnmatch.fnmatchcase(permission, denied) and fnmatch.fnmatchcase(resource, where) for denied, where in self._denied
        )

    def require(self, principal: str, permission: str, resource: str) -> None:
        """Return only when the principal has the permission on the resource.

        Raises: Refused PERMISSION_DENIED.
        """
        if principal in self.members:
            self.needed.add(permission)
        if not self.holds(principal, permission, resource):
            raise denial(permission, resource)


def denial(permission: str, resource: str) -> Refused:
    """IAM's way to say both "you may not" and "there is no such thing"."""
    return Refused("PERMISSION_DENIED", f"Permission '{permission}' denied on resource '{resource}' (or it may not exist).")
