"""The door `api` under bad input, over the wire: a clear 4xx, no traceback, and nothing of a header in any answer or log.

The floor of what may arrive is lower than what an HTTP library sends, so the worst of it is written to a bare socket.
"""

import json
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import tally
from api_ground import TOKEN, Ground, ground

CANARY = "canary-9d1e7b3c5f"
SEED = 20260301
ROUNDS = 300
POSTS = ("/rotations", "/records/puller-acme-prod-r1/retry", "/records/puller-acme-prod-r1/waive", "/keys/01234567/reenable",
         "/suspend", "/resume")  # fmt: skip
BODIES = [
    b"", b"{", b"[]", b"null", b"7", b'"text"', b"\x00", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"[" * 50_000, b'{"a":' * 5_000,
    b'{"reason": NaN}', b'{"reason": "\\ud800", "credential": "x"}', b'{"reason": "x\\u0000y"}', b'{"reason": "\\u001b[31m"}',
    b'{"reason": "x\\n"}', b'{"reason": ""}', b'{"reason": "   "}', b'{"reason": 7}', b'{"reason": null}', b'{"reason": ["x"]}',
    b'{"reason": "' + b"x" * 501 + b'"}', b'{"reason": "x", "by": "eve"}', b'{"reason": "x", "": 1}',
    b'{"reason": "x", "\\n": 1}',
    b'{"reason": "x", "credential": ""}', b'{"reason": "x", "credential": {"$gt": ""}}',
    b'{"reason": "x", "' + b"k" * 10_000 + b'": 1}', b"reason=x", b"<reason>x</reason>", b'{"reason": 1e999}',
]  # fmt: skip
PATHS = [
    "/..", "/../etc/passwd", "/records/..", "/records/%2e%2e", "/records/%00", "/records/a%00b", "/records/%0d%0aX-A:b",
    "/records/%ff", "/records/%e2%82%ac", "/records/" + "x" * 2_000, "/" + "y" * 60_000, "/records/", "/Records",
    "/records/a/b/c", "/records/$(id)", "/records/'--", "/credentials/*", "/credentials/%25", "/%1b[31m",
    "/records?limit=", "/records?limit=-1", "/records?limit=1e3", "/records?limit=9999999999999999999999",
    "/records?status=done", "/records?unfinished=maybe", "/records?by=eve", "/records?%00=1", "/records?cursor=%00",
    "/records?credential=", "/records?" + "a=1&" * 3_000, "/records?limit=%ff", "/robots.txt", "/favicon.ico", "/.git/config",
]  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "token").write_text(TOKEN)
    with ground(folder, ROTATOR_API_TOKEN_FILE=str(folder / "token")) as built:
        built.post("/rotations", 201, credential="puller-acme-prod", reason="test", headers=headers())
        yield built


@pytest.fixture(autouse=True)
def nothing_leaked(here: Ground) -> Iterator[None]:
    """Whatever came, the log has no traceback and no header; and the door still answers."""
    yield
    assert here.api.ask("/healthz").status == 200
    assert "Traceback" not in here.api.said
    assert TOKEN not in here.api.said
    assert CANARY not in here.api.said


def headers(**more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}", "X-Canary": CANARY, "Content-Type": "application/json", **more}


def judged(status: int, said: bytes) -> None:
    assert 400 <= status < 500, (status, said[:300])
    assert TOKEN.encode() not in said
    assert CANARY.encode() not in said
    assert b"Traceback" not in said


@pytest.mark.parametrize("path", POSTS)
def test_a_malformed_body_is_named(here: Ground, path: str) -> None:
    for body in BODIES:
        answer = here.api.ask(path, body, headers=headers())
        judged(answer.status, answer.body)
        problem = json.loads(answer.body)
        assert problem["status"] == answer.status == 422, (body[:60], answer.body)
        assert len(problem["detail"]) < 700
        assert problem["detail"].isprintable()


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx",
                                  "multipart/form-data",
                                  "application/json/x", "text/json; charset=utf-8", "é"])  # fmt: skip
def test_another_kind_of_body_is_none_of_ours(here: Ground, kind: str) -> None:
    """Even where the body is JSON: a form in a browser can send those, and only those, without being asked."""
    answer = here.api.ask("/suspend", b'{"reason": "x"}', headers=headers(**{"Content-Type": kind}))

    judged(answer.status, answer.body)
    assert answer.status == 415


def test_a_huge_body_is_not_read(here: Ground) -> None:
    answer = here.api.ask("/rotations", b"{" + b" " * 3_000_000, headers=headers())

    judged(answer.status, answer.body)
    assert answer.status == 413


