"""Measured figures, collected in build/figures.json: what the README shows, and the gate of `make bench`."""

import fcntl
import json
from pathlib import Path

PATH = Path(__file__).resolve().parent.parent / "build" / "figures.json"


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
    """The figure stands in the file under its name; others stay. Safe beside other writers."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    with PATH.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        figures = json.loads(file.read() or "{}")
        figures[name] = {"value": value, "unit": unit, "floor": floor, "ratio": ratio, "goal": goal, "met": met}
        file.seek(0)
        file.truncate()
        json.dump(figures, file, indent=2, sort_keys=True)
        file.write("\n")
