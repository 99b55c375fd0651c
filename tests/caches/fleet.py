"""The caches of all Shoots of a Garden: what the extension and gardener-resource-manager make of a deployed configuration.

Deploying returns at once. The change reaches the Shoot `apply_delay` seconds later, as it does through a ManagedResource: a
Shoot may be Succeeded, and its conditions True, while the old process still runs.
"""

import random
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from caches.authority import Authority, Identity
from caches.config import Site
from caches.guard import Guard
from caches.pod import Pod, Runtime, environment
from gardenlet import Credential, Place

PORTS = range(18000, 30000)
"""Below what Linux gives to outgoing connections, so that a port stays free while its cache restarts."""

Running = Callable[[Place, tuple[Credential, ...]], None]


class Fleet:
    """Implements `gardenlet.Caches`. `close` leaves no process."""

    def __init__(self, binary: Path, folder: Path, authority: Authority, uplink: str, *, apply_delay: float = 0.5) -> None:
        """No cache. `running` may be set: it is told of every Shoot whose caches run other credentials than before."""
        self.apply_delay = apply_delay
        self.running: Running = lambda _place, _credentials: None
        self.pods: dict[Place, dict[str, Pod]] = {}
        self.past: list[tuple[Place, Pod]] = []
        """Pods that were taken away, for what they remember."""
        self._folder = folder
        self._identity: Identity = authority.issue("127.0.0.1")
        self._guard = Guard()
        self._runtime = Runtime(binary, environment(uplink, authority.bundle, folder), self._guard)
        self._lock = threading.RLock()
        self._timers: list[threading.Timer] = []
        self._turns: dict[Place, int] = {}
        self._closed = False
        self._ports: set[int] = set()

    @property
    def guard(self) -> Guard:
        """Who kills the processes when this one is killed."""
        return self._guard

    def deploy(self, place: Place, caches: Mapping[str, Credential | None]) -> None:
        """The ManagedResource is written; it will be applied."""
        with self._lock:
            timer = threading.Timer(self.apply_delay, self._apply, (place, dict(caches), self._turn(place)))
            timer.daemon = True
            self._timers = [*(each for each in self._timers if each.is_alive()), timer]
        timer.start()

    def remove(self, place: Place) -> None:
        """No cache of the Shoot runs."""
        with self._lock:
            turn = self._turn(place)
        self._apply(place, {}, turn)

    def healthy(self, place: Place) -> bool:
        """Every cache that there is answers its probe."""
        with self._lock:
            return all(pod.ready for pod in self.pods.get(place, {}).values())

    def all(self) -> list[tuple[Place, Pod]]:
        """Every pod there is."""
        with self._lock:
            return [(place, pod) for place, pods in self.pods.items() for pod in pods.values()]

    def close(self) -> None:
        """No process runs."""
        with self._lock:
            for timer in self._timers:
                timer.cancel()
            every, self.pods, self._closed = self.all(), {}, True
        for _, pod in every:
            pod.close()
        self._guard.close()

    def _turn(self, place: Place) -> int:
        """The number of the newest change of the Shoot: an older one that comes late does nothing."""
        self._turns[place] = self._turns.get(place, 0) + 1
        return self._turns[place]

    def _apply(self, place: Place, caches: dict[str, Credential | None], turn: int) -> None:
        with self._lock:
            if self._closed or turn != self._turns[place]:
                return
            pods = self.pods.setdefault(place, {})
            leaving = [pods.pop(upstream) for upstream in list(pods) if upstream not in caches]
            for upstream, credential in caches.items():
                if upstream not in pods:
                    pods[upstream] = Pod(self._runtime, upstream, self._site(place, upstream), partial(self._tell, place))
                pods[upstream].want(credential)
        for pod in leaving:
            pod.close()
            self.past.append((place, pod))
        if leaving:
            self._tell(place)

    def _tell(self, place: Place, _pod: Pod | None = None) -> None:
        with self._lock:
            found = [pod.credential for pod in self.pods.get(place, {}).values()]
        self.running(place, tuple(each for each in found if each is not None))

    def _site(self, place: Place, upstream: str) -> Site:
        folder = self._folder / place.namespace / place.name / f"registry-{upstream.replace('.', '-')}"
        (folder / "volume").mkdir(parents=True, exist_ok=True)
        return Site(self._port(), self._port(), folder, self._identity)

    def _port(self) -> int:
        while True:
            port = random.choice(PORTS)
            if port in self._ports:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            self._ports.add(port)
            return port
