"""The registry-cache webhook's rules (gardener.md, section 2), and the names of Secrets."""

import json
from typing import Any

import msgspec
import pytest

from parts import BASE, MATERIAL, NEW, OLD, held, key_file, version
from rotator.secret import ALLOWED_FIELDS, INSTALLATION_LABEL, PUBLIC_KEY_LABEL, Draft, faults, name, sequence_of

GOOD = key_file().reveal()


def words(username: str = "_json_key", password: str = GOOD, *, immutable: bool = True, **more: str) -> tuple[str, ...]:
    return faults({"username": username, "password": password, **more}, immutable=immutable)


def test_what_we_write_has_no_faults_and_says_whose_it_is() -> None:
    draft = Draft(ref=version(7), installation="acme", key_file=key_file())

    assert draft.faults == ()
    assert draft.labels == {INSTALLATION_LABEL: "acme", PUBLIC_KEY_LABEL: NEW[:40]}
    assert all(len(value) <= 63 for value in draft.labels.values())


@pytest.mark.parametrize(
    "accepted",
    [
        pytest.param({}, id="a key file"),
        pytest.param({"password": "{}"}, id="no field is required"),
        pytest.param({"password": '{"type": null}'}, id="null passes"),
        pytest.param({"password": '{"type": "anything", "private_key": "no PEM"}'}, id="values are not looked at"),
        pytest.param({"password": json.dumps(dict.fromkeys(ALLOWED_FIELDS, "x"))}, id="every allowed field"),
        pytest.param({"password": json.dumps(json.loads(GOOD), indent=2) + "\n"}, id="pretty, with a newline at the end"),
        pytest.param({"username": "_json_key_base64", "password": "e30="}, id="other usernames are not special"),
        pytest.param({"username": "oauth2accesstoken", "password": "anything"}, id="a token"),
    ],
)
def test_the_webhook_accepts(accepted: dict[str, Any]) -> None:
    assert words(**accepted) == ()


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        pytest.param({"immutable": False}, "not immutable", id="mutable"),
        pytest.param({"extra": "x"}, "other entries than exactly", id="a third entry"),
        pytest.param({"username": ""}, "username is empty", id="no username"),
        pytest.param({"username": "_json_key\n"}, "white space", id="a newline after the username"),
        pytest.param({"username": "json key"}, "white space", id="a blank in the username"),
        pytest.param({"password": ""}, "password is empty", id="no password"),
        pytest.param({"password": " \n\t"}, "password is empty", id="a blank password"),
        pytest.param({"username": "token", "password": "\n"}, "password is empty", id="a blank password of any user"),
        pytest.param({"password": "{"}, "not JSON", id="broken JSON"),
        pytest.param({"password": "[]"}, "not a JSON object", id="a list"),
        pytest.param({"password": '"x"'}, "not a JSON object", id="a string"),
        pytest.param({"password": '{"type": 1}'}, "type is not a string", id="a number"),
        pytest.param({"password": '{"type": true}'}, "type is not a string", id="a boolean"),
        pytest.param({"password": '{"type": {"a": "b"}}'}, "type is not a string", id="a nested object"),
        pytest.param({"password": '{"credential_source": "x"}'}, "credential_source, which is not allowed", id="federation"),
        pytest.param({"password": '{"service_account_impersonation_url": "x"}'}, "which is not allowed", id="impersonation"),
        pytest.param({"password": '{"Type": "x"}'}, "Type, which is not allowed", id="another case"),
    ],
)
def test_the_webhook_refuses(refused: dict[str, Any], why: str) -> None:
    said = words(**refused)

    assert len(said) == 1
    assert why in said[0]


@pytest.mark.parametrize("missing", ["username", "password"])
def test_an_entry_that_is_missing_is_said(missing: str) -> None:
    data = {"username": "_json_key", "password": GOOD}
    del data[missing]

    assert any("other entries than exactly" in fault for fault in faults(data, immutable=True))


def test_faults_never_quote_values() -> None:
    said = words(username=f"{MATERIAL} x", password=json.dumps({"private_key": [MATERIAL], "x": MATERIAL}), immutable=False)

    assert len(said) == 2
    assert MATERIAL not in "".join(said)
    assert MATERIAL not in "".join(words(password=json.dumps({"private_key": [MATERIAL], "x": MATERIAL})))


@pytest.mark.parametrize(
    ("secret_name", "sequence"),
    [
        (name(BASE, 1), 1),
        (f"{BASE}-v12", 12),
        (f"{BASE}-v012", None),
        (f"{BASE}-v0", None),
        (f"{BASE}-v", None),
        (f"{BASE}-v1-old", None),
        (f"x{BASE}-v1", None),
        ("ar-credentials", None),
        (BASE.replace("-", "x") + "-v1", None),
    ],
)
def test_only_names_that_we_give_have_a_sequence(secret_name: str, sequence: int | None) -> None:
    assert sequence_of(BASE, secret_name) == sequence


def test_a_secret_holds_a_key_under_whatever_entry_but_a_cache_logs_in_with_the_password() -> None:
    odd = msgspec.structs.replace(held(OLD).keys[0], entry="key.json")

    assert held(OLD).holds(OLD)
    assert not held(OLD).holds(NEW)
    assert held(OLD, keys=(odd,)).holds(OLD)
    assert held(OLD, keys=(odd,)).login() is None
    assert held(OLD, username="oauth2accesstoken").login() is None
    assert held(OLD, username="_json_key_base64").login() is not None
