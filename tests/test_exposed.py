"""Others know a key: what a message that says so may begin, what it may not, and what a forged one costs."""

from datetime import timedelta

import msgspec
import pytest

from house import BASE, EMAIL, NAMESPACE, House, house
from rotator import notice
from rotator.errors import Transient, Unreadable
from rotator.notice import Noticed
from rotator.record import PROPOSED, Blocked, Record, RetirementOrder
from rotator.wiring import Wired
from sandbox.faults import Fault
from test_notice import DAY, hint, older, policy, records
from test_notice import notice as noticed

NOTHING = timedelta(0)


def exposed(h: House, w: Wired, key: str) -> Noticed:
    return noticed(h, w, "exposed", key_id=key)


def retirement_of(w: Wired) -> Record:
    (found,) = [record for record in records(w) if isinstance(record.order, RetirementOrder)]
    return found


def by_name(w: Wired) -> dict[str, str]:
    """Each record's state, or why a person is needed."""
    return {each.id: each.blocked.code if each.blocked else type(each.state).__name__ for each in records(w)}


def test_by_default_it_is_a_proposal_and_retry_lets_it_begin_as_an_emergency() -> None:
    with house() as h:
        key, _ = h.populate(3)
        w = h.wire()
        found = exposed(h, w, key)
        before = by_name(w)
        mutating = [o for o in h.operations.since() if o.mutating and "rotator" in str(o.facts.get("by", ""))]
        w.service.retry(found.records[0], h.now(), by="ann", why="it is true")
        h.carry(w, found.records[0])
        w.service.tick(h.now())
        waits = retirement_of(w).order.policy.waits

        assert found.outcome == "proposed"
        assert f"rotator retry {found.records[0]}" in found.said
        assert (before, mutating) == ({f"{BASE}-r1": PROPOSED}, [])
        assert by_name(w)[f"{BASE}-r1"] == "Done"
        assert (waits.soak, waits.idle, waits.unknown_use) == (NOTHING, NOTHING, NOTHING)
        assert waits.quiet == policy().waits.quiet


def test_rotate_begins_at_once_and_the_key_is_disabled_with_no_wait_but_the_one_that_can_be_undone() -> None:
    with house(policy=policy(exposed="rotate")) as h:
        key, _ = h.populate(3)
        w = h.wire()
        begin = h.now()
        found = exposed(h, w, key)
        h.whole(w)
        disabled = [o.at for o in h.operations.since() if o.method == "DisableServiceAccountKey"]
        deleted = [o.at for o in h.operations.since() if o.method == "DeleteServiceAccountKey"]

        assert (found.outcome, found.records) == ("began", (f"{BASE}-r1",))
        assert sorted(by_name(w).values()) == ["Done", "Gone"]
        assert disabled[0] - begin < timedelta(hours=2)  # an ordinary one soaks for two hours, and is idle for one
        assert deleted[0] - disabled[0] >= policy().waits.quiet
        assert h.violations() == []


def test_in_manual_mode_it_is_always_a_proposal() -> None:
    with house(policy=policy(mode="manual", exposed="rotate")) as h:
        key, _ = h.populate(2)
        w = h.wire()
        found = exposed(h, w, key)

        assert (found.outcome, by_name(w)) == ("proposed", {f"{BASE}-r1": PROPOSED})


def test_the_policy_s_confirmations_are_asked_for_in_an_emergency_too() -> None:
    with house(policy=policy(exposed="rotate", confirm=("disable_key",))) as h:
        key, _ = h.populate(2)
        w = h.wire()
        exposed(h, w, key)
        h.whole(w)

        assert retirement_of(w).blocked is not None
        assert not [o for o in h.operations.since() if o.method == "DisableServiceAccountKey"]


def test_a_forged_event_does_not_stop_a_rotation_that_is_under_way() -> None:
    with house() as h:
        key, _ = h.populate(3)
        w = h.wire()
        older(h, 100 * DAY)
        noticed(h, w, "rotate")
        found = exposed(h, w, key)
        again = exposed(h, w, key)
        h.carry(w, f"{BASE}-r1")

        assert (found.outcome, found.records, again) == ("proposed", (), found)
        assert f"rotator rotate {EMAIL} --new" in found.said
        assert by_name(w) == {f"{BASE}-r1": "Done"}


