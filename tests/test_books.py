"""What records say together: wanted, claimed, newer, whose Secrets."""

import msgspec
import pytest

from parts import BASE, ELSEWHERE, HOUR, NEW, NOW, OLD, PLACE, THIRD, at, key, published, retirement, rotation, version
from rotator import books
from rotator.key import KeyId, PublicKey
from rotator.record import Place, Record, Replaced
from rotator.states import (
    Creating,
    DeletingKey,
    DeletingSecrets,
    Disabled,
    Done,
    Draining,
    Gone,
    Minted,
    Planned,
    Reenabled,
    RetirementState,
    RotationState,
    Staged,
    Superseded,
    Verified,
    Withdrawn,
)

STAGED = Staged(version=1, public_key=NEW, at=NOW)
MINTED = Minted(key=key(), at=NOW)
VERIFIED = Verified(key=key(), fences={"live": NOW + HOUR})
REPUBLISHING = Verified(key=key(), fences={}, secrets=(version(1),))
"""A namespace joined during the roll-out. Story: the key before was wanted again for a moment, and its retirement withdrawn."""
DONE = Done(key=key(), secrets=(version(1),), fences={}, moved=1, left=())


def superseded(*, was_published: bool, public_key: PublicKey | None = NEW, **changed: object) -> Superseded:
    minted = key(public_key) if public_key else None
    whole = Superseded(
        by=f"{BASE}-r9",
        key=minted,
        staged=None,
        public_key=public_key,
        published=was_published,
        secrets=(version(1),) if was_published else (),
        fences={},
    )
    return msgspec.structs.replace(whole, **changed)


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        ([], None),
        ([Planned()], None),
        ([STAGED], None),
        ([MINTED], None),
        ([VERIFIED], None),
        ([REPUBLISHING], (1, NEW, False)),
        ([published(OLD), REPUBLISHING], (2, NEW, False)),
        ([published(NEW)], (1, NEW, False)),
        ([DONE], (1, NEW, True)),
        ([superseded(was_published=True)], (1, NEW, True)),
        ([superseded(was_published=False)], None),
        ([published(OLD), published(NEW, 2)], (2, NEW, False)),
        ([published(OLD), MINTED], (1, OLD, False)),
        ([DONE, superseded(was_published=False, public_key=THIRD)], (1, NEW, True)),
        ([DONE, superseded(was_published=True, public_key=THIRD), Planned()], (2, THIRD, True)),
    ],
    ids=str,
)
def test_wanted_is_the_key_of_the_newest_published_rotation(
    states: list[RotationState], wanted: tuple[int, PublicKey, bool] | None
) -> None:
    records = [rotation(number, state) for number, state in enumerate(states, 1)]
    found = books.wanted([*reversed(records), retirement(THIRD)])

    expected = None if wanted is None else (f"{BASE}-r{wanted[0]}", wanted[1], wanted[2])
    assert (found and (found.rotation, found.public_key, found.finished)) == expected


@pytest.mark.parametrize(
    ("record", "claims"),
    [
        (rotation(1, Planned()), False),
        (rotation(1, Planned(), to=NEW), True),
        (rotation(1, Creating(before=(), tries=0, at=NOW)), False),
        (rotation(1, STAGED), True),
        (rotation(1, MINTED), True),
        (rotation(1, VERIFIED), True),
        (rotation(1, published(NEW)), True),
        (rotation(1, DONE), False),
        (rotation(1, superseded(was_published=False)), False),
        (rotation(1, superseded(was_published=False, public_key=None), to=NEW), False),
        (retirement(NEW), False),
    ],
    ids=lambda value: type(value.state).__name__ if isinstance(value, Record) else str(value),
)
def test_a_rotation_claims_its_key_from_the_order_or_the_staging_until_it_ends(record: Record, claims: bool) -> None:
    assert books.claimed([record], NEW) == (record.id if claims else "")
    assert books.claimed([record], THIRD) == ""


def test_a_rotation_ordered_later_is_newer_whatever_became_of_it() -> None:
    first, second, third = rotation(1, MINTED), rotation(2, Planned()), rotation(3, DONE)

    assert books.newer([third, first, second], first) == third.id
    assert books.newer([first, second], second) == ""
    assert books.newer([first, retirement()], first) == ""
    assert books.newer([first], retirement()) == ""


