"""What doors log: the table of fields is what is written, what the README shows, and all that alarms may name."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import log_lines
import renewal_ground
from door_ground import Answer, DoorHouse, ask, behind, doors, push, wake
from house import BASE, EMAIL, POLICY
from rotator import logs, wiring
from rotator.deployment import Deployment
from rotator.log_fields import FIELDS, KINDS, OPERATION, SAMPLED, SPAN, TRACE
from sandbox import landscape
from sandbox.faults import Fault
from test_schedule_worker import TOPIC, live, nobody, old_enough

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- logs -->\n", "\n<!-- /logs -->"
FIRST = f"{BASE}-r1"
TRACED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


# --- the table ---


def test_every_field_and_kind_stands_in_the_table_once() -> None:
    names = [field.name for field in FIELDS]

    assert sorted(names) == sorted(set(names))
    assert {kind for field in FIELDS for kind in field.kinds} == set(KINDS)


def test_every_field_of_the_table_is_written_by_some_code(tmp_path: Path) -> None:
    """One life through all doors that leaves no kind of line and no field of it out."""
    seen: set[tuple[str, str]] = set()
    with nobody() as address:
        lives = [*_a_life(tmp_path / "a"), *_a_life_of_faults(tmp_path / "b", address), _a_misfit(tmp_path)]
        for answer in [*lives, _a_login(tmp_path / "c")]:
            seen |= {(line["kind"], name) for line in answer.lines for name in line}
    table = {(kind, field.name) for field in FIELDS for kind in field.kinds or KINDS}
    traces = {(kind, name) for kind in KINDS for name in (TRACE, SPAN, SAMPLED)}

    assert seen - table == set()
    assert table - seen - traces == set()
    assert {("schedule", name) for name in (TRACE, SPAN, SAMPLED)} <= seen


def _a_life(folder: Path) -> list[Answer]:
    folder.mkdir()
    with doors(folder, policy=msgspec.structs.replace(POLICY, confirm=("publish",))) as (h, w):
        h.google.iam.key_expiry_hours = 24 * 400
        old_enough(h, w)
        answers = [ask("schedule", headers=TRACED)]
        _until(h, answers, "blocked_code")
        answers.append(_api("/records/" + FIRST + "/retry", reason="it is fine"))
        _until(h, answers, "until")
        answers.append(ask("worker", push(b"[]")))
        answers.append(ask("events", push(json.dumps({"kind": "look", "service_account": EMAIL}).encode())))
        answers.append(ask("events", push(b"[]")))
    return answers


def _a_life_of_faults(folder: Path, address: str) -> list[Answer]:
    folder.mkdir()
    with doors(folder, Deployment(work_topic=TOPIC, pubsub_emulator=address)) as (h, w):
        old_enough(h, w)
        begun = ask("events", push(json.dumps({"kind": "key-expiry", "service_account": EMAIL}).encode()))
        ordered = _api("/rotations", credential=BASE, reason="another one", new=True)
        h.faults.add(Fault(service="garden:live", method="LIST shoots", answer="404", text="page not found", times=0))
        return [begun, ordered, ask("schedule")]


def _a_misfit(folder: Path) -> Answer:
    """A kubeconfig that is missing: no redelivery mends it."""
    with landscape.cloud() as cloud:
        config = cloud.write_config(folder)
        with config.open("a", encoding="utf-8") as file:
            file.write('\n[[garden]]\nname = "gone"\nkubeconfig = "none.yaml"\nnamespaces = ["garden-gone"]\n')
        environment = {"ROTATOR_CONFIG": str(config), "ROTATOR_STATE": str(folder / "state.db"), "HOME": str(folder)}
        with closing(wiring.open(None, environment)) as lame, behind(lame):
            return ask("events", push(json.dumps({"kind": "look", "service_account": landscape.PULLER}).encode()))


def _a_login(folder: Path) -> Answer:
    folder.mkdir()
    with renewal_ground.ground(folder) as ground, behind(ground.wired):
        return ask("schedule")


def _until(h: DoorHouse, answers: list[Answer], field: str) -> None:
    """Schedules, until a line has this field."""
    while not any(field in line for answer in answers for line in answer.lines):
        h.clock.advance(60)
        answers.append(ask("schedule"))
        assert len(answers) < 20


def _api(path: str, **content: Any) -> Answer:
    return ask("api", json.dumps(content).encode(), path=path, headers={"Host": "localhost"})


# --- the lines ---


def test_a_records_transitions_are_one_operation_with_a_first_and_a_last(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        found = [line for answer in live(h, w) for line in answer.of("transition")]
    of = {name: [line for line in found if line["record"] == name] for name in {line["record"] for line in found}}

    assert len(of) == 2
    for name, lines in of.items():
        operations = [line[OPERATION] for line in lines]
        assert {each["id"] for each in operations} == {name}
        assert [each["first"] for each in operations] == [True, *[False] * (len(lines) - 1)]
        assert [each["last"] for each in operations] == [*[False] * (len(lines) - 1), True]
    states = [line["state"] for line in of[FIRST]]
    assert list(dict.fromkeys(states)) == ["Planned", "Staged", "Minted", "Verified", "Published", "Done"]
    assert {line["saga"] for lines in of.values() for line in lines} == {"rotation", "retirement"}


def test_a_rotation_that_a_newer_one_supersedes_has_its_last_line_too(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        ask("schedule", b"{}")
        found = _api("/rotations", credential=BASE, reason="another one", new=True).of("transition")

    assert [(line["record"], line["state"]) for line in found] == [(f"{BASE}-r2", "Planned"), (FIRST, "Superseded")]
    assert [(line[OPERATION]["first"], line[OPERATION]["last"]) for line in found] == [(True, False), (False, True)]


def test_a_look_that_finds_what_the_one_before_found_is_no_line(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        w.service.tick(h.now())
        w.service.suspend("*", h.now(), by="ann", why="a holiday")
        lines = []
        for _ in range(3):
            lines.append(len(ask("worker", wake(FIRST)).of("transition")))
            h.clock.advance(120)

    assert lines == [1, 0, 0]


def test_what_alarms_watch_of_a_credential_is_on_one_line_per_schedule(tmp_path: Path) -> None:
    with doors(tmp_path, policy=msgspec.structs.replace(POLICY, mode="manual")) as (h, w):
        h.google.iam.key_expiry_hours = 24 * 130
        old_enough(h, w)
        (seen,) = ask("schedule").of("credential")
        h.clock.advance(86400 * 31)
        ask("schedule")  # orders what waits for a person
        (later,) = ask("schedule").of("credential")

    assert (seen["credential"], seen["keys"], seen["shoots"]) == (EMAIL, 1, 2)
    assert seen["key_max_age_days"] == POLICY.max_age / timedelta(days=1)
    assert (round(seen["key_age_days"]), round(seen["expires_in_days"])) == (100, 30)
    assert seen["over_age"] is True
    assert (seen["blocked"], seen["dead"], seen["orphaned"], seen["unmanaged"], seen["unproved"]) == (0, 0, 0, 0, 0)
    assert (later["safe_until"], round(later["expires_in_days"])) == (seen["safe_until"], -1)
    assert (later["blocked"], later["dead"], later["over_age"]) == (1, 1, False)  # what is dead works no more


def test_a_key_that_outlives_its_max_age_is_said(tmp_path: Path) -> None:
    with doors(tmp_path, policy=msgspec.structs.replace(POLICY, mode="observe")) as (h, w):
        old_enough(h, w, POLICY.max_age + timedelta(hours=1))
        (seen,) = ask("schedule").of("credential")

    assert (seen["over_age"], seen["key_age_days"] > seen["key_max_age_days"]) == (True, True)


def test_an_account_that_iam_does_not_show_has_a_line_without_keys(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        h.faults.add(Fault(service="iam", answer="PERMISSION_DENIED", times=0))
        (seen,) = ask("schedule").of("credential")

    assert (seen["shoots"], seen["blocked"]) == (2, 0)
    assert {"keys", "key_age_days", "expires_in_days", "orphaned"} & set(seen) == set()


def test_a_new_key_that_is_not_accepted_is_counted(tmp_path: Path) -> None:
    with doors(tmp_path) as (h, w):
        old_enough(h, w)
        h.google.iam.works_after = 3600.0
        ask("schedule")
        (seen,) = ask("schedule").of("credential")

    assert seen["unproved"] == 1


def test_a_schedule_that_cannot_look_or_wake_is_none_for_alarms(tmp_path: Path) -> None:
    with nobody() as address, doors(tmp_path, Deployment(work_topic=TOPIC, pubsub_emulator=address)) as (h, w):
        old_enough(h, w)
        unwoken = ask("schedule")
        h.faults.add(Fault(service="garden:live", method="LIST shoots", answer="404", text="page not found", times=0))
        blind = ask("schedule")

    assert (unwoken.of("schedule"), blind.of("schedule")) == ([], [])


@pytest.mark.parametrize(
    ("headers", "trace", "span", "sampled"),
    [
        (TRACED, "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", True),
        ({"x-cloud-trace-context": f"{'ab' * 16}/74;o=1"}, "ab" * 16, "000000000000004a", True),
        ({"x-cloud-trace-context": "ab" * 16}, "ab" * 16, None, False),
        ({"x-cloud-trace-context": f"{'ab' * 16}/0;o=0"}, "ab" * 16, None, False),
        ({"traceparent": "00-x-y-01"}, None, None, None),
        ({"x-cloud-trace-context": f"{'ab' * 16}/{'9' * 99}"}, None, None, None),
        ({}, None, None, None),
    ],
)
def test_lines_of_a_request_carry_its_trace(
    headers: dict[str, str], trace: str | None, span: str | None, sampled: bool | None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.request(headers, "acme")
    logs.line("INFO", "message", "a line", door="worker", message_id="m-1")
    logs.request({})
    (line,) = log_lines.read(capsys.readouterr().out)

    assert line.get(TRACE) == (f"projects/acme/traces/{trace}" if trace else None)
    assert (line.get(SPAN), line.get(SAMPLED)) == (span, sampled)


def test_what_looks_like_a_key_is_cut_out_of_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    material = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"
    logs.line("ERROR", "fault", f"a {material}", door="worker", why=[f"ya29.{'x' * 9}", "fine"])
    written = capsys.readouterr().out

    assert ("MIIE" in written, "ya29" in written) == (False, False)
    assert json.loads(written)["why"] == ["…", "fine"]


# --- who names them ---


def test_a_filter_that_names_what_no_line_has_is_found() -> None:
    text = """
    filter = "jsonPayload.kind=\\"credential\\" AND jsonPayload.key_age_days > 90"
    filter = "jsonPayload.kind=\\"credentials\\""
    filter = "jsonPayload.kind=\\"schedule\\" AND jsonPayload.blocked > 0"
    value_extractor = "EXTRACT(jsonPayload.key_age)"
    """

    assert log_lines.unwritten(text) == [
        "line 3: no line is of kind 'credentials'",
        "line 4: blocked is on no line of kind schedule",
        "line 5: no line has a field key_age",
    ]


def test_metrics_and_alerts_name_only_fields_that_are_written() -> None:
    for file in sorted((ROOT / "infra").rglob("*")):
        if file.suffix in {".tf", ".json", ".yaml", ".tftpl"}:
            assert (file.name, log_lines.unwritten(file.read_text(encoding="utf-8"))) == (file.name, [])


def test_the_readme_shows_this_table() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition(BEGIN)[2].partition(END)[0]

    assert shown == log_lines.markdown(), (
        f"README.md: put this between {BEGIN.strip()} and {END.strip()}:\n{log_lines.markdown()}"
    )
