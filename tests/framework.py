"""A door as the platform runs it: functions-framework with gunicorn, in a process of its own, on a free port of loopback.

It ends with whoever started it, however that one dies (`real_garden.process`).
"""

import contextlib
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from real_garden.process import Process

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "functions" / "main.py"
_LISTENS = re.compile(r"Listening at: (http://127\.0\.0\.1:[0-9]+)")


@dataclass(frozen=True)
class Answer:
    """What came back over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Door:
    """One running door. `url` is its address without a slash at the end."""

    def __init__(self, target: str, log: Path, *, source: Path = SOURCE, **environment: str) -> None:
        """The door listens. Port 0 leaves the choice to the kernel, so no two doors ever want the same one.

        `environment` is all that it knows beside PATH and HOME. Raises: real_garden.process.Failed with the end of its log.
        """
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        command = [sys.executable, "-m", "functions_framework", "--target", target, "--source", str(source)]
        self.process = Process(f"door {target}", [*command, "--host", "127.0.0.1", "--port", "0"], log, _known(environment))
        try:
            self.process.wait_until(lambda: _LISTENS.search(self.said) is not None, seconds=60)
        except BaseException:
            self.process.stop()
            raise
        found = _LISTENS.search(self.said)
        assert found is not None
        self.url = found.group(1)

    @property
    def said(self) -> str:
        """All that it wrote to stdout and stderr."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ask(
        self, path: str = "/", body: bytes | None = None, *, method: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, one answer, whatever its status; no redirect is followed. POST when there is a body."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=dict(headers or {}))
        try:
            with urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as answer:
            with answer:
                return Answer(answer.code, dict(answer.headers), answer.read())

    def stop(self) -> None:
        """It has ended, after the requests under way."""
        self.process.stop()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _known(environment: Mapping[str, str]) -> dict[str, str]:
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # Info, because that is where gunicorn tells its port. Its first import would write bytecode into the source.
    return {**known, "PYTHONPATH": str(ROOT / "functions"), "PYTHONDONTWRITEBYTECODE": "1", "GUNICORN_LOG_LEVEL": "info"} | {
        **environment
    }


@contextlib.contextmanager
def door(target: str, log: Path, *, source: Path = SOURCE, **environment: str) -> Iterator[Door]:
    """A door that listens, and has ended afterwards."""
    running = Door(target, log, source=source, **environment)
    try:
        yield running
    finally:
        running.stop()
