"""The token endpoint: a JWT signed by a live key of its issuer becomes an access token (gcp.md 3.3).

Deleted, disabled, expired and not yet propagated keys all get the same answer; that is the point of it.
"""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from sandbox.access import Access
from sandbox.door import Door, Note
from sandbox.google_http import Answer, Request, as_json
from sandbox.iam import Iam
from sandbox.iam_key import Key

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = {
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://accounts.google.com/o/oauth2/token",
}
_SKEW = 300
_LONGEST = 3600


class OAuth2:
    """POST /token of oauth2.googleapis.com."""

    name = "oauth2"

    def __init__(self, iam: Iam, access: Access, door: Door) -> None:
        """Exchange assertions by this IAM's keys."""
        self.token_lifetime = 3600.0
        """Seconds that an exchanged token lives, whatever becomes of its key."""
        self._iam = iam
        self._access = access
        self._door = door

    def target(self, request: Request) -> str:
        """The issuer of the assertion, unproven; or the path when there is none."""
        claims = _unpack(_form(request).get("assertion", "")).get("claims", {})
        return str(claims.get("iss", request.path))

    def answer(self, request: Request, note: Note) -> Answer:
        """An access token for the issuer of a good assertion."""
        form = _form(request)
        if request.verb != "POST":
            return as_json(405, {"error": "invalid_request", "error_description": "Method not allowed"})
        if form.get("grant_type") != _GRANT:
            return _invalid("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        jwt = _unpack(form.get("assertion", ""))
        if not jwt or jwt["header"].get("alg") != "RS256":
            return _invalid("invalid_grant", "Bad Request")
        account = self._iam.account(str(jwt["claims"].get("iss", "")))
        if account is None:
            return _invalid("invalid_grant", "Invalid grant: account not found")
        key = self._iam.authenticate(account, str(jwt["header"].get("kid", "")), lambda one: _signed_by(jwt, one))
        if key is None:
            return _invalid("invalid_grant", "Invalid JWT Signature.")
        complaint = _complaint(jwt["claims"], self._door.clock.now())
        if complaint is not None:
            return complaint
        token = self._access.issue(account.email, self.token_lifetime, key.public_key)
        note.facts = {"account": account.email, "key_id": key.key_id, "public_key": key.public_key}
        body = {"access_token": token.value, "expires_in": int(self.token_lifetime) - 1, "token_type": "Bearer"}
        return as_json(200, body)


def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()}


def _unpack(assertion: str) -> dict[str, Any]:
    """Header, claims, signature and the signed bytes of a compact JWT; empty when it is none."""
    signed, _, signature = assertion.rpartition(".")
    header, _, claims = signed.partition(".")
    try:
        parts = {"header": json.loads(_decode(header)), "claims": json.loads(_decode(claims))}
        if not all(isinstance(part, dict) for part in parts.values()):
            return {}
        return {**parts, "signature": _decode(signature), "signed": signed.encode()}
    except ValueError:
        return {}


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signed_by(jwt: dict[str, Any], key: Key) -> bool:
    try:
        key.public.verify(jwt["signature"], jwt["signed"], padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _complaint(claims: dict[str, Any], now: datetime) -> Answer | None:
    if claims.get("aud") not in _AUDIENCES:
        return _invalid(
            "invalid_grant",
            "Invalid JWT: Failed audience check. The right audience is https://oauth2.googleapis.com/token",
        )
    try:
        issued = datetime.fromtimestamp(int(claims["iat"]), UTC)
        expires = datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (KeyError, ValueError, TypeError):
        return _invalid("invalid_grant", "Invalid JWT: iat and exp are required.")
    early, late = (issued - now).total_seconds(), (now - expires).total_seconds()
    if early > _SKEW or late > 0 or (expires - issued).total_seconds() > _LONGEST:
        return _invalid(
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim.",
        )
    if not claims.get("scope") and not claims.get("target_audience"):
        return _invalid("invalid_scope", "Empty or missing scope not allowed.")
    return None


def _invalid(error: str, description: str) -> Answer:
    return as_json(400, {"error": error, "error_description": description})
