"""`python -m bench`: every measurement, then a table of what was measured. A missed goal is said, not asserted."""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "functions")]

import figures  # noqa: E402
from bench import calls, cold, functions, growth, scan, startup  # noqa: E402

PARTS = (
    ("start-up of the command", startup.main),
    ("cold start of the doors", cold.main),
    ("function seconds and fan-out (a minute or two)", functions.main),
    ("growth of a schedule's cost", growth.main),
    ("calls of a rotation and its retirement", calls.main),
    ("scan of 10,000 Shoots (a minute or two)", scan.main),
)


def main() -> None:
    """Measure all; print."""
    busy, began = os.getloadavg()[0], datetime.now(UTC).isoformat(timespec="seconds")
    for number, (what, measure) in enumerate(PARTS, 1):
        print(f"\n[{number}/{len(PARTS)}] {what} ...", flush=True)
        start = time.perf_counter()
        measure()
        print(f"    took {time.perf_counter() - start:.0f} s", flush=True)
    measured = {name: figure for name, figure in figures.read().items() if figure.get("at", "") >= began}
    print(f"\n{figures.table(measured)}")
    load, cores = max(busy, os.getloadavg()[0]), os.cpu_count() or 1
    if load > cores:
        print(f"The machine was busy (load {load:.0f} on {cores} cores): times are too long; measure again when it is not.")


if __name__ == "__main__":
    main()
