"""One cache: a StatefulSet of one replica with its volume, and the Service before it. One thread keeps its process running.

With a changed configuration, the old process drains and ends before the new one starts, on the same volume and port. A process
that ends by itself is started again.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from caches.config import Site, render
from caches.guard import Guard
from gardenlet import Credential

GLANCE = 0.02
"""Seconds between two looks at a process that starts or ends."""

BACK_OFF = 1.0
"""Seconds until a process that ended by itself is started again."""

GRACE = 30.0
"""A pod's terminationGracePeriodSeconds."""


@dataclass(frozen=True, slots=True)
class Restart:
    """From the signal to the old process until the new one answers; seconds of the machine's monotonic clock."""

    began: float
    ended: float

    @property
    def milliseconds(self) -> float:
        """How long the Service had nothing behind it."""
        return (self.ended - self.began) * 1000


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all pods of a fleet share."""

    binary: Path
    environment: Mapping[str, str]
    guard: Guard


class Pod:
    """The cache of one upstream of one Shoot."""

    def __init__(self, runtime: Runtime, upstream: str, site: Site, running: Callable[["Pod"], None]) -> None:
        """Nothing runs yet. `running` is called whenever another credential runs than before."""
        self.upstream = upstream
        self.site = site
        self.credential: Credential | None = None
        """What the process that runs was started with."""
        self.restarts: list[Restart] = []
        self.crashes = 0
        self.ready = False
        self.down_since: float | None = None
        """When the restart under way began; None when there is none."""
        self._runtime = runtime
        self._running = running
        self._wanted: tuple[Credential | None] | None = None
        self._config = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True, name=f"pod {upstream}")
        self._thread.start()

    @property
    def closing(self) -> bool:
        """The pod is being taken away for good."""
        return self._closing.is_set()

    def want(self, credential: Credential | None) -> None:
        """The process is to run with this; returns at once."""
        self._wanted = (credential,)
        self._changed.set()

    def close(self) -> None:
        """No process runs, at once."""
        self._closing.set()
        self._changed.set()
        self._thread.join(GRACE)

    def _live(self) -> None:
        while not self._closing.is_set():
            self._changed.wait(0.2)
            self._changed.clear()
            if self._closing.is_set() or self._wanted is None:
                continue
            wanted = self._wanted[0]
            crashed = self._process is not None and self._process.poll() is not None
            if crashed:
                self.crashes += 1
                self.ready = False
                self._closing.wait(BACK_OFF)
            if crashed or render(self.upstream, wanted, self.site) != self._config:
                self._replace(wanted)
        self._end(signal.SIGKILL)

    def _replace(self, credential: Credential | None) -> None:
        first, began = self._process is None, time.monotonic()
        if not first:
            self.down_since = began
        self.ready = False
        self._end(signal.SIGTERM)
        self._config = render(self.upstream, credential, self.site)
        path = self.site.folder / "config.yml"
        path.touch(mode=0o600)
        path.write_text(self._config, encoding="utf-8")
        self._begin(path)
        if not self._answers():
            return  # it ended by itself, or the pod is taken away
        self.credential, self.ready = credential, True
        if not first:
            self.restarts.append(Restart(began, time.monotonic()))
        self.down_since = None
        self._running(self)

    def _begin(self, config: Path) -> None:
        with (self.site.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._runtime.binary, "serve", config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self._runtime.environment), start_new_session=True,
            )  # fmt: skip
        self._runtime.guard.watch(self._process.pid)

    def _end(self, number: int) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._runtime.guard.forget(process.pid)

    def _answers(self) -> bool:
        """The new process answers its probe and takes connections; False when it ended instead."""
        while not self._closing.is_set():
            if self._process is None or self._process.poll() is not None:
                return False
            if self._probed() and self._connects():
                return True
            time.sleep(GLANCE)
        return False

    def _probed(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.site.debug_port, timeout=5)
        try:
            connection.request("GET", "/debug/health")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _connects(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.site.port), timeout=5):
            return True
        return False


def environment(uplink: str, bundle: Path, home: Path) -> dict[str, str]:
    """What the processes see, and nothing of ours besides. The first is what the extension sets."""
    return {
        "OTEL_TRACES_EXPORTER": "none",
        "HTTPS_PROXY": uplink,
        "SSL_CERT_FILE": str(bundle),
        "HOME": str(home),
        "PATH": os.environ.get("PATH", ""),
    }