def test_a_second_exposed_key_overtakes_no_proposal_and_names_the_command_that_replaces_both() -> None:
    with house() as h:
        one, _ = h.populate(2)
        two, file = h.hand_made_key()
        h.live.create_secret(NAMESPACE, "another", password=file)
        h.shoot("late", "another")
        w = h.wire()
        exposed(h, w, one)
        found = exposed(h, w, two)

        assert (found.outcome, found.records, by_name(w)) == ("proposed", (), {f"{BASE}-r1": PROPOSED})
        assert f"rotator retry {BASE}-r1" in found.said


def test_a_forged_event_does_not_stop_the_rotation_by_age_and_shortens_no_wait_of_the_retirement() -> None:
    with house() as h:
        key, _ = h.populate(3)
        w = h.wire()
        exposed(h, w, key)
        older(h, 100 * DAY)
        exposed(h, w, key)
        w.service.tick(h.now())
        h.carry(w, f"{BASE}-r2")
        h.whole(w)

        assert by_name(w)[f"{BASE}-r1"] == "Superseded"
        assert by_name(w)[f"{BASE}-r2"] == "Done"
        assert retirement_of(w).order.policy == policy()
        assert type(retirement_of(w).state).__name__ == "Gone"
        assert h.violations() == []


def test_a_proposal_that_a_person_overruled_shortens_no_wait() -> None:
    with house() as h:
        key, _ = h.populate(2)
        w = h.wire()
        exposed(h, w, key)
        h.rotate(w, new=True)
        w.service.tick(h.now())

        assert retirement_of(w).order.policy == policy()


def test_an_emergency_that_another_rotation_overtook_before_it_had_a_key_is_still_one_for_the_old_key() -> None:
    """The policy had let it begin: whoever rotates meanwhile for another reason does not slow the retirement down."""
    with house(policy=policy(exposed="rotate")) as h:
        key, _ = h.populate(2)
        w = h.wire()
        exposed(h, w, key)
        h.rotate(w, new=True)
        w.service.tick(h.now())

        assert retirement_of(w).order.policy.waits.soak == NOTHING


def test_a_key_that_is_retiring_or_gone_begins_nothing() -> None:
    with house(policy=policy(exposed="rotate")) as h:
        key, _ = h.populate(2)
        w = h.wire()
        h.rotate(w)
        w.service.tick(h.now())
        retiring = exposed(h, w, key)
        h.whole(w)
        gone = exposed(h, w, key)

        assert (retiring.outcome, gone.outcome) == ("looked", "looked")
        assert "is retiring" in retiring.said
        assert "no such key" in gone.said
        assert sorted(by_name(w).values()) == ["Done", "Gone"]


def test_an_unmanaged_key_one_that_nobody_has_and_no_key_at_all_begin_nothing() -> None:
    with house(policy=policy(exposed="rotate")) as h:
        h.populate(2)
        other, _ = h.hand_made_key()
        w = h.wire()
        said = [exposed(h, w, key) for key in (other, "0" * 40, "", other[:8])]

        assert {found.outcome for found in said} == {"looked"}
        assert "is unmanaged" in said[0].said
        assert records(w) == []
        assert not [o for o in h.operations.since() if o.method == "DisableServiceAccountKey"]


def test_an_orphaned_key_is_retired_at_once_as_it_would_be_without_the_event() -> None:
    """It was never published: nobody waits for anybody."""
    with house(policy=policy(exposed="rotate", confirm=("publish",))) as h:
        h.populate(2)
        w = h.wire()
        h.rotate(w)
        (orphan,) = [view.key.id for view in w.service.look(h.now(), EMAIL).credentials[0].keys if view.role == "claimed"]
        w.service.rotate(EMAIL, h.now(), by="ann", why="another one", new=True)
        found = exposed(h, w, orphan)

        assert (found.outcome, len(found.records)) == ("began", 1)
        assert "is orphaned" in found.said
        assert retirement_of(w).id == found.records[0]
        assert not retirement_of(w).order.published  # type: ignore[union-attr]


