"""The gardenlet outside, against the sandbox's Garden over HTTP: what it writes into a status, what it rolls out, and when."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from gardenlet import Credential, Gardenlet, Pace, Place, Wire
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.garden import Garden
from sandbox.garden.access import ADMIN, ROTATOR
from sandbox.operations import Operations

NS, HOST = "garden-acme", "europe-docker.pkg.dev"
MEMBER = "system:serviceaccount:garden-acme:rotator"
STATUS = f"/apis/core.gardener.cloud/v1beta1/namespaces/{NS}/shoots/api/status"
MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass
class Rollouts:
    """Implements `gardenlet.Caches`: remembers what was asked for."""

    deployed: list[dict[str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    health: bool = True

    def deploy(self, place: Place, caches: Mapping[str, Credential | None]) -> None:
        self.deployed.append({upstream: one.password if one else "" for upstream, one in caches.items()})

    def remove(self, place: Place) -> None:
        self.removed.append(place.name)

    def healthy(self, place: Place) -> bool:
        return self.health


class Busy(Wire):
    """Somebody writes each Shoot right after it was listed."""

    others_write = True

    def shoots(self) -> list[dict[str, Any]]:
        found = super().shoots()
        if self.others_write:
            for shoot in found:
                path = STATUS.removesuffix("/status").removesuffix("api") + shoot["metadata"]["name"]
                body = {"metadata": {"annotations": {"example.com/seen": shoot["metadata"]["resourceVersion"]}}}
                self._client.patch(path, json=body, headers=MERGE).raise_for_status()
        return found


@dataclass
class Stage:
    garden: Garden
    clock: Clock
    caches: Rollouts
    gardenlet: Gardenlet

    def client(self, user: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.garden.issue_token(user)}"}
        return httpx.Client(base_url=self.garden.address, headers=headers, trust_env=False)

    def looks(self, number: int) -> dict[str, Any]:
        """The Shoot's status after so many looks; a run takes four."""
        for _ in range(number):
            self.gardenlet.look()
        status: dict[str, Any] = self.garden.shoot(NS, "api")["status"]
        return status

    def shoot(self, **options: Any) -> None:
        self.garden.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"}, **options)


@pytest.fixture
def stage() -> Iterator[Stage]:
    clock = Clock()
    garden = Garden("live", clock, Operations(), Faults())
    garden.knobs.gardenlet_outside = True
    garden.create_namespace(NS)
    for name in ("ar-v1", "ar-v2"):
        garden.create_secret(NS, name, password=f'{{"private_key": "{name}"}}')
    garden.start()
    caches = Rollouts()
    built = Stage(garden, clock, caches, Gardenlet(Wire(httpx.Client(), ()), caches, clock.now))
    wire = Wire(built.client(ADMIN), [NS])
    built.gardenlet = Gardenlet(wire, caches, clock.now, Pace(start_delay=0, duration=0, retry=0))
    yield built
    wire.close()
    garden.stop()


def operation(status: dict[str, Any]) -> tuple[str, str]:
    return status["lastOperation"]["type"], status["lastOperation"]["state"]


def health(status: dict[str, Any]) -> str:
    return next(str(each["status"]) for each in status["conditions"] if each["type"] == "SystemComponentsHealthy")


def test_a_generation_is_observed_when_its_run_starts_and_rolled_out_when_it_succeeds(stage: Stage) -> None:
    stage.shoot()

    started = stage.looks(2)
    assert (started["observedGeneration"], operation(started)) == (1, ("Create", "Processing"))
    assert stage.caches.deployed == []

    done = stage.looks(2)
    assert operation(done) == ("Create", "Succeeded")
    assert stage.caches.deployed == [{HOST: '{"private_key": "ar-v1"}'}]
    assert health(done) == "Progressing"
    assert health(stage.looks(1)) == "True"


def test_a_change_during_a_run_needs_the_next_run(stage: Stage) -> None:
    stage.shoot()
    stage.looks(2)
    stage.garden.point(NS, "api", "ar", "ar-v2")

    first = stage.looks(2)
    assert (first["observedGeneration"], operation(first)) == (1, ("Create", "Succeeded"))
    second = stage.looks(4)

    assert (second["observedGeneration"], operation(second)) == (2, ("Reconcile", "Succeeded"))
    assert [json.loads(each[HOST])["private_key"] for each in stage.caches.deployed] == ["ar-v1", "ar-v2"]


