"""The door `api` as a person's program meets it: the real process, the real wire, the same books as the command line."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import rotator
from api_ground import PULLER, ROOT, Ground, ground, tree
from framework import door
from rotator import wiring
from rotator.doors.openapi import SCHEMAS
from rotator.doors.routes import ROUTES
from rotator.record import Blocked
from sandbox import landscape
from settings_texts import GOOD


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path) as built:
        yield built
        assert "Traceback" not in built.api.said


# --- ordering ---


def test_a_rotation_is_ordered_once_and_found_again(here: Ground) -> None:
    first = here.send("/rotations", {"X-Rotator-By": "ann@acme.example"}, credential=PULLER, reason="leaked, INC-4711")
    ordered = tree(first, 201)
    again = here.send("/rotations", credential=landscape.PULLER, reason="twice")

    assert ordered["id"] == f"{PULLER}-r1"
    assert ordered["phase"] == "Planned"
    assert (ordered["ordered"]["by"], ordered["ordered"]["why"]) == ("ann@acme.example", "leaked, INC-4711")
    assert first.headers["Location"] == f"/records/{PULLER}-r1"
    assert tree(again, 200)["id"] == ordered["id"]
    assert "Location" not in again.headers
    assert here.get(f"/records/{PULLER}-r1")["evidence"] == ordered["evidence"]
    assert "rotation.ordered puller-acme-prod-r1 by ann@acme.example: leaked, INC-4711" in here.api.said


def test_orders_at_the_same_moment_make_one_record(here: Ground) -> None:
    """As many callers as the door has threads; the service they share is opened by whichever comes first."""
    with ThreadPoolExecutor(8) as callers:
        orders = [callers.submit(here.send, "/rotations", credential=PULLER, reason=f"caller {n}") for n in range(8)]
    answers = [each.result() for each in orders]
    first = [one for one in answers if one.status == 201]
    said = [tree(one, one.status) for one in answers]

    assert sorted(one.status for one in answers) == [200] * 7 + [201]
    assert {one["id"] for one in said} == {f"{PULLER}-r1"}
    assert {one["ordered"]["why"] for one in said} == {tree(first[0], 201)["ordered"]["why"]}
    assert here.api.said.count("rotation.ordered puller-acme-prod-r1") == 1
    assert len(here.get("/records")["records"]) == 1


def test_an_order_runs_nothing_and_the_command_line_carries_it_on(here: Ground) -> None:
    before = len(here.cloud.operations.since())
    here.post("/rotations", 201, credential=PULLER, reason="test")
    changed = [
        one for one in here.cloud.operations.since()[before:] if getattr(one, "verb", "") in {"create", "patch", "delete"}
    ]

    assert not changed
    assert here.cli("status", f"{PULLER}-r1").code == 2


def test_a_new_rotation_supersedes_the_one_under_way(here: Ground) -> None:
    here.post("/rotations", 201, credential=PULLER, reason="one")
    second = here.post("/rotations", 201, credential=PULLER, reason="two", new=True)

    assert second["id"] == f"{PULLER}-r2"
    assert here.get(f"/records/{PULLER}-r1")["phase"] == "Superseded"


def test_what_the_configuration_forbids_is_a_conflict(here: Ground) -> None:
    refused = here.post("/rotations", 409, credential="mirror-acme-shared", reason="test")
    no_key = here.post("/rotations", 409, credential=PULLER, reason="test", to="0" * 40)

    assert 'its mode is "observe"' in refused["detail"]
    assert "no key of that name" in no_key["detail"]


@pytest.mark.parametrize("credential", ["puller", "nobody", "puller@acme-prod.iam.gserviceaccount.co", "*"])
def test_only_a_whole_name_of_a_configured_account_is_one(here: Ground, credential: str) -> None:
    assert "no such account" in here.post("/rotations", 404, credential=credential, reason="test")["detail"]
    assert "no such account" in here.post("/suspend", 404, credential=credential, reason="test")["detail"]


# --- reading ---


def test_pages_join_without_gap_or_double(here: Ground) -> None:
    for number in range(5):
        here.post("/rotations", 201, credential=PULLER, reason=f"number {number}", new=True)
    seen, cursor = [], ""
    while True:
        page = here.get(f"/records?limit=2{cursor}")
        seen += [one["id"] for one in page["records"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert seen == [f"{PULLER}-r{number}" for number in range(1, 6)]
    assert [one["id"] for one in here.get("/records?unfinished=true")["records"]] == [f"{PULLER}-r5"]
    assert [one["id"] for one in here.get("/records?status=Running")["records"]] == [f"{PULLER}-r5"]
    assert len(here.get(f"/records?status=Done&credential={PULLER}")["records"]) == 4
    assert here.get("/records?credential=somebody")["records"] == []
    here.get("/records?cursor=absent", 404)


def timeless(tree: Any) -> Any:
    """The tree without what moves with the clock: two looks may lie on both sides of a second."""
    if isinstance(tree, dict):
        return {name: timeless(each) for name, each in tree.items() if name not in {"at", "earliest", "not_before"}}
    return [timeless(each) for each in tree] if isinstance(tree, list) else tree


def test_the_trees_are_those_of_the_command_line(here: Ground) -> None:
    here.post("/rotations", 201, credential=PULLER, reason="test")

    status, described = here.cli("status", "-o", "json").tree, here.cli("describe", f"{PULLER}-r1", "-o", "json").tree
    standing = here.get("/credentials")
    assert {one["credential"]: one["mode"] for one in standing.pop("accounts")}[landscape.PULLER] == "manual"
    assert timeless(standing) == timeless(status)
    told = here.get(f"/records/{PULLER}-r1")
    assert [(one["state"], one["what"], one["by"]) for one in told["history"]] == [("Planned", "ordered, Planned", "api")]
    assert timeless(told) == timeless(described)
    inventory, discovered = here.get(f"/credentials/{PULLER}"), here.cli("discover", PULLER, "-o", "json").tree
    assert inventory["credentials"] == discovered["credentials"]


# --- acts ---


def test_suspending_and_resuming_leave_a_name_and_a_reason(here: Ground) -> None:
    here.post("/rotations", 201, credential=PULLER, reason="test")
    stopped = here.post("/suspend", credential=PULLER, reason="freeze", headers={"X-Rotator-By": "ann"})
    refused = here.post("/rotations", 409, credential=PULLER, reason="test")["detail"]

    assert [(one["by"], one["why"]) for one in stopped["suspensions"]] == [("ann", "freeze")]
    assert "was suspended by ann" in refused
    assert f"rotator resume {landscape.PULLER}" in refused
    assert here.get(f"/records/{PULLER}-r1")["status"] == "Suspended"
    assert here.post("/suspend", reason="all")["subject"] == "*"
    assert here.post("/resume", credential=PULLER, reason="thaw")["suspended"]
    assert not here.post("/resume", reason="thaw", headers={"X-Rotator-By": "bob"})["suspended"]
    assert "automation.resumed * by bob: thaw" in here.api.said


def blocked(here: Ground, record_id: str) -> None:
    """The record waits for a person."""
    wired = wiring.open(here.cli.config, here.cli.environment())
    try:
        record, now = wired.service.record(record_id), wired.clock.now()
        rest = Blocked("quota", ("there is no room",), f"rotator retry {record_id}")
        assert wired.service.ledger.replace(record.resting(rest, now, by="a test"), revision=record.revision)
    finally:
        wired.close()


def test_retry_and_waive_are_evidence(here: Ground) -> None:
    here.post("/rotations", 201, credential=PULLER, reason="test")
    assert "it is not blocked" in here.post(f"/records/{PULLER}-r1/retry", 409, reason="go on")["detail"]
    blocked(here, f"{PULLER}-r1")
    retried = here.post(f"/records/{PULLER}-r1/retry", reason="mended", headers={"X-Rotator-By": "ann"})
    shoot = "live/garden-payments/fraud"
    waived = here.post(f"/records/{PULLER}-r1/waive", shoot=shoot, reason="it is dead", headers={"X-Rotator-By": "ann"})

    assert (retried["evidence"][-1]["what"], retried["evidence"][-1]["by"]) == ("retry", "ann")
    assert waived["evidence"][-1]["what"] == f"waived {shoot}"
    assert waived["waivers"][0]["why"] == "it is dead"
    assert [one["by"] for one in waived["history"]] == ["api", "a test", "ann", "ann"]
    here.post(f"/records/{PULLER}-r1/waive", 409, shoot="live/garden-payments/absent", reason="it is dead")
    here.post("/rotations", 201, credential=PULLER, reason="test", new=True)
    assert "it is finished (Superseded)" in here.post(f"/records/{PULLER}-r1/retry", 409, reason="again")["detail"]


@pytest.mark.parametrize("word", ["0", "a", "0" * 7, "F" * 8, "0" * 65, f"{PULLER}-r1"])
def test_a_key_that_could_be_any_is_none(here: Ground, word: str) -> None:
    """One letter would take back whichever key begins with it: the door does not even look."""
    assert "there is nothing here" in here.post(f"/keys/{word}/reenable", 404, reason="which one?")["detail"]


@pytest.mark.slow  # half a minute of real commands
def test_a_disabled_key_is_taken_back(here: Ground) -> None:
    """From order to Disabled by the command line, back by the api; the next round of the command line enables the key."""
    here.post("/rotations", 201, credential=PULLER, reason="test")
    for _ in range(12):
        here.cloud.open_windows()
        here.cli("run", "--once")
        retirements = [one for one in here.get("/records")["records"] if one["record"] == "retirement"]
        if any(one["phase"] == "Disabled" for one in retirements):
            break
        here.cloud.advance(8 * 86400)
    old = next(one for one in retirements if one["phase"] == "Disabled")

    here.post(f"/keys/{'0' * 40}/reenable", 404, reason="test")
    back = here.post(f"/keys/{old['public_key']}/reenable", reason="still needed", headers={"X-Rotator-By": "ann"})

    assert (back["id"], back["phase"]) == (old["id"], "Reenabling")
    assert back["evidence"][-1]["by"] == "ann"
    here.cli("run", "--once")
    keys = here.cli("discover", PULLER, "-o", "json").tree["credentials"][0]["keys"]
    assert [one["disabled"] for one in keys if one["public_key"] == old["public_key"]] == [False]


# --- the form ---


def test_every_fault_of_a_body_is_named_with_its_place(here: Ground) -> None:
    refused = here.post("/rotations", 422, credentail=PULLER, reason=" ", to="latest", new="yes")

    places = [fault.partition(":")[0] for fault in refused["faults"]]
    assert places == ["body.credentail", "body.credential", "body.reason", "body.to", "body.new"]
    assert here.post("/rotations", 422, credential=PULLER)["faults"] == ["body.reason: missing"]


def test_methods_paths_and_kinds_of_body_that_are_not_served(here: Ground) -> None:
    wrong = here.api.ask("/rotations", method="DELETE")
    assert (tree(wrong, 405)["title"], wrong.headers["Allow"]) == ("Method not allowed", "OPTIONS, POST")
    asked = here.api.ask("/records", method="OPTIONS")
    assert (asked.status, asked.headers["Allow"], asked.body) == (204, "GET, HEAD, OPTIONS", b"")
    head, got = here.api.ask("/version", method="HEAD"), here.api.ask("/version")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", got.headers["Content-Length"])
    tree(here.api.ask("/rotations", b"{}", headers={"Content-Type": "text/plain"}), 415)
    tree(here.api.ask("/rotations", b" " * 1_000_001, headers={"Content-Type": "application/json"}), 413)
    here.get("/nowhere", 404)
    here.get("/records/absent", 404)


def test_the_index_names_every_route_and_the_version_is_the_projects(here: Ground) -> None:
    doors = {(one["method"], one["path"]) for one in here.get("/")["doors"]}

    assert doors == {(route.method, route.path) for route in ROUTES}
    assert here.get("/version")["version"] == rotator.VERSION
    assert f'\nversion = "{rotator.VERSION}"\n' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_document_has_every_route_and_nothing_else(here: Ground) -> None:
    document = json.loads(here.api.ask("/openapi.json").body)

    served = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert served == {(route.method, route.path) for route in ROUTES}
    assert len(ROUTES) == len(served)
    assert {route.answer for route in ROUTES} == set(SCHEMAS) - {"Problem"}


def test_readiness_says_no_while_configuration_or_store_cannot_be_used(tmp_path: Path) -> None:
    config = tmp_path / "rotator.toml"
    config.write_text("installation = 7")
    with door("api", tmp_path / "door" / "log", ROTATOR_CONFIG=str(config), ROTATOR_STATE=str(tmp_path / "state.db")) as api:
        assert tree(api.ask("/healthz"))["ok"]
        hidden, told = tree(api.ask("/readyz"), 503), tree(api.ask("/records"), 503)

    assert "installation" not in hidden["detail"]
    assert "rotator.toml: installation" in told["detail"]


def test_a_store_that_is_damaged_is_no_conflict_of_the_callers(tmp_path: Path) -> None:
    config, state = tmp_path / "rotator.toml", tmp_path / "state.db"
    config.write_text(GOOD)
    state.write_bytes(b"no database" * 500)
    with door("api", tmp_path / "door" / "log", ROTATOR_CONFIG=str(config), ROTATOR_STATE=str(state)) as api:
        hidden, told = tree(api.ask("/readyz"), 503), tree(api.ask("/records"), 503)
        order = tree(api.ask("/suspend", b'{"reason": "test"}', headers={"Content-Type": "application/json"}), 503)

    assert str(state) not in hidden["detail"]
    assert "file is not a database" in told["detail"]
    assert order["code"] == told["code"]
