"""What a record leaves as its history: every state and every reason once, acts of people, and nothing that is a key."""

import itertools
import json
from datetime import timedelta

import msgspec
import pytest

from canary import Canary
from house import BASE, EMAIL, NAMESPACE, POLICY, house
from parts import NOW, rotation
from rotator import history
from rotator.history import Line
from rotator.record import PROPOSED, Blocked, RetirementOrder, Wait
from rotator.store import Entry
from rotator.wiring import Wired
from sandbox.faults import Fault

FIRST = f"{BASE}-r1"
MOST = 40
"""Lines of a record that nothing went wrong with; a fleet's poll takes place a thousand times."""


def states(lines: tuple[Line, ...]) -> list[str]:
    """The states that the lines go through, each once in a row."""
    found: list[str] = []
    for line in lines:
        if not found or found[-1] != line.state:
            found.append(line.state)
    return found


def retirement(w: Wired) -> str:
    (found,) = [record.id for record in w.service.records()[0] if isinstance(record.order, RetirementOrder)]
    return found


def test_a_whole_rotation_and_its_retirement_leave_every_state_with_who_and_when() -> None:
    with house() as h:
        h.populate(4)
        w = h.wire()
        h.rotate(w)
        h.whole(w)
        first, second = w.service.history(FIRST), w.service.history(retirement(w))

        assert states(first) == ["Planned", "Staged", "Minted", "Verified", "Published", "Done"]
        assert states(second) == ["Draining", "DeletingSecrets", "Disabling", "Disabled", "DeletingKey", "Gone"]
        assert (first[0].what, first[0].by) == ("ordered, Planned", "test")
        assert {line.by.count(":") for line in first[1:]} == {4}  # machine, process, its life, service, activation
        for lines in (first, second):
            assert [line.at for line in lines] == sorted(line.at for line in lines)
            assert len(lines) <= MOST
            assert not any(before.why and before.why == after.why for before, after in itertools.pairwise(lines))


def test_looks_that_find_the_same_leave_no_line() -> None:
    """A Shoot that takes a day is looked at again and again: what was found is said once."""
    with house() as h:
        h.populate(1)
        h.live.behave(NAMESPACE, "shoot-0", duration=12 * 3600.0)
        w = h.wire()
        begun = w.service.rotate(EMAIL, h.now(), by="test", why="a test")
        h.carry(w, begun.id, most=8)
        before, looked = w.service.history(FIRST), w.service.record(FIRST)
        h.carry(w, begun.id, most=8)
        after, again = w.service.history(FIRST), w.service.record(FIRST)

        assert isinstance(again.rest, Wait)
        assert again.revision - looked.revision >= 8
        assert after == before


@pytest.mark.parametrize("change", ["until", "attempts", "seen"])
def test_a_later_until_another_attempt_and_what_was_seen_are_no_news(change: str) -> None:
    rested = msgspec.structs.replace(rotation(), rest=Wait(NOW, ("slow",)))
    news = {"until": {"rest": Wait(NOW + timedelta(hours=1), ("slow",))}, "attempts": {"attempts": 7}, "seen": {"seen": b"x"}}
    after = msgspec.structs.replace(rested, **news[change])

    assert history.entry(rested, after, NOW, "a worker") is None


def test_how_far_a_reconcile_has_come_is_no_news() -> None:
    rested = msgspec.structs.replace(rotation(), rest=Wait(NOW, ("live/garden-acme/web has Reconcile Processing 9%",)))
    later = msgspec.structs.replace(rested, rest=Wait(NOW, ("live/garden-acme/web has Reconcile Processing 37%",)))

    assert history.entry(rested, later, NOW, "a worker") is None


def test_another_reason_is_news_and_so_is_a_block_of_the_same_words() -> None:
    rested = msgspec.structs.replace(rotation(), rest=Wait(NOW, ("slow",)))
    for rest in (Wait(NOW, ("slower",)), Blocked("slow", ("slow",), "rotator retry"), None):
        entry = history.entry(rested, msgspec.structs.replace(rested, rest=rest), NOW, "a worker")

        assert entry is not None
        assert history.read([entry])[0].why == (rest.why if rest else ())


