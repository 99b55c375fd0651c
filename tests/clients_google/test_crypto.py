"""Keys, certificates and signatures, checked against what the sandbox's own code makes of them."""

import base64
import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rotator.clients import crypto
from rotator.key import KeyId
from sandbox import crc32c as reference
from sandbox import keys

BEGIN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
EC = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_key_has_the_same_identity_from_its_private_half_its_public_half_and_its_certificate() -> None:
    private = crypto.generate()
    certificate = crypto.certificate(private, BEGIN, None)
    public = x509.load_pem_x509_certificate(certificate).public_key()

    assert crypto.public_key_of_private(private.reveal()) == private.public_key
    assert crypto.public_key_of_pem(certificate) == private.public_key
    assert crypto.public_key_of_pem(keys.public_pem(public)) == private.public_key  # type: ignore[arg-type]
    assert private.public_key == keys.fingerprint(public)  # type: ignore[arg-type]


@pytest.mark.parametrize(("end", "expected"), [(None, keys.NEVER), (BEGIN + timedelta(days=90), BEGIN + timedelta(days=90))])
def test_a_certificate_carries_the_life_that_was_asked_for_and_says_nothing_else(
    end: datetime | None, expected: datetime
) -> None:
    certificate = crypto.certificate(crypto.generate(), BEGIN, end)

    _, begins, ends = keys.read_certificate(certificate)
    assert (begins, ends) == (BEGIN, expected)
    read = x509.load_pem_x509_certificate(certificate)
    assert read.subject == read.issuer
    assert read.subject.rfc4514_string() == "CN=unused"
    assert not list(read.extensions)


def test_a_jwt_names_its_key_and_is_signed_by_it() -> None:
    private = crypto.generate()
    token = crypto.jwt(private, KeyId("4f1c"), {"iss": "puller", "iat": 1})

    header, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    assert json.loads(header) == {"alg": "RS256", "typ": "JWT", "kid": "4f1c"}
    assert json.loads(claims) == {"iss": "puller", "iat": 1}
    assert len(signature) == 256


@pytest.mark.parametrize("pem", ["", "no pem", EC, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_rsa_key_is_a_value_error_that_quotes_nothing(pem: str) -> None:
    with pytest.raises(ValueError, match="private key") as private:
        crypto.private_key(pem)
    with pytest.raises(ValueError, match="public key"):
        crypto.public_key_of_pem(pem.encode())

    assert private.value.__cause__ is None
    assert not pem or pem not in str(private.value)


def test_a_private_key_shows_and_pickles_nothing() -> None:
    private = crypto.generate()

    assert private.reveal() not in repr(private)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(private)


def test_the_checksum_is_the_one_that_secret_manager_computes() -> None:
    from rotator.clients.staging import crc32c

    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"key material") == reference.crc32c(b"key material")
