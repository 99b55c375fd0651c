"""How long a door takes from the start of its process to its first 200, beside a bare function in the same run.

Run: python tests/bench/cold.py. The same command starts all: functions-framework with gunicorn. Medians of eleven starts each,
in turn, after one that warms the file cache and writes bytecode, which the platform's build does too. What each is asked is
what it is asked most: the api for the records, events about something to ignore, the schedule while nothing is due (it looks
at twelve Shoots in two Gardens and at three accounts), the worker about a record that has nothing to do.
"""

import base64
import json
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
from framework import SOURCE  # noqa: E402
from sandbox import landscape  # noqa: E402

ROUNDS = 11
HELLO = 'def hello(request):\n    return "ok"\n'
BARE = {
    "bare": HELLO,
    "libraries": f"import kubernetes.client\nfrom google.cloud import iam_admin_v1\n\n\n{HELLO}",
}
"""The floor; and what the schedule cannot do without, as it looks at Gardens and at IAM in its first call."""
IGNORED = {"message": {"attributes": {"eventType": "SECRET_UPDATE", "secretId": "projects/1/secrets/s"}, "messageId": "1"}}
WAKE = base64.b64encode(json.dumps({"kind": "wake", "record": "puller-acme-prod-r7"}).encode()).decode()
DOORS: dict[str, tuple[str, object, float]] = {
    "api": ("/records", None, 1.3),
    "events": ("/", IGNORED, 1.3),
    "schedule": ("/", {}, 2.2),
    "worker": ("/", {"message": {"data": WAKE, "messageId": "1"}}, 2.2),
}
"""For each door what is asked first (path, body), and the goal as a multiple of the bare function."""


def once(target: str, source: Path, path: str, body: object, environment: dict[str, str]) -> float:
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
        while not answered(port, path, body):
            if process.poll() is not None or time.perf_counter() - start > 60:
                raise SystemExit(f"{target} does not answer {path}")
            time.sleep(0.002)
        return (time.perf_counter() - start) * 1e3
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def answered(port: int, path: str, body: object) -> bool:
    """There was an answer, and it was 200. Raises: SystemExit for any other."""
    content = b"" if body is None else json.dumps(body).encode()
    verb = "GET" if body is None else "POST"
    names = (
        f"Host: 127.0.0.1:{port}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    )
    request = "\r\n".join([f"{verb} {path} HTTP/1.1", *names, "", ""]).encode() + content
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request)
            said = connection.recv(4096)
    except ConnectionError:
        return False
    if said and not said.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"{path}: {said[:300]!r}")
    return bool(said)


def main() -> None:
    """Measure, print, and put the figures."""
    taken: dict[str, list[float]] = {name: [] for name in (*BARE, *DOORS)}
    with tempfile.TemporaryDirectory() as folder, landscape.cloud() as cloud:
        for name, text in BARE.items():
            (Path(folder) / f"{name}.py").write_text(text, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {
            "HOME": folder,
            "PYTHONPATH": str(HERE.parent.parent / "functions"),
            "ROTATOR_CONFIG": str(cloud.write_config(Path(folder) / "etc")),
            "ROTATOR_STATE": f"{folder}/state.db",
        }
        for number in range(ROUNDS + 1):
            for name in BARE:
                figure = once("hello", Path(folder) / f"{name}.py", "/", None, environment)
                taken[name] += [figure] if number else []
            for door, (path, body, _) in DOORS.items():
                figure = once(door, SOURCE, path, body, environment)
                taken[door] += [figure] if number else []
    floor = statistics.median(taken["bare"])
    for name, each in taken.items():
        print(f"{name:10}{statistics.median(each):6.0f} ms (fastest {min(each):.0f})")
    for door, (_, _, goal) in DOORS.items():
        value = statistics.median(taken[door])
        ratio = value / floor
        figures.put(f"cold_{door}", value=value, unit="ms", floor=floor, ratio=ratio, goal=goal, met=ratio <= goal)
        print(f"{door}: {ratio:.2f} times the bare function; goal {goal}")
    value, floor = (statistics.median(taken[name]) for name in ("schedule", "libraries"))
    figures.put("cold_schedule_vs_libraries", value=value, unit="ms", floor=floor, ratio=value / floor)
    print(f"schedule: {value / floor:.2f} times a bare function that imports the two libraries")


if __name__ == "__main__":
    main()
