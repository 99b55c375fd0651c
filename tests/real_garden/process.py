"""A server process of the landscape: started behind a guard, its output in a file, gone when it is stopped or we are."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
TAIL = 1500
"""So many characters of a dead server's log are shown."""


class Failed(Exception):
    """A server did not start, or ended; the message carries the end of its log."""


class Process:
    """One server. Its arguments must not be secret: everybody on the machine can read them."""

    def __init__(self, name: str, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        """The server is starting."""
        self.name = name
        self._log = log
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-S", "-E", str(GUARD), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """The server has not ended."""
        return self._guard.poll() is None

    @property
    def guard(self) -> int:
        """The process id of its guard."""
        return self._guard.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float = 150.0) -> None:
        """The server is ready. Raises: Failed when it ended, or needed longer."""
        end = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise Failed(f"{self.name} ended with {self._guard.returncode}:\n{self.tail()}")
            if time.monotonic() > end:
                raise Failed(f"{self.name} is not ready after {seconds:.0f} s:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        """The end of what the server said."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-TAIL:]

    def stop(self) -> None:
        """The server has ended."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()
