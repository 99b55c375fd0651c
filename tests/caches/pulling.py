"""Nodes that pull all the time, a fresh object each time, and the judgement on all of it.

A pull that fails at the cache is excused only while that cache restarts, and only because nobody answered: a cache that answers
with a refusal runs on a credential that is not good.
"""

import itertools
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from caches import node
from caches.fleet import Fleet
from caches.node import Image, PullFailed, PullSecret
from caches.pod import Pod
from gardenlet import Place

LONGEST_RESTART = 20.0
"""Seconds; a cache that is away for longer is not restarting but broken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One pull. A fault is empty when that way went well; without a fault at the cache nobody tries another way."""

    place: Place
    pod: Pod
    began: float
    ended: float
    cache_fault: str
    unreachable: bool
    fallback_fault: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.place} from {self.pod.upstream}: {self.cache_fault or 'ok'}; upstream: {self.fallback_fault or 'ok'}"

    @property
    def excused(self) -> bool:
        """Nobody answered, because the cache was restarting."""
        spans = [(one.began, one.ended) for one in self.pod.restarts]
        if (since := self.pod.down_since) is not None:
            spans.append((since, time.monotonic()))
        return self.unreachable and any(
            began <= self.ended and self.began <= ended and ended - began <= LONGEST_RESTART for began, ended in spans
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of all pulls."""

    pulls: int
    during_restart: tuple[Outcome, ...]
    failed_cache: tuple[Outcome, ...]
    """At the cache, outside its restarts."""
    failed_after_fallback: tuple[Outcome, ...]
    """Neither the cache nor the upstream gave the image."""
    restarts_ms: tuple[float, ...]

    @property
    def places(self) -> set[str]:
        """The Shoots whose cache failed outside its restarts."""
        return {outcome.place.name for outcome in self.failed_cache}


Publish = Callable[[str, str], Image]
"""Upstream and tag to an image that did not exist before."""

Secrets = Callable[[Place], PullSecret | None]


class Pulling:
    """One node per cache, from `start` to `stop`."""

    def __init__(
        self, fleet: Fleet, publish: Publish, upstream: str, pull_secret: Secrets, trust: ssl.SSLContext, *, every: float = 0.3
    ) -> None:
        """`upstream`: host:port that plays all upstreams; `every`: seconds from the end of a pull to the next one."""
        self._fleet = fleet
        self._publish = publish
        self._upstream = upstream
        self._pull_secret = pull_secret
        self._trust = trust
        self._every = every
        self._tags = (f"build-{number}" for number in itertools.count(1))
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._stop = threading.Event()
        self._nodes: dict[Pod, threading.Thread] = {}
        self._thread = threading.Thread(target=self._serve, daemon=True, name="pulling")

    def start(self) -> None:
        """Every cache is pulled from as soon as it answers for the first time."""
        self._thread.start()

    def stop(self) -> None:
        """The last pulls have ended."""
        self._stop.set()
        self._thread.join()
        for thread in self._nodes.values():
            thread.join()

    def count(self) -> int:
        """How many pulls there were."""
        with self._lock:
            return len(self._outcomes)

    def good(self) -> set[Pod]:
        """The caches that have given an image."""
        with self._lock:
            return {outcome.pod for outcome in self._outcomes if not outcome.cache_fault}

    def verdict(self) -> Verdict:
        """What came of the pulls so far."""
        with self._lock:
            outcomes = tuple(self._outcomes)
        failed = tuple(one for one in outcomes if one.cache_fault)
        restarts = [restart for pod in self._nodes for restart in pod.restarts]
        return Verdict(
            pulls=len(outcomes),
            during_restart=tuple(one for one in failed if one.excused),
            failed_cache=tuple(one for one in failed if not one.excused),
            failed_after_fallback=tuple(one for one in failed if one.fallback_fault),
            restarts_ms=tuple(restart.milliseconds for restart in restarts),
        )

    def _serve(self) -> None:
        while not self._stop.wait(0.1):
            for place, pod in self._fleet.all():
                if pod.ready and pod not in self._nodes:
                    thread = threading.Thread(target=self._live, args=(place, pod), daemon=True, name=f"node of {place}")
                    self._nodes[pod] = thread
                    thread.start()

    def _live(self, place: Place, pod: Pod) -> None:
        while not self._stop.is_set() and not pod.closing:
            outcome = self._pull(place, pod)
            if pod.closing:
                return  # the cluster went away under the pull, and the pod that wanted the image with it
            with self._lock:
                self._outcomes.append(outcome)
            self._stop.wait(self._every)

    def _pull(self, place: Place, pod: Pod) -> Outcome:
        with self._lock:
            tag = next(self._tags)
        image = self._publish(pod.upstream, tag)
        began, cache_fault, unreachable, fallback_fault = time.monotonic(), "", False, ""
        try:
            node.from_cache(pod.site.port, self._trust, image)
        except PullFailed as fault:
            cache_fault, unreachable = str(fault), fault.kind == node.UNREACHABLE
        ended = time.monotonic()
        if cache_fault:
            try:
                node.from_upstream(self._upstream, image, self._pull_secret(place))
            except PullFailed as fault:
                fallback_fault = str(fault)
        return Outcome(place, pod, began, ended, cache_fault, unreachable, fallback_fault)
