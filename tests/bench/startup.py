"""How long `rotator --help` and `rotator status` take to start, beside `python -c pass` in the same run.

Run: python tests/bench/startup.py. Medians of eleven processes each, in turn, after one that warms the file cache and writes
bytecode. Processor time is measured too: on a busy machine it tells what the clock on the wall cannot.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "functions")]

import figures  # noqa: E402

ROUNDS = 11
GOAL_MS = 150.0
START = "import sys; from rotator.cli import main; sys.exit(main())"
COMMANDS = {"floor": ["pass"], "help": [START, "--help"], "status": [START, "status"]}
CONFIG = """
installation = "bench"
[[garden]]
name = "live"
server = "https://garden.example.org"
token_env = "GARDEN_TOKEN"
namespaces = ["garden-acme"]
[[account]]
email = "puller@acme-prod.iam.gserviceaccount.com"
"""


def once(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Milliseconds by the wall and of the processor for one process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", *command], env=environment, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall * 1e3, (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3


def main() -> None:
    """Measure, print, and put the figures."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rotator.toml").write_text(CONFIG, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {
            "PYTHONPATH": str(HERE.parent.parent / "functions"),
            "ROTATOR_CONFIG": f"{folder}/rotator.toml",
            "ROTATOR_STATE": f"{folder}/state.db",
            "GARDEN_TOKEN": "token",
        }
        for number in range(ROUNDS + 1):
            for name, command in COMMANDS.items():
                figure = once(command, environment)
                if number:
                    taken[name].append(figure)
    walls = {name: statistics.median(wall for wall, _ in each) for name, each in taken.items()}
    processor = {name: statistics.median(cpu for _, cpu in each) for name, each in taken.items()}
    for name, each in taken.items():
        fastest = min(wall for wall, _ in each)
        print(f"{name:8}{walls[name]:6.0f} ms (fastest {fastest:.0f}), {processor[name]:.0f} ms of the processor")
    for name in ("help", "status"):
        more = walls[name] - walls["floor"]
        unit = "ms above python -c pass"
        figures.put(f"startup_{name}_ms", value=more, unit=unit, floor=walls["floor"], goal=GOAL_MS, met=more < GOAL_MS)


if __name__ == "__main__":
    main()
