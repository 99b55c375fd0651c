"""The fields of log lines: one table, held to the code that writes them and to the alarms that count them."""

import ast
import re
from datetime import timedelta
from pathlib import Path

from door_ground import ask, doors
from house import EMAIL, NAMESPACE
from rotator import logs
from terraform_files import INFRA, ROOT

CODE = ROOT / "functions" / "rotator"
FIELD = re.compile(r"jsonPayload\.(\w+)")


def written() -> set[str]:
    """Every field that some code hands to a log line: keywords of logs.line, keys of the dicts in logs.py, fields of Health."""
    found: set[str] = set()
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _is_line(node.func, path):
                found |= {each.arg for each in node.keywords if each.arg}
            elif path.name == "logs.py" and isinstance(node, ast.FunctionDef) and node.name == "transition":
                keys = [key for each in ast.walk(node) if isinstance(each, ast.Dict) for key in each.keys]
                found |= {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return found | set(logs.Health.__struct_fields__)


def _is_line(call: ast.expr, path: Path) -> bool:
    if isinstance(call, ast.Attribute):
        return call.attr == "line" and isinstance(call.value, ast.Name) and call.value.id == "logs"
    return path.name == "logs.py" and isinstance(call, ast.Name) and call.id == "line"


def test_the_table_has_what_is_written_and_nothing_else() -> None:
    assert written() == set(logs.FIELDS)


def test_an_alarm_counts_only_fields_that_some_code_writes() -> None:
    counted = {name for path in INFRA.rglob("*.tf") for name in FIELD.findall(path.read_text(encoding="utf-8"))}

    assert counted - set(logs.FIELDS) == set()
    assert {"kind", "credential", "expires_in_days", "over_age", "orphaned", "blocked", "safe_until", "blocked_code"} <= counted


def test_a_kind_that_an_alarm_counts_is_one_that_is_written() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in INFRA.rglob("*.tf"))
    counted = set(re.findall(r'jsonPayload\.kind=\\"(\w+)\\"', text))

    assert counted == {"credential", "schedule", "transition"}
    assert all(kind in logs.FIELDS["kind"] for kind in counted)


def test_the_readme_has_the_table() -> None:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in logs.FIELDS.items()]

    assert "\n".join(rows) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_schedule_tells_how_each_credential_is(tmp_path: Path) -> None:
    with doors(tmp_path) as (built, _):
        _, key_file = built.hand_made_key()
        built.live.create_secret(NAMESPACE, "ar-credentials", password=key_file)
        built.shoot("one", "ar-credentials")
        built.clock.advance(timedelta(days=40).total_seconds())

        found = ask("schedule")

        (line,) = [each for each in found.lines if each.get("kind") == "credential"]
        assert (line["credential"], line["keys"], line["key_age_days"], line["over_age"]) == (EMAIL, 1, 40.0, False)
        assert (line["orphaned"], line["blocked"], line["expires_in_days"], line["safe_until"]) == (0, 0, None, None)
        (last,) = [each for each in found.lines if each.get("kind") == "schedule"]
        assert last["severity"] == "INFO"


def test_a_record_is_one_operation_that_ends(tmp_path: Path) -> None:
    with doors(tmp_path) as (built, wired):
        built.populate(1)
        wired.service.rotate(EMAIL, built.now(), by="test", why="a test")
        trace = {"traceparent": f"00-{'c0ffee00' * 4}-{'ab' * 8}-01"}
        lines = []
        for _ in range(8):
            lines += ask("schedule", headers=trace).lines
            built.clock.advance(120)
            built.catch_up()

        told = [line for line in lines if line.get("kind") == "transition" and line["saga"] == "rotation"]
        operations = [line["logging.googleapis.com/operation"] for line in told]
        assert {each["id"] for each in operations} == {told[0]["record"]}
        assert [each.get("last", False) for each in operations] == [False] * (len(told) - 1) + [True]
        assert told[-1]["state"] == "Done"
        assert {line["logging.googleapis.com/spanId"] for line in lines} == {"ab" * 8}
        assert {line["logging.googleapis.com/trace_sampled"] for line in lines} == {True}
