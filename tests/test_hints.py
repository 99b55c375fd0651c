"""What each source's message means, and that nothing a stranger sends means more: recorded bodies, then anything at all."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.doors import events, push
from rotator.doors.form import Asked, Refused
from rotator.doors.hints import understand
from rotator.doors.push import Message
from rotator.hint import Hint, Ignored, Poison

CORPUS = Path(__file__).with_name("corpus") / "events"
JSON = {"content-type": "application/json"}
CANARY = "canary-5f1d9a"


def pushed(body: object, headers: dict[str, str] | None = None) -> Asked:
    return Asked("POST", "/", headers={**JSON, **(headers or {})}, body=json.dumps(body).encode())


def wrapped(data: bytes, **message: Any) -> dict[str, Any]:
    inner = {"data": base64.b64encode(data).decode(), "messageId": "17", "publishTime": "2026-03-27T14:31:37.9Z", **message}
    return {"message": inner, "subscription": "projects/acme/subscriptions/events"}


# --- pushes ---


def test_a_raw_push_a_binary_and_a_structured_cloudevent_are_the_same_message() -> None:
    push_ = {**wrapped(b"data", attributes={"a": "b"}), "deliveryAttempt": 3}
    event = {"specversion": "1.0", "id": "17", "type": "google.cloud.pubsub.topic.v1.messagePublished", "data": push_}
    binary = {"ce-id": "17", "ce-type": event["type"], "ce-specversion": "1.0"}

    raw = push.message(pushed(push_))

    assert raw == Message("17", b"data", {"a": "b"}, "2026-03-27T14:31:37.9Z", "projects/acme/subscriptions/events", 3)
    assert push.message(pushed(push_, binary)) == raw
    assert push.message(pushed(event, {"content-type": "application/cloudevents+json; charset=utf-8"})) == raw


def test_a_message_of_attributes_alone_and_the_other_spelling_are_taken() -> None:
    found = push.message(pushed({"message": {"attributes": {"a": "b"}, "message_id": "18"}}))

    assert (found.id, found.data, found.attributes) == ("18", b"", {"a": "b"})


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (Asked("GET", "/"), 405),
        (Asked("POST", "/", headers={"content-type": "text/plain"}, body=b"{}"), 415),
        (Asked("POST", "/", headers=JSON, body=b"{"), 400),
        (pushed([]), 400),
        (pushed({}), 400),
        (pushed({"message": []}), 400),
        (pushed({"message": {"data": 7}}), 400),
        (pushed({"message": {"data": "???"}}), 400),
        (pushed({"message": {"attributes": [1]}}), 400),
    ],
)
def test_what_is_no_push_is_refused(asked: Asked, status: int) -> None:
    with pytest.raises(Refused) as refused:
        push.message(asked)

    assert refused.value.status == status


# --- sources ---


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.json")), ids=lambda path: path.stem)
def test_each_sources_message_means_what_stands_beside_it(path: Path) -> None:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    data = b"" if recorded["data"] is None else json.dumps(recorded["data"]).encode()
    found = understand(Message("17", data, recorded["attributes"]))

    match recorded["said"]:
        case {"hint": wanted}:
            assert found == msgspec.convert(wanted, Hint)
        case {"ignored": why}:
            assert found == Ignored(why)
        case {"poison": why}:
            assert found == Poison(why)


# --- anything at all ---

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    *("asset", "priorAsset", "finding", "protoPayload", "incident", "kind"),
    *("service_account", "resource", "data", "state", "name"),
)
TABLES = st.dictionaries(st.sampled_from(NAMES), VALUES)
BODIES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), VALUES | TABLES, max_size=6)
ATTRIBUTES = st.dictionaries(st.sampled_from(("eventType", "secretId", "x")), st.text(max_size=30), max_size=3)
INPUTS = 400


@settings(max_examples=INPUTS, deadline=None, derandomize=True)
@given(data=st.binary(max_size=200) | BODIES.map(lambda body: json.dumps(body).encode()), attributes=ATTRIBUTES)
def test_any_message_is_understood_or_not_but_never_a_fault(data: bytes, attributes: dict[str, str]) -> None:
    found = understand(Message("17", data, attributes))

    assert isinstance(found, Hint | Ignored | Poison)
    if isinstance(found, Hint):
        assert found.account or found.secret
        assert "\n" not in found.said


@settings(max_examples=INPUTS, deadline=None, derandomize=True)
@given(
    body=st.binary(max_size=200)
    | VALUES.map(lambda body: json.dumps(body).encode())
    | BODIES.map(lambda body: json.dumps({"message": body}).encode()),
    kind=st.sampled_from(("application/json", "application/cloudevents+json", "text/html", "", "application/json; charset=x")),
)
def test_any_request_is_refused_or_acknowledged_and_nothing_of_it_is_repeated(body: bytes, kind: str) -> None:
    asked = Asked("POST", "/", headers={"content-type": kind, "authorization": f"Bearer {CANARY}"}, body=body)
    try:
        said = events.handle(asked, {})
    except Refused as refused:
        assert 400 <= refused.status < 500
        assert CANARY not in refused.detail
    else:
        assert said.status == 200
        assert CANARY.encode() not in said.body


def test_what_is_only_ignored_loads_no_library_of_anybodys() -> None:
    import subprocess
    import sys

    script = (
        "HEAVY = ('google.auth', 'google.api_core', 'grpc', 'kubernetes', 'httpx', 'cryptography');"
        "import sys, json, base64; from rotator.doors import events; from rotator.doors.form import Asked;"
        "body = json.dumps({'message': {'data': base64.b64encode(b'{}').decode()}}).encode();"
        "said = events.handle(Asked('POST', '/', headers={'content-type': 'application/json'}, body=body), {});"
        "print(said.status, [name for name in HEAVY if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "functions")}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == "200 []"
