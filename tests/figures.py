"""Measured figures, collected in build/figures.json: what the README shows, each with its goal and the machine it was taken on.

Run: `python -m figures` prints them; `python -m figures --readme` puts them between the marks in README.md.
"""

import fcntl
import json
import os
import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATH = ROOT / "build" / "figures.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
HEAD = ("name", "value", "unit", "floor", "ratio", "goal", "met")

Figures = dict[str, dict[str, Any]]


def put(
    name: str,
    *,
    value: float,
    unit: str,
    floor: float | None = None,
    ratio: float | None = None,
    goal: float | None = None,
    met: bool | None = None,
) -> None:
    """The figure stands in the file under its name, with this machine and now; others stay. Safe beside other writers.

    `ratio`: of the value to its floor. `goal`: the most that is allowed, of the ratio if there is one, else of the value.
    """
    PATH.parent.mkdir(parents=True, exist_ok=True)
    with PATH.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        figures = json.loads(file.read() or "{}")
        figures[name] = {"value": value, "unit": unit, "floor": floor, "ratio": ratio, "goal": goal, "met": met}
        figures[name] |= {"machine": machine(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
        file.seek(0)
        file.truncate()
        json.dump(figures, file, indent=2, sort_keys=True)
        file.write("\n")


def read() -> Figures:
    """All figures that were ever put; none when there is no file."""
    return dict(json.loads(PATH.read_text(encoding="utf-8") or "{}")) if PATH.exists() else {}


def machine() -> str:
    """What a figure depends on, and nothing that names whose machine it is."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, Python {platform.python_version()}"


def row(name: str, figure: dict[str, Any]) -> tuple[str, ...]:
    """The figure as words, in the order of HEAD."""
    times = figure["ratio"] is not None
    return (
        name,
        _number(figure["value"]),
        figure["unit"],
        _number(figure["floor"]),
        f"{_number(figure['ratio'])}x" if times else "",
        f"<= {_number(figure['goal'])}{'x' if times else ''}" if figure["goal"] is not None else "",
        {True: "yes", False: "NO", None: ""}[figure["met"]],
    )


def table(figures: Figures) -> str:
    """One line for each, aligned; then the goals that were missed; then where and when."""
    rows = [HEAD, *(row(name, figure) for name, figure in sorted(figures.items()))]
    widths = [max(len(each[column]) for each in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(each, widths, strict=True)).rstrip() for each in rows]
    missed = [name for name, figure in sorted(figures.items()) if figure["met"] is False]
    said = f"goals missed: {', '.join(missed)}" if missed else "all goals met"
    return "\n".join([*lines, "", said, *origins(figures.values())])


def markdown(figures: Figures) -> str:
    """The same as a table of the README."""
    rows = [HEAD, ("---",) * len(HEAD), *(row(name, figure) for name, figure in sorted(figures.items()))]
    return "\n".join([*(f"| {' | '.join(each)} |" for each in rows), "", *origins(figures.values())])


def origins(figures: Iterable[dict[str, Any]]) -> list[str]:
    """Each machine, with the days on which its figures were taken."""
    days: dict[str, set[str]] = {}
    for figure in figures:
        days.setdefault(figure.get("machine", "an unknown machine"), set()).add(figure.get("at", "")[:10])
    return [f"Taken on {where}; {', '.join(sorted(filter(None, when))) or 'no date'}." for where, when in sorted(days.items())]


def placed(text: str, block: str) -> str:
    """The text with this block between its marks. Raises: ValueError when a mark is missing."""
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:begin]}\n{block}\n{text[end:]}"


def _number(value: float | None) -> str:
    """Three digits that count, and whole numbers as they are."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"


def main(arguments: list[str]) -> int:
    """Print the figures, or put them into the README."""
    figures = read()
    if not figures:
        print("no figures yet: make test-slow, make bench", file=sys.stderr)
        return 1
    if arguments == ["--readme"]:
        README.write_text(placed(README.read_text(encoding="utf-8"), markdown(figures)), encoding="utf-8")
    else:
        print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
