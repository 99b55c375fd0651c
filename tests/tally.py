"""Counts that several tests, and several processes, add up to one figure."""

import fcntl
import json

import figures

FOLDER = figures.PATH.parent / "tally"


def add(figure: str, part: str, value: int, *, unit: str, goal: float | None = None) -> None:
    """The part's newest count stands; the figure is the sum over all parts. `goal`: what the sum must not exceed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = FOLDER / f"{figure}.json"
        parts = json.loads(path.read_text()) if path.exists() else {}
        parts[part] = value
        path.write_text(json.dumps(parts, indent=1, sort_keys=True))
        total = sum(parts.values())
        figures.put(figure, value=total, unit=unit, goal=goal, met=None if goal is None else total <= goal)
