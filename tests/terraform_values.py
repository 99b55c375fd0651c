"""Blocks of `infra/` with their expressions worked out, as far as alerts and dashboards need it: a few kinds of reference."""

import re
from collections.abc import Mapping
from typing import Any

from terraform_files import Folder

NAME, INSTALLATION, PROJECT = "rotator-acme-caches", "acme-caches", "acme-rotator"
REFERENCE = re.compile(r"(?<!\$)\$\{([^{}]+)\}")


def alert_policies(folder: Folder) -> dict[str, dict[str, Any]]:
    """Every alert policy by name, those of `for_each` once per alert, in the JSON form of Google's message."""
    made: dict[str, dict[str, Any]] = {}
    for name, body in folder.of("google_monitoring_alert_policy").items():
        if "for_each" not in body:
            made[name] = _message(body, {})
            continue
        for key, value in folder.locals["alerts"].items():
            given = {f"each.value.{field}": text for field, text in value.items()}
            made[f"{name}/{key}"] = _message(body, {"each.key": key, **given})
    return made


def _message(body: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The provider's block as the API takes it: single blocks are objects, conditions a list."""
    found = {}
    for name, value in body.items():
        if name in {"for_each", "project", "notification_channels"}:
            continue
        if name in {"conditions", "aggregations"}:
            found[name] = [_message(each, given) for each in value]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found[name] = _message(value[0], given)
        else:
            found[name] = _resolved(value, given)
    return found


def _resolved(value: Any, given: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    for _ in range(3):  # a value may hold references itself
        value = REFERENCE.sub(lambda match: _reference(match[1], given), value)
    return value.replace("$${", "${").replace('\\"', '"')


def _reference(expression: str, given: Mapping[str, str]) -> str:
    known = {
        "local.name": NAME,
        "var.installation": INSTALLATION,
        "var.project": PROJECT,
        "var.silence_hours": "6",
        "var.silence_hours * 3600": "21600",
        "google_logging_metric.schedule.name": f"{NAME}/schedule",
        "google_logging_metric.alert[each.key].name": f"{NAME}/{given.get('each.key', '')}",
        **given,
    }
    return known[expression.strip()]