def test_what_people_do_is_a_line_with_their_name_though_nothing_else_changed() -> None:
    with house(policy=msgspec.structs.replace(POLICY, confirm=("publish",))) as h:
        h.populate(2)
        w = h.wire()
        h.rotate(w)
        w.service.retry(FIRST, h.now(), by="ann@example.com", why="looked at it")
        w.service.waive(FIRST, f"live/{NAMESPACE}/shoot-0", h.now(), by="bob@example.com", why="it is broken")
        lines = w.service.history(FIRST)
        blocked = [line for line in lines if line.blocked]

        assert [line.blocked for line in blocked] == ["confirm-publish"]
        assert [(line.what, line.by) for line in lines[-2:]] == [
            ("retry", "ann@example.com"),
            (f"waived live/{NAMESPACE}/shoot-0", "bob@example.com"),
        ]


def test_a_proposal_and_what_overtook_it_are_in_the_history() -> None:
    with house(policy=msgspec.structs.replace(POLICY, mode="manual")) as h:
        key, _ = h.populate(2)
        w = h.wire()
        h.google.iam.disable_by_google(key)
        w.service.tick(h.now())
        w.service.rotate(EMAIL, h.now(), by="ann", why="now", new=True)
        lines = w.service.history(FIRST)

        assert [(line.state, line.blocked, line.by) for line in lines] == [
            ("Planned", PROPOSED, "schedule"),
            ("Superseded", "", "ann"),
        ]


def test_faults_that_come_and_go_are_in_the_history_until_they_are_over() -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        h.faults.add(Fault(service="iam", method="UploadServiceAccountKey", answer="PERMISSION_DENIED"))
        h.rotate(w)
        w.service.retry(FIRST, h.now(), by="ann", why="granted")
        h.carry(w, FIRST)
        lines = w.service.history(FIRST)
        at = next(place for place, line in enumerate(lines) if line.blocked)

        assert lines[at].state == "Staged"
        assert "403" in lines[at].why[0]
        assert [line.what for line in lines[at + 1 :] if line.what] == ["retry"]
        assert states(lines)[-1] == "Done"


def test_a_line_that_this_version_cannot_read_hides_no_other() -> None:
    good = Entry(at=NOW, line=msgspec.json.encode(Line(at=NOW, by="a", state="Planned")))
    odd = [Entry(at=NOW, line=line) for line in (b"", b"{", b"[]", b'{"at": 7}', b"\xff")]
    newer = Entry(at=NOW, line=b'{"at": "2026-11-02T12:00:00Z", "by": "b", "state": "Teleporting", "whatever": [1]}')

    assert [line.by for line in history.read([*odd, good, newer])] == ["a", "b"]


def test_no_history_holds_key_material() -> None:
    """Even where servers quote what we sent."""
    with house() as h:
        _, key_file = h.populate(2)
        quoted = "refused: " + json.dumps({"password": key_file})
        for method in ("UploadServiceAccountKey", "ListServiceAccountKeys"):
            h.faults.add(Fault(service="iam", method=method, answer="INVALID_ARGUMENT", text=quoted))
        h.faults.add(Fault(service="garden:live", method="POST secrets", answer="422", text=quoted))
        w = h.wire()
        begun = w.service.rotate(EMAIL, h.now(), by="test", why="a test")
        for _ in range(6):
            if not h.carry(w, begun.id).unfinished:
                break
            w.service.retry(begun.id, h.now(), by="ann", why="again")
        h.whole(w)
        entries = [entry.line for record in w.service.records()[0] for entry in w.store.history(record.id)]
        canary = Canary(h.google.key_files_issued())

        assert canary.keys >= 2
        assert len(entries) > 12
        assert [leak for line in entries for leak in canary.leaks("history", line)] == []
