"""Whose name goes into the evidence: what the platform says on Cloud Run, this machine or a token elsewhere, never a guess."""

import base64
import json
from pathlib import Path

import pytest

from framework import door
from rotator.doors.caller import caller
from rotator.doors.form import Asked, Refused
from settings_texts import GOOD

CLOUD = {"K_SERVICE": "api"}
HERE = {"host": "127.0.0.1:8080"}
TOKEN = "a-token-of-sixteen"


def asked(remote: str = "127.0.0.1", **headers: str) -> Asked:
    return Asked("GET", "/records", headers={name.replace("_", "-"): value for name, value in headers.items()}, remote=remote)


def identity(signature: str = "SIGNATURE_REMOVED_BY_GOOGLE", **claims: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "RS256"}, claims)]
    return f"Bearer {'.'.join([*parts, signature])}"


ANN = identity(email="ann@acme.example", email_verified=True, sub="1")
EVE = identity(email="eve@evil.example", email_verified=True, sub="2")


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"authorization": ANN}, "ann@acme.example"),
        ({"authorization": ANN.replace("Bearer", "bearer")}, "ann@acme.example"),
        ({"authorization": ANN, "x_rotator_by": "eve"}, "ann@acme.example"),
        ({"authorization": ANN, "x_goog_authenticated_user_email": "accounts.google.com:eve@evil.example"}, "ann@acme.example"),
        ({"authorization": EVE, "x_serverless_authorization": ANN}, "ann@acme.example"),
        ({"authorization": identity(sub="117")}, "account 117"),
        ({"authorization": identity(email="eve@evil.example", sub="117")}, "account 117"),
    ],
    ids=["address", "scheme in lower case", "no name of its own", "no proxy", "only the header that was checked", "no address",
         "unverified address"],
)  # fmt: skip
def test_on_cloud_run_the_name_is_whom_the_platform_verified(headers: dict[str, str], name: str) -> None:
    assert caller(asked("169.254.1.1", **headers), CLOUD) == name


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic YTpi", "Bearer a.e30.c", "Bearer a.W10.c", "Bearer .é.",
     identity(email="a\nb", email_verified=True), identity(email=7, email_verified=True), identity(email_verified=True)],
)  # fmt: skip
def test_on_cloud_run_a_request_without_a_token_that_says_who_is_refused(header: str) -> None:
    """It shows that allUsers may invoke the service, so nothing in it can be trusted."""
    with pytest.raises(Refused) as refused:
        caller(asked(authorization=header, **HERE, x_rotator_by="eve"), CLOUD)

    assert refused.value.status == 401
    assert "allUsers" in refused.value.detail


def test_an_unchecked_header_does_not_stand_in_for_a_checked_one_that_says_nothing() -> None:
    with pytest.raises(Refused):
        caller(asked(authorization=EVE, x_serverless_authorization=identity()), CLOUD)


def test_behind_identity_aware_proxy_its_header_counts_and_the_token_does_not() -> None:
    cloud = {**CLOUD, "ROTATOR_IAP": "1"}
    said = "x_goog_authenticated_user_email"

    assert caller(asked(authorization=EVE, **{said: "accounts.google.com:ann@acme.example"}), cloud) == "ann@acme.example"
    for other in ("", "ann@acme.example", "evil.example:ann@acme.example", "accounts.google.com:"):
        with pytest.raises(Refused):
            caller(asked(authorization=EVE, **{said: other}), cloud)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "[::1]"])
@pytest.mark.parametrize("remote", ["127.0.0.1", "::1", "127.8.8.8"])
def test_this_machine_is_served(host: str, remote: str) -> None:
    assert caller(asked(remote, host=host), {}) == "api"
    assert caller(asked(remote, host=host, x_rotator_by="ann@acme.example"), {}) == "ann@acme.example"


@pytest.mark.parametrize(
    ("remote", "headers"),
    [
        ("10.0.0.7", HERE),
        ("", HERE),
        ("unix:", HERE),
        ("127.0.0.1", {"host": "rebound.evil.example"}),
        ("127.0.0.1", {"host": "127.0.0.1.evil.example"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {**HERE, "x_forwarded_for": "10.0.0.7"}),
        ("127.0.0.1", {**HERE, "forwarded": "for=10.0.0.7"}),
    ],
)
def test_no_other_machine_no_other_name_of_this_one_and_no_proxy_is(remote: str, headers: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        caller(asked(remote, **headers), {})

    assert refused.value.status == 403


def test_with_a_token_file_the_token_counts_wherever_the_request_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    known = {"ROTATOR_API_TOKEN_FILE": str(file)}

    assert caller(asked("10.0.0.7", authorization=f"Bearer {TOKEN}", x_rotator_by="ann"), known) == "ann"
    for wrong in ("", f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é", TOKEN):
        with pytest.raises(Refused) as refused:
            caller(asked(authorization=wrong, **HERE), known)
        assert (refused.value.status, TOKEN in refused.value.detail) == (401, False)


@pytest.mark.parametrize("content", [None, "", "short\n"], ids=["absent", "empty", "short"])
def test_a_token_file_that_names_no_token_opens_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(Refused) as refused:
        caller(asked(authorization="Bearer ", **HERE), {"ROTATOR_API_TOKEN_FILE": str(tmp_path / "token")})

    assert refused.value.status == 503
    assert str(tmp_path) not in refused.value.detail


@pytest.mark.parametrize("name", ["", " ann", "ann ", "a\tb", "\x1b[31mann", "änn", "x" * 101])
def test_a_name_that_would_spoil_a_log_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        caller(asked(**HERE, x_rotator_by=name), {})

    assert refused.value.status == 422


def test_over_the_wire_on_cloud_run_nobody_chooses_a_name(tmp_path: Path) -> None:
    """The same through the real process: loopback counts for nothing there, and who is known meets the next fault, no books."""
    (tmp_path / "rotator.toml").write_text(GOOD)
    books = {"ROTATOR_CONFIG": str(tmp_path / "rotator.toml"), "ROTATOR_STATE": str(tmp_path / "state.db")}
    sent = {"Content-Type": "application/json", "X-Rotator-By": "eve@evil.example"}
    with door("api", tmp_path / "door" / "log", K_SERVICE="api", **books) as api:
        nobody = api.ask("/suspend", b'{"reason": "test"}', headers=sent)
        ann = api.ask("/suspend", b'{"reason": "test"}', headers={**sent, "Authorization": ANN})

    assert nobody.status == 401
    assert ann.status == 503
    assert "ROTATOR_FIRESTORE: is missing" in json.loads(ann.body)["detail"]
    assert ANN.removeprefix("Bearer ") not in api.said
    assert "eve@evil.example" not in api.said
