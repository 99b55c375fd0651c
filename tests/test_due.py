"""What begins when: rotations by age, by death of the wanted key; retirements of what nothing wants."""

from datetime import datetime
from typing import Any

import msgspec
import pytest

from parts import (
    ACCOUNT,
    BASE,
    DAY,
    EMAIL,
    HOUR,
    NEW,
    NOW,
    OLD,
    POLICY,
    THIRD,
    account_key,
    at,
    key,
    published,
    retirement,
    rotation,
)
from rotator import due
from rotator.inventory import role_of
from rotator.key import AccountKey, KeyId, PublicKey
from rotator.record import Blocked, Record, Replaced
from rotator.states import Disabling, Done, Draining, Gone, Minted, Planned, Superseded, Withdrawn
from rotator.view import Charge, CredentialView, KeyView

CHARGE = Charge(email=EMAIL, project=ACCOUNT.project, base=BASE, policy=POLICY)
BLOCKED = Blocked("key-cap", ("nine keys",), "rotator retry x")
REPLACES_OLD = (Replaced(OLD, (at("hand-made"),)),)
DONE = Done(key=key(), secrets=(at("v1"),), fences={}, moved=1, left=())
OVERDUE = NOW - POLICY.max_age


def view(
    keys: list[AccountKey], records: list[Record], *, in_use: tuple[PublicKey, ...] = (), charge: Charge | None = CHARGE
) -> CredentialView:
    """As inventory makes it, from these keys and records."""
    wanted = due.books.wanted(records)
    views = tuple(
        KeyView(
            key=each,
            role=role_of(each, in_use, records),
            secrets=(),
            shoots=0,
            starts_at=POLICY.starts_at(each.made_at, each.expires_at) if each.public_key in in_use else None,
        )
        for each in keys
    )
    return CredentialView(
        email=EMAIL,
        charge=charge,
        keys=views,
        secrets=(),
        shoots=(),
        upstreams=(),
        in_use=in_use,
        wanted=wanted.public_key if wanted else None,
        hindrances=(),
    )


def blocked(record: Record) -> Record:
    return msgspec.structs.replace(record, rest=BLOCKED)


@pytest.mark.parametrize(
    ("made_at", "expires_at", "is_due"),
    [
        (NOW, None, False),
        (NOW - POLICY.max_age + POLICY.longest + HOUR, None, False),
        (NOW - POLICY.max_age + POLICY.longest, None, True),
        (OVERDUE, None, True),
        (NOW, NOW + POLICY.longest + HOUR, False),
        (NOW, NOW + POLICY.longest, True),
    ],
)
def test_a_rotation_is_due_when_the_waits_just_fit(made_at: datetime, expires_at: datetime | None, is_due: bool) -> None:
    in_use = account_key(OLD, made_at=made_at, expires_at=expires_at)
    reason = due.rotation(view([in_use], [], in_use=(OLD,)), [], NOW)

    assert (reason is not None) is is_due
    assert reason is None or (not reason.urgent and "max_age 90d" in reason.why)


@pytest.mark.parametrize(
    ("records", "in_use", "is_due"),
    [
        pytest.param([], (OLD,), True, id="a hand-made key in use"),
        pytest.param([], (), False, id="an unmanaged key that nobody uses"),
        pytest.param([rotation(1, Planned())], (OLD,), False, id="a rotation is under way"),
        pytest.param([blocked(rotation(1, Planned()))], (OLD,), False, id="a rotation is blocked"),
        pytest.param([rotation(1, DONE, replaces=REPLACES_OLD), retirement(OLD)], (OLD,), False, id="it is retiring"),
        pytest.param(
            [rotation(1, DONE, replaces=REPLACES_OLD)],
            (OLD,),
            False,
            id="it was replaced, and its retirement is about to begin",
        ),
    ],
)
def test_only_a_key_in_use_that_nothing_has_replaced_makes_a_rotation_due(
    records: list[Record], in_use: tuple[PublicKey, ...], is_due: bool
) -> None:
    """Story of the last row: a rotation was done between two ticks and left one Shoot behind, so its old key was still in use
    and of age. The next tick began a second rotation before it began the retirement of the first one's old key."""
    old, new = account_key(OLD, made_at=OVERDUE), account_key(NEW, made_at=NOW)

    assert (due.rotation(view([old, new], records, in_use=in_use), records, NOW) is not None) is is_due


DEATHS: dict[str, dict[str, Any]] = {
    "disabled": {"disabled": True},
    "disabled by Google (SERVICE_ACCOUNT_KEY_DISABLE_REASON_EXPOSED)": {
        "disabled": True,
        "disabled_by_google": "SERVICE_ACCOUNT_KEY_DISABLE_REASON_EXPOSED",
    },
    "expired at 2026-11-02 11:00 UTC": {"expires_at": NOW - HOUR},
}


@pytest.mark.parametrize("how", DEATHS)
def test_a_dead_wanted_key_makes_a_rotation_due_at_once_and_says_how_it_died(how: str) -> None:
    records = [rotation(1, DONE)]
    reason = due.rotation(view([account_key(NEW, **DEATHS[how])], records, in_use=(NEW,)), records, NOW)

    assert reason is not None
    assert reason.urgent
    assert how in reason.why


def test_a_wanted_key_that_somebody_deleted_at_iam_is_dead() -> None:
    """Story: a deleted key is in no list, so nobody looked at it; its Shoots failed to pull until the next max_age."""
    records = [rotation(1, DONE)]
    reason = due.rotation(view([account_key(THIRD)], records, in_use=(NEW,)), records, NOW)

    assert reason is not None
    assert reason.urgent
    assert "is not at IAM any more" in reason.why


