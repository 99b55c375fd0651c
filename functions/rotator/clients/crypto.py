"""Key pairs and fingerprints (minimal until its author's file lands)."""

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from rotator.key import PublicKey


def public_key_of_private(pem: str) -> PublicKey:
    """Lower-case hex SHA-256 of the SubjectPublicKeyInfo. Raises: ValueError."""
    key = load_pem_private_key(pem.encode(), None).public_key()
    return PublicKey(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest())
