"""Where the door `api` is tried: the sandbox with its landscape, the books in SQLite, and the real process in front."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import log_lines
from cli_runner import ROOT, Cli
from framework import Answer, Door, door
from sandbox import landscape
from sandbox.cloud import Cloud
from sandbox.garden.kind import SHOOTS

__all__ = ["PULLER", "ROOT", "SCHEMA", "TOKEN", "Ground", "ground", "tree"]

TOKEN = "canary-7c1f0b54e2a94d0c"
PULLER = "puller-acme-prod"
SCHEMA = "registry-key-rotator/v1"


@dataclass
class Ground:
    """The cloud, the door, and the command line over the same books."""

    cloud: Cloud
    api: Door
    cli: Cli

    def get(self, path: str, status: int = 200, **headers: str) -> dict[str, Any]:
        return tree(self.api.ask(path, headers=headers), status)

    def post(self, path: str, status: int = 200, *, headers: dict[str, str] | None = None, **content: Any) -> dict[str, Any]:
        return tree(self.send(path, headers, **content), status)

    def send(self, path: str, headers: dict[str, str] | None = None, **content: Any) -> Answer:
        return self.api.ask(path, json.dumps(content).encode(), headers={"Content-Type": "application/json", **(headers or {})})


def tree(answer: Answer, status: int = 200) -> dict[str, Any]:
    assert answer.status == status, (answer.status, answer.body)
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    assert found["schema"] == SCHEMA
    kind = "application/json" if status < 400 else "application/problem+json"
    assert answer.headers["Content-Type"] == kind
    if status >= 400:
        assert found["status"] == status
        assert "\n" not in found["detail"]
    return found


@contextlib.contextmanager
def ground(folder: Path, **environment: str) -> Iterator[Ground]:
    with landscape.cloud() as cloud:
        for garden in cloud.gardens.values():
            for namespace, name in garden.names(SHOOTS):
                garden.behave(namespace, name, start_delay=0.0, duration=0.0)
        config = cloud.write_config(folder / "etc", waits=landscape.QUICK)
        books = {"ROTATOR_CONFIG": str(config), "ROTATOR_STATE": str(folder / "state.db")}
        with door("api", folder / "door" / "log", **books, **environment) as api:
            yield Ground(cloud, api, Cli(config, folder / "state.db"))
            log_lines.read(api.said)
