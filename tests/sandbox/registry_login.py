"""Who stands behind Basic credentials at a registry: a key file, its base64, or an access token."""

import base64
import binascii
import json
from dataclasses import dataclass

from sandbox.access import Access
from sandbox.iam import Iam
from sandbox.keys import KeyRing


@dataclass(frozen=True, slots=True)
class Puller:
    """An identity at the registry, and the key it came with."""

    name: str
    public_key: str | None = None


ANONYMOUS = Puller("anonymous")


class Login:
    """The three user names that Artifact Registry knows."""

    def __init__(self, iam: Iam, access: Access, ring: KeyRing) -> None:
        """Ask this IAM and these tokens."""
        self._iam = iam
        self._access = access
        self._ring = ring

    def puller(self, authorization: str | None) -> Puller | None:
        """Whom the header speaks for: nobody in particular without one, None for credentials that are not good."""
        if not authorization:
            return ANONYMOUS
        scheme, _, value = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(value, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        if scheme.lower() != "basic":
            return None
        if user == b"oauth2accesstoken":
            token = self._access.find(password.decode("latin-1"))
            return None if token is None else Puller(token.principal, token.public_key)
        if user == b"_json_key_base64":
            try:
                return self._by_key_file(base64.b64decode(password, validate=True))
            except (binascii.Error, ValueError):
                return None
        return self._by_key_file(password) if user == b"_json_key" else None

    def _by_key_file(self, text: bytes) -> Puller | None:
        try:
            document = json.loads(text)
        except ValueError:
            return None
        if not isinstance(document, dict) or document.get("type") != "service_account":
            return None
        account = self._iam.account(str(document.get("client_email")))
        public_key = self._ring.public_key_of(text)
        if account is None or public_key is None:
            return None
        key_id = str(document.get("private_key_id"))
        key = self._iam.authenticate(account, key_id, lambda one: one.public_key == public_key)
        return None if key is None else Puller(account.email, public_key)
