"""What doors log, held to the table of fields; and what files name of it, held to the same table."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from rotator.log_fields import BY_NAME, FIELDS, KINDS

FORMS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "texts": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "time": lambda value: (
        isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value) is not None
    ),
    "count": lambda value: type(value) is int and value >= 0,
    "days": lambda value: type(value) in {int, float},
    "object": lambda value: isinstance(value, dict),
    "yes or no": lambda value: isinstance(value, bool),
}

NAMED = re.compile(r"jsonPayload\.([A-Za-z_][A-Za-z0-9_]*)")
KIND = re.compile(r"""jsonPayload\.kind\s*=\s*\\?["']([^"'\\]*)""")


def read(said: str) -> list[dict[str, Any]]:
    """The JSON lines in what a door has written, each as the table foresees it. A line that is cut short is not there yet."""
    lines = [json.loads(line) for line in said.splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]
    wrong = [fault for line in lines for fault in faults(line)]
    assert wrong == []
    return lines


def faults(line: dict[str, Any]) -> list[str]:
    """What the table does not foresee in this line."""
    kind = line.get("kind", "")
    found = [] if kind in KINDS else [f"kind {kind!r} is none: {line}"]
    for name, value in line.items():
        field = BY_NAME.get(name)
        if field is None:
            found.append(f"{name} is in no table: {line}")
        elif field.kinds and kind not in field.kinds:
            found.append(f"{name} is on no line of kind {kind}: {line}")
        elif not FORMS[field.form](value):
            found.append(f"{name} is not {field.form}: {value!r}")
    return found


def unwritten(text: str) -> list[str]:
    """Of fields and kinds that this text names by jsonPayload: those that no line has.

    Where a filter names one kind, a field must be on lines of that kind. Filters are told apart by the lines of the text.
    """
    found: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        kinds = KIND.findall(line)
        found += [f"line {number}: no line is of kind {kind!r}" for kind in kinds if kind not in KINDS]
        for name in NAMED.findall(line):
            field = BY_NAME.get(name)
            if field is None:
                found.append(f"line {number}: no line has a field {name}")
            elif field.kinds and kinds and not set(kinds) & set(field.kinds):
                found.append(f"line {number}: {name} is on no line of kind {kinds[0]}")
    return found


def markdown() -> str:
    """Kinds and fields as the README shows them."""
    return "\n".join(
        [
            *table(("kind", "a line of it is written when"), ((f"`{kind}`", when) for kind, when in KINDS.items())),
            "",
            *table(
                ("field", "form", "on lines of", "meaning"),
                ((f"`{each.name}`", each.form, ", ".join(each.kinds) or "all", each.meaning) for each in FIELDS),
            ),
        ]
    )


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The lines of a table of the README."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]
