"""Hand-made Secrets: odd forms of keys, and tools that would re-create them."""

import base64
import json

import pytest

from garden_neighbour import FILE, NS, PAIR, Neighbour
from rotator.key import PublicKey


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PRETTY = json.dumps(json.loads(FILE.reveal()), indent=2)


@pytest.mark.parametrize(
    ("username", "password", "oddity"),
    [
        ("_json_key", PRETTY, "pretty-printed"),
        ("_json_key_base64", packed(FILE.reveal()), "base64"),
        ("_json_key", FILE.reveal().replace("oauth2.googleapis.com/token", "evil.example/token"), "token_uri"),
        ("_json_key", FILE.reveal().replace('"universe_domain":"googleapis.com"', '"universe_domain":"x"'), "universe_domain"),
    ],
    ids=["pretty", "base64", "token_uri", "universe"],
)
def test_hand_made_forms_of_a_key_are_found_and_said(garden: Neighbour, username: str, password: str, oddity: str) -> None:
    garden.server.create_secret(NS, "hand", username, password)

    secret = garden.client.secret(NS, "hand")
    assert secret is not None
    assert secret.holds(PublicKey(PAIR.public_key))
    assert any(oddity in each for each in secret.oddities)


def test_a_key_in_an_odd_entry_of_a_mutable_secret_is_found(garden: Neighbour) -> None:
    garden.server.create_secret(NS, "infra", "user", "word", immutable=False, **{"serviceaccount.json": FILE.reveal()})  # type: ignore[arg-type]

    secret = garden.client.secret(NS, "infra")
    assert secret is not None
    assert [key.entry for key in secret.keys] == ["serviceaccount.json"]
    assert secret.login() is None
    assert secret.faults[:2] == (
        "it is not immutable",
        "it has other entries than exactly username and password: password, serviceaccount.json, username",
    )


def test_a_key_file_that_holds_no_key_is_said(garden: Neighbour) -> None:
    garden.server.create_secret(NS, "broken", "_json_key", '{"private_key":"nonsense","client_email":"a@b"}')

    secret = garden.client.secret(NS, "broken")
    assert secret is not None
    assert secret.keys == ()
    assert secret.oddities == ("entry password: its private key cannot be read",)


@pytest.mark.parametrize(
    ("owner", "made"),
    [
        ("Flux Kustomization", {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
        ("Flux HelmRelease", {"labels": {"helm.toolkit.fluxcd.io/name": "apps"}}),
        ("Argo CD", {"annotations": {"argocd.argoproj.io/tracking-id": "apps:/Secret:x"}}),
        ("External Secrets", {"labels": {"reconcile.external-secrets.io/created-by": "x"}}),
        ("External Secrets", {"owner_references": [{"apiVersion": "e/v1", "kind": "ExternalSecret", "name": "x", "uid": "1"}]}),
        ("Terraform", {"manager": "Terraform"}),
        ("Terraform", {"manager": "HashiCorp"}),
        ("Helm", {"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
        ("kubectl apply", {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}),
    ],
)
def test_a_tool_that_would_re_create_a_secret_is_named(garden: Neighbour, owner: str, made: dict[str, object]) -> None:
    garden.server.create_secret(NS, "owned", "_json_key", FILE.reveal(), **made)  # type: ignore[arg-type]

    secret = garden.client.secret(NS, "owned")
    assert secret is not None
    assert [each.tool for each in secret.owners] == [owner]
