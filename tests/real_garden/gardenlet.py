"""A stand-in for the gardenlets of all seeds: it writes `/status` as Gardener does, and knows what the caches would run.

A run begins with one write of observedGeneration and `Processing`, takes its snapshot of the spec and its copies of the
Secrets then, and ends with `Succeeded` and conditions, or with `Error` when a referenced object is missing (gardener.md 3 and
4). Nothing is rolled out: what a cache would be started with is remembered, and told to the log of the sandbox.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from real_garden.api import Api
from sandbox.clock import Clock
from sandbox.garden import secret as secrets
from sandbox.garden import shoot as shoots
from sandbox.garden import shoot_status
from sandbox.garden.gardenlet import Behaviour, Credentials
from sandbox.garden.kind import REFERABLE, SECRETS, SHOOTS, Tree
from sandbox.garden.refusal import Refusal
from sandbox.operations import Operations

WATCH = 30
"""Seconds of one watch."""

Key = tuple[str, str]


@dataclass(slots=True)
class _Run:
    """What is known of one Shoot: `due` is when its next run may begin; `running` what its caches run."""

    uid: str
    running: Credentials = field(default_factory=dict)
    forced: bool = False
    erred: str = ""


class Gardenlet:
    """One thread that follows all Shoots and reconciles one after the other, at once."""

    def __init__(self, api: Api, name: str, operations: Operations, clock: Clock) -> None:
        """Follow nothing yet."""
        self._api = api
        self._service = f"gardenlet:{name}"
        self._operations = operations
        self._clock = clock
        self._runs: dict[Key, _Run] = {}
        self._behaviours: dict[Key, Behaviour] = {}
        self._trees: dict[Key, Tree] = {}
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.RLock()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._follow, self._work)]

    def start(self) -> None:
        """Shoots are reconciled from now on."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No Shoot is reconciled any more."""
        self._ended.set()
        self._changed.set()
        self._threads[1].join()

    def behave(self, key: Key, behaviour: Behaviour) -> None:
        """The Shoot's runs go like this; what hung or erred is tried again."""
        with self._lock:
            self._behaviours[key] = behaviour
            if (run := self._runs.get(key)) is not None:
                run.forced = run.forced or bool(run.erred)
        self._changed.set()

    def behaviour(self, key: Key) -> Behaviour:
        """How the Shoot's runs go."""
        return self._behaviours.get(key, Behaviour())

    def reconcile(self, key: Key) -> None:
        """A periodic run begins: no new generation, the whole current spec."""
        with self._lock:
            self._runs[key].forced = True
        self._changed.set()

    def shoots_running(self) -> Iterator[tuple[Key, Credentials]]:
        """Every Shoot whose caches run credentials: upstream to (username, password)."""
        with self._lock:
            found = [(key, dict(run.running)) for key, run in self._runs.items() if run.running]
        yield from found

    # --- following ---

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                listed = self._api.request("GET", "/apis/core.gardener.cloud/v1beta1/shoots")
                with self._lock:
                    self._trees = {_key(tree): tree for tree in listed.get("items") or []}
                self._changed.set()
                for event in self._api.watch(SHOOTS, listed["metadata"]["resourceVersion"], WATCH):
                    self._hear(event)
                    if self._ended.is_set():
                        return
            except (Refusal, OSError, ValueError, KeyError):
                self._ended.wait(0.2)

    def _hear(self, event: Tree) -> None:
        tree = event["object"]
        if event["type"] == "ERROR":
            raise KeyError("the watch is too old")
        with self._lock:
            if event["type"] == "DELETED":
                self._trees.pop(_key(tree), None)
                self._runs.pop(_key(tree), None)
            else:
                self._trees[_key(tree)] = tree
        self._changed.set()

    # --- working ---

    def _work(self) -> None:
        while not self._ended.is_set():
            self._changed.wait(1.0)
            self._changed.clear()
            with self._lock:
                waiting = list(self._trees.items())
            for key, tree in waiting:
                if self._ended.is_set():
                    return
                try:
                    self._look(key, tree)
                except (Refusal, OSError):
                    self._ended.wait(0.05)  # changed or gone meanwhile: its next event says more
                    self._changed.set()

    def _look(self, key: Key, tree: Tree) -> None:
        with self._lock:
            run = self._runs.get(key)
            if run is None or run.uid != tree["metadata"]["uid"]:
                run = self._runs[key] = _Run(tree["metadata"]["uid"])
        if self._wants(tree, run):
            self._run(key, run)
        elif _deleted(tree):
            self._release(key)

    def _wants(self, tree: Tree, run: _Run) -> bool:
        status, seed = tree.get("status") or {}, tree["spec"].get("seedName")
        if not seed or shoots.ignored(tree) or (status.get("seedName") or seed) != seed:
            return False
        return run.forced or tree["metadata"]["generation"] > status.get("observedGeneration", 0)

    def _run(self, key: Key, run: _Run) -> None:
        """One run from `Processing` to its end."""
        tree = self._api.get(SHOOTS, *key)
        if not self._wants(tree, run):
            return
        tree = self._finalized(key, tree)
        # The API server leaves technicalID and uid empty: gardenlet gives them.
        given = {name: value for name, value in (tree.get("status") or {}).items() if value != ""}
        tree["status"] = {**shoot_status.fresh(tree), **given}
        run.forced, run.erred = False, ""
        last = shoots.last_operation(tree)
        unfinished = last.get("type") in ("Create", "Restore") and last.get("state") != "Succeeded"
        kind = "Delete" if shoots.deleting(tree) else last["type"] if unfinished else "Reconcile" if last else "Create"
        tree = self._write(key, shoot_status.started(tree, kind, self._now()))
        if self.behaviour(key).outcome == "stuck":
            run.erred = "stuck"
            return
        running, fault = self._rendered(key[0], tree)
        outcome = "Error" if fault else self.behaviour(key).outcome
        if outcome != "Succeeded":
            run.erred = outcome
            self._write(key, shoot_status.failed(tree, outcome, fault or self.behaviour(key).text, self._now()))
            return
        if kind == "Delete":
            self._log(key, tree, {})
            self._write(key, shoot_status.succeeded(tree, self._now(), hibernated=False))
            self._release(key)
            return
        asleep = shoots.hibernated(tree)
        with self._lock:
            run.running = {} if asleep else running
        self._log(key, tree, run.running)
        done = shoot_status.succeeded(tree, self._now(), hibernated=asleep)
        self._write(key, shoot_status.cared(done, self._now(), healthy=self.behaviour(key).healthy, frozen=False))

    def _rendered(self, namespace: str, tree: Tree) -> tuple[Credentials, str]:
        """What the caches would run, and what was wrong."""
        copies: dict[str, Tree] = {}
        for entry in shoots.resources(tree):
            target = entry["resourceRef"]
            kind = REFERABLE[target["apiVersion"], target["kind"]]
            found = self._api.find(kind, namespace, target["name"])
            if found is None:
                missing = f'{kind.resource} "{target["name"]}" not found'
                return {}, f'task "Deploying referenced resources" failed: failed to read referenced object: {missing}'
            copies[entry["name"]] = found if kind is SECRETS else {}
        rendered: Credentials = {}
        for cache in shoots.caches(tree):
            if (reference := cache.get("secretReferenceName")) is not None:
                parts = [secrets.entry(copies.get(reference, {}), part) or b"" for part in ("username", "password")]
                rendered[cache["upstream"]] = (parts[0].decode("utf-8", "replace"), parts[1].decode("utf-8", "replace"))
        return rendered, ""

    def _write(self, key: Key, tree: Tree) -> Tree:
        """The Shoot with this status."""
        status = {**tree["status"], "lastErrors": tree["status"].get("lastErrors")}
        written = self._api.patch(SHOOTS, *key, {"status": status}, "status", manager="gardenlet")
        with self._lock:
            if key in self._trees:
                self._trees[key] = written
        return written

    def _finalized(self, key: Key, tree: Tree) -> Tree:
        """The Shoot carries gardenlet's finalizer: the API server puts none on."""
        metadata = tree["metadata"]
        kept = metadata.get("finalizers", [])
        if shoots.deleting(tree) or "gardener" in kept:
            return tree
        # The reference controller adds one at the same time: none may be lost.
        patch = {"metadata": {"finalizers": [*kept, "gardener"], "resourceVersion": metadata["resourceVersion"]}}
        return self._api.patch(SHOOTS, *key, patch, manager="gardenlet")

    def _release(self, key: Key) -> None:
        """The deleted Shoot may go. Another controller changes its finalizers as well: a conflict is tried again."""
        metadata = self._api.get(SHOOTS, *key)["metadata"]
        left = [each for each in metadata.get("finalizers", ()) if each != "gardener"]
        patch = {"metadata": {"finalizers": left, "resourceVersion": metadata["resourceVersion"]}}
        self._api.patch(SHOOTS, *key, patch, manager="gardenlet")

    def _log(self, key: Key, tree: Tree, running: Credentials) -> None:
        keys = {secrets.public_key_of(password) for _, password in running.values()}
        facts = {
            "namespace": key[0],
            "name": key[1],
            "uid": tree["metadata"]["uid"],
            "public_keys": sorted(each for each in keys if each),
            "by": "gardenlet",
        }
        self._operations.add(
            at=self._clock.now(),
            service=self._service,
            method="ROLLOUT shoots",
            target="/".join(key),
            mutating=True,
            facts=facts,
        )

    def _now(self) -> datetime:
        """Gardener's controllers live in the machine's time."""
        return datetime.now(UTC)


def _deleted(tree: Tree) -> bool:
    """Its deletion has succeeded, and gardenlet's finalizer still holds it."""
    last = shoots.last_operation(tree)
    done = (last.get("type"), last.get("state")) == ("Delete", "Succeeded")
    return done and "gardener" in tree["metadata"].get("finalizers", ())


def _key(tree: Tree) -> Key:
    return tree["metadata"]["namespace"], tree["metadata"]["name"]
