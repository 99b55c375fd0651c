"""Key material and identity: what shows nothing, and what names are made of."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from parts import EMAIL, MATERIAL, NOW, account_key, held, key_file, private, version
from rotator.key import TOKEN_URI, Email, KeyFile, PrivateKey, base_name, short
from rotator.secret import Draft

SECRET_THINGS = [
    pytest.param(private(), id="PrivateKey"),
    pytest.param(key_file(), id="KeyFile"),
    pytest.param(held(), id="HeldSecret"),
    pytest.param(held().keys[0], id="HeldKey"),
    pytest.param(Draft(ref=version(1), installation="acme", key_file=key_file()), id="Draft"),
]
LEAKS: dict[str, Callable[[Any], object]] = {
    "pickle": pickle.dumps,
    "copy": copy.deepcopy,
    "json": msgspec.json.encode,
    "msgpack": msgspec.msgpack.encode,
    "builtins": msgspec.to_builtins,
    "json-module": json.dumps,
}


@pytest.mark.parametrize("thing", SECRET_THINGS)
def test_nothing_that_carries_a_private_key_shows_it_in_words(thing: object) -> None:
    for words in (repr(thing), str(thing), f"{thing}", repr([thing]), f"{thing!r:>200}"):
        assert MATERIAL not in words
        assert "BEGIN" not in words


@pytest.mark.parametrize("thing", SECRET_THINGS)
@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_nothing_that_carries_a_private_key_can_be_encoded_or_copied(thing: object, leak: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as refused:
        leak(thing)

    assert MATERIAL not in str(refused.value)


@pytest.mark.parametrize("kind", [PrivateKey, KeyFile])
def test_key_material_is_a_plain_class_because_encoders_open_dataclasses_and_structs(kind: type) -> None:
    assert not hasattr(kind, "__dataclass_fields__")
    assert not issubclass(kind, msgspec.Struct)
    assert not hasattr(kind("x", "y") if kind is PrivateKey else key_file(), "__dict__")


def test_words_name_the_key_by_its_short_identity() -> None:
    assert repr(private()) == "PrivateKey(cccccccc…)".replace("c", "b")
    assert repr(key_file()) == f"KeyFile({EMAIL}, 01234567…)"
    assert short("0123456789") == "01234567"


def test_a_key_file_is_compact_json_with_a_token_address_of_our_own() -> None:
    content = json.loads(key_file().reveal())

    assert "\n" not in key_file().reveal()
    assert content["private_key"] == private().reveal()
    assert content["token_uri"] == TOKEN_URI
    assert content["universe_domain"] == "googleapis.com"
    assert content["client_email"] == EMAIL
    assert all(isinstance(value, str) for value in content.values())


@pytest.mark.parametrize(
    ("email", "base"),
    [
        ("puller@acme-prod.iam.gserviceaccount.com", "puller-acme-prod"),
        ("acme-prod@appspot.gserviceaccount.com", "acme-prod-appspot"),
        ("1234-compute@developer.gserviceaccount.com", "1234-compute-developer"),
        ("puller@acme.com:prod.iam.gserviceaccount.com".replace(":", "."), "puller-acme-com-prod"),
        ("Puller@Acme.iam.gserviceaccount.com", "puller-acme"),
        ("p@" + "a" * 300 + ".iam.gserviceaccount.com", "p-" + "a" * 178),
        ("p@" + "a" * 177 + "-b.iam.gserviceaccount.com", "p-" + "a" * 177),
    ],
)
def test_the_base_of_all_names_tells_which_account_it_is(email: str, base: str) -> None:
    assert base_name(Email(email)) == base
    assert len(base) <= 180


@pytest.mark.parametrize(
    ("changed", "works"),
    [
        ({}, True),
        ({"disabled": True}, False),
        ({"expires_at": NOW}, False),
        ({"expires_at": NOW.replace(year=2027)}, True),
    ],
)
def test_a_key_works_unless_it_is_disabled_or_expired(changed: dict[str, Any], works: bool) -> None:
    assert account_key(**changed).works_at(NOW) is works
