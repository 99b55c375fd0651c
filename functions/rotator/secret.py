"""Secrets of registry caches: what we read leniently, what we write strictly, and the webhook's rules on both.

The registry-cache webhook judges a Secret only when the RegistryConfig changes, not when a Shoot's reference moves
(gardener.md, section 2). So all its rules are here again, and `faults` is asked before every write.
"""

import json
import re

import msgspec

from rotator.key import Email, KeyFile, KeyId, PrivateKey, PublicKey
from rotator.owner import Owner

USERNAME = "_json_key"
USERNAME_BASE64 = "_json_key_base64"
PROTECTION = "gardener.cloud/reference-protection"
INSTALLATION_LABEL = "registry-key-rotator/installation"
CREDENTIAL_ANNOTATION = "registry-key-rotator/credential"
PUBLIC_KEY_LABEL = "registry-key-rotator/public-key"

# Source: gardener-extension-registry-cache, pkg/apis/registry/validation (ValidateUpstreamRegistrySecret).
ALLOWED_FIELDS = frozenset(
    {
        "type", "project_id", "private_key_id", "private_key", "client_email", "client_id", "auth_uri", "token_uri",
        "auth_provider_x509_cert_url", "client_x509_cert_url", "universe_domain",
    }
)  # fmt: skip
ENTRIES = frozenset({"username", "password"})
# A label value holds 63 characters, a SHA-256 has 64: this prefix finds, the content proves.
LABEL_PREFIX = 40


class SecretRef(msgspec.Struct, frozen=True, order=True):
    """Where a Secret lives."""

    garden: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.garden}/{self.namespace}/{self.name}"


class HeldKey(msgspec.Struct, frozen=True, kw_only=True):
    """A service-account key found inside a Secret, in whatever shape somebody put it there."""

    entry: str
    account: Email
    id: KeyId
    public_key: PublicKey
    private: PrivateKey


class HeldSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A Secret as it was found; never encoded, because its keys are in it."""

    ref: SecretRef
    uid: str
    resource_version: str
    immutable: bool
    entries: frozenset[str]
    username: str
    keys: tuple[HeldKey, ...]
    faults: tuple[str, ...]
    oddities: tuple[str, ...]
    installation: str
    owners: tuple[Owner, ...]
    protected: bool
    deleting: bool

    def holds(self, public_key: PublicKey) -> bool:
        """The key is in here, under whatever entry."""
        return any(key.public_key == public_key for key in self.keys)

    def login(self) -> HeldKey | None:
        """The key a registry cache would use, if the Secret is one for a cache."""
        if self.username not in {USERNAME, USERNAME_BASE64}:
            return None
        return next((key for key in self.keys if key.entry == "password"), None)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A Secret that we are about to write: immutable, two entries, marked with installation, credential and key."""

    ref: SecretRef
    installation: str
    key_file: KeyFile

    @property
    def labels(self) -> dict[str, str]:
        """Find it again by installation and key."""
        return {
            INSTALLATION_LABEL: self.installation,
            PUBLIC_KEY_LABEL: self.key_file.private.public_key[:LABEL_PREFIX],
        }

    @property
    def annotations(self) -> dict[str, str]:
        """Tell a reader whose it is; an e-mail address is no label value."""
        return {CREDENTIAL_ANNOTATION: self.key_file.account.email}

    @property
    def faults(self) -> tuple[str, ...]:
        """What the webhook would say about it."""
        return faults({"username": USERNAME, "password": self.key_file.reveal()}, immutable=True)


def name(base: str, sequence: int) -> str:
    """The name of version `sequence` of a credential's Secret."""
    return f"{base}-v{sequence}"


def sequence_of(base: str, secret_name: str) -> int | None:
    """The version that this name says, or None when it is not one of ours."""
    match = re.fullmatch(re.escape(base) + r"-v([1-9][0-9]*)", secret_name)
    return int(match.group(1)) if match else None


def faults(data: dict[str, str], *, immutable: bool) -> tuple[str, ...]:
    """Everything that the registry-cache webhook would refuse, none when it would accept.

    Source: gardener.md section 2, "Secret rules". The texts never quote values.
    """
    found: list[str] = []
    if not immutable:
        found.append("it is not immutable")
    if frozenset(data) != ENTRIES:
        found.append("it has other entries than exactly username and password: " + (", ".join(sorted(data)) or "none"))
    username, password = data.get("username", ""), data.get("password", "")
    if not username or re.search(r"\s", username):
        found.append("its username is empty or has white space")
    if not password.strip():
        found.append("its password is empty")
    elif username == USERNAME:
        found.extend(_json_faults(password))
    return tuple(found)


def _json_faults(password: str) -> list[str]:
    try:
        content = json.loads(password)
    except ValueError:
        return ["its password is not JSON"]
    if not isinstance(content, dict):
        return ["its password is not a JSON object"]
    found = [f"its key file has the field {field}, which is not allowed" for field in sorted(content.keys() - ALLOWED_FIELDS)]
    found += [
        f"its key file's field {field} is not a string"
        for field, value in sorted(content.items())
        if field in ALLOWED_FIELDS and value is not None and not isinstance(value, str)
    ]
    return found
