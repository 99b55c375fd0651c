"""A Secret: Kubernetes' rules about it, and which key pairs it holds."""

import base64
import binascii
import functools
import hashlib
import json
import re

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from sandbox.garden.kind import SECRETS, Tree
from sandbox.garden.refusal import bad_request, invalid

REFERENCE_PROTECTION = "gardener.cloud/reference-protection"
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_FROZEN = "field is immutable when `immutable` is set"


def public_key(encoded: str) -> str | None:
    """The public key (SHA-256 of its SubjectPublicKeyInfo, hex) of the key file in one data entry, or None.

    Key files count as plain JSON and, as `_json_key_base64` has them, as JSON in base64 once more.
    """
    return public_key_of(base64.b64decode(encoded).decode("utf-8", "replace"))


@functools.lru_cache(maxsize=4096)
def public_key_of(content: str) -> str | None:
    """The same for decoded content."""
    for text in (content, _unwrapped(content)):
        try:
            pem = json.loads(text)["private_key"].encode()
            private = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).hexdigest()
    return None


def _unwrapped(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (ValueError, binascii.Error):
        return b""


def public_keys(tree: Tree) -> list[str]:
    """Every public key among the Secret's data entries."""
    found = {public_key(encoded) for encoded in (tree.get("data") or {}).values()}
    return sorted(key for key in found if key)


def entry(tree: Tree, key: str) -> bytes | None:
    """One decoded data entry, or None."""
    encoded = (tree.get("data") or {}).get(key)
    return None if encoded is None else base64.b64decode(encoded)


def facts(tree: Tree, *, exists: bool = True) -> Tree:
    """What the log says about a Secret."""
    metadata = tree["metadata"]
    return {
        "kind": "Secret",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "public_keys": public_keys(tree),
        "exists": exists,
        "terminating": "deletionTimestamp" in metadata,
    }


def complete(tree: Tree) -> None:
    """`stringData` is folded into `data`, the type is set, the rules of a Secret hold. Raises: Refusal."""
    name = tree["metadata"]["name"]
    plain = tree.pop("stringData", None) or {}
    if plain:
        tree["data"] = {
            **(tree.get("data") or {}),
            **{key: base64.b64encode(value.encode()).decode() for key, value in plain.items()},
        }
    tree.setdefault("type", "Opaque")
    data = tree.get("data") or {}
    if not isinstance(data, dict):
        raise bad_request('Secret in version "v1" cannot be handled as a Secret: json: cannot unmarshal data')
    for key, value in data.items():
        if not _DATA_KEY.fullmatch(key):
            text = (
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
                "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
            )
            raise invalid(SECRETS, name, [(f"data[{key}]", "FieldValueInvalid", f'Invalid value: "{key}": {text}')])
        try:
            base64.b64decode(value, validate=True)
        except (ValueError, TypeError):
            message = 'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0'
            raise bad_request(message) from None


def check_update(old: Tree, new: Tree) -> None:
    """An immutable Secret keeps its data and its immutability. Raises: Refusal 422."""
    complete(new)
    causes = []
    if old.get("immutable"):
        causes = [
            (field, "FieldValueForbidden", f"Forbidden: {_FROZEN}")
            for field in ("immutable", "data")
            if (new.get(field) or None) != (old.get(field) or None)
        ]
    if new["type"] != old["type"]:
        causes.append(("type", "FieldValueInvalid", f'Invalid value: "{new["type"]}": field is immutable'))
    if causes:
        raise invalid(SECRETS, new["metadata"]["name"], causes)