def test_a_long_path_is_not_said_again(here: Ground) -> None:
    answer = here.api.ask("/" + "p" * 20_000, b"{" + b" " * 1_000_000, headers=headers())

    judged(answer.status, answer.body)
    assert (answer.status, len(answer.body) < 400) == (413, True)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_an_odd_path_leads_nowhere(here: Ground, path: str) -> None:
    status, said = raw(here, f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers().items()))

    if status != 308:  # werkzeug joins slashes, and what it leads to is judged like any other
        judged(status, said)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "G\x7fT", "X" * 200])
def test_an_odd_method_is_not_served(here: Ground, method: str) -> None:
    judged(*raw(here, f"{method} /records HTTP/1.1", *(f"{name}: {value}" for name, value in headers().items())))


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"], ["Content-Length: x"], ["Content-Length: 5", "Content-Length: 6"],
        ["Transfer-Encoding: chunked"], ["Transfer-Encoding: gzip"], ["Transfer-Encoding: chunked", "Content-Length: 3"],
        ["Bad Header: 1"], ["X-Long: " + "x" * 70_000], ["X-Rotator-By: " + "\x1b[31m"], ["X-Rotator-By: " + "x" * 500],
        ["Host: a b"], [f"X-{n}: {n}" for n in range(200)],
    ],
    ids=lambda lines: str(lines[0][:34]),
)  # fmt: skip
def test_a_crooked_request_is_refused(here: Ground, lines: list[str]) -> None:
    given = [f"{name}: {value}" for name, value in headers().items()]

    judged(*raw(here, "POST /rotations HTTP/1.1", *given, *lines, body=b"zz\r\n{}"))


def test_bodies_that_are_nearly_right(here: Ground) -> None:
    """A right body with one random change in its bytes: either still right or refused; what was refused changed nothing."""
    chance = random.Random(SEED)
    right = json.dumps({"credential": "puller-acme-prod", "reason": "fuzz"}).encode()
    for _ in range(ROUNDS):
        body = bytearray(right)
        for _ in range(chance.randint(1, 3)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        answer = here.api.ask("/rotations", bytes(body), headers=headers())
        if answer.status not in {200, 201}:
            judged(answer.status, answer.body)

    records = json.loads(here.api.ask("/records", headers=headers()).body)["records"]
    assert [one["id"] for one in records] == ["puller-acme-prod-r1"]
    inputs = ROUNDS + len(POSTS) * len(BODIES) + len(PATHS)
    tally.add("fuzz_inputs", "api", inputs, unit="requests")
    tally.add("fuzz_tracebacks", "api", here.api.said.count("Traceback"), unit="tracebacks", goal=0)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "0"])
def test_a_stranger_learns_nothing(here: Ground, token: str) -> None:
    for path in ("/", "/credentials", "/records", "/records/puller-acme-prod-r1"):
        answer = here.api.ask(path, headers=headers(Authorization=f"Bearer {token}"))
        judged(answer.status, answer.body)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert b"puller" not in answer.body


def raw(here: Ground, *lines: str, body: bytes = b"") -> tuple[int, bytes]:
    """The status and all bytes that came back for exactly these lines. A connection that is closed without a word is a 400."""
    address = urlsplit(here.api.url)
    assert address.hostname is not None
    host = () if any(line.startswith("Host:") for line in lines) else (f"Host: {address.netloc}",)
    said = b""
    with socket.create_connection((address.hostname, address.port or 0), timeout=20) as connection:
        try:
            connection.sendall("\r\n".join([*lines, *host, "Connection: close", "", ""]).encode("latin-1") + body)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                said += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    found = re.match(rb"HTTP/1\.1 (\d{3})", said)
    return (int(found[1]) if found else 400), said


def test_the_log_of_acts_is_one_line_each(here: Ground, tmp_path: Path) -> None:
    here.post(
        "/suspend", credential="puller-acme-prod", reason="two words “quoted”", headers=headers(**{"X-Rotator-By": "ann"})
    )

    lines = [line for line in here.api.said.splitlines() if "automation.suspended" in line]
    assert json.loads(lines[-1])["reason"] == "two words “quoted”"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/openapi.json"])
def test_what_monitors_and_generators_read_is_open_and_names_nobody(here: Ground, path: str) -> None:
    answer = here.api.ask(path, headers={"X-Canary": CANARY})

    assert answer.status == 200
    assert b"puller" not in answer.body
