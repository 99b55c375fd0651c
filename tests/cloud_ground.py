"""The whole house as it stands in the cloud, on loopback: the sandbox, Google's emulators, one process of functions-framework
per door, with Pub/Sub pushing to them. Whoever tests, plays with it or breaks it stands on this.
"""

import base64
import itertools
import json
import os
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import log_lines
from framework import Answer, Door
from sandbox.cloud import Cloud

DOORS = ("schedule", "worker", "events", "api")
SECONDS = {"Content-Type": "application/json"}
_numbers = itertools.count(1)


class PubSub:
    """The emulator of Pub/Sub over REST, as one project."""

    def __init__(self, address: str, project: str) -> None:
        """Nothing is made yet."""
        self.address = address
        self.project = project

    def topic(self, name: str) -> str:
        """The topic is there; its full name."""
        full = f"projects/{self.project}/topics/{name}"
        self._send("PUT", full, {})
        return full

    def push(self, name: str, topic: str, endpoint: str, dead: str, passing: str = "") -> None:
        """What is published on the topic and passes the filter is pushed to the endpoint; refused, it comes again soon.

        As infra/messages.tf makes it, in more of a hurry. `dead`: the topic of what was refused too often.
        """
        self._send(
            "PUT",
            f"projects/{self.project}/subscriptions/{name}",
            {
                "topic": topic,
                "pushConfig": {"pushEndpoint": endpoint},
                "ackDeadlineSeconds": 60,
                "retryPolicy": {"minimumBackoff": "0.5s", "maximumBackoff": "2s"},
                "deadLetterPolicy": {"deadLetterTopic": dead, "maxDeliveryAttempts": 100},
                "expirationPolicy": {},
                **({"filter": passing} if passing else {}),
            },
        )

    def pull(self, name: str, topic: str) -> None:
        """What is published on the topic is kept for whoever pulls it."""
        self._send("PUT", f"projects/{self.project}/subscriptions/{name}", {"topic": topic, "expirationPolicy": {}})

    def point(self, name: str, endpoint: str) -> None:
        """The subscription pushes to this endpoint from now on."""
        self._send(
            "POST", f"projects/{self.project}/subscriptions/{name}:modifyPushConfig", {"pushConfig": {"pushEndpoint": endpoint}}
        )

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, times: int = 1) -> None:
        """The message is out, so many times."""
        message = {"data": base64.b64encode(data).decode(), "attributes": dict(attributes or {})}
        self._send("POST", f"{topic}:publish", {"messages": [message] * times})

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        request = urllib.request.Request(
            f"http://{self.address}/v1/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
        )
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()
        except HTTPError as answer:
            if answer.code != 409:  # it is there already
                raise AssertionError(f"{method} {path}: {answer.code} {answer.read()[:300]!r}") from None


class CloudGround:
    """Doors before a sandbox. `url` by door; `said` is what a door has logged, as JSON lines."""

    def __init__(
        self,
        folder: Path,
        cloud: Cloud,
        *,
        pubsub: str,
        firestore: str = "",
        doors: tuple[str, ...] = DOORS,
        policy: Mapping[str, Any] | None = None,
        passing: str = "",
        **environment: str,
    ) -> None:
        """The doors listen and Pub/Sub pushes to them. Without `firestore` the doors share one SQLite file.

        `passing`: the filter of what is pushed to `events`; without one everything is.
        """
        project = f"p-{os.getpid()}-{next(_numbers)}"
        self.folder = folder
        self.cloud = cloud
        self.pubsub = PubSub(pubsub, project)
        self.work, self.expiry, self.dead = (self.pubsub.topic(name) for name in ("work", "expiry", "dead"))
        self.pubsub.pull("dead", self.dead)
        self.passing = passing
        self.environment = {
            "ROTATOR_CONFIG": str(cloud.write_config(folder, **(policy or {}))),
            "ROTATOR_WORK_TOPIC": self.work,
            "ROTATOR_EXPIRY_TOPIC": self.expiry,
            "PUBSUB_EMULATOR_HOST": pubsub,
            "ROTATOR_BUDGET": "20s",
            **(
                {"ROTATOR_FIRESTORE": f"projects/{project}/databases/(default)", "FIRESTORE_EMULATOR_HOST": firestore}
                if firestore
                else {"ROTATOR_STATE": str(folder / "state.db")}
            ),
            **environment,
        }
        self.doors: dict[str, Door] = {}
        try:
            for name in doors:
                self.open(name)
        except BaseException:
            self.stop()
            raise

    def open(self, name: str) -> Door:
        """The door listens, anew if it did before, and Pub/Sub knows where."""
        target = name.rstrip("0123456789")
        self.doors[name] = door = Door(target, self.folder / f"{name}.log", **self.environment)
        if target in {"worker", "events"}:
            topic = self.work if target == "worker" else self.expiry
            self.pubsub.push(name, topic, door.url, self.dead, self.passing if target == "events" else "")
            self.pubsub.point(name, door.url)
        return door

    def schedule(self, door: str = "schedule") -> Answer:
        """What Cloud Scheduler does every few minutes."""
        return self.doors[door].ask("/", b"{}", headers=SECONDS)

    def publish(self, body: Mapping[str, Any], attributes: Mapping[str, str] | None = None, times: int = 1) -> None:
        """Some source has said something on the expiry topic."""
        self.pubsub.publish(self.expiry, json.dumps(body).encode(), attributes, times)

    def lines(self, door: str) -> list[dict[str, Any]]:
        """What the door has logged."""
        return log_lines.read(self.doors[door].said)

    def stop(self) -> None:
        """No door is open any more; sandbox and emulators are their owners' matter."""
        for door in self.doors.values():
            door.stop()


@contextmanager
def ground(folder: Path, cloud: Cloud, **options: Any) -> Iterator[CloudGround]:
    """Doors before this sandbox, closed afterwards."""
    standing = CloudGround(folder, cloud, **options)
    try:
        yield standing
    finally:
        standing.stop()
