"""Secret Manager's rotation schedules and what it tells a secret's topics (gcp.md 4)."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from google.api_core import exceptions

from google_callers import Callers, last
from sandbox.google import Google

NAME = "projects/acme/secrets/staging"
TOPIC = "projects/acme/topics/expiry"
LEAVES = ["rotation.next_rotation_time"]


def update(callers: Callers, paths: list[str], **fields: Any) -> Any:
    request = {"secret": {"name": NAME, **fields}, "update_mask": {"paths": paths}}
    return callers.secrets.update_secret(request=request, **callers.auth)


def schedule(google: Google, callers: Callers, seconds: float, **more: Any) -> Any:
    rotation = {"next_rotation_time": google.clock.now() + timedelta(seconds=seconds), **more}
    leaves = [f"rotation.{leaf}" for leaf in rotation]
    return update(callers, ["topics", *leaves], topics=[{"name": TOPIC}], rotation=rotation)


def kinds(google: Google) -> list[str]:
    return [each.kind for each in google.notices.events]


def test_the_mask_says_what_changes_and_the_etag_is_new(google: Google, callers: Callers) -> None:
    callers.store(b"one", installation="a")
    before = callers.secrets.get_secret(name=NAME, **callers.auth)
    after = schedule(google, callers, 1000)
    again = update(callers, ["labels"], labels={"installation": "b"}, topics=[])

    assert after.etag != before.etag
    assert dict(after.labels) == {"installation": "a"}
    assert (dict(again.labels), [each.name for each in again.topics]) == ({"installation": "b"}, [TOPIC])
    assert again.rotation.next_rotation_time == after.rotation.next_rotation_time
    assert last(google, "secretmanager").method == "UpdateSecret"


@pytest.mark.parametrize(
    ("paths", "fields"),
    [
        ([], {"labels": {}}),
        (LEAVES, {"rotation": {"next_rotation_time": 1000}}),
        (["topics"], {"topics": [{"name": "expiry"}]}),
        (["topics"], {"topics": [{"name": f"{TOPIC}-{number}"} for number in range(11)]}),
        (["topics", *LEAVES], {"topics": [{"name": TOPIC}], "rotation": {"next_rotation_time": 290}}),
        (["topics", *LEAVES], {"topics": [{"name": TOPIC}], "rotation": {"next_rotation_time": 3_153_700_000}}),
        (["topics", "rotation"], {"topics": [{"name": TOPIC}], "rotation": {"rotation_period": timedelta(hours=2)}}),
    ],
    ids=["no mask", "no topic", "a short name", "eleven topics", "too soon", "too late", "a period alone"],
)
def test_what_no_secret_can_have_is_refused(google: Google, callers: Callers, paths: list[str], fields: Any) -> None:
    callers.store(b"one")
    if "next_rotation_time" in fields.get("rotation", {}):
        at = google.clock.now() + timedelta(seconds=fields["rotation"]["next_rotation_time"])
        fields = fields | {"rotation": {"next_rotation_time": at}}
    with pytest.raises(exceptions.InvalidArgument):
        update(callers, paths, **fields)

    assert google.notices.events == []


def test_a_stale_etag_is_refused(google: Google, callers: Callers) -> None:
    callers.store(b"one")
    old = callers.secrets.get_secret(name=NAME, **callers.auth).etag
    schedule(google, callers, 1000)
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        update(callers, ["labels"], labels={"a": "b"}, etag=old)


@pytest.mark.parametrize("status", ["PERMISSION_DENIED", "FAILED_PRECONDITION"])
def test_a_topic_where_the_service_agent_may_not_publish_is_refused(google: Google, callers: Callers, status: str) -> None:
    callers.store(b"one")
    google.notices.closed, google.notices.refusal = [TOPIC], status
    refusal = exceptions.PermissionDenied if status == "PERMISSION_DENIED" else exceptions.FailedPrecondition
    with pytest.raises(refusal, match="gcp-sa-secretmanager"):
        schedule(google, callers, 1000)


@pytest.mark.parametrize("stays", [False, True], ids=["cleared", "kept"])
def test_a_time_without_a_period_is_told_once(google: Google, callers: Callers, stays: bool) -> None:
    """Whether the time is cleared then is documented nowhere."""
    google.secrets.keeps_times = stays
    callers.store(b"one")
    schedule(google, callers, 1000)
    google.clock.advance(999)
    early = google.notices.of("SECRET_ROTATE")
    for _ in range(3):
        google.clock.advance(5000)
        google.secrets.catch_up()

    assert early == []
    assert len(google.notices.of("SECRET_ROTATE")) == 1
    assert ("next_rotation_time" in google.secrets.find(NAME).message.rotation) == stays
    schedule(google, callers, 1000)
    google.clock.advance(1001)
    google.secrets.catch_up()
    assert len(google.notices.of("SECRET_ROTATE")) == 2


def test_a_time_with_a_period_moves_on(google: Google, callers: Callers) -> None:
    callers.store(b"one")
    begin = schedule(google, callers, 1000, rotation_period=timedelta(hours=1)).rotation.next_rotation_time
    google.clock.advance(3 * 3600)
    found = callers.secrets.get_secret(name=NAME, **callers.auth).rotation

    assert found.next_rotation_time == begin + timedelta(hours=3)
    assert len(google.notices.of("SECRET_ROTATE")) == 1


def test_all_writes_are_told_and_no_reads(google: Google, callers: Callers) -> None:
    callers.store(b"one")
    schedule(google, callers, 1000)
    version = callers.add_version(b"two").name
    callers.secrets.access_secret_version(name=version, **callers.auth)
    callers.secrets.disable_secret_version(name=version, **callers.auth)
    callers.secrets.enable_secret_version(name=version, **callers.auth)
    callers.secrets.destroy_secret_version(name=version, **callers.auth)
    google.clock.advance(1001)
    callers.secrets.delete_secret(name=NAME, **callers.auth)

    assert kinds(google) == [
        "TOPIC_CONFIGURED", "SECRET_UPDATE", "SECRET_VERSION_ADD", "SECRET_VERSION_DISABLE", "SECRET_VERSION_ENABLE",
        "SECRET_VERSION_DESTROY", "SECRET_ROTATE", "SECRET_VERSION_DESTROY", "SECRET_DELETE",
    ]  # fmt: skip


def test_a_message_is_as_recorded_ones_are(google: Google, callers: Callers) -> None:
    callers.store(b"one", installation="a")
    schedule(google, callers, 1000)
    google.clock.advance(1001)
    google.secrets.catch_up()
    (told,) = google.notices.of("SECRET_ROTATE")
    body = json.loads(told.data)

    assert told.topic == TOPIC
    assert set(told.attributes) == {"eventType", "dataFormat", "secretId", "timestamp"}
    assert told.attributes["dataFormat"] == "JSON_API_V1"
    assert told.attributes["secretId"] == body["name"] == google.secrets.find(NAME).message.name
    assert body["name"].split("/")[1].isdecimal()
    assert told.attributes["timestamp"][-6:] in {"-07:00", "-08:00"}
    assert body["topics"] == [{"name": TOPIC}]
    assert body["labels"] == {"installation": "a"}
    configured = google.notices.events[0]
    assert (configured.attributes, configured.data) == ({"eventType": "TOPIC_CONFIGURED"}, "")


@contextmanager
def emulator() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Whatever is published over REST, at an address."""
    taken: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_with_an_emulator_messages_are_published_there(google: Google, callers: Callers) -> None:
    callers.store(b"one")
    with emulator() as (address, taken):
        google.notices.pubsub = address
        schedule(google, callers, 1000)

    assert [path for path, _ in taken] == [f"/v1/{TOPIC}:publish"] * 2
    (message,) = taken[1][1]["messages"]
    assert message["attributes"]["eventType"] == "SECRET_UPDATE"
    assert json.loads(base64.b64decode(message["data"]))["topics"] == [{"name": TOPIC}]
    schedule(google, callers, 2000)  # nobody is there any more
    assert google.notices.lost == 2
