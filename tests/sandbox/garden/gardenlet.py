"""The gardenlets of all seeds: they bring specs to running caches, in sandbox time.

A run takes its snapshot of the spec, and its copies of the Secrets, when it *starts*; that is also when
`observedGeneration` moves. What the caches run changes when it *succeeds* (gardener.md 3 and 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.garden import secret as secrets
from sandbox.garden import shoot as shoots
from sandbox.garden import shoot_status
from sandbox.garden.kind import REFERABLE, SECRETS, SHOOTS, Tree

if TYPE_CHECKING:
    from sandbox.garden.state import State

Credentials = dict[str, tuple[str, str]]
"""Username and password by upstream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the runs of a Shoot go. Times in seconds."""

    start_delay: float = 0.0
    duration: float = 0.0
    outcome: str = "Succeeded"
    """Succeeded, Error (retried), Failed (given up), or stuck (Processing until the behaviour changes)."""
    text: str = 'task "Waiting until shoot worker nodes have been reconciled" failed: context deadline exceeded'
    retry_period: float = 60.0
    """From an Error to the next run; at least one second."""
    health_delay: float = 0.0
    """How long conditions stay Progressing after success."""
    healthy: bool = True
    """What SystemComponentsHealthy becomes then."""
    frozen: bool = False
    """An operator froze the cache's ManagedResource: runs succeed, caches do not change, HasIgnoredManagedResources shows."""


@dataclass(slots=True)
class _Run:
    """What the gardenlet remembers of one Shoot; `ticket` numbers the one pending deed that counts."""

    phase: str = "idle"
    ticket: int = 0
    care: int = 0
    forced: bool = False
    snapshot: Tree = field(default_factory=dict)
    copies: dict[str, Tree] = field(default_factory=dict)
    fault: str = ""
    running: Credentials = field(default_factory=dict)


