"""What comes of a hint: state of the books and what the sandbox saw, for every kind of hint and every stance of the owner."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from house import BASE, EMAIL, POLICY, House, house
from rotator import staged
from rotator.errors import Permanent
from rotator.hint import Hint, Kind
from rotator.key import Email
from rotator.notice import Noticed
from rotator.policy import Mode
from rotator.record import PROPOSED, Record
from rotator.wiring import Wired

KINDS: tuple[Kind, ...] = ("rotate", "expiring", "old", "changed", "exposed")
DAY = timedelta(days=1)


def hint(kind: Kind = "changed", **said: Any) -> Hint:
    whom = {} if {"account", "secret"} & set(said) else {"account": EMAIL}
    return Hint(**{"kind": kind, "source": "a test", "said": "it was said", **whom, **said})


def notice(h: House, w: Wired, kind: Kind = "changed", **said: Any) -> Noticed:
    w.hear()
    return w.service.notice(hint(kind, **said), h.now())


def records(w: Wired) -> list[Record]:
    found, unreadable = w.service.records()
    assert unreadable == ()
    return list(found)


def older(h: House, span: timedelta) -> None:
    h.clock.advance(span.total_seconds())


def lookups(h: House) -> int:
    return sum(o.method == "GetServiceAccount" for o in h.operations.since())


def policy(**changed: Any) -> Any:
    return msgspec.structs.replace(POLICY, **changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_due_by_our_own_reading_is_rotated_whatever_the_hint_says(kind: Kind) -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        older(h, 100 * DAY)
        found = notice(h, w, kind)

        assert (found.outcome, found.credential, found.records) == ("began", EMAIL, (f"{BASE}-r1",))
        assert "old; max_age" in records(w)[0].order.why
        assert records(w)[0].order.policy == POLICY


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_not_due_is_looked_at_and_left(kind: Kind) -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        found = notice(h, w, kind)

        assert (found.outcome, found.records, records(w)) == ("looked", (), [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("account", ["stranger@other.iam.gserviceaccount.com", "999999999999999999999", ""])
def test_an_account_that_is_not_ours_begins_nothing(kind: Kind, account: str) -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        older(h, 100 * DAY)
        found = notice(h, w, kind, account=account, secret="" if account else "registry-key-rotator-other")

        assert (found.outcome, found.credential, records(w)) == ("unknown", "", [])


@pytest.mark.parametrize("kind", KINDS)
def test_in_observe_mode_and_while_suspended_nothing_begins(kind: Kind) -> None:
    with house(policy=policy(mode="observe", exposed="rotate")) as h:
        key, _ = h.populate(2)
        w = h.wire()
        older(h, 100 * DAY)
        observed = notice(h, w, kind, key_id=key)
        h.policy = policy(exposed="rotate")
        w = h.wire()
        w.service.suspend("*", h.now(), by="ann", why="a holiday")
        suspended = notice(h, w, kind, key_id=key)
        none_yet = records(w)
        w.service.resume("*")
        resumed = notice(h, w, kind, key_id=key)

        assert (observed.outcome, suspended.outcome, none_yet, resumed.outcome) == ("observed", "observed", [], "began")
        assert "observe" in observed.said
        assert "a holiday" in suspended.said


@pytest.mark.parametrize("mode", ["automatic", "manual"])
def test_in_manual_mode_age_alone_begins_nothing_and_a_dead_key_makes_a_proposal(mode: Mode) -> None:
    with house(policy=policy(mode=mode)) as h:
        key, _ = h.populate(2)
        w = h.wire()
        h.google.iam.disable_by_google(key)
        notice(h, w, "changed", key_id=key)
        (record,) = records(w)

        assert (record.blocked.code if record.blocked else "") == (PROPOSED if mode == "manual" else "")


def test_the_unique_id_of_an_account_is_resolved_by_iam_once() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        older(h, 100 * DAY)
        first = notice(h, w, "changed", account=h.account.unique_id)
        begin = lookups(h)
        second = notice(h, w, "changed", account=h.account.unique_id)
        by_number = lookups(h) - begin
        notice(h, w, "changed")

        assert (first.outcome, second.outcome, len(records(w))) == ("began", "looked", 1)
        assert by_number == lookups(h) - begin - by_number  # no more than a look asks anyway


def test_an_account_that_iam_does_not_show_hides_no_other_account_from_its_unique_id() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        older(h, 100 * DAY)
        gone = msgspec.structs.replace(w.service.charges[0], email=Email("gone@acme-prod.iam.gserviceaccount.com"), base="gone")
        w.service.charges = (gone, *w.service.charges)

        assert notice(h, w, "old", account=h.account.unique_id).credential == EMAIL
        with pytest.raises(Permanent):
            notice(h, w, "old", account="999999999999999999999")


def test_the_staging_secret_names_its_credential() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        older(h, 100 * DAY)
        found = notice(h, w, "rotate", secret=staged.secret_id(BASE))

        assert (found.outcome, found.credential) == ("began", EMAIL)


def test_hints_late_repeated_and_in_any_order_make_one_record() -> None:
    """I7. Each kind again and again, before, within and after the rotation that the first of them began."""
    with house(policy=policy(exposed="rotate")) as h:
        key, _ = h.populate(2)
        w = h.wire()
        outcomes = [notice(h, w, kind, key_id=key).outcome for kind in (*reversed(KINDS), *KINDS)]
        h.carry(w, records(w)[0].id)
        outcomes += [notice(h, w, kind, key_id=key).outcome for kind in KINDS]
        h.whole(w)
        late = [notice(h, w, kind, key_id=key).outcome for kind in KINDS * 2]

        assert outcomes.count("began") == 2  # the rotation, and the retirement that follows it
        assert sorted(type(record.state).__name__ for record in records(w)) == ["Done", "Gone"]
        assert set(late) == {"looked"}
        assert h.violations() == []
