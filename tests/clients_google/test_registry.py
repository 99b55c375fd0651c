"""The token endpoint and Artifact Registry through the client: what proves a key, and what only seems to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from google_neighbours import EMAIL, HOST, IMAGE, REPOSITORY, Neighbours
from rotator.clients.calls import ServerClock
from rotator.clients.image import Image
from rotator.clients.registry import ArtifactRegistry
from rotator.clients.route import Loopback, Route
from rotator.errors import Permanent, Transient
from rotator.key import KeyFile, KeyId

GRANT = (
    "gcloud artifacts repositories add-iam-policy-binding images --location europe --project acme"
    f" --member serviceAccount:{EMAIL} --role roles/artifactregistry.reader"
)


def test_a_living_key_is_exchanged(world: Neighbours) -> None:
    file = world.key_file()
    answer = world.registry.exchange(file)

    assert answer.accepted
    assert answer.text == f"key {file.id[:8]} of {EMAIL} was exchanged for an access token"
    assert world.google.last_use(file.id) is not None


@pytest.mark.parametrize("fate", ["disabled", "deleted"])
def test_a_dead_key_is_refused_in_words_that_leave_the_cause_open(world: Neighbours, fate: str) -> None:
    file = world.key_file()
    world.google.iam.change_by_hand(file.id, fate)
    answer = world.registry.exchange(file)

    assert (answer.accepted, answer.propagating) == (False, True)
    assert "invalid_grant Invalid JWT Signature." in answer.text
    assert "it may be new and not known everywhere yet, or deleted, disabled or expired" in answer.text


def test_an_assertion_is_dated_by_the_servers_clock(world: Neighbours) -> None:
    world.google.clock.advance(86_400 * 30)
    file = world.key_file()  # the token's answer told the time

    assert world.registry.exchange(file).accepted


@pytest.mark.parametrize("answer", ["500", "503", "429", "lost"])
def test_what_may_pass_is_transient_after_a_few_tries(world: Neighbours, answer: str) -> None:
    file = world.key_file()
    world.fail("POST token", answer)
    with pytest.raises(Transient, match=r"exchanging key .* for a token: (5|429|no answer)"):
        world.registry.exchange(file)

    assert world.calls("POST token") > 1


def test_a_key_pulls_its_image(world: Neighbours) -> None:
    answer = world.registry.pull(world.key_file(), HOST, IMAGE)

    assert answer.accepted
    assert f"may pull {IMAGE} from {HOST}" in answer.text


def test_without_an_image_the_answer_claims_no_pull(world: Neighbours) -> None:
    answer = world.registry.pull(world.key_file(), HOST, None)

    assert answer.accepted
    assert "nothing was pulled" in answer.text


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("image", [IMAGE, None])
def test_a_dead_key_is_not_accepted_whatever_the_status(world: Neighbours, status: int, image: str | None) -> None:
    file = world.key_file()
    world.google.registry.bad_key_status = status
    world.google.iam.change_by_hand(file.id, "disabled")
    answer = world.registry.pull(file, HOST, image)

    assert (answer.accepted, answer.propagating) == (False, True)
    assert "is not accepted" in answer.text


@pytest.mark.parametrize("early", [True, False], ids=["told at the token", "told at the manifest"])
def test_a_missing_role_is_no_bad_key_and_names_the_command(world: Neighbours, early: bool) -> None:
    file = world.key_file()
    world.google.registry.refuses_role_at_token = early
    world.google.registry.revoke(EMAIL, HOST, REPOSITORY)
    answer = world.registry.pull(file, HOST, IMAGE)

    assert (answer.accepted, answer.propagating) == (False, False)
    assert "is accepted but lacks roles/artifactregistry.reader" in answer.text
    assert GRANT in answer.text


def test_an_absent_image_proves_the_key_and_says_so(world: Neighbours) -> None:
    answer = world.registry.pull(world.key_file(), HOST, f"{REPOSITORY}/other:1")

    assert answer.accepted
    assert f"has no image {REPOSITORY}/other:1: correct the policy's probes" in answer.text


def test_a_host_that_is_no_registry_needs_a_person(world: Neighbours) -> None:
    with pytest.raises(Permanent, match="is it an Artifact Registry") as refusal:
        world.registry.pull(world.key_file(), "example.com", None)
    assert refusal.value.code == "registry-answer"
    with pytest.raises(Permanent) as name:
        world.registry.pull(world.key_file(), "not a host:x", None)
    assert name.value.code == "upstream-name"


class _Stranger(BaseHTTPRequestHandler):
    """A registry that sends its callers elsewhere, to log in or altogether, and writes down what they show."""

    seen: list[str] = []  # noqa: RUF012 - of one test
    realm = "https://elsewhere.example/v2/token"

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        redirected = self.headers["Host"].startswith("moved")
        self.send_response(307 if redirected else 401)
        self.send_header("Location", self.realm) if redirected else None
        self.send_header("WWW-Authenticate", f'Bearer realm="{self.realm}",service="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Nothing."""


@pytest.fixture
def stranger() -> Iterator[ArtifactRegistry]:
    server = HTTPServer(("127.0.0.1", 0), _Stranger)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    _Stranger.seen.clear()
    http = Route(Loopback(f"127.0.0.1:{server.server_port}", "127.0.0.1:1")).http()
    yield ArtifactRegistry(http, ServerClock())
    http.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("host", "code"), [(HOST, "realm-mismatch"), ("moved.pkg.dev", "registry-answer")])
def test_a_key_is_shown_to_its_own_host_only(world: Neighbours, stranger: ArtifactRegistry, host: str, code: str) -> None:
    file = world.key_file()
    with pytest.raises(Permanent) as refusal:
        stranger.pull(file, host, IMAGE)

    assert refusal.value.code == code
    assert _Stranger.seen == [""]


def test_assertions_go_to_the_pinned_endpoint_whatever_a_secret_says(world: Neighbours) -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(str(request.url))
        return httpx.Response(503)

    seen = httpx.MockTransport(answer)
    file = world.key_file()
    document = json.loads(file.reveal())
    with pytest.raises(Transient):
        ArtifactRegistry(httpx.Client(transport=seen), ServerClock()).exchange(
            KeyFile(file.private, file.account, KeyId("4f1c"))
        )

    assert set(hosts) == {"https://oauth2.googleapis.com/token"} == {document["token_uri"]}


@pytest.mark.parametrize(
    ("upstream", "text", "shown", "granted"),
    [
        (HOST, "acme/images/app", "acme/images/app:latest", "images --location europe --project acme "),
        (HOST, f"{HOST}/acme/images/app:1", "acme/images/app:1", "images --location europe --project acme "),
        (HOST, "acme/images/app@sha256:ab", "acme/images/app@sha256:ab", "images --location europe --project acme "),
        (
            HOST,
            "example.com/acme/images/app:1",
            "example.com/acme/images/app:1",
            "images --location europe --project example.com:acme ",
        ),
        ("eu.gcr.io", "acme/app:1", "acme/app:1", "eu.gcr.io --location europe --project acme "),
    ],
)
def test_a_probe_is_read_as_people_write_images(upstream: str, text: str, shown: str, granted: str) -> None:
    image = Image.parse(upstream, text)

    assert str(image) == shown
    assert f"binding {granted}" in image.grant(EMAIL)
