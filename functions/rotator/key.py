"""Keys of a Google service account: identity, material, and the JSON key file.

A key's identity is its public key (lower-case hex SHA-256 of the SubjectPublicKeyInfo): the same private key may have several
ids at IAM, and an id says nothing about what a Secret holds. Private material travels as `PrivateKey`, a plain class that no
encoder, repr or pickle opens; msgspec refuses plain classes but would encode a dataclass, so it must not become one.
"""

import json
from datetime import datetime
from typing import Literal, NewType, NoReturn

import msgspec

PublicKey = NewType("PublicKey", str)
KeyId = NewType("KeyId", str)
Email = NewType("Email", str)

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, and the only one assertions are sent to
UNIVERSE = "googleapis.com"
SHORT = 8

KEY_LIMIT = 9
"""IAM allows ten user-managed keys on an account; the tenth is left to a person in an emergency (invariant I3)."""


def short(identity: str) -> str:
    """The first characters of a key's id or public key, as tables and names show them."""
    return identity[:SHORT]


class PrivateKey:
    """A private key in memory. Only `reveal` gives it away, and only clients and `key_file` call that."""

    __slots__ = ("_pem", "public_key")

    def __init__(self, pem: str, public_key: PublicKey) -> None:
        """`pem`: PKCS#8, PEM. `public_key` must belong to it; clients/crypto.py computes it."""
        self._pem = pem
        self.public_key = public_key

    def reveal(self) -> str:
        """The PEM text itself: for staging, signing and the Secret, nowhere else."""
        return self._pem

    def __repr__(self) -> str:
        """Name the key, never the material."""
        return f"PrivateKey({short(self.public_key)}…)"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying: bytes of a key do not leave memory by accident."""
        msg = "a private key is not pickled"
        raise TypeError(msg)


class Account(msgspec.Struct, frozen=True):
    """A service account as IAM knows it. `unique_id`: the numeric id that metrics use."""

    email: Email
    project: str
    unique_id: str

    @property
    def resource(self) -> str:
        """The name IAM takes. Always with the project: behind `projects/-` an absent key answers 403."""
        return f"projects/{self.project}/serviceAccounts/{self.email}"


class AccountKey(msgspec.Struct, frozen=True, kw_only=True):
    """One user-managed key as IAM lists it; times are UTC, `expires_at` is None for never (Google says year 9999)."""

    id: KeyId
    public_key: PublicKey
    made_at: datetime
    expires_at: datetime | None
    origin: Literal["GOOGLE", "USER"]
    disabled: bool
    disabled_by_google: str = ""

    def works_at(self, now: datetime) -> bool:
        """IAM would let this key authenticate at `now`."""
        return not self.disabled and (self.expires_at is None or now < self.expires_at)


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a rotation brings. `staged`: Secret Manager version number of its private half; None: a Secret holds it."""

    public_key: PublicKey
    id: KeyId
    staged: int | None


class KeyFile:
    """The JSON key file as a password: compact, one line, exactly the fields the webhook allows. As secret as its key."""

    __slots__ = ("_text", "account", "id", "private")

    def __init__(self, private: PrivateKey, account: Account, key_id: KeyId) -> None:
        """Composed by us from identity and material, so that a foreign token_uri or universe can never be carried along."""
        self.private = private
        self.account = account
        self.id = key_id
        self._text = json.dumps(
            {
                "type": "service_account",
                "project_id": account.project,
                "private_key_id": key_id,
                "private_key": private.reveal(),
                "client_email": account.email,
                "client_id": account.unique_id,
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": TOKEN_URI,
                "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
                "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/"
                + account.email.replace("@", "%40"),
                "universe_domain": UNIVERSE,
            },
            separators=(",", ":"),
        )

    def reveal(self) -> str:
        """The JSON text: for the Secret's password and Basic authentication, nowhere else."""
        return self._text

    def __repr__(self) -> str:
        """Name the key, never the material."""
        return f"KeyFile({self.account.email}, {short(self.id)}…)"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "a key file is not pickled"
        raise TypeError(msg)


def base_name(email: Email) -> str:
    """The start of all names we give for this account: RFC 1123, telling which account it is, at most 180 characters.

    puller@acme-prod.iam.gserviceaccount.com -> puller-acme-prod
    """
    local, _, domain = email.partition("@")
    domain = domain.removesuffix(".gserviceaccount.com").removesuffix(".iam")
    return f"{local}-{domain}".replace(".", "-").lower()[:180].strip("-")
