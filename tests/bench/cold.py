"""How long a door takes from the start of its process to its first 200, beside a bare function in the same run.

Run: python tests/bench/cold.py. The same command starts both: functions-framework with gunicorn. Medians of fifteen starts
each, in turn, after one that warms the file cache and writes bytecode, which the platform's build does too.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "functions")]

import figures  # noqa: E402
from bench.startup import CONFIG  # noqa: E402
from framework import SOURCE  # noqa: E402

ROUNDS = 15
BARE = 'def hello(request):\n    return "ok"\n'
DOORS = {"api": ("/records", 1.3)}
"""For each door what is asked first, and the goal as a multiple of the bare function."""


def once(target: str, source: Path, path: str, environment: dict[str, str]) -> float:
    """Milliseconds from the start of the process to the first 200."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "functions_framework", "--target", target, "--source", str(source)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answered(port, path):
            if process.poll() is not None or time.perf_counter() - start > 60:
                raise SystemExit(f"{target} does not answer {path}")
            time.sleep(0.002)
        return (time.perf_counter() - start) * 1e3
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def answered(port: int, path: str) -> bool:
    """There was an answer, and it was 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


def main() -> None:
    """Measure, print, and put the figures."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare" / "main.py"
        bare.parent.mkdir()
        bare.write_text(BARE, encoding="utf-8")
        (Path(folder) / "rotator.toml").write_text(CONFIG, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {
            "HOME": folder,
            "PYTHONPATH": str(HERE.parent.parent / "functions"),
            "ROTATOR_CONFIG": f"{folder}/rotator.toml",
            "ROTATOR_STATE": f"{folder}/state.db",
            "GARDEN_TOKEN": "token",
        }
        taken: dict[str, list[float]] = {"bare": [], **{door: [] for door in DOORS}}
        for number in range(ROUNDS + 1):
            figure = once("hello", bare, "/", environment)
            taken["bare"] += [figure] if number else []
            for door, (path, _) in DOORS.items():
                figure = once(door, SOURCE, path, environment)
                taken[door] += [figure] if number else []
    floor = statistics.median(taken["bare"])
    for name, each in taken.items():
        print(f"{name:10}{statistics.median(each):6.0f} ms (fastest {min(each):.0f})")
    for door, (_, goal) in DOORS.items():
        value = statistics.median(taken[door])
        ratio = value / floor
        figures.put(f"cold_{door}", value=value, unit="ms", floor=floor, ratio=ratio, goal=goal, met=ratio <= goal)
        print(f"{door}: {ratio:.2f} times the bare function; goal {goal}")


if __name__ == "__main__":
    main()
