"""A push of Pub/Sub as it comes over HTTP: raw, or wrapped in a CloudEvent as Eventarc sends it.

What is no push is refused with 400, so that whoever misdirected it sees it fail. A good envelope around nonsense is not this
module's matter: the door acknowledges that, because no redelivery would mend it. Sources:
https://cloud.google.com/pubsub/docs/push and the HTTP binding of CloudEvents 1.0.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from rotator.doors.form import Asked, Refused

STRUCTURED = "application/cloudevents+json"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `attempt` 0: the subscription does not count. What `data` and `attributes` hold may come from strangers."""

    id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: str = ""
    subscription: str = ""
    attempt: int = 0


def message(asked: Asked) -> Message:
    """The message that was pushed. Raises: Refused."""
    if asked.method != "POST":
        raise Refused(405, f"{asked.method} {asked.path}: a push comes by POST")
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {STRUCTURED, JSON}:
        raise Refused(415, "a push is JSON; send Content-Type: application/json")
    try:
        body = msgspec.json.decode(asked.body)
    except (msgspec.DecodeError, RecursionError):  # nested a thousand deep, it is nobody's message
        raise Refused(400, "the body is not JSON") from None
    if kind == STRUCTURED and isinstance(body, dict):
        body = body.get("data")
    if not isinstance(body, dict) or not isinstance(body.get("message"), dict):
        raise Refused(400, 'the body is no push of Pub/Sub: it has no object "message"')
    return _message(body)


def _message(push: Mapping[str, Any]) -> Message:
    inner = push["message"]
    data, attributes = inner.get("data") or "", inner.get("attributes") or {}
    if not isinstance(data, str) or not isinstance(attributes, dict):
        raise Refused(400, "the body is no push of Pub/Sub: data is a text, attributes an object")
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "the body is no push of Pub/Sub: data is not base64") from None
    attempt = push.get("deliveryAttempt")
    return Message(
        id=_text(inner, "messageId", "message_id"),
        data=decoded,
        attributes={str(name): value for name, value in attributes.items() if isinstance(value, str)},
        published_at=_text(inner, "publishTime", "publish_time"),
        subscription=_text(push, "subscription"),
        attempt=attempt if isinstance(attempt, int) and not isinstance(attempt, bool) else 0,
    )


def _text(found: Mapping[str, Any], *names: str) -> str:
    """The first of these that is a text; one line of at most 256 characters, because it is logged."""
    value = next((found[name] for name in names if isinstance(found.get(name), str)), "")
    return " ".join(str(value).split())[:256]
