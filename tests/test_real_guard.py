"""Servers of the landscape end with whoever started them, however that one dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from real_garden.process import Failed, Process

TESTS = Path(__file__).parent
SLEEPER = [sys.executable, "-c", "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"]
DEAF = [
    sys.executable, "-c",
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(600)",
]  # fmt: skip
STARTER = """
import sys, time
from pathlib import Path
from real_garden.process import Process
server = Process("sleeper", sys.argv[2:], Path(sys.argv[1]))
print(server.guard, flush=True)
time.sleep(600)
"""


def test_a_stopped_server_is_gone(tmp_path: Path) -> None:
    server = Process("sleeper", SLEEPER, tmp_path / "log")
    process = said(tmp_path / "log")

    server.stop()

    assert not alive(process)
    assert not server.running


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
@pytest.mark.parametrize("command", [SLEEPER, DEAF], ids=["polite", "deaf to SIGTERM"])
def test_a_killed_guard_takes_its_server_along(tmp_path: Path, command: list[str]) -> None:
    server = Process("sleeper", command, tmp_path / "log")
    process = said(tmp_path / "log")

    os.kill(server.guard, signal.SIGKILL)

    wait_for(lambda: not alive(process))
    server.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=str)
def test_a_starter_that_dies_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "log"), *SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "functions")])},
    )  # fmt: skip
    assert starter.stdout is not None
    guard = int(starter.stdout.readline())
    process = said(tmp_path / "log")

    starter.send_signal(how)
    starter.communicate()

    wait_for(lambda: not alive(process) and not alive(guard))


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    server = Process("broken", [sys.executable, "-c", "raise SystemExit('no port')"], tmp_path / "log")

    with pytest.raises(Failed, match="broken ended with 1:\nno port"):
        server.wait_until(lambda: False)
    server.stop()


def said(log: Path) -> int:
    """The process id that the server printed."""
    wait_for(lambda: log.exists() and log.read_text().strip())
    return int(log.read_text())


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_for(true: Callable[[], object], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
