"""Alerts and the dashboard of `infra/`, taken by Google's own messages."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.cloud import monitoring_dashboard_v1, monitoring_v3
from google.protobuf import json_format

from rotator.cli import codes
from terraform_files import INFRA, read
from terraform_values import INSTALLATION, NAME, PROJECT, alert_policies

FOLDER = read()
POLICIES = alert_policies(FOLDER)
POLICIES_TEXT = (INFRA / "alerts.tf").read_text(encoding="utf-8").replace("\\", "")
WANTED = {"expiry_14", "expiry_7", "expiry_2", "too_old", "many_keys", "orphaned", "blocked", "verification", "login"}


def parsed(tree: dict[str, Any]) -> Any:
    """Google's message; an unknown field is an error."""
    return json_format.ParseDict(tree, monitoring_v3.AlertPolicy.pb(monitoring_v3.AlertPolicy()))


@pytest.mark.parametrize("name", POLICIES)
def test_monitoring_takes_every_alert(name: str) -> None:
    policy = parsed(POLICIES[name])

    assert policy.display_name.startswith(f"registry-key-rotator {INSTALLATION}: ")
    assert policy.documentation.content
    assert policy.combiner == monitoring_v3.AlertPolicy.ConditionCombinerType.OR
    assert policy.severity != monitoring_v3.AlertPolicy.Severity.SEVERITY_UNSPECIFIED
    assert len(policy.conditions) == 1


def test_everything_that_should_wake_somebody_does() -> None:
    assert set(POLICIES) == {f"lines/{name}" for name in WANTED} | {"silent", "dead_letters"}


def test_silence_is_an_alarm_of_its_own() -> None:
    (condition,) = parsed(POLICIES["silent"]).conditions

    assert condition.condition_absent.duration.seconds == 6 * 3600
    assert f'"logging.googleapis.com/user/{NAME}/schedule"' in condition.condition_absent.filter


def test_who_is_woken_reads_which_credential_and_until_when_nothing_breaks() -> None:
    blocked = parsed(POLICIES["lines/blocked"])

    assert blocked.documentation.content.startswith("${metric.label.credential}${metric.label.garden}: ")
    assert "Nothing breaks before ${metric.label.safe_until}" in blocked.documentation.content
    assert "rotator status" in blocked.documentation.content
    assert list(blocked.conditions[0].condition_threshold.aggregations[0].group_by_fields) == [
        "metric.label.credential", "metric.label.safe_until", "metric.label.garden"
    ]  # fmt: skip


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(json_format.ParseError):
        parsed({**POLICIES["silent"], "combinator": "OR"})


def test_monitoring_takes_the_dashboard(tmp_path: Path) -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("no terraform here; get it: https://developer.hashicorp.com/terraform/install")
    tree = json.loads(worked_out(terraform, tmp_path))
    board = json_format.ParseDict(tree, monitoring_dashboard_v1.Dashboard.pb(monitoring_dashboard_v1.Dashboard()))

    tiles = board.mosaic_layout.tiles
    assert len(tiles) == 1 + len(WANTED)
    assert all(0 < tile.width <= 12 and tile.x_pos + tile.width <= 12 for tile in tiles)
    places = [(tile.x_pos, tile.y_pos) for tile in tiles]
    assert len(set(places)) == len(places)


def worked_out(terraform: str, folder: Path) -> str:
    """The dashboard's JSON as terraform makes it, in a module without resources: no provider is asked for."""
    text = (INFRA / "dashboard.tf").read_text(encoding="utf-8")
    expression = text.partition("dashboard_json = ")[2].rpartition("}")[0]
    expression = expression.replace("google_logging_metric.schedule.name", '"${local.name}/schedule"')
    expression = expression.replace("google_logging_metric.alert[name].name", '"${local.name}/${name}"')
    alerts = (INFRA / "alerts.tf").read_text(encoding="utf-8").partition('resource "')[0]
    facts = (
        f'variable "installation" {{\n  default = "{INSTALLATION}"\n}}\nvariable "project" {{\n  default = "{PROJECT}"\n}}\n'
    )
    named = f'locals {{\n  name = "{NAME}"\n}}\n'
    (folder / "main.tf").write_text(
        f'{facts}{named}{alerts}\noutput "board" {{\n  value = {expression}\n}}\n', encoding="utf-8"
    )
    for command in (["init"], ["apply", "-auto-approve"], ["output", "-raw", "board"]):
        done = subprocess.run([terraform, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_code_that_an_alarm_waits_for_is_one_that_blocks() -> None:
    counted = set(re.findall(r'"([a-z-]+)"', POLICIES_TEXT.partition("blocked_code=(")[2].partition(")")[0]))

    assert counted == {"key-not-accepted", "cannot-pull", "wanted-key-dead"}
    assert counted <= set(codes.CODES)