def test_a_list_that_could_not_be_read_proves_nothing_but_an_empty_one_does() -> None:
    """After a retirement the wanted key is the account's only one: when somebody deletes it, the list is empty."""
    records = [rotation(1, DONE)]
    empty = view([], records, in_use=(NEW,))

    assert due.rotation(msgspec.structs.replace(empty, listed=False), records, NOW) is None
    assert due.rotation(empty, records, NOW) is not None


@pytest.mark.parametrize(
    ("records", "is_due"),
    [
        pytest.param([rotation(1, DONE), rotation(2, Planned())], False, id="the next rotation is under way"),
        pytest.param([rotation(1, DONE), blocked(rotation(2, Planned()))], True, id="the next rotation is blocked"),
        pytest.param([blocked(rotation(1, published()))], True, id="its own roll-out is blocked"),
        pytest.param([rotation(1, published())], False, id="its own roll-out goes on, and will see it"),
    ],
)
def test_a_dead_key_passes_a_blocked_rotation_but_no_living_one(records: list[Record], is_due: bool) -> None:
    dead = view([account_key(NEW, disabled=True)], records, in_use=(NEW,))

    assert (due.rotation(dead, records, NOW) is not None) is is_due


def test_before_the_first_rotation_a_dead_key_in_use_is_due_and_later_it_is_the_retirements_matter() -> None:
    dead = account_key(OLD, disabled=True, made_at=NOW)
    done = [rotation(1, DONE)]

    assert due.rotation(view([dead], [], in_use=(OLD,)), [], NOW) is not None
    assert due.rotation(view([dead], [], in_use=()), [], NOW) is None
    assert due.rotation(view([dead, account_key(NEW)], done, in_use=(OLD, NEW)), done, NOW) is None


def test_nothing_is_due_for_an_account_that_the_configuration_does_not_name() -> None:
    records = [rotation(1, DONE, replaces=REPLACES_OLD)]
    found = view([account_key(OLD, made_at=OVERDUE), account_key(NEW, disabled=True)], records, in_use=(OLD,), charge=None)

    assert due.rotation(found, records, NOW) is None
    assert due.retirements(found, records) == ()


UNPUBLISHED = Superseded(by=f"{BASE}-r2", key=key(THIRD), staged=1, public_key=THIRD, published=False, secrets=(), fences={})


@pytest.mark.parametrize(
    ("records", "retires"),
    [
        pytest.param([], (), id="keys in nobody's books are never touched"),
        pytest.param([rotation(1, Planned(), replaces=REPLACES_OLD)], (), id="not before the new key is published"),
        pytest.param([rotation(1, published(), replaces=REPLACES_OLD)], (OLD,), id="replaced by a published rotation"),
        pytest.param([rotation(1, DONE, replaces=REPLACES_OLD)], (OLD,), id="replaced by a finished rotation"),
        pytest.param([rotation(1, DONE, replaces=REPLACES_OLD), retirement(OLD)], (), id="it has a retirement"),
        pytest.param(
            [rotation(1, DONE, replaces=REPLACES_OLD), blocked(retirement(OLD, Disabling(clear_since=NOW, fence=NOW)))],
            (),
            id="it has a blocked one",
        ),
        pytest.param(
            [rotation(1, DONE, replaces=REPLACES_OLD), retirement(OLD, Withdrawn(why="wanted"))],
            (OLD,),
            id="a withdrawn one does not count",
        ),
        pytest.param(
            [rotation(1, DONE, replaces=REPLACES_OLD), retirement(OLD, Gone(at=NOW, ids=()))],
            (OLD,),
            id="it came back after it was gone",
        ),
        pytest.param(
            [rotation(1, UNPUBLISHED), rotation(2, published(sequence=2))], (THIRD,), id="ours, superseded before it was used"
        ),
        pytest.param([rotation(1, Minted(key=key(THIRD), at=NOW))], (), id="claimed by the rotation that mints it"),
        pytest.param(
            [rotation(1, DONE, replaces=REPLACES_OLD), rotation(2, Planned(), to=OLD)],
            (),
            id="claimed by the way back",
        ),
        pytest.param(
            [rotation(1, DONE, replaces=REPLACES_OLD), rotation(2, published(OLD, 2), to=OLD)],
            (NEW,),
            id="wanted again: now the other one is nobody's",
        ),
    ],
)
def test_a_retirement_begins_for_what_is_ours_or_replaced_and_neither_wanted_nor_claimed(
    records: list[Record], retires: tuple[PublicKey, ...]
) -> None:
    keys = [account_key(OLD), account_key(NEW), account_key(THIRD)]

    assert due.retirements(view(keys, records), records) == retires


def test_a_key_with_two_ids_gets_one_retirement_and_one_that_iam_forgot_gets_none() -> None:
    records = [rotation(1, DONE, replaces=REPLACES_OLD)]
    twice = [account_key(OLD), account_key(OLD, id=KeyId("second"))]

    assert due.retirements(view(twice, records), records) == (OLD,)
    assert due.retirements(view([account_key(NEW)], records), records) == ()


def test_a_retirement_that_drains_keeps_its_key_from_another_one() -> None:
    records = [rotation(1, DONE, replaces=REPLACES_OLD), retirement(OLD, Draining(since=NOW - DAY), number=2)]

    assert due.retirements(view([account_key(OLD)], records), records) == ()


def test_a_retirement_says_what_replaced_its_key() -> None:
    done = [rotation(1, DONE, replaces=REPLACES_OLD), rotation(2, Planned(), replaces=REPLACES_OLD)]

    assert due.books.why_retired(done, OLD) == f"replaced by {BASE}-r1"
    assert due.books.why_retired(done, THIRD) == "neither wanted nor claimed by a rotation"
