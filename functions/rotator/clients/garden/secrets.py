"""Secrets as somebody put them there: read leniently, every oddity said.

Keys are looked for in every entry and in every form that people use: the JSON key file, pretty-printed or not, and its
base64 (`_json_key_base64`). A key's identity is computed from its private half; what the file claims is not believed.
"""

import base64
import binascii
from collections.abc import Iterator

import msgspec

from rotator import secret
from rotator.clients import crypto
from rotator.clients.garden import owners
from rotator.clients.garden.owners import Metadata
from rotator.key import TOKEN_URI, UNIVERSE, Email, KeyId, PrivateKey
from rotator.secret import HeldKey, HeldSecret, SecretRef


class Held(msgspec.Struct):
    """A Secret as it comes."""

    metadata: Metadata
    data: dict[str, str] | None = None
    immutable: bool | None = None


class _KeyFile(msgspec.Struct):
    private_key: str
    client_email: str
    private_key_id: str = ""
    token_uri: str = TOKEN_URI
    universe_domain: str = UNIVERSE


_DECODER = msgspec.json.Decoder(Held)
KEPT = 2048
"""So many Secrets are kept decoded: computing a public key costs more than asking for the Secret."""


class Reader:
    """Decodes Secrets, and remembers them by uid and resourceVersion."""

    def __init__(self, garden: str) -> None:
        """Remember nothing yet."""
        self._garden = garden
        self._known: dict[tuple[str, str], HeldSecret] = {}

    def read(self, body: bytes) -> HeldSecret:
        """The Secret as the rest of the program knows it."""
        held = _DECODER.decode(body)
        version = (held.metadata.uid, held.metadata.resource_version)
        known = self._known.get(version)
        if known is None:
            known = read(held, self._garden)
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[version] = known
        return known


def read(held: Held, garden: str) -> HeldSecret:
    """What is in the Secret, whose it is, and what is odd about it."""
    metadata = held.metadata
    data = {entry: _text(value) for entry, value in (held.data or {}).items()}
    immutable = bool(held.immutable)
    found = [_Entry(entry, text) for entry, text in sorted(data.items())]
    return HeldSecret(
        ref=SecretRef(garden, metadata.namespace, metadata.name),
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        immutable=immutable,
        entries=frozenset(data),
        username=data.get("username", ""),
        keys=tuple(entry.key for entry in found if entry.key),
        faults=secret.faults(data, immutable=immutable),
        oddities=(*_odd(data), *(oddity for entry in found for oddity in entry.oddities)),
        installation=(metadata.labels or {}).get(secret.INSTALLATION_LABEL, ""),
        owners=owners.of_secret(metadata),
        protected=secret.PROTECTION in (metadata.finalizers or ()),
        deleting=metadata.deletion_timestamp is not None,
    )


class _Entry:
    """One entry of the Secret: the key in it, if there is one, and what is odd about it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.key: HeldKey | None = None
        self.oddities: tuple[str, ...] = ()
        text = text.strip()
        plain = text if text.startswith("{") else _unpacked(text)
        if not plain.startswith("{"):
            return
        try:
            file = msgspec.json.decode(plain, type=_KeyFile)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        try:
            public_key = crypto.public_key_of_private(file.private_key)
        except ValueError:
            self.oddities = (f"entry {name}: its private key cannot be read",)
            return
        private = PrivateKey(file.private_key, public_key)
        self.key = HeldKey(
            entry=name,
            account=Email(file.client_email),
            id=KeyId(file.private_key_id),
            public_key=public_key,
            private=private,
        )
        self.oddities = tuple(self._odd(file, plain, packed=plain is not text))

    def _odd(self, file: _KeyFile, plain: str, *, packed: bool) -> Iterator[str]:
        if packed:
            yield f"entry {self.name}: the key file is base64 of JSON"
        if "\n" in plain:
            yield f"entry {self.name}: the key file is pretty-printed, not one line"
        if not file.private_key_id:
            yield f"entry {self.name}: the key file names no key id"
        if file.token_uri != TOKEN_URI:
            yield f"entry {self.name}: the key file names a foreign token_uri"
        if file.universe_domain != UNIVERSE:
            yield f"entry {self.name}: the key file names a foreign universe_domain"


def _odd(data: dict[str, str]) -> Iterator[str]:
    """What no rule of the webhook forbids and adoption should know all the same."""
    username = data.get("username", "")
    if username and username != username.strip():
        yield "its username has white space around it"
    if username == secret.USERNAME_BASE64:
        yield f"its username is {secret.USERNAME_BASE64}"


def _text(value: str) -> str:
    try:
        return base64.b64decode(value).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _unpacked(text: str) -> str:
    """What the text is the base64 of, standard or URL-safe, wrapped or not; empty when it is not."""
    packed = "".join(text.split()).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(packed, validate=True).decode().strip()
    except (binascii.Error, ValueError):
        return ""
