"""A request that comes late meets a world that moved on: what each test, precondition and fence in it is for, one at a time.

The request is held at the sandbox's door ("park"), the owner does one thing, the request is let in. Everything that could
refuse it beside the one test in question is arranged to say yes. Confined Shoots are used, because their generation stays.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from burning import disabling, scene
from garden_neighbour import FILE, HOST, MARKED, NS, Neighbour, move, permit
from house import NAMESPACE, house
from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden, Login
from rotator.errors import Transient
from rotator.record import Record, decode
from rotator.states import Disabled, Disabling, Published, Verified
from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.garden import ROTATOR, Garden
from sandbox.garden.kind import SECRETS, SHOOTS
from sandbox.operations import Operations
from stories import begin, until, watching


@contextmanager
def neighbour() -> Iterator[Neighbour]:
    clock, operations, faults = Clock(), Operations(), Faults()
    server = Garden("eu", clock, operations, faults)
    server.start()
    server.create_namespace(NS)
    server.allow("rotator", NS, ROTATOR)
    for name in ("ar-v1", "ar-v2", "ar-v3"):
        server.create_secret(NS, name, "_json_key", FILE.reveal())
        server.create_config_map(NS, name, {"a": "b"})
    heard = ServerClock()
    client = KubernetesGarden("eu", Login.server(server.address, None, lambda: server.issue_token("rotator")), heard)
    yield Neighbour(server, clock, faults, operations, client, heard)
    client.close()
    server.stop()


def late(garden: Neighbour, method: str, act: Callable[[], object], meanwhile: Callable[[], object]) -> str:
    """How the server answered the request that was held up while `meanwhile` happened."""
    number = garden.faults.add(Fault(service="garden:*", method=method, answer="park"))
    with pytest.raises(Transient):
        act()
    garden.faults.remove(number)
    meanwhile()
    assert garden.faults.release() == 1
    return next(o.outcome for o in reversed(garden.operations.since()) if o.method == method)


def recreate(garden: Neighbour) -> None:
    garden.server.delete_shoot(NS, "api")
    garden.server.catch_up()
    garden.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"}, confined=True)


def replace(path: str, value: object) -> Callable[[Neighbour], object]:
    return lambda garden: garden.server.patch(SHOOTS, NS, "api", [{"op": "replace", "path": path, "value": value}])


MEANWHILE: dict[str, Callable[[Neighbour], object]] = {
    "uid": recreate,
    "generation": lambda garden: garden.server.hibernate(NS, "api"),
    "entry": replace("/spec/resources/0/name", "other"),
    "kind": replace("/spec/resources/0/resourceRef/kind", "ConfigMap"),
    "old": replace("/spec/resources/0/resourceRef/name", "ar-v3"),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_a_late_move_changes_nothing_in_a_shoot_that_changed(what: str) -> None:
    with neighbour() as garden:
        garden.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"}, confined=True)
        shoot = garden.shoot()

        outcome = late(
            garden, "PATCH shoots", lambda: garden.client.move(shoot, move(shoot), MARKED), lambda: MEANWHILE[what](garden)
        )

        assert outcome != "ok"
        now = garden.server.shoot(NS, "api")
        assert now["spec"]["resources"][0]["resourceRef"]["name"] in {"ar-v1", "ar-v3"}
        assert "registry-key-rotator/mark" not in now["metadata"]["annotations"]


@pytest.mark.parametrize("what", ["uid", "generation"])
def test_a_late_mark_does_not_date_a_shoot_that_changed(what: str) -> None:
    with neighbour() as garden:
        garden.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"}, confined=True)
        shoot = garden.shoot()

        outcome = late(garden, "PATCH shoots", lambda: garden.client.mark(shoot, MARKED), lambda: MEANWHILE[what](garden))

        assert outcome != "ok"
        assert garden.shoot().mark is None


def test_a_late_move_does_not_wipe_annotations_that_came_meanwhile() -> None:
    with neighbour() as garden:
        garden.server.create_shoot(NS, "api", {HOST: "ar"}, {"ar": "ar-v1"}, confined=True)
        garden.server.patch(SHOOTS, NS, "api", [{"op": "remove", "path": "/metadata/annotations"}])
        shoot = garden.shoot()

        late(
            garden,
            "PATCH shoots",
            lambda: garden.client.move(shoot, move(shoot), MARKED),
            lambda: garden.server.annotate(NS, "api", {"team": "payments"}),
        )

        assert garden.server.shoot(NS, "api")["metadata"]["annotations"]["team"] == "payments"


def test_a_late_dry_run_does_not_judge_a_cache_that_uses_another_entry() -> None:
    with neighbour() as garden:
        garden.server.create_shoot(
            NS, "api", {HOST: "ar", "us-docker.pkg.dev": "us"}, {"ar": "ar-v1", "us": "ar-v1"}, confined=True
        )
        shoot = garden.shoot()
        path = "/spec/extensions/0/providerConfig/caches/0/secretReferenceName"

        outcome = late(
            garden,
            "PATCH shoots (dry run)",
            lambda: garden.client.judge(shoot, move(shoot)[:1]),
            lambda: garden.server.patch(SHOOTS, NS, "api", [{"op": "replace", "path": path, "value": "us"}]),
        )

        assert outcome != "ok"


@pytest.mark.parametrize("what", ["replaced", "touched"])
def test_a_late_delete_does_not_hit_a_secret_that_changed(what: str) -> None:
    """An owner who took the Secret over meanwhile (a label, an ownerReference) keeps it, as does one who made it anew."""
    with neighbour() as garden:
        secret = garden.client.secret(NS, "ar-v1")
        assert secret is not None

        def meanwhile() -> None:
            if what == "replaced":
                garden.server.delete_secret(NS, "ar-v1")
                garden.server.create_secret(NS, "ar-v1", "_json_key", FILE.reveal())
            else:
                garden.server.patch(SECRETS, NS, "ar-v1", {"metadata": {"labels": {"team": "payments"}}})

        outcome = late(garden, "DELETE secrets", lambda: garden.client.delete_secret(secret, permit(secret.uid)), meanwhile)

        assert outcome != "ok"
        assert garden.server.secret(NS, "ar-v1") is not None


# --- fences: what is saved before the call ---


def stored(wired: Any, record_id: str) -> Record:
    return decode(wired.store.get(record_id).body)


def test_the_expiry_of_the_burning_token_is_saved_before_a_key_is_disabled() -> None:
    """`reenable` asserts until the fence; a fence that was saved after the call, or not, would let a late call land."""
    with scene(disabling) as s:
        seen: list[tuple[datetime, datetime]] = []
        worlds: list[Any] = []

        def look(sending: Any) -> None:
            if sending.method == "disable":
                state = stored(s.wired, s.record_id).state
                assert isinstance(state, Disabling)
                seen.append((state.fence, worlds[-1].accounts.fence()))

        def wrap(world: Any) -> Any:
            worlds.append(world)
            return watching(look)(world)

        s.house.around = wrap
        record = s.run(8)

        assert isinstance(record.state, Disabled), record.rest
        assert seen
        assert all(saved >= expiry > s.house.now() for saved, expiry in seen)
        assert record.state.fence >= seen[-1][1]


def test_the_expiry_of_the_creating_token_is_saved_before_a_secret_is_created() -> None:
    with house() as h:
        h.populate(1)
        seen: list[tuple[datetime, datetime | None]] = []

        def look(sending: Any) -> None:
            if sending.method == "create_secret":
                state = stored(w, "puller-acme-prod-r1").state
                assert isinstance(state, Verified)
                seen.append((state.fences["live"], w.gardens()["live"].fence()))

        h.around = watching(look)
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")

        assert len(seen) == 1
        assert seen[0][1] is not None
        assert seen[0][0] >= seen[0][1]
        assert isinstance(record.state, Published)
        assert record.state.fences == {"live": seen[0][0]}


def test_a_create_that_comes_after_its_fence_is_refused_by_the_server() -> None:
    """The fence is the token itself: nothing of ours has to be alive for it to hold."""
    with house() as h:
        h.populate(1)
        w = h.wire()
        record = until(h, w, begin(h, w), "Verified")
        number = h.faults.add(Fault(service="garden:*", method="CREATE secrets", answer="park"))
        while not h.faults.parked():
            assert list(w.service.run(record, OneLap(h.now())))
        h.faults.remove(number)
        state = w.service.record(record.id).state
        assert isinstance(state, Verified)

        h.clock.advance((state.fences["live"] - h.now()).total_seconds() + 1)
        h.faults.release()

        assert h.live.secret(NAMESPACE, "puller-acme-prod-v1") is None


class OneLap:
    """Time for one lap."""

    def __init__(self, now: datetime) -> None:
        self._now: datetime | None = now

    def next(self, after: datetime | None) -> datetime | None:
        now, self._now = self._now, None
        return now


def test_a_permit_that_grew_old_on_the_way_burns_nothing() -> None:
    """Gates were asked, then the worker slept for an hour, then it went on: the client itself refuses."""
    with scene(disabling) as s:

        def sleep(sending: Any) -> None:
            if sending.method == "disable":
                s.house.clock.advance(timedelta(minutes=10).total_seconds())
                s.wired.world().gardens["live"].secret(NAMESPACE, "x")

        s.house.around = watching(sleep)
        record = s.run(3)

        assert s.burnt() == []
        assert record.rest is not None
        assert "nothing was sent" in record.rest.why[0]
