"""Key pairs, the certificates that carry them to IAM, fingerprints, and signatures. The only file that computes on keys.

Every `ValueError` here has a fixed text: the texts of parsers may quote what they could not read.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from rotator.key import KeyId, PrivateKey, PublicKey

BITS = 2048
"""The size of Google's own keys; 4096 would take seven times as long to generate (gcp.md, section 1.5)."""

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""How a certificate, and IAM, say that a key does not expire."""

# Certificates of keys are world-readable: this one says nothing about whose it is.
_SUBJECT = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "unused")])
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def generate(bits: int = BITS) -> PrivateKey:
    """A new RSA pair."""
    pair = generate_private_key(public_exponent=65537, key_size=bits)
    pem = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    return PrivateKey(pem, _fingerprint(pair.public_key()))


def private_key(pem: str) -> PrivateKey:
    """The key of this PEM, with its identity. Raises: ValueError."""
    return PrivateKey(pem, public_key_of_private(pem))


def public_key_of_private(pem: str) -> PublicKey:
    """The identity of a private key in PEM. Raises: ValueError."""
    return _fingerprint(_load(pem).public_key())


def public_key_of_pem(pem: bytes) -> PublicKey:
    """The identity of a public key in PEM, bare or in an X.509 certificate. Raises: ValueError."""
    try:
        found: object = x509.load_pem_x509_certificate(pem).public_key() if _CERTIFICATE in pem else load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("no public key in PEM") from None
    if not isinstance(found, RSAPublicKey):
        raise ValueError("a public key that is not RSA")  # noqa: TRY004 - bad content, not a bad argument
    return _fingerprint(found)


def certificate(private: PrivateKey, begin: datetime, end: datetime | None) -> bytes:
    """A self-signed X.509 v3 certificate in PEM: how IAM takes a public key and its life. `end` None: never expires."""
    pair = _load(private.reveal())
    builder = x509.CertificateBuilder(
        issuer_name=_SUBJECT,
        subject_name=_SUBJECT,
        public_key=pair.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=begin.astimezone(UTC),
        not_valid_after=NEVER if end is None else end.astimezone(UTC),
    )
    return builder.sign(pair, hashes.SHA256()).public_bytes(Encoding.PEM)


def jwt(private: PrivateKey, key_id: KeyId, claims: Mapping[str, str | int]) -> str:
    """A compact JWT of these claims, signed by RS256; its header names the key. Source: RFC 7519, RFC 7518 section 3.3."""
    header = {"alg": "RS256", "typ": "JWT", "kid": key_id}
    signed = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(dict(claims)).encode())}"
    signature = _load(private.reveal()).sign(signed.encode("ascii"), PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_part(signature)}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _load(pem: str) -> RSAPrivateKey:
    try:
        # Without the primality tests: they take longer than everything else, and a bad key only fails to work.
        found = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("no private key in PEM") from None
    if not isinstance(found, RSAPrivateKey):
        raise ValueError("a private key that is not RSA")  # noqa: TRY004 - bad content, not a bad argument
    return found


def _fingerprint(public: RSAPublicKey) -> PublicKey:
    return PublicKey(hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest())