def test_the_key_of_the_emergency_itself_makes_another_one_while_late_words_about_the_old_key_make_none() -> None:
    with house(policy=policy(exposed="rotate")) as h:
        key, _ = h.populate(2)
        w = h.wire()
        exposed(h, w, key)
        h.carry(w, f"{BASE}-r1")
        (new,) = [view.key.id for view in w.service.look(h.now(), EMAIL).credentials[0].keys if view.role == "wanted"]
        outcomes = [exposed(h, w, each).outcome for each in (new, key, new, key)]
        h.whole(w)

        assert outcomes[0] == "began"
        assert f"{BASE}-r2" in by_name(w)
        assert f"{BASE}-r3" not in by_name(w)
        assert set(by_name(w).values()) == {"Done", "Gone"}
        assert h.violations() == []


CLOSED = {
    "iam": Fault(service="iam", method="ListServiceAccountKeys", answer="PERMISSION_DENIED", times=0),
    "garden": Fault(service="garden:live", method="LIST shoots", answer="403", times=0),
}


@pytest.mark.parametrize("service", CLOSED)
def test_a_message_that_could_not_be_judged_comes_again(service: str) -> None:
    """Nothing else says it a second time: no schedule can read at IAM that others know a key."""
    with house(policy=policy(exposed="rotate")) as h:
        key, _ = h.populate(2)
        h.add_garden("dev", "garden-acme-dev")
        w = h.wire()
        h.faults.add(CLOSED[service])
        with pytest.raises((Transient, Unreadable)):
            exposed(h, w, key)
        none_yet = records(w)
        h.faults.clear()

        assert (none_yet, exposed(h, w, key).outcome) == ([], "began")


def test_a_garden_that_cannot_be_read_does_not_hide_a_key_that_our_books_want() -> None:
    with house(policy=policy(exposed="rotate")) as h:
        h.populate(2)
        h.add_garden("dev", "garden-acme-dev")
        w = h.wire()
        h.rotate(w)
        (new,) = [view.key.id for view in w.service.look(h.now(), EMAIL).credentials[0].keys if view.role == "wanted"]
        h.faults.add(CLOSED["garden"])

        assert exposed(h, w, new).outcome == "began"


def test_an_order_of_the_same_moment_is_not_taken_for_the_emergency() -> None:
    """Both computed the same number from the same books; the message comes again and finds a rotation under way."""
    with house(policy=policy(exposed="rotate")) as h:
        key, _ = h.populate(2)
        w = h.wire()
        seen, (charge,) = w.service.look(h.now(), EMAIL), w.service.charges
        w.service.rotate(EMAIL, h.now(), by="ann", why="a test")
        about = hint("exposed", key_id=key)
        with pytest.raises(Transient):
            notice.emergency(w.service.ledger, "acme", charge, seen, about, (), h.now())

        assert exposed(h, w, key).outcome == "began"
        assert by_name(w) == {f"{BASE}-r1": "Superseded", f"{BASE}-r2": "Planned"}


def test_a_waiver_lets_no_proposal_begin() -> None:
    """Found by reading: a waiver cleared whatever the record rested on, a person's yes to a rotation as well."""
    with house() as built:
        built.populate()
        wired = built.wire()
        begun = wired.service.rotate(EMAIL, built.now(), by="test", why="a test")
        asked = msgspec.structs.replace(begun, rest=Blocked(PROPOSED, ("a person says",), "rotator retry"))
        assert wired.service.ledger.replace(asked, revision=begun.revision)

        for shoot in (f"live/{NAMESPACE}/shoot-0", f"live/{NAMESPACE}"):
            waived = wired.service.waive(begun.id, shoot, built.now(), by="ann", why="dead")
            assert waived.blocked is not None
            assert waived.blocked.code == PROPOSED
