"""The doors without a process: functions called with the very request that functions-framework hands them, in simulated time.

The service behind them is that of a house: real clients, real store, the sandbox on the wire.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
from flask import Request
from werkzeug.test import EnvironBuilder

import log_lines
from house import House
from rotator import settings
from rotator.deployment import Deployment
from rotator.doors import house as opened
from rotator.doors import server
from rotator.wiring import Wired


@dataclass
class DoorHouse(House):
    """A house whose deployment is the test's matter."""

    deployment: Deployment = field(default_factory=Deployment)

    def settings(self) -> settings.Settings:
        return msgspec.structs.replace(super().settings(), deployment=self.deployment)


@dataclass(frozen=True)
class Answer:
    """What a door said, and the lines that it logged."""

    status: int
    tree: Mapping[str, Any]
    lines: tuple[Mapping[str, Any], ...]

    def said(self, severity: str) -> list[str]:
        """The messages of this severity."""
        return [line["message"] for line in self.lines if line["severity"] == severity]

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """The lines of this kind."""
        return [line for line in self.lines if line["kind"] == kind]


def ask(door: str, body: bytes = b"{}", method: str = "POST", **request: Any) -> Answer:
    """The door's answer; every line that it logs is one that the table of fields foresees.

    Not for threads that want to tell their lines apart: stdout is the process's.
    """
    said = StringIO()
    with redirect_stdout(said):
        status, tree = bare(door, body, method, **request)
    return Answer(status, tree, tuple(log_lines.read(said.getvalue())))


def bare(
    door: str,
    body: bytes = b"{}",
    method: str = "POST",
    kind: str = "application/json",
    path: str = "/",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, Any]]:
    """Status and answer."""
    building = EnvironBuilder(path=path, method=method, data=body, content_type=kind, headers=dict(headers or {}))
    building.environ_base = {"REMOTE_ADDR": "127.0.0.1"}
    request = Request(building.get_environ())
    found, status, _ = server.answer(request, door)
    return status, json.loads(found)


def push(data: bytes, attributes: Mapping[str, str] | None = None) -> bytes:
    """A push of Pub/Sub around this."""
    message = {"data": base64.b64encode(data).decode(), "attributes": dict(attributes or {}), "messageId": "m-1"}
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


def wake(record_id: Any) -> bytes:
    """A push of the message that `schedule` sends to `worker`."""
    return push(json.dumps({"schema": "registry-key-rotator/v1", "kind": "wake", "record": record_id}).encode())


@contextmanager
def behind(wired: Wired) -> Iterator[None]:
    """The doors of this process belong to this service."""
    before = opened.give(wired)
    try:
        yield
    finally:
        opened.give(before)


@contextmanager
def doors(folder: Path, deployment: Deployment | None = None, **options: Any) -> Iterator[tuple[DoorHouse, Wired]]:
    """A house with the doors open; without topics unless the deployment names some."""
    built = DoorHouse(folder, deployment=deployment or Deployment(), **options)
    try:
        wired = built.wire()
        with behind(wired):
            yield built, wired
    finally:
        built.close()
