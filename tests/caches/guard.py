"""No process outlives the test, whatever kills it: a small process kills the others when the test's end of a pipe closes."""

import contextlib
import os
import signal
import subprocess
import sys


class Guard:
    """Knows the children of this process that must not survive it."""

    def __init__(self) -> None:
        """The guarding process runs, in a session of its own so that no Ctrl-C reaches it."""
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The guarding process."""
        return self._process.pid

    def watch(self, pid: int) -> None:
        """The process will be killed when this one ends."""
        self._say(f"+{pid}")

    def forget(self, pid: int) -> None:
        """The process has ended, and its number may belong to somebody else soon."""
        self._say(f"-{pid}")

    def close(self) -> None:
        """What was still watched is killed, and the guarding process has ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(10)

    def _say(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


def main() -> None:
    """Until the pipe closes, remember; then kill."""
    watched: set[int] = set()
    for line in sys.stdin:
        (watched.add if line[0] == "+" else watched.discard)(int(line[1:]))
    for pid in watched:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
