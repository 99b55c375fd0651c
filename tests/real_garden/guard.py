"""`python guard.py COMMAND...`: runs a server and takes it down when whoever started the guard is gone, however it died.

The guard's standard input is a pipe that the starter holds open and never writes to. When the starter dies, by SIGKILL too, the
kernel closes the pipe and the guard ends its server. When the guard itself is killed, the kernel kills the server (Linux).
No import of ours: a guard starts in a few hundredths of a second and is small.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys

PATIENCE = 10.0
"""Seconds from SIGTERM to SIGKILL."""

_PR_SET_PDEATHSIG = 1


def _die_with_the_guard() -> None:
    """The kernel kills this process when its parent is gone. The guard has one thread, so this is safe before exec."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)


def guard(command: list[str]) -> int:
    """The command has ended: by itself, or because the starter is gone or closed the pipe. Gives its exit code."""
    ended, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    # Handled, not ignored: an ignored signal would be ignored by the server as well.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(each, lambda *_: None)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_the_guard)  # noqa: PLW1509 - one thread
    while server.poll() is None:
        ready, _, _ = select.select([0, ended], [], [], 60.0)
        if 0 in ready and not os.read(0, 1):
            _end(server)
        elif ended in ready:
            os.read(ended, 64)
    return server.returncode


def _end(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        server.terminate()
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]) & 0xFF)
