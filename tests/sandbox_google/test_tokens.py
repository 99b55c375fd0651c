"""Tokens come from live keys or from the metadata server, and outlive what they came from."""

from typing import Any

import pytest

from google_callers import EMAIL, HOST, Callers
from sandbox.google import ROTATOR, Google
from sandbox.iam_key import Account


def test_a_bad_assertion_is_told_what_is_wrong(google: Google, callers: Callers, account: Account) -> None:
    _, file = google.make_key(account)
    now = int(google.clock.now().timestamp())

    assert callers.exchange(file, kid="wrong").status_code == 200
    for changes, text in (
        ({"aud": "https://elsewhere/token"}, "audience"),
        ({"exp": now - 1}, "short-lived"),
        ({"iat": now - 7200, "exp": now + 60}, "short-lived"),
        ({"iss": "nobody@acme"}, "account not found"),
        ({"scope": ""}, "scope"),
    ):
        answer = callers.exchange(file, **changes)
        assert answer.status_code == 400
        assert text in answer.json()["error_description"]
    form = {"grant_type": "password"}
    answer = callers.request("POST", "oauth2.googleapis.com", "/token", data=form)
    assert answer.json()["error"] == "unsupported_grant_type"
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    assert callers.request("POST", "oauth2.googleapis.com", "/token", data=form).status_code == 400


def test_an_access_token_outlives_its_key(google: Google, callers: Callers, account: Account) -> None:
    key_id, file = google.make_key(account)
    google.repository(HOST, "acme/images")
    google.grant(account, HOST, "acme/images")
    access = callers.exchange(file).json()["access_token"]
    google.iam.change_by_hand(key_id, "deleted")

    token = callers.pull_token(("oauth2accesstoken", access))
    assert token.status_code == 200
    google.clock.advance(3601)
    assert callers.pull_token(("oauth2accesstoken", access)).status_code == 401


def test_the_metadata_server_hands_out_one_token_until_its_last_minutes(google: Google, callers: Callers) -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    flavor = {"Metadata-Flavor": "Google"}

    assert callers.get("metadata.google.internal", path).status_code == 403
    first = callers.get("metadata.google.internal", path, headers=flavor).json()
    google.clock.advance(3000)
    again = callers.get("metadata.google.internal", path, headers=flavor).json()
    assert again["access_token"] == first["access_token"]
    assert 590 < again["expires_in"] <= 600
    google.clock.advance(400)
    assert callers.get("metadata.google.internal", path, headers=flavor).json()["access_token"] != first["access_token"]
    callers.token = first["access_token"]
    google.create_account("acme", EMAIL)
    assert callers.iam.get_service_account(name=f"projects/acme/serviceAccounts/{EMAIL}", **callers.auth)


def test_googles_own_credentials_work_against_the_metadata_server(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth import compute_engine
    from google.auth.compute_engine import _metadata
    from google.auth.transport.requests import Request

    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", google.http_address)
    credentials: Any = compute_engine.Credentials()  # type: ignore[no-untyped-call]  # google-auth is half typed
    credentials.refresh(Request())

    assert google.access.caller(f"Bearer {credentials.token}") == ROTATOR


def test_every_answer_carries_the_sandboxs_date(google: Google, callers: Callers) -> None:
    google.clock.advance(365 * 86_400)
    date = callers.get(HOST, "/v2/").headers["Date"]

    assert str(google.clock.now().year) in date
    assert callers.get("storage.googleapis.com", "/").status_code == 404
