"""What every store promises (`rotator.store.Store`), asked of each engine, one promise a test. Races: test_store_races.py."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from rotator.store import EVERYTHING, Entry, Standing, Store, Suspension
from store_engines import ENGINES, LATER, NOW, Place, claimed, envelope, place_of


@pytest.fixture(params=ENGINES, name="place")
def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request.param, request, tmp_path)


@pytest.fixture(name="store")
def _store(place: Place) -> Iterator[Store]:
    store = place.open()
    yield store
    store.close()


# --- create, get, all ---


def test_what_was_created_is_read_back_as_it_was(store: Store) -> None:
    given = envelope(wake_at=NOW + timedelta(microseconds=1), attempts=3, revision=7, unfinished=False)

    assert store.create(given)
    assert store.get(given.id) == given


def test_a_time_of_another_zone_is_the_same_moment_in_utc(store: Store) -> None:
    store.create(envelope(wake_at=datetime.fromisoformat("2026-03-01T14:00:00+02:00")))

    stored = store.get("puller-r1")
    assert stored is not None
    assert stored.wake_at == NOW
    assert stored.wake_at.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="time zone"):
        store.create(envelope(wake_at=NOW.replace(tzinfo=None)))

    assert store.all() == ()


def test_an_id_is_created_once(store: Store) -> None:
    assert store.create(envelope())
    assert not store.create(envelope(body=b"another"))

    assert store.all() == (envelope(),)


def test_what_is_created_is_unclaimed(store: Store) -> None:
    store.create(envelope(claimed_by="somebody", claimed_until=LATER))

    assert store.get("puller-r1") == envelope()


def test_a_record_that_is_not_there_is_none(store: Store) -> None:
    assert store.get("puller-r1") is None


def test_all_come_in_the_order_of_their_creation(store: Store) -> None:
    other = envelope("b", credential="other@acme.iam.gserviceaccount.com")
    for each in (envelope("c"), other, envelope("a")):
        store.create(each)
    store.replace(envelope("c", body=b"touched"), revision=0)

    assert [each.id for each in store.all()] == ["c", "b", "a"]
    assert [each.id for each in store.all(envelope().credential)] == ["c", "a"]
    assert store.all("nobody@acme.iam.gserviceaccount.com") == ()


# --- claim, extend, release ---


def test_a_claim_counts_and_lasts(store: Store) -> None:
    won = claimed(store)

    assert won == envelope(revision=1, attempts=1, claimed_by="one", claimed_until=LATER)
    assert store.get("puller-r1") == won


@pytest.mark.parametrize("worker", ["one", "two"])
def test_a_claimed_record_is_nobody_elses_and_not_claimed_twice(store: Store, worker: str) -> None:
    won = claimed(store)

    assert store.claim("puller-r1", worker, LATER - timedelta(microseconds=1), LATER) is None
    assert store.get("puller-r1") == won


def test_a_claim_that_ran_out_is_taken_over(store: Store) -> None:
    claimed(store)

    taken = store.claim("puller-r1", "two", LATER, LATER + timedelta(minutes=5))
    assert taken is not None
    assert (taken.claimed_by, taken.attempts, taken.revision) == ("two", 2, 2)


def test_nothing_is_claimed_where_nothing_is(store: Store) -> None:
    assert store.claim("puller-r1", "one", NOW, LATER) is None
    assert store.all() == ()


def test_a_worker_has_a_name(store: Store) -> None:
    store.create(envelope())

    with pytest.raises(ValueError, match="name"):
        store.claim("puller-r1", "", NOW, LATER)
    assert store.save(envelope(), worker="", revision=0) is None
    assert not store.extend("puller-r1", "", LATER)


def test_an_extended_claim_holds_longer_at_the_same_revision(store: Store) -> None:
    won = claimed(store)

    assert store.extend("puller-r1", "one", LATER + timedelta(minutes=5))
    assert store.claim("puller-r1", "two", LATER, LATER + timedelta(hours=1)) is None
    assert store.save(won, worker="one", revision=won.revision) is not None


def test_only_its_holder_extends_a_claim(store: Store) -> None:
    won = claimed(store)

    assert not store.extend("puller-r1", "two", LATER + timedelta(minutes=5))
    assert not store.extend("puller-r2", "one", LATER)
    assert store.get("puller-r1") == won


def test_a_released_record_is_free_at_once_at_the_same_revision(store: Store) -> None:
    won = claimed(store)
    store.release("puller-r1", "one")

    assert store.get("puller-r1") == msgspec.structs.replace(won, claimed_by="", claimed_until=None)
    assert store.claim("puller-r1", "two", NOW, LATER) is not None


def test_only_its_holder_releases_a_claim(store: Store) -> None:
    won = claimed(store)
    store.release("puller-r1", "two")
    store.release("puller-r2", "one")

    assert store.get("puller-r1") == won


# --- save, replace ---


def test_a_save_stores_what_changes_and_keeps_the_claim(store: Store) -> None:
    won = claimed(store)
    wanted = msgspec.structs.replace(won, body=b"next", wake_at=LATER, attempts=0, unfinished=False)

    saved = store.save(wanted, worker="one", revision=won.revision)
    assert saved == msgspec.structs.replace(wanted, revision=won.revision + 1)
    assert store.get("puller-r1") == saved


def test_neither_save_nor_replace_changes_whose_record_it_is(store: Store) -> None:
    won = claimed(store)
    forged = msgspec.structs.replace(won, credential="x", kind="y", claimed_by="z", claimed_until=None)

    saved = store.save(forged, worker="one", revision=1)
    replaced = store.replace(forged, revision=2)
    assert saved == msgspec.structs.replace(won, revision=2)
    assert replaced == msgspec.structs.replace(won, revision=3)


@pytest.mark.parametrize(("worker", "revision"), [("two", 1), ("one", 0), ("one", 2), ("", 1)])
def test_a_save_with_a_lost_claim_or_a_stale_revision_changes_nothing(store: Store, worker: str, revision: int) -> None:
    won = claimed(store)

    assert store.save(envelope(body=b"lost"), worker=worker, revision=revision) is None
    assert store.get("puller-r1") == won


def test_the_save_of_a_worker_that_was_taken_over_is_lost(store: Store) -> None:
    won = claimed(store)
    taken = store.claim("puller-r1", "two", LATER, LATER + timedelta(minutes=5))
    assert taken is not None

    assert store.save(won, worker="one", revision=won.revision) is None
    assert store.save(won, worker="one", revision=taken.revision) is None
    assert store.get("puller-r1") == taken


def test_a_claim_that_ran_out_and_that_nobody_took_still_saves(store: Store) -> None:
    won = claimed(store)

    assert store.save(envelope(body=b"late"), worker="one", revision=won.revision) is not None


def test_a_released_record_is_not_saved(store: Store) -> None:
    won = claimed(store)
    store.release("puller-r1", "one")

    assert store.save(won, worker="one", revision=won.revision) is None


def test_a_replace_needs_no_claim_and_beats_the_holders_next_save(store: Store) -> None:
    won = claimed(store)

    replaced = store.replace(envelope(body=b"withdrawn", unfinished=False), revision=won.revision)
    assert replaced is not None
    assert (replaced.body, replaced.revision, replaced.claimed_by) == (b"withdrawn", 2, "one")
    assert store.save(won, worker="one", revision=won.revision) is None
    assert store.get("puller-r1") == replaced


def test_a_replace_at_a_stale_revision_changes_nothing(store: Store) -> None:
    won = claimed(store)

    assert store.replace(envelope(body=b"lost"), revision=0) is None
    assert store.replace(envelope("puller-r2"), revision=0) is None
    assert store.all() == (won,)


# --- history ---


def test_a_line_that_came_with_a_write_stands_in_the_history_and_nowhere_else(store: Store) -> None:
    lines = [Entry(at=NOW + timedelta(seconds=number), line=b"line %d" % number) for number in range(3)]
    store.create(envelope(entry=lines[0]))
    won = store.claim("puller-r1", "one", NOW, LATER)
    assert won is not None
    saved = store.save(msgspec.structs.replace(won, entry=lines[1]), worker="one", revision=won.revision)
    assert saved is not None
    store.save(saved, worker="one", revision=saved.revision)
    store.replace(msgspec.structs.replace(saved, entry=lines[2]), revision=saved.revision + 1)

    assert store.history("puller-r1") == tuple(lines)
    assert (won.entry, saved.entry) == (None, None)
    assert [each.entry for each in store.all()] == [None]
    assert store.history("puller-r2") == ()


def test_a_write_that_changed_nothing_adds_no_line(store: Store) -> None:
    won = claimed(store)
    line = Entry(at=NOW, line=b"lost")

    assert not store.create(envelope(entry=line))
    assert store.save(msgspec.structs.replace(won, entry=line), worker="two", revision=won.revision) is None
    assert store.replace(envelope(entry=line), revision=0) is None
    assert store.history("puller-r1") == ()


# --- due ---


def test_due_is_what_is_unfinished_and_may_wake_oldest_first(store: Store) -> None:
    store.create(envelope("at-now", wake_at=NOW))
    store.create(envelope("earlier", wake_at=NOW - timedelta(days=1)))
    store.create(envelope("later", wake_at=NOW + timedelta(microseconds=1)))
    store.create(envelope("always"))
    store.create(envelope("finished", unfinished=False))
    store.create(envelope("earlier-too", wake_at=NOW - timedelta(days=1)))
    store.claim("earlier", "one", NOW, LATER)

    assert store.due(NOW) == ("always", "earlier", "earlier-too", "at-now")


# --- suspend, resume ---


def test_suspensions_stand_until_they_are_resumed(store: Store) -> None:
    one = Suspension(subject="puller@acme.iam.gserviceaccount.com", by="ann", why="audit", at=NOW)
    everything = Suspension(subject=EVERYTHING, by="bob", why="freeze", at=LATER)
    store.suspend(everything)
    store.suspend(one)

    assert store.suspensions() == (one, everything)
    assert store.resume(EVERYTHING)
    assert store.suspensions() == (one,)
    assert not store.resume(EVERYTHING)


def test_a_second_suspension_of_the_same_replaces_the_first(store: Store) -> None:
    first = Suspension(subject=EVERYTHING, by="ann", why="audit", at=NOW)
    second = Suspension(subject=EVERYTHING, by="bob", why="freeze", at=LATER)
    store.suspend(first)
    store.suspend(second)

    assert store.suspensions() == (second,)


# --- reserve ---


def test_a_record_stands_as_it_was_claimed_with_the_suspensions_that_are_asked_for(store: Store) -> None:
    stops = [Suspension(subject=subject, by="jo", why="a drill", at=NOW) for subject in ("*", "a@x.example", "b@x.example")]
    won = claimed(store)
    for stop in stops:
        store.suspend(stop)

    found = store.standing("puller-r1", ("*", "b@x.example", "c@x.example"))

    assert found == Standing(claimed_by="one", revision=won.revision, suspensions=(stops[0], stops[2]))
    store.release("puller-r1", "one")
    assert store.standing("puller-r1", ("c@x.example",)) == Standing(claimed_by="", revision=won.revision, suspensions=())


def test_no_record_stands_nowhere(store: Store) -> None:
    store.suspend(Suspension(subject="*", by="jo", why="a drill", at=NOW))

    assert store.standing("puller-r1", ("*",)) is None


def test_write_slots_queue_up_per_garden_and_never_begin_in_the_past(store: Store) -> None:
    assert store.reserve("live", 4, NOW, 2.0) == NOW
    assert store.reserve("live", 1, NOW, 2.0) == NOW + timedelta(seconds=2)
    assert store.reserve("live", 1, NOW, 0.5) == NOW + timedelta(seconds=2.5)
    assert store.reserve("canary", 1, NOW, 2.0) == NOW
    assert store.reserve("live", 1, LATER, 2.0) == LATER


@pytest.mark.parametrize(("entries", "per_second"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_a_slot_needs_an_entry_and_a_pace(store: Store, entries: int, per_second: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        store.reserve("live", entries, NOW, per_second)


def test_a_store_opened_again_knows_everything(place: Place, store: Store) -> None:
    won = claimed(store)
    store.suspend(Suspension(subject=EVERYTHING, by="ann", why="audit", at=NOW))
    store.reserve("live", 1, NOW, 1.0)
    again = place.open()

    assert again.all() == (won,)
    assert len(again.suspensions()) == 1
    assert again.reserve("live", 1, NOW, 1.0) == NOW + timedelta(seconds=1)
    again.close()
