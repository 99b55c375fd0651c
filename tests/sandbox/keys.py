"""RSA key pairs as Google and its customers make them, and the ring that has seen every private key of one sandbox.

Pairs come from a pool of the process, filled on demand and read by every ring from its start: a key costs its 30 to 90 ms once
per process, and still no two keys of one sandbox share a pair.
"""

import base64
import binascii
import hashlib
import json
import re
import threading
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""How IAM writes "does not expire"."""

_PEM = re.compile(rb"-----BEGIN (?:RSA )?PRIVATE KEY-----.+?-----END (?:RSA )?PRIVATE KEY-----\n?", re.DOTALL)
_SMALLEST, _LARGEST = 1024, 4096


class KeyPair:
    """One RSA 2048 pair, as PKCS#8 PEM and as the name by which the sandbox's log calls it."""

    def __init__(self) -> None:
        """Make a new pair."""
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = self._private.public_key()
        self.public_key = fingerprint(self.public)

    def __repr__(self) -> str:
        """Name the pair without revealing it."""
        return f"KeyPair({self.public_key[:12]})"

    @property
    def pem(self) -> str:
        """The private key, PKCS#8 PEM, unencrypted."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def certificate(self, not_before: datetime, not_after: datetime) -> bytes:
        """A self-signed X.509 v3 certificate of the public key, PEM. Both times aware; whole seconds count."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unused")])
        builder = x509.CertificateBuilder(subject, subject, self.public, x509.random_serial_number(), not_before, not_after)
        return builder.sign(self._private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class KeyRing:
    """The private keys of one sandbox: those it made, and those it met in what its callers sent."""

    _pool: list[KeyPair] = []  # noqa: RUF012 - of the process on purpose, see the module's docstring
    _pool_lock = threading.Lock()

    def __init__(self) -> None:
        """Begin at the start of the pool, with nothing seen."""
        self._lock = threading.Lock()
        self._next = 0
        self._pems: dict[str, str] = {}
        self._read: dict[bytes, str | None] = {}

    def new_pair(self) -> KeyPair:
        """A pair that no other key of this sandbox has."""
        with self._lock:
            number = self._next
            self._next += 1
        with self._pool_lock:
            while len(self._pool) <= number:
                self._pool.append(KeyPair())
            pair = self._pool[number]
        self._remember(pair.public_key, pair.pem)
        return pair

    def public_key_of(self, payload: bytes) -> str | None:
        """The fingerprint of the private key in a PEM or a JSON key file (plain or base64); None if there is none."""
        digest = hashlib.sha256(payload).digest()
        if digest not in self._read:
            self._read[digest] = self._read_key(payload)
        return self._read[digest]

    def issued(self) -> tuple[str, ...]:
        """Every private key PEM this ring made or met, oldest first."""
        with self._lock:
            return tuple(self._pems.values())

    def _read_key(self, payload: bytes) -> str | None:
        found = private_pem(payload)
        if found is None:
            return None
        try:
            private = serialization.load_pem_private_key(found, password=None)
        except (ValueError, TypeError):
            return None
        if not isinstance(private, rsa.RSAPrivateKey):
            return None
        name = fingerprint(private.public_key())
        self._remember(name, found.decode())
        return name

    def _remember(self, name: str, pem: str) -> None:
        with self._lock:
            self._pems.setdefault(name, pem)


def fingerprint(public: rsa.RSAPublicKey) -> str:
    """Lower-case hex SHA-256 of the SubjectPublicKeyInfo, DER."""
    return hashlib.sha256(
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def public_pem(public: rsa.RSAPublicKey) -> bytes:
    """The SubjectPublicKeyInfo, PEM: what IAM calls TYPE_RAW_PUBLIC_KEY."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(payload: bytes) -> bytes | None:
    """The first private key PEM in the payload: as it stands, in a JSON key file, or in the base64 of either."""
    try:
        decoded = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    for text in (payload, decoded):
        found = _PEM.search(_private_key_member(text) or text)
        if found:
            return found.group()
    return None


def _private_key_member(text: bytes) -> bytes | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    member = document.get("private_key") if isinstance(document, dict) else None
    return member.encode() if isinstance(member, str) else None


def read_certificate(pem: bytes) -> tuple[rsa.RSAPublicKey, datetime, datetime]:
    """Public key, not-before and not-after of an X.509 v3 certificate with an RSA key.

    Raises: ValueError for anything else, with a text that may be shown.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        msg = "the given public key is not an X.509 certificate in PEM"
        raise ValueError(msg) from None
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or not _SMALLEST <= public.key_size <= _LARGEST:
        msg = "the given certificate does not carry an RSA public key of a supported size"
        raise ValueError(msg)
    return public, certificate.not_valid_before_utc, certificate.not_valid_after_utc


def key_file(*, project: str, email: str, unique_id: str, key_id: str, pem: str) -> str:
    """Google's JSON key file: the members, their order and the layout that the console downloads."""
    document: dict[str, Any] = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": key_id,
        "private_key": pem,
        "client_email": email,
        "client_id": unique_id,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{email.replace('@', '%40')}",
        "universe_domain": "googleapis.com",
    }
    return json.dumps(document, indent=2) + "\n"
