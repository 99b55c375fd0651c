"""Artifact Registry tells apart who somebody is and what they may pull, in its own statuses."""

import base64
import json

import pytest

from google_callers import EMAIL, HOST, MANIFEST, PATH, Callers, last
from sandbox.google import Google
from sandbox.iam_key import Account


def test_the_challenge_names_the_realm_of_the_host(google: Google, callers: Callers) -> None:
    plain = callers.get(HOST, "/v2/")
    assert plain.status_code == 401
    assert plain.headers["WWW-Authenticate"] == f'Bearer realm="https://{HOST}/v2/token"'
    gcr = callers.get("eu.gcr.io", "/v2/").headers["WWW-Authenticate"]
    assert gcr == 'Bearer realm="https://eu.gcr.io/v2/token",service="eu.gcr.io"'
    local = callers.http.get("/v2/").headers["WWW-Authenticate"]
    assert local == f'Bearer realm="http://{google.http_address}/v2/token"'


def test_a_key_pulls_a_whole_image(google: Google, callers: Callers, puller: str) -> None:
    token = callers.pull_token(("_json_key", puller))

    assert callers.head(token).status_code == 200
    auth = {"Authorization": f"Bearer {token.json()['token']}", "Accept": MANIFEST}
    manifest = callers.get(HOST, f"/v2/{PATH}/manifests/latest", headers=auth)
    assert manifest.headers["Content-Type"] == MANIFEST
    digest = manifest.headers["Docker-Content-Digest"]
    assert callers.get(HOST, f"/v2/{PATH}/manifests/{digest}", headers=auth).content == manifest.content
    for blob in (manifest.json()["config"], *manifest.json()["layers"]):
        content = callers.get(HOST, f"/v2/{PATH}/blobs/{blob['digest']}", headers=auth).content
        assert len(content) == blob["size"]
    assert callers.get(HOST, f"/v2/{PATH}/tags/list", headers=auth).json()["tags"] == ["latest"]
    assert callers.get(HOST, f"/v2/{PATH}/manifests/v9", headers=auth).status_code == 404
    facts = last(google, "registry")
    assert facts.outcome == "404"
    good = [entry.facts for entry in google.operations.since() if entry.method == "HEAD manifests"]
    assert good == [
        {"host": HOST, "repository": PATH, "public_key": google.ring.public_key_of(puller.encode()), "caller": EMAIL}
    ]


def test_an_image_that_is_not_there_still_proves_the_key(callers: Callers, puller: str) -> None:
    token = callers.pull_token(("_json_key", puller), "acme/images/other")

    assert callers.head(token, "acme/images/other").status_code == 404


def test_a_manifest_needs_a_client_that_accepts_it(callers: Callers, puller: str) -> None:
    token = callers.pull_token(("_json_key", puller))
    docker = "application/vnd.docker.distribution.manifest.v2+json"

    assert callers.head(token, Accept=docker).status_code == 404


def test_the_base64_form_must_be_one_line(callers: Callers, puller: str) -> None:
    encoded = base64.b64encode(puller.encode()).decode()

    assert callers.pull_token(("_json_key_base64", encoded)).status_code == 200
    wrapped = base64.encodebytes(puller.encode()).decode()
    assert callers.pull_token(("_json_key_base64", wrapped)).status_code == 401


@pytest.mark.parametrize("state", ["disabled", "deleted"])
def test_a_dead_key_gets_no_token_but_its_old_token_still_pulls(
    google: Google, callers: Callers, puller: str, state: str
) -> None:
    token = callers.pull_token(("_json_key", puller))
    google.iam.change_by_hand(json.loads(puller)["private_key_id"], state)

    assert callers.pull_token(("_json_key", puller)).status_code == 401
    assert callers.head(token).status_code == 200
    google.clock.advance(3601)
    assert callers.head(token).status_code == 401
    google.registry.bad_key_status = 403
    refusal = callers.pull_token(("_json_key", puller))
    assert refusal.status_code == 403
    assert "Unauthenticated request" in refusal.json()["errors"][0]["message"]


def test_a_good_key_without_the_role_is_told_so(google: Google, callers: Callers, puller: str) -> None:
    _, stranger = google.make_key(google.create_account("acme", "stranger@acme.iam.gserviceaccount.com"))
    token = callers.pull_token(("_json_key", stranger))

    assert token.status_code == 200
    assert callers.head(token).status_code == 403
    auth = {"Authorization": f"Bearer {token.json()['token']}", "Accept": MANIFEST}
    refusal = callers.get(HOST, f"/v2/{PATH}/manifests/latest", headers=auth)
    text = refusal.json()["errors"][0]["message"]
    assert text.startswith('Permission "artifactregistry.repositories.downloadArtifacts" denied on resource')
    google.registry.refuses_role_at_token = True
    assert callers.pull_token(("_json_key", stranger)).status_code == 403


def test_nobody_pulls_from_a_private_repository_and_anybody_from_a_public_one(
    google: Google, callers: Callers, puller: str
) -> None:
    google.repository(HOST, "acme/open", private=False)

    refusal = callers.pull_token(None)
    assert refusal.status_code == 403
    assert "Unauthenticated request" in refusal.json()["errors"][0]["message"]
    token = callers.pull_token(None, "acme/open/app")
    assert callers.head(token, "acme/open/app").status_code == 200
    assert callers.get(HOST, "/v2/acme/open/app/manifests/latest").status_code == 401
    assert callers.pull_token(("_json_key", "{}"), "acme/open/app").status_code == 401


def test_a_token_is_for_its_scope_and_its_host(google: Google, callers: Callers, account: Account, puller: str) -> None:
    token = callers.pull_token(("_json_key", puller))
    google.repository("us-docker.pkg.dev", "acme/images")

    assert callers.head(token, "acme/images/other").status_code == 401
    assert callers.head(token, host="us-docker.pkg.dev").status_code == 403


def test_a_loopback_host_finds_repositories_of_any_host(callers: Callers, puller: str) -> None:
    params = {"scope": f"repository:{PATH}:pull"}
    token = callers.http.get("/v2/token", params=params, auth=("_json_key", puller)).json()["token"]

    auth = {"Authorization": f"Bearer {token}", "Accept": MANIFEST}
    assert callers.http.head(f"/v2/{PATH}/manifests/latest", headers=auth).status_code == 200


def test_a_key_file_with_another_private_key_is_refused(google: Google, callers: Callers, puller: str) -> None:
    forged = json.loads(puller) | {"private_key": callers.certificate()[0]}

    assert callers.pull_token(("_json_key", json.dumps(forged))).status_code == 401
    assert callers.pull_token(("_json_key", puller[:-20])).status_code == 401
    assert callers.pull_token(("somebody", puller)).status_code == 401
