"""The three identities of `infra/`: each does its own work with its own permissions, and is asked for no other."""

from datetime import timedelta

from house import EMAIL, House, house
from rotator.states import Disabled, Gone, name_of
from rotator.wiring import Wired
from terraform_files import read

LOCALS = read().locals
GRANTED = {
    "reader": set(LOCALS["on_keys"]["reader"]),
    "minter": {*LOCALS["on_keys"]["minter"], *LOCALS["on_staging"]},
    "revoker": {*LOCALS["on_keys"]["revoker"], "monitoring.timeSeries.list"},
}


def needed(h: House) -> set[str]:
    """What Google was asked for since the last time."""
    found = set(h.google.access.needed)
    h.google.access.needed.clear()
    return found


def staged_beforehand(h: House, w: Wired) -> None:
    """Terraform has made the staging secret; the program need not."""
    w.world(EMAIL).staging.prepare("puller-acme-prod", "acme")
    needed(h)


def test_each_works_with_its_own_permissions_and_needs_them_all() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        staged_beforehand(h, w)

        w.service.tick(h.now())
        looked = needed(h)
        begun = w.service.rotate(EMAIL, h.now(), by="test", why="a test")
        ordered = needed(h)
        rotated = h.carry(w, begun.id)
        minted = needed(h)
        (retirement,), _ = w.service.tick(h.now())
        needed(h)
        until(h, w, retirement.id, Disabled)
        w.service.reenable(retirement.id, h.now(), by="test", why="a second thought")
        needed(h)
        h.carry(w, retirement.id)
        w.service.retry(retirement.id, h.now(), by="test", why="a third thought")
        h.carry(w, retirement.id, horizon=timedelta(days=60))
        gone = w.service.record(retirement.id)
        burned = needed(h)

        assert (name_of(rotated.state), type(gone.state)) == ("Done", Gone)
        assert looked | ordered == GRANTED["reader"]
        # versions.get is asked only about a version that cannot be destroyed.
        assert minted == GRANTED["minter"] - {"secretmanager.versions.get"}
        assert burned == GRANTED["revoker"]


def until(h: House, w: Wired, record_id: str, state: type) -> None:
    """The record has come to this state."""
    for _ in range(60):
        record = h.carry(w, record_id, horizon=timedelta(hours=1))
        if isinstance(record.state, state):
            return
        h.clock.advance(timedelta(hours=12).total_seconds())
    raise AssertionError(f"{record_id} is {name_of(record.state)}: {record.rest}")