def test_ours_are_keys_that_we_minted_or_began_to() -> None:
    records = [rotation(1, STAGED), rotation(2, published(THIRD, 2)), rotation(3, published(OLD, 3), to=OLD), rotation(4)]

    assert books.ours(records) == {NEW, THIRD}


def test_a_key_is_replaced_once_the_rotation_that_replaces_it_is_published() -> None:
    replaces = (Replaced(OLD, (at("hand-made"),)),)

    assert books.replaced([rotation(1, VERIFIED, replaces=replaces)]) == frozenset()
    assert books.replaced([rotation(1, superseded(was_published=False), replaces=replaces)]) == frozenset()
    assert books.replaced([rotation(1, published(), replaces=replaces)]) == {OLD}
    assert books.replaced([rotation(1, superseded(was_published=True), replaces=replaces)]) == {OLD}


def test_secrets_of_a_key_are_all_that_held_it_or_may_yet_be_created_with_it() -> None:
    both: tuple[Place, ...] = (PLACE, ELSEWHERE)
    hand_made = at("hand-made")
    records = [
        rotation(1, VERIFIED, scope=both),
        rotation(2, published(THIRD, 2, secrets=(version(2), version(2, Place("other", "garden-acme")))), scope=both),
        rotation(3, Planned(), replaces=(Replaced(OLD, (hand_made,)), Replaced(NEW, (at("copy"),)))),
        retirement(OLD, secrets=(at("older"),)),
    ]

    assert set(books.secrets_of(records, NEW)) == {version(1), version(1, ELSEWHERE), at("copy")}
    assert set(books.secrets_of(records, THIRD)) == {
        version(2), version(2, ELSEWHERE), version(2, Place("other", "garden-acme"))
    }  # fmt: skip
    assert set(books.secrets_of(records, OLD)) == {hand_made, at("older")}
    assert books.all_secrets(records) == {
        ref for public_key in (OLD, NEW, THIRD) for ref in books.secrets_of(records, public_key)
    }


def test_a_create_can_come_late_until_the_last_fence_that_any_rotation_of_the_key_saved() -> None:
    early, late = NOW + HOUR, NOW + 2 * HOUR
    records = [
        rotation(1, Verified(key=key(), fences={"a": early, "b": late})),
        rotation(2, published(NEW, 2, fences={"a": early})),
        rotation(3, published(THIRD, 3, fences={"a": NOW + 9 * HOUR})),
    ]

    assert books.creating_until(records, NEW) == late
    assert books.creating_until(records[1:], NEW) == early
    assert books.creating_until([rotation(1, superseded(was_published=False, fences={"a": late}))], NEW) == late
    assert books.creating_until([rotation(1, MINTED)], NEW) is None


def test_scope_is_the_frozen_one_joined_with_todays() -> None:
    assert books.scope((PLACE,), (ELSEWHERE,)) == (PLACE, ELSEWHERE)
    assert books.scope((PLACE, ELSEWHERE), ()) == (PLACE, ELSEWHERE)


@pytest.mark.parametrize(
    "state",
    [
        DeletingSecrets(clear_since=NOW),
        Disabled(at=NOW, fence=NOW, ids=(KeyId("x"),)),
        Gone(at=NOW, ids=()),
    ],
)
def test_a_retirement_names_no_key_that_could_be_wanted(state: DeletingSecrets | Disabled | Gone) -> None:
    record = retirement(OLD, state)

    assert books.key_of(record) is None
    assert not books.published(record)
    assert books.wanted([record]) is None


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Draining(since=NOW), "still enabled"),
        (DeletingSecrets(clear_since=NOW), "Secrets are being deleted"),
        (DeletingKey(at=NOW, ids=()), "no way back"),
        (Gone(at=NOW, ids=()), "is deleted at IAM"),
        (Reenabled(at=NOW), "taken back already"),
        (Withdrawn(why="wanted"), "still enabled"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_why_a_key_cannot_be_taken_back_is_said_for_each_case(state: RetirementState, words: str) -> None:
    records = [rotation(1, DONE), retirement(OLD, state)]

    assert words in books.why_no_way_back(records, OLD[:8])
    assert "nothing takes it away" in books.why_no_way_back(records, NEW[:8])
    assert "rotator discover" in books.why_no_way_back(records, "ffff")