class Gardenlet:
    """What every Shoot runs, and the runs under way."""

    def __init__(self, state: State) -> None:
        """No Shoot."""
        self._state = state
        self._runs: dict[tuple[str, str], _Run] = {}
        self._behaviours: dict[tuple[str, str], Behaviour] = {}
        self.default = Behaviour()

    def running(self, namespace: str, name: str) -> Credentials:
        """Upstream to username and password, exactly as the caches run them; caches without credentials are left out."""
        run = self._runs.get((namespace, name))
        return dict(run.running) if run else {}

    def shoots_running(self) -> Iterator[tuple[str, str, Credentials]]:
        """Every Shoot whose caches run credentials."""
        for (namespace, name), run in list(self._runs.items()):
            if run.running:
                yield namespace, name, dict(run.running)

    def behave(self, namespace: str, name: str, **changes: Any) -> None:
        """The Shoot behaves like this from now on; a stuck run goes on, an erring one is tried again."""
        key = (namespace, name)
        self._behaviours[key] = replace(self._behaviour(key), **changes)
        run, now = self._runs.get(key), self._state.now()
        if run is None:
            return
        if run.phase == "processing" and self._behaviour(key).outcome != "stuck":
            self._finish_later(key, run, now)
        elif run.phase == "retrying":
            self._start_later(key, run, now)
        elif run.phase == "idle" and (stored := self._state.store.find(SHOOTS, *key)) and "conditions" in stored.tree["status"]:
            self._care_later(key, run, now)

    def reconcile(self, namespace: str, name: str) -> None:
        """A periodic run will start: no new generation, the current spec, confined or not."""
        run = self._runs[namespace, name]
        run.forced = True
        self.wake(namespace, name, self._state.now())

    def wake(self, namespace: str, name: str, at: datetime) -> None:
        """The Shoot was written; a run will start if it needs one and none is under way."""
        key = (namespace, name)
        run = self._runs.setdefault(key, _Run())
        if self._state.knobs.gardenlet_outside:
            return
        tree = self._state.store.find(SHOOTS, namespace, name)
        if tree is None:
            return
        if shoots.deleting(tree.tree) and not tree.tree["spec"].get("seedName"):
            self._state.agenda.put(at, partial(self._drop_unscheduled, key, run))
        elif run.phase in ("idle", "retrying") and self._wants(tree.tree, run):
            self._start_later(key, run, at)

    def forget(self, namespace: str, name: str) -> None:
        """The Shoot is gone; deeds still on the agenda find nothing."""
        self._runs.pop((namespace, name), None)

    def _behaviour(self, key: tuple[str, str]) -> Behaviour:
        return self._behaviours.get(key, self.default)

    @staticmethod
    def _wants(tree: Tree, run: _Run) -> bool:
        status = tree["status"]
        seed = tree["spec"].get("seedName")
        if not seed or shoots.ignored(tree) or status.get("seedName", seed) != seed:
            return False
        return run.forced or tree["metadata"]["generation"] > status.get("observedGeneration", 0)

    def _start_later(self, key: tuple[str, str], run: _Run, at: datetime) -> None:
        run.phase = "waiting"
        run.ticket += 1
        due = at + timedelta(seconds=self._behaviour(key).start_delay)
        self._state.agenda.put(due, partial(self._start, key, run, run.ticket))

    def _finish_later(self, key: tuple[str, str], run: _Run, at: datetime) -> None:
        run.ticket += 1
        due = at + timedelta(seconds=self._behaviour(key).duration)
        self._state.agenda.put(due, partial(self._finish, key, run, run.ticket))

    def _care_later(self, key: tuple[str, str], run: _Run, at: datetime) -> None:
        run.care += 1
        due = at + timedelta(seconds=self._behaviour(key).health_delay)
        self._state.agenda.put(due, partial(self._care, key, run, run.care))

    def _current(self, key: tuple[str, str], run: _Run) -> Tree | None:
        """The Shoot, unless it is gone or another one took its name."""
        stored = self._state.store.find(SHOOTS, *key)
        return stored.tree if stored is not None and self._runs.get(key) is run else None

    def _start(self, key: tuple[str, str], run: _Run, ticket: int, at: datetime) -> None:
        tree = self._current(key, run)
        if tree is None or ticket != run.ticket:
            return
        if not self._wants(tree, run):
            run.phase = "idle"
            return
        run.forced = False
        run.phase = "processing"
        run.care += 1
        last = shoots.last_operation(tree)
        kind = "Delete" if shoots.deleting(tree) else "Reconcile"
        unfinished = last.get("type") in ("Create", "Restore") and last.get("state") != "Succeeded"
        if kind == "Reconcile" and (not last or unfinished):
            kind = last.get("type", "Create")
        run.snapshot = tree["spec"]
        run.copies, run.fault = self._copied(key[0], tree)
        self._state.store.put(SHOOTS, shoot_status.started(tree, kind, at))
        if self._behaviour(key).outcome != "stuck":
            self._finish_later(key, run, at)

    def _copied(self, namespace: str, tree: Tree) -> tuple[dict[str, Tree], str]:
        """The referenced Secrets by entry, and what was wrong."""
        copies: dict[str, Tree] = {}
        for entry in shoots.resources(tree):
            target = entry["resourceRef"]
            kind = REFERABLE[target["apiVersion"], target["kind"]]
            stored = self._state.store.find(kind, namespace, target["name"])
            if stored is None:
                missing = f'{kind.resource} "{target["name"]}" not found'
                return {}, f'task "Deploying referenced resources" failed: failed to read referenced object: {missing}'
            if kind is SECRETS:
                copies[entry["name"]] = stored.tree
        return copies, ""

    def _finish(self, key: tuple[str, str], run: _Run, ticket: int, at: datetime) -> None:
        tree = self._current(key, run)
        if tree is None or ticket != run.ticket:
            return
        behaviour = self._behaviour(key)
        running, fault = self._rendered({**tree, "spec": run.snapshot}, run)
        fault = run.fault or fault
        if fault or behaviour.outcome != "Succeeded":
            state = "Error" if fault else behaviour.outcome
            self._state.store.put(SHOOTS, shoot_status.failed(tree, state, fault or behaviour.text, at))
            self._after_failure(key, run, state, at)
            return
        run.phase = "idle"
        if shoots.last_operation(tree)["type"] == "Delete":
            self._vanish(key, run, tree, at)
            return
        asleep = shoots.hibernated({"spec": run.snapshot})
        if not behaviour.frozen:
            run.running = {} if asleep else running
        self._log_roll_out(key, run, tree, at)
        self._state.store.put(SHOOTS, shoot_status.succeeded(tree, at, hibernated=asleep))
        self._care_later(key, run, at)
        self.wake(*key, at)

    def _after_failure(self, key: tuple[str, str], run: _Run, state: str, at: datetime) -> None:
        run.phase = "idle"
        self.wake(*key, at)
        if run.phase == "idle" and state == "Error":
            run.phase = "retrying"
            run.forced = True
            run.ticket += 1
            due = at + timedelta(seconds=max(1.0, self._behaviour(key).retry_period))
            self._state.agenda.put(due, partial(self._start, key, run, run.ticket))

    def _rendered(self, tree: Tree, run: _Run) -> tuple[Credentials, str]:
        """What the caches of the snapshot would run, and what was wrong."""
        rendered: Credentials = {}
        for cache in shoots.caches(tree):
            reference = cache.get("secretReferenceName")
            if reference is None:
                continue
            copy = run.copies.get(reference, {})
            username, password = secrets.entry(copy, "username"), secrets.entry(copy, "password")
            if username is None or password is None:
                text = f'extension registry-cache: secret for reference "{reference}" lacks username or password'
                return {}, f'task "Waiting until extension resources handled after workers are ready" failed: {text}'
            rendered[cache["upstream"]] = (username.decode("utf-8", "replace"), password.decode("utf-8", "replace"))
        return rendered, ""

    def _vanish(self, key: tuple[str, str], run: _Run, tree: Tree, at: datetime) -> None:
        run.running = {}
        self._log_roll_out(key, run, tree, at)
        self._state.drop(SHOOTS, tree, at)
        facts = shoots.facts(tree, exists=False)
        self._state.log("DELETE shoots", f"{key[0]}/{key[1]}", at, by="gardenlet", facts=facts)

    def _drop_unscheduled(self, key: tuple[str, str], run: _Run, at: datetime) -> None:
        tree = self._current(key, run)
        if tree is not None:
            self._vanish(key, run, tree, at)

    def _care(self, key: tuple[str, str], run: _Run, care: int, at: datetime) -> None:
        tree = self._current(key, run)
        if tree is not None and care == run.care:
            behaviour = self._behaviour(key)
            tree = shoot_status.cared(tree, at, healthy=behaviour.healthy, frozen=behaviour.frozen)
            self._state.store.put(SHOOTS, tree)

    def _log_roll_out(self, key: tuple[str, str], run: _Run, tree: Tree, at: datetime) -> None:
        keys = {secrets.public_key_of(password) for _, password in run.running.values()}
        facts = {
            "namespace": key[0],
            "name": key[1],
            "uid": tree["metadata"]["uid"],
            "public_keys": sorted(each for each in keys if each),
        }
        service = f"gardenlet:{self._state.name}"
        self._state.log("ROLLOUT shoots", f"{key[0]}/{key[1]}", at, by="gardenlet", service=service, facts=facts)
