"""What a rotation leaves in staging is destroyed, by number."""

from collections.abc import Iterable

from rotator.record import Fact, Record
from rotator.states import Minted, Staged, Verified
from rotator.world import World


def sweep(own: int | None, record: Record, records: Iterable[Record], world: World) -> tuple[Fact, ...]:
    """No staged version up to `own` is left but those that other unfinished rotations name.

    Higher numbers belong to somebody who is about to save them. A version that a crash left unclaimed has a lower number than
    the one its rotation claimed afterwards, so it is among these. Again: destroyed already is fine.
    """
    if own is None:
        return ()
    kept = {
        number for other in records if other.id != record.id and other.unfinished and (number := staged_of(other)) is not None
    }
    doomed = [number for number in world.staging.versions(record.order.base) if number <= own and number not in kept]
    for number in doomed:
        world.staging.destroy(record.order.base, number)
    return (Fact("swept", f"staging versions destroyed: {', '.join(map(str, doomed)) or 'none'}"),)


def staged_of(record: Record) -> int | None:
    """The staged version that this rotation still needs."""
    match record.state:
        case Staged():
            return record.state.version
        case Minted() | Verified():
            return record.state.key.staged
        case _:
            return None
