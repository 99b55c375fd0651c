"""Spans and metrics, as an end of OTLP gets them from the doors; and that nothing is loaded when nobody asked for it."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import framework
import log_lines
import otlp
from door_ground import DoorHouse, ask, doors
from house import BASE, EMAIL
from otlp import Collector, attributes, collector
from rotator import otel
from rotator.deployment import read
from rotator.doors import house as opened
from rotator.errors import Invalid, Transient
from rotator.log_fields import SPAN, TRACE
from rotator.logs import MATERIAL
from rotator.telemetry import ATTRIBUTES, METRICS
from rotator.wiring import Wired
from sandbox import landscape
from test_log_fields import TRACED
from test_schedule_worker import live, nobody, old_enough

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- metrics -->\n", "\n<!-- /metrics -->"
FIRST = f"{BASE}-r1"
STATES = ["Planned", "Staged", "Minted", "Verified", "Published"]
TAKEN = ["Draining", "DeletingSecrets", "Disabling", "Disabled", "DeletingKey"]


@contextmanager
def watched(folder: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[DoorHouse, Wired]]:
    """A house whose doors tell this end."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    with doors(folder) as (h, w):
        w.telemetry = otel.opened("otlp", os.environ, w.authorize)
        yield h, w


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, list[Any]]]:
    """A whole rotation and the retirement of the old key, and the lines that were logged."""
    with pytest.MonkeyPatch.context() as patch, collector() as heard:
        with watched(tmp_path_factory.mktemp("life"), heard.address, patch) as (h, w):
            old_enough(h, w)
            lines = [line for answer in live(h, w) for line in answer.lines]
            lines += ask("schedule").lines
        yield heard, lines


def test_every_step_is_a_span_with_the_name_of_its_state(life: tuple[Collector, list[Any]]) -> None:
    heard, _ = life
    steps = [(span.name, attributes(span.attributes)) for span in heard.spans if span.name != "move"]
    moved = {saga: [name for name, found in steps if (found["saga"], found["outcome"]) == (saga, "moved")] for saga in SAGAS}

    assert moved["rotation"] == STATES
    assert list(dict.fromkeys(moved["retirement"])) == TAKEN
    assert all(found["state"] == name for name, found in steps)
    assert {found["credential"] for _, found in steps} == {EMAIL}
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in heard.spans)


SAGAS = ("rotation", "retirement")


def test_every_shoot_that_is_moved_is_a_span_within_its_step(life: tuple[Collector, list[Any]]) -> None:
    heard, _ = life
    moves = [span for span in heard.spans if span.name == "move"]
    steps = {span.span_id: span for span in heard.spans if span.name == "Published"}

    assert sorted(attributes(span.attributes)["shoot"] for span in moves) == [
        f"live/garden-acme/shoot-{number}" for number in range(2)
    ]
    assert all(steps[span.parent_span_id].trace_id == span.trace_id for span in moves)
    assert heard.points("rotator.shoots.moved") == [({"garden": "live", "outcome": "ok"}, 2)]


def test_every_metric_of_the_table_arrives_and_no_other(life: tuple[Collector, list[Any]]) -> None:
    heard, _ = life
    never = {"rotator.key.expires_in"}  # the keys of this house never expire

    assert set(heard.metrics) == {each.name for each in METRICS} - never
    for each in METRICS:
        if each.name not in never:
            found = heard.metrics[each.name]
            assert (found.unit, found.WhichOneof("data")) == (each.unit, KINDS[each.instrument])
            assert all(set(names) == set(each.attributes) for names, _ in heard.points(each.name))


KINDS = {"counter": "sum", "histogram": "histogram", "gauge": "gauge"}


def test_numbers_of_steps_and_records_are_those_of_the_log(life: tuple[Collector, list[Any]]) -> None:
    heard, lines = life
    of = {(found["saga"], found["state"], found["outcome"]): number for found, number in heard.points("rotator.steps")}
    ended = {(found["saga"], found["state"]): number for found, number in heard.points("rotator.record.duration")}

    assert {state for saga, state, said in of if (saga, said) == ("rotation", "moved")} == set(STATES)
    assert sum(of.values()) == len([span for span in heard.spans if span.name != "move"])
    assert ended == {("rotation", "Done"): 1, ("retirement", "Gone"): 1}
    assert heard.points("rotator.schedules")[0][1] == Counter(line["kind"] for line in lines)["schedule"]
    assert {found["credential"]: number for found, number in heard.points("rotator.keys")} == {EMAIL: 1}


def test_a_line_names_the_span_in_which_it_was_written(life: tuple[Collector, list[Any]]) -> None:
    heard, lines = life
    spans = {span.span_id.hex(): span for span in heard.spans}
    traced = [line for line in lines if line["kind"] == "transition" and SPAN in line]

    assert len(traced) > len(STATES)
    assert all(line[TRACE] == spans[line[SPAN]].trace_id.hex() for line in traced)
    assert all(attributes(spans[line[SPAN]].attributes)["record"] == line["record"] for line in traced)


