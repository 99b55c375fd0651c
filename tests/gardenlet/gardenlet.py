"""The runs of all Shoots: one thread that lists, decides for each Shoot what is due, does it, and says so in its status.

A run copies the Secrets and takes its snapshot of the spec when it *starts*; later changes need the next run. It succeeds
without waiting for the caches: the extension only deploys them (gardener.md 3).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import httpx

from gardenlet import status
from gardenlet.seed import Caches, Credential, Place, Tree, caches_of, place_of
from gardenlet.wire import Wire

IGNORE = "shoot.gardener.cloud/ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a Shoot's runs take, in seconds."""

    start_delay: float = 0.2
    duration: float = 0.6
    """From the snapshot to Succeeded."""
    retry: float = 1.0
    """From an Error to the next run."""


@dataclass(slots=True)
class _Run:
    place: Place
    phase: Literal["idle", "waiting", "early", "late"] = "idle"
    due: float = 0.0
    kind: str = ""
    forced: bool = False
    spec: Tree = field(default_factory=dict)
    secrets: dict[str, Credential] = field(default_factory=dict)
    fault: str = ""


class Gardenlet:
    """Serves from `start` to `stop`; `paces` of single Shoots by namespace and name may be changed meanwhile."""

    def __init__(self, wire: Wire, caches: Caches, now: Callable[[], datetime], pace: Pace | None = None) -> None:
        """`now`: the Garden's time, for what is written; its own pace is that of the machine."""
        self._wire = wire
        self._caches = caches
        self._now = now
        self._pace = pace or Pace()
        self.paces: dict[tuple[str, str], Pace] = {}
        self.held: set[tuple[str, str]] = set()
        """Shoots whose runs do not end: something in them is waited for."""
        self.faults: list[str] = []
        """What the Garden refused or did not answer; the Shoot was looked at again."""
        self._runs: dict[tuple[str, str], _Run] = {}
        self._asked: set[tuple[str, str]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="gardenlet")

    def start(self) -> None:
        """Shoots are brought to what their specs say."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is reconciled any more; caches run on."""
        self._stop.set()
        self._thread.join()

    def reconcile(self, namespace: str, name: str) -> None:
        """A periodic run will start: no new generation, the current spec."""
        self._asked.add((namespace, name))

    def _serve(self) -> None:
        while not self._stop.wait(0.1):
            try:
                self.look()
            except (httpx.HTTPError, KeyError, ValueError) as fault:
                self.faults.append(f"{type(fault).__name__}: {fault}")

    def look(self) -> None:
        """What is due now was done for every Shoot. Raises: httpx.HTTPError."""
        found = {(place.namespace, place.name): (place, shoot) for shoot in self._wire.shoots() for place in [place_of(shoot)]}
        for key, run in list(self._runs.items()):
            if key not in found or found[key][0].uid != run.place.uid:
                self._caches.remove(run.place)
                del self._runs[key]
        for key, (place, shoot) in found.items():
            self._step(key, self._runs.setdefault(key, _Run(place)), shoot)

    def _step(self, key: tuple[str, str], run: _Run, shoot: Tree) -> None:
        pace, time_now = self.paces.get(key, self._pace), time.monotonic()
        if key in self._asked:
            self._asked.discard(key)
            run.forced = True
        match run.phase:
            case "idle" if _wants(shoot, run):
                retry = run.forced and bool(run.fault)
                run.phase, run.due = "waiting", time_now + (pace.retry if retry else pace.start_delay)
            case "idle":
                self._care(run, shoot)
            case "waiting" if time_now >= run.due:
                self._start(run, shoot)
                run.due = time.monotonic() + pace.duration / 2
            case "early" if time_now >= run.due:
                self._wire.write_status(run.place, status.halfway(run.kind, self._now()))
                run.phase, run.due = "late", time_now + pace.duration / 2
            case "late" if time_now >= run.due and key not in self.held:
                self._finish(run, shoot)
            case _:
                pass

    def _start(self, run: _Run, shoot: Tree) -> None:
        if not _wants(shoot, run):
            run.phase = "idle"
            return
        run.kind = status.kind_of_run(shoot)
        if run.kind != "Delete" and not self._wire.hold(shoot, run.place):
            return
        started = self._wire.write_status(run.place, status.started(shoot, run.kind, self._now()))
        if started is None:
            return
        run.phase, run.forced, run.spec = "early", False, shoot["spec"]
        run.secrets, run.fault = self._copied(run.place.namespace, run.spec)

    def _copied(self, namespace: str, spec: Tree) -> tuple[dict[str, Credential], str]:
        """The referenced Secrets by entry, and what is wrong with them: the task "Deploying referenced resources"."""
        copied: dict[str, Credential] = {}
        for entry in spec.get("resources") or ():
            target = entry["resourceRef"]
            if target["kind"] != "Secret":
                continue
            try:
                credential = self._wire.credential(namespace, target["name"])
            except KeyError:
                continue  # a Secret of another extension; a cache that names it says so
            if credential is None:
                missing = f'failed to read referenced object: secrets "{target["name"]}" not found'
                return {}, f'task "Deploying referenced resources" failed: {missing}'
            copied[entry["name"]] = credential
        return copied, ""

    def _finish(self, run: _Run, shoot: Tree) -> None:
        run.phase = "idle"
        wanted: dict[str, Credential | None] = {}
        asleep = bool((run.spec.get("hibernation") or {}).get("enabled"))
        try:
            wanted = {} if asleep or run.fault else caches_of(run.spec, run.secrets)
        except KeyError as missing:
            run.fault = f"failed to find referenced resource with name {missing} and kind Secret"
        if run.fault:
            run.forced = True
            self._wire.write_status(run.place, status.failed(run.kind, run.fault, self._now()))
        elif run.kind == "Delete":
            self._caches.remove(run.place)
            gone = self._wire.write_status(run.place, status.deleted(self._now()))
            self._wire.let_go(gone or shoot, run.place)
        else:
            self._caches.deploy(run.place, wanted)
            self._wire.write_status(run.place, status.succeeded(run.kind, self._now(), hibernated=asleep))

    def _care(self, run: _Run, shoot: Tree) -> None:
        """Conditions tell the health of what runs now, which may be older than the spec."""
        found = shoot.get("status") or {}
        if (found.get("lastOperation") or {}).get("state") != "Succeeded":
            return
        wanted = status.cared(found, self._now(), healthy=self._caches.healthy(run.place))
        if _statuses(found.get("conditions")) != _statuses(wanted["conditions"]):
            self._wire.write_status(run.place, wanted)


def _wants(shoot: Tree, run: _Run) -> bool:
    """A run is due: the Shoot is scheduled, not ignored, not migrating, and has what no run has started with."""
    found, metadata = shoot.get("status") or {}, shoot["metadata"]
    seed = shoot["spec"].get("seedName")
    if not seed or found.get("seedName", seed) != seed or (metadata.get("annotations") or {}).get(IGNORE) == "true":
        return False
    last = found.get("lastOperation") or {}
    if (last.get("type"), last.get("state")) == ("Delete", "Succeeded"):
        return False
    return run.forced or metadata["generation"] > (found.get("observedGeneration") or 0)


def _statuses(conditions: list[Tree] | None) -> dict[str, str]:
    return {each["type"]: each["status"] for each in conditions or ()}
