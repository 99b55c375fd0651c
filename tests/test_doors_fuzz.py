"""Whatever is sent to the doors of Pub/Sub and Cloud Scheduler: a clear 4xx, or acknowledged; no traceback, no echo."""

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tally
from framework import Door, door
from sandbox import landscape

CANARY = "canary-7c31e0"
ROUNDS = 120
TYPES = (
    "application/json",
    "application/cloudevents+json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "",
    "application/json; x",
)


@pytest.fixture(params=["worker", "events", "schedule"])
def standing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    with landscape.cloud() as cloud:
        config = cloud.write_config(tmp_path)
        facts = {"ROTATOR_CONFIG": str(config), "ROTATOR_STATE": str(tmp_path / "state.db")}
        with door(request.param, tmp_path / "door.log", **facts) as opened:
            yield opened


def bodies(chance: random.Random) -> Iterator[bytes]:
    """Envelopes that are none, that hold nonsense, and that look right but for one part."""
    values: list[Any] = [None, True, 7, -1e308, "", "x" * 3000, [], {}, [[]], {"a": {"b": []}}, "serviceAccounts/-/keys/"]
    names = ("message", "data", "attributes", "messageId", "kind", "record", "asset", "finding", "incident", "protoPayload")
    while True:
        inner = {chance.choice(names): chance.choice(values) for _ in range(chance.randrange(4))}
        data = chance.choice([json.dumps(inner).encode(), bytes(chance.randrange(256) for _ in range(40)), b"{", b""])
        push = {"data": base64.b64encode(data).decode(), "attributes": {"eventType": "SECRET_ROTATE", "secretId": CANARY}}
        yield chance.choice(
            [
                json.dumps({"message": {**push, **inner}}).encode(),
                json.dumps({"message": {"data": push["data"]}}).encode(),
                json.dumps({"message": chance.choice(values), **inner}).encode(),
                json.dumps(chance.choice(values)).encode(),
                data,
                b"[" * 20_000,
                b'{"message": ' + b"\xff\xfe" + b"}",
            ]
        )


def test_nothing_that_is_sent_breaks_a_door(standing: Door) -> None:
    chance = random.Random(20261128)
    sent = bodies(chance)
    statuses: dict[int, int] = {}
    for _ in range(ROUNDS):
        headers = {"Content-Type": chance.choice(TYPES), "Authorization": f"Bearer {CANARY}", "X-Other": CANARY}
        method = chance.choice(["POST"] * 9 + ["GET"])
        answer = standing.ask("/", None if method == "GET" else next(sent), method=method, headers=headers)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status < 500, answer.body
        assert CANARY.encode() not in answer.body or b"names no account" in answer.body
        if answer.status >= 400:
            assert json.loads(answer.body)["detail"]

    huge = standing.ask("/", b"x" * 1_000_001, headers={"Content-Type": "application/json"})
    assert huge.status in {200, 413}
    assert "Traceback" not in standing.said
    assert f"Bearer {CANARY}" not in standing.said
    tally.add("fuzz_inputs", standing.process.name, ROUNDS + 1, unit="requests")
    tally.add("fuzz_tracebacks", standing.process.name, standing.said.count("Traceback"), unit="tracebacks", goal=0)