def test_a_missing_secret_is_an_error_that_mends_itself(stage: Stage) -> None:
    stage.garden.knobs.protection_delay = 1e6
    stage.shoot()
    stage.garden.delete_secret(NS, "ar-v1")

    failed = stage.looks(4)
    assert operation(failed) == ("Create", "Error")
    assert 'secrets "ar-v1" not found' in failed["lastErrors"][0]["description"]
    assert stage.caches.deployed == []

    stage.garden.create_secret(NS, "ar-v1", password="{}")
    mended = stage.looks(4)
    assert (operation(mended), mended.get("lastErrors")) == (("Create", "Succeeded"), None)


def test_a_cache_that_does_not_answer_is_progressing_for_a_minute_and_false_after_it(stage: Stage) -> None:
    stage.shoot()
    stage.looks(5)
    stage.clock.advance(300)
    stage.caches.health = False

    assert health(stage.looks(1)) == "Progressing"
    stage.clock.advance(50)
    assert health(stage.looks(1)) == "Progressing"
    stage.clock.advance(20)
    assert health(stage.looks(1)) == "False"
    stage.caches.health = True
    assert health(stage.looks(1)) == "True"


def test_a_sleeping_shoot_succeeds_without_caches(stage: Stage) -> None:
    stage.shoot(hibernated=True)

    slept = stage.looks(5)

    assert (slept["hibernated"], operation(slept)) == (True, ("Create", "Succeeded"))
    assert stage.caches.deployed == [{}]
    assert {each["reason"] for each in slept["conditions"]} == {"ConditionNotChecked"}


def test_a_deleted_shoot_keeps_its_caches_until_the_run_ends(stage: Stage) -> None:
    stage.shoot()
    stage.looks(5)
    stage.gardenlet.held.add((NS, "api"))
    stage.garden.delete_shoot(NS, "api")

    assert operation(stage.looks(6)) == ("Delete", "Processing")
    assert stage.caches.removed == []
    stage.gardenlet.held.clear()
    stage.gardenlet.look()

    assert stage.garden.find_shoot(NS, "api") is None
    assert stage.caches.removed == ["api"]


def test_a_run_begins_only_when_the_finalizer_is_on(stage: Stage) -> None:
    """The reference controller wrote between list and patch; the run began without a finalizer, and a deletion took the
    cluster away under its caches. On the real servers that was one run of many.
    """
    stage.shoot()
    busy = Busy(stage.client(ADMIN), [NS])
    stage.gardenlet = Gardenlet(busy, stage.caches, stage.clock.now, Pace(start_delay=0, duration=0, retry=0))

    assert "lastOperation" not in stage.looks(3)
    busy.others_write = False
    stage.looks(5)
    stage.garden.delete_shoot(NS, "api")

    assert "gardener" in stage.garden.shoot(NS, "api")["metadata"]["finalizers"]
    busy.close()


def test_an_ignored_shoot_is_left_alone_until_somebody_asks(stage: Stage) -> None:
    stage.shoot()
    stage.looks(5)
    stage.garden.ignore(NS, "api")
    stage.garden.point(NS, "api", "ar", "ar-v2")

    assert stage.looks(5)["observedGeneration"] == 1
    stage.garden.unignore(NS, "api")
    assert stage.looks(4)["observedGeneration"] == 2


def test_the_finalizer_stays_until_the_deletion_succeeded(stage: Stage) -> None:
    stage.shoot()
    stage.looks(5)
    with stage.client(ADMIN) as client:
        refused = client.patch(STATUS.removesuffix("/status"), json={"metadata": {"finalizers": None}}, headers=MERGE)

    assert refused.status_code == 403


def test_a_status_write_changes_nothing_but_the_status(stage: Stage) -> None:
    stage.shoot()
    before = stage.garden.shoot(NS, "api")
    body = {"status": {"observedGeneration": 7}, "spec": {"purpose": "production"}, "metadata": {"labels": {"a": "b"}}}
    with stage.client(ADMIN) as client:
        answer = client.patch(STATUS, json=body, headers=MERGE)
        stale = client.put(STATUS, json={**before, "status": {}})

    after = stage.garden.shoot(NS, "api")
    assert (answer.status_code, after["status"]["observedGeneration"]) == (200, 7)
    assert (after["spec"], after["metadata"].get("labels"), after["metadata"]["generation"]) == (
        before["spec"], before["metadata"].get("labels"), before["metadata"]["generation"]
    )  # fmt: skip
    assert stale.status_code == 409


def test_the_rotators_role_does_not_reach_the_status(stage: Stage) -> None:
    stage.shoot()
    stage.garden.allow(MEMBER, NS, ROTATOR)
    with stage.client(MEMBER) as client:
        answer = client.patch(STATUS, json={"status": {"observedGeneration": 7}}, headers=MERGE)

    assert answer.status_code == 403
    assert 'cannot patch resource "shoots/status"' in answer.json()["message"]
