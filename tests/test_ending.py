"""What `ending` is there to find, planted in houses that came to rest without a fault."""

from collections.abc import Iterator

import msgspec
import pytest

from ending import Ending
from house import EMAIL, NAMESPACE, House, house
from rotator.record import Blocked, Wait
from rotator.wiring import Wired
from test_crash_matrix import first_key, order, roll, whole


@pytest.fixture(scope="module")
def finished() -> Iterator[tuple[House, Wired]]:
    """A rotation and a retirement, all done. Tests of this module leave it as they found it."""
    with house() as lived_in:
        lived_in.populate(1)
        wired = lived_in.wire()
        for act in (order, roll, whole):
            act(lived_in, wired)
        yield lived_in, wired


def faults(lived_in: House, wired: Wired, rotations: int = 1) -> list[str]:
    return Ending(lived_in, wired).judge(rotations=rotations)


def test_a_house_at_rest_has_no_fault(finished: tuple[House, Wired]) -> None:
    assert faults(*finished) == []


def test_a_second_rotation_for_one_order_is_found(finished: tuple[House, Wired]) -> None:
    assert any(line.startswith("I7") for line in faults(*finished, rotations=2))


def test_private_key_bytes_in_a_file_are_found(finished: tuple[House, Wired]) -> None:
    lived_in, wired = finished
    path = lived_in.folder / "log.txt"
    path.write_text(lived_in.google.key_files_issued()[0])
    found = faults(lived_in, wired)
    path.unlink()

    assert [line for line in found if line.startswith("I5")]


def test_what_nobody_carries_on_is_found() -> None:
    with house() as lived_in:
        lived_in.populate(1)
        wired = lived_in.wire()
        order(lived_in, wired)

        assert any("hangs in Planned without rest" in line for line in faults(lived_in, wired))


@pytest.mark.parametrize("why", [(), ("",)])
def test_a_block_without_a_reason_is_found(why: tuple[str, ...]) -> None:
    with house() as lived_in:
        lived_in.populate(1)
        wired = lived_in.wire()
        order(lived_in, wired)
        record = wired.service.records()[0][0]
        wired.service.ledger.replace(
            msgspec.structs.replace(record, rest=Blocked("odd", why, "rotator retry")), revision=record.revision
        )

        assert any(line.startswith("I6") and "is blocked without reason" in line for line in faults(lived_in, wired))


def test_a_wait_that_is_over_is_found() -> None:
    with house() as lived_in:
        lived_in.populate(1)
        wired = lived_in.wire()
        order(lived_in, wired)
        record = wired.service.records()[0][0]
        wait = Wait(lived_in.now(), ("for nothing",))
        wired.service.ledger.replace(msgspec.structs.replace(record, rest=wait), revision=record.revision)

        assert any(line.startswith("I6") and "hangs" in line for line in faults(lived_in, wired))


def test_a_key_that_we_made_and_forgot_is_found() -> None:
    """The books are lost after the key was uploaded: the key is nobody's, and nothing says so."""
    with house() as lived_in:
        lived_in.populate(1)
        wired = lived_in.wire()
        order(lived_in, wired)
        roll(lived_in, wired)
        wired.close()
        lived_in.opened.clear()
        for path in lived_in.folder.glob("state.db*"):
            path.unlink()
        fresh = lived_in.wire()

        assert any(line.startswith("I4") for line in faults(lived_in, fresh, rotations=0))


def test_a_staged_half_that_is_left_is_found() -> None:
    with house() as lived_in:
        lived_in.populate(1)
        wired = lived_in.wire()
        order(lived_in, wired)
        roll(lived_in, wired)
        whole(lived_in, wired)
        staging = wired.world(EMAIL).staging
        base = wired.service.records()[0][0].order.base
        staging.add(base, wired.world(EMAIL).accounts.generate())

        assert any(line.startswith("I5") for line in faults(lived_in, wired))


def test_what_points_nowhere_is_found() -> None:
    """Somebody took the wanted key away by hand: the Shoot and its Secret live on a key that is gone."""
    with house() as lived_in:
        key_id, _ = lived_in.populate(1)
        wired = lived_in.wire()
        lived_in.google.iam.change_by_hand(key_id, "deleted")
        found = faults(lived_in, wired, rotations=0)

        assert {line.split()[0] for line in found} == {"I2", "Q2"}


def test_a_shoot_whose_secret_is_gone_is_found() -> None:
    with house() as lived_in:
        lived_in.populate(1)
        wired = lived_in.wire()
        lived_in.live.knobs.protection_delay = 1e9
        lived_in.live.create_secret(NAMESPACE, "second", password=lived_in.google.make_key(lived_in.account)[1])
        lived_in.shoot("late", "second")
        lived_in.live.delete_secret(NAMESPACE, "second")
        found = faults(lived_in, wired, rotations=0)

        assert any(line.startswith("Q1") and "second" in line for line in found)


def test_the_first_key_is_the_one_that_was_there(finished: tuple[House, Wired]) -> None:
    lived_in, _ = finished

    assert first_key(lived_in) in lived_in.account.keys
