"""What Secret Manager tells the topics of a secret (gcp.md 4.2): best effort, at least once, in no promised order.

Reads are told to nobody. Each message is in `events`; with the address of a Pub/Sub emulator it is published there as well.
"""

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from google.cloud import secretmanager_v1 as api
from google.protobuf.json_format import MessageToDict

from sandbox.clock import Clock

PACIFIC = ZoneInfo("America/Los_Angeles")
"""The zone of the attribute `timestamp`: recorded messages have no Z there."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message as Pub/Sub carries it; `data` is JSON, empty for TOPIC_CONFIGURED."""

    topic: str
    attributes: dict[str, str]
    data: str

    @property
    def kind(self) -> str:
        """The attribute that subscriptions filter on."""
        return self.attributes["eventType"]

    def message(self) -> dict[str, Any]:
        """As a publisher sends it over REST."""
        return {"attributes": self.attributes, "data": base64.b64encode(self.data.encode()).decode()}


class Notices:
    """The publishing half of Secret Manager. The public attributes are knobs."""

    def __init__(self, clock: Clock) -> None:
        """Everything may be published; nowhere but to `events`."""
        self.events: list[Notice] = []
        self.pubsub = ""
        """host:port of a Pub/Sub emulator."""
        self.closed: list[str] = []
        """Topics where the service agent may not publish: nothing arrives, and they cannot be put on a secret."""
        self.refusal = "PERMISSION_DENIED"
        """The status of that refusal. Google documents none; FAILED_PRECONDITION is as likely (the client takes both)."""
        self.lost = 0
        """Messages that the emulator did not take."""
        self._clock = clock

    def of(self, kind: str) -> list[Notice]:
        """All messages of this kind, oldest first."""
        return [each for each in self.events if each.kind == kind]

    def configured(self, topics: list[str]) -> None:
        """A test message went to each of these topics."""
        for topic in topics:
            self._send(Notice(topic, {"eventType": "TOPIC_CONFIGURED"}, ""))

    def tell(self, kind: str, secret: Any, version: Any = None, **more: str) -> None:
        """Every topic of the secret was told; `secret` and `version` are the protocol's messages as they are now."""
        subject = secret if version is None else version
        attributes = {
            "eventType": kind,
            "dataFormat": "JSON_API_V1",
            "secretId": secret.name,
            "timestamp": _stamp(self._clock.now()),
            **({} if version is None else {"versionId": version.name}),
            **more,
        }
        data = json.dumps(MessageToDict(type(subject).pb(subject)))
        for topic in secret.topics:
            self._send(Notice(topic.name, attributes, data))

    def _send(self, notice: Notice) -> None:
        if notice.topic in self.closed:
            return
        self.events.append(notice)
        if self.pubsub:
            self._publish(notice)

    def _publish(self, notice: Notice) -> None:
        body = json.dumps({"messages": [notice.message()]}).encode()
        url = f"http://{self.pubsub}/v1/{notice.topic}:publish"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=5):
                pass
        except (urllib.error.URLError, OSError):
            self.lost += 1


def topics_of(secret: Any) -> list[str]:
    """The names of the topics of a secret."""
    return [topic.name for topic in api.Secret(secret).topics]


def _stamp(at: datetime) -> str:
    return at.astimezone(PACIFIC).isoformat(timespec="microseconds")