def test_nothing_that_is_sent_is_key_material_or_of_no_table(life: tuple[Collector, list[Any]]) -> None:
    heard, _ = life

    assert {name for span in heard.spans for name in attributes(span.attributes)} <= set(ATTRIBUTES)
    assert not any(re.search(MATERIAL.pattern.encode(), body, re.DOTALL) for body in heard.raw)
    assert not any(span.events for span in heard.spans)
    assert all(resource["service.name"] == "registry-key-rotator" for resource in heard.resources)
    assert len({resource["service.instance.id"] for resource in heard.resources}) == 1


def test_steps_belong_to_the_trace_of_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as heard, watched(tmp_path, heard.address, monkeypatch) as (h, w):
        old_enough(h, w)
        ask("schedule", headers=TRACED)
    _, trace, span, _ = TRACED["traceparent"].split("-")
    steps = [found for found in heard.spans if found.name != "move"]

    assert {found.trace_id.hex() for found in heard.spans} == {trace}
    assert {found.parent_span_id.hex() for found in steps} == {span}


def test_a_real_door_has_told_before_it_answers(tmp_path: Path) -> None:
    """As deployed: ROTATOR_OTEL alone turns it on."""
    with landscape.cloud() as cloud, collector() as heard:
        config = cloud.write_config(tmp_path / "etc")
        environment = {"ROTATOR_CONFIG": str(config), "ROTATOR_STATE": str(tmp_path / "state.db"), "ROTATOR_OTEL": "otlp"}
        environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": heard.address,
            "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT / "functions")),
        }
        with framework.door("schedule", tmp_path / "door" / "log", **environment) as door:
            answer = door.ask("/", b"{}", headers={"Content-Type": "application/json"})
            arrived = dict(heard.metrics)
            lines = log_lines.read(door.said)

    assert answer.status == 200
    assert {"rotator.schedules", "rotator.keys", "rotator.call.duration"} <= set(arrived)
    assert [line for line in lines if line["kind"] == "fault" and "sent" in line["message"]] == []


def test_an_end_that_is_down_stops_no_step_and_costs_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with nobody() as address, watched(tmp_path, f"http://{address}", monkeypatch) as (h, w):
        old_enough(h, w)
        since = time.monotonic()
        found = ask("schedule")
        lasted = time.monotonic() - since

    assert (found.status, found.tree["woken"]) == (200, 1)
    assert any("spans could not be sent" in line for line in found.said("WARNING"))
    assert lasted < 20


def test_google_is_told_with_our_token_and_whose_project_it_is() -> None:
    with pytest.raises(Invalid, match="GOOGLE_CLOUD_PROJECT"):
        otel.opened("gcp", {}, lambda: "token")
    tokens = iter(["first", "second"])
    with collector() as heard:
        told = otel.opened("gcp", {"GOOGLE_CLOUD_PROJECT": "acme", "K_SERVICE": "worker"}, lambda: next(tokens), heard.address)
        for _ in range(2):
            told.looked()
            told.flush()

    assert [each["Authorization"] for each in heard.headers] == ["Bearer first", "Bearer second"]
    assert {(each["gcp.project_id"], each["faas.name"]) for each in heard.resources} == {("acme", "worker")}
    assert heard.points("rotator.schedules") == [({}, 2)]


def test_a_token_that_cannot_be_had_stops_no_step(tmp_path: Path) -> None:
    def refused() -> str:
        raise Transient("no token today")

    with collector() as heard, doors(tmp_path) as (h, w):
        w.telemetry = otel.opened("gcp", {"GOOGLE_CLOUD_PROJECT": "acme"}, refused, heard.address)
        old_enough(h, w)
        found = ask("schedule")

    assert (found.status, found.tree["woken"], heard.raw) == (200, 1, [])
    assert any("spans could not be sent" in line for line in found.said("WARNING"))


def test_another_way_is_refused_and_none_is_silence(tmp_path: Path) -> None:
    found, faults = read({"ROTATOR_OTEL": "prometheus"}, sandbox=False)
    _, mixed = read({"ROTATOR_OTEL": "gcp"}, sandbox=True)
    with doors(tmp_path) as (_, w):
        assert opened.telemetry(w, {}) is w.telemetry

    assert len(mixed) == 1
    assert (found.otel, len(faults), "otlp or gcp" in faults[0]) == ("prometheus", 1, True)


def test_without_it_nothing_of_it_is_loaded() -> None:
    code = (
        "import rotator.doors.schedule, rotator.wiring, rotator.doors.server, sys, json; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert [name for name in json.loads(done.stdout) if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))] == []


def test_names_are_those_that_cloud_monitoring_takes() -> None:
    for each in METRICS:
        assert re.fullmatch("[a-zA-Z][a-zA-Z0-9_:./]*", each.name)
        assert set(each.attributes) <= set(ATTRIBUTES)
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_.]*", name) for name in ATTRIBUTES)


def test_the_readme_shows_these_tables() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition(BEGIN)[2].partition(END)[0]

    assert shown == otlp.markdown(), f"README.md: put this between {BEGIN.strip()} and {END.strip()}:\n{otlp.markdown()}"
