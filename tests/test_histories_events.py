"""After a rotation the platform itself raises an event when the key becomes due; nothing depends on it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from crashes import Point, Trap, When, live
from house import BASE, EMAIL, PROJECT, TOPIC, House, house
from rotator.record import Record
from rotator.states import Done
from rotator.wiring import Wired
from sandbox.faults import Fault
from test_crash_matrix import order, roll

SECRET = f"projects/{PROJECT}/secrets/registry-key-rotator-{BASE}"


def announced(h: House) -> datetime | None:
    """When Secret Manager will announce."""
    found: Any = h.google.secrets.find(SECRET).message.rotation
    return found.next_rotation_time if "next_rotation_time" in found else None


def due(h: House, w: Wired) -> datetime:
    """When the wanted key becomes due, as reports show it."""
    (view,) = w.service.look(h.now(), EMAIL).credentials
    (at,) = [key.starts_at for key in view.keys if key.role == "wanted"]
    assert at is not None
    return at.replace(microsecond=0)


def fact(record: Record, name: str) -> str:
    """What the last entry of its evidence says about this."""
    return "".join(each.saw for each in record.evidence[-1].facts if each.name == name)


def updates(h: House) -> int:
    return sum(o.method == "UpdateSecret" for o in h.operations.since())


def test_a_rotation_leaves_the_day_on_which_its_key_becomes_due() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        first = h.rotate(w)

        assert announced(h) == due(h, w)
        assert f"raises an event at {due(h, w):%Y-%m-%d %H:%M} UTC" in fact(first, "event")
        assert [topic.name for topic in h.google.secrets.find(SECRET).message.topics] == [TOPIC]
        assert updates(h) == 1


def test_the_event_comes_when_the_schedule_finds_the_key_due_and_the_next_rotation_moves_it() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        h.rotate(w)
        h.whole(w)
        day = due(h, w)
        h.clock.advance((day - h.now()).total_seconds() - 3600)
        before, _ = w.service.tick(h.now())
        early = len(h.google.notices.of("SECRET_ROTATE"))
        h.clock.advance(3601)
        begun, _ = w.service.tick(h.now())
        told = len(h.google.notices.of("SECRET_ROTATE"))
        second = h.carry(w, begun[0].id)

        assert (before, early, told) == ((), 0, 1)
        assert [record.kind for record in begun] == ["rotation"]
        assert isinstance(second.state, Done)
        assert announced(h) == due(h, w) > day


def test_a_rotation_to_an_existing_key_leaves_the_day_of_that_key() -> None:
    with house() as h:
        old, _ = h.populate(2)
        h.clock.advance(10 * 86400)
        w = h.wire()
        h.rotate(w)
        later = announced(h)
        back = h.rotate(w, to=old, new=True)

        assert isinstance(back.state, Done)
        assert later is not None
        assert announced(h) == due(h, w) < later


def test_a_key_that_has_been_due_for_long_is_announced_soon() -> None:
    with house() as h:
        old, _ = h.populate(2)
        h.clock.advance(200 * 86400)
        w = h.wire()
        h.rotate(w)
        back = h.rotate(w, to=old, new=True)
        at = announced(h)

        assert "has been due since" in fact(back, "event")
        assert at is not None
        assert timedelta(seconds=300) < at - h.now() <= timedelta(minutes=10)


def test_without_a_topic_nothing_is_scheduled_and_nobody_is_asked() -> None:
    with house(topic="") as h:
        h.populate(2)
        w = h.wire()
        done = h.rotate(w)

        assert isinstance(done.state, Done)
        assert (fact(done, "event"), fact(done, "no_event")) == ("", "")
        assert (announced(h), updates(h)) == (None, 0)


@pytest.mark.parametrize("status", ["PERMISSION_DENIED", "FAILED_PRECONDITION"])
def test_a_topic_that_is_closed_to_secret_manager_is_said_and_stops_nothing(status: str) -> None:
    with house() as h:
        h.populate(2)
        h.google.notices.closed, h.google.notices.refusal = [TOPIC], status
        w = h.wire()
        done = h.rotate(w)

        assert isinstance(done.state, Done)
        assert "the schedule finds the key anyway" in fact(done, "no_event")
        assert f"gcloud pubsub topics add-iam-policy-binding {TOPIC}" in fact(done, "no_event")


def test_a_missing_permission_of_our_own_stops_nothing() -> None:
    with house() as h:
        h.populate(2)
        h.google.access.deny("secretmanager.secrets.update")
        w = h.wire()
        done = h.rotate(w)

        assert isinstance(done.state, Done)
        assert "lacks secretmanager.secrets.update" in fact(done, "no_event")


def test_a_lost_answer_is_asked_about_and_not_sent_twice() -> None:
    with house() as h:
        h.populate(2)
        h.faults.add(Fault(service="secretmanager", method="UpdateSecret", when="after", answer="lost"))
        w = h.wire()
        done = h.rotate(w)

        assert isinstance(done.state, Done)
        assert fact(done, "event")
        assert (announced(h), updates(h)) == (due(h, w), 1)


def test_a_secret_manager_that_stays_away_is_given_up() -> None:
    with house() as h:
        h.populate(2)
        h.faults.add(Fault(service="secretmanager", method="UpdateSecret", answer="UNAVAILABLE", times=0))
        w = h.wire()
        done = h.rotate(w)

        assert isinstance(done.state, Done)
        assert "UNAVAILABLE" in fact(done, "no_event")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_dies_there_leaves_one_update(when: When) -> None:
    with house() as h:
        h.populate(2)
        trap = Trap(h, points=[Point(0, when, "staging.schedule")])
        w = live(trap, [order, roll])
        (done,) = [record for record in w.service.records()[0] if record.kind == "rotation"]

        assert trap.sprung == [f"{when} staging.schedule"]
        assert isinstance(done.state, Done)
        assert fact(done, "event")
        assert (announced(h), updates(h)) == (due(h, w), 1)
        assert h.violations() == []


def test_while_it_is_suspended_nothing_is_scheduled() -> None:
    with house() as h:
        h.populate(2)
        trap = Trap(h)

        def stop(name: str, _: tuple[Any, ...], send: Any) -> Any:
            if name == "staging.destroy":
                w.service.suspend("*", h.now(), by="jo", why="an incident")
            return send()

        w = trap.wire()
        trap.meddle = stop
        begun = w.service.rotate(EMAIL, h.now(), by="test", why="a test")
        h.carry(w, begun.id, most=3)
        while_it_lasts = updates(h)
        trap.meddle = None
        w.service.resume("*")
        done = h.carry(w, begun.id)

        assert while_it_lasts == 0
        assert isinstance(done.state, Done)
        assert updates(h) == 1
