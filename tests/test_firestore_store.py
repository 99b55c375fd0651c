"""What is special to Firestore: answers that get lost, pages, permissions, sizes, indexes. Its promises as a store are in
test_store_contract.py and _races.py.
"""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from emulators import Emulator
from lossy import Lossy
from rotator.errors import Permanent, Transient
from rotator.store import EVERYTHING, Entry, Standing, Suspension
from rotator.stores.firestore import FirestoreStore
from rotator.stores.firestore_layout import INDEXES
from rotator.stores.firestore_wire import PAGE, Wire
from store_engines import LATER, NOW, claimed, envelope

FREEZE = Suspension(subject=EVERYTHING, by="ann", why="freeze", at=NOW)


def refusal(status: int, word: str, message: str = "") -> tuple[int, bytes]:
    """An answer of Firestore's own that the emulator never gives."""
    return status, json.dumps({"error": {"code": status, "status": word, "message": message}}).encode()


pytestmark = pytest.mark.emulator


@pytest.fixture
def proxy(firestore_emulator: Emulator) -> Iterator[Lossy]:
    with Lossy(firestore_emulator.address) as standing:
        yield standing


@pytest.fixture
def store(proxy: Lossy) -> Iterator[FirestoreStore]:
    database = f"projects/p-{uuid.uuid4().hex[:12]}/databases/(default)"
    opened = FirestoreStore(Wire(database, lambda: "owner", f"http://{proxy.address}"), time.sleep)
    yield opened
    opened.close()


def test_a_create_whose_answer_was_lost_is_ours(store: FirestoreStore, proxy: Lossy) -> None:
    proxy.lose = 2

    assert store.create(envelope())
    assert not store.create(envelope())
    assert store.all() == (envelope(),)


def test_a_change_whose_answer_was_lost_happened_once(store: FirestoreStore, proxy: Lossy) -> None:
    store.create(envelope())
    proxy.lose = 1
    won = store.claim("puller-r1", "one", NOW, LATER)
    assert won is not None
    proxy.lose = 1
    saved = store.save(
        msgspec.structs.replace(won, body=b"next", entry=Entry(at=NOW, line=b"line")), worker="one", revision=won.revision
    )

    assert (won.revision, won.attempts) == (1, 1)
    assert saved is not None
    assert saved.revision == 2
    assert store.get("puller-r1") == saved
    assert len(store.history("puller-r1")) == 1


def test_a_slot_whose_answer_was_lost_is_taken_once(store: FirestoreStore, proxy: Lossy) -> None:
    proxy.lose = 1

    assert store.reserve("live", 10, NOW, 1.0) == NOW
    assert store.reserve("live", 1, NOW, 1.0) == NOW + timedelta(seconds=10)


def test_a_firestore_that_does_not_answer_is_transient(store: FirestoreStore, proxy: Lossy) -> None:
    store.create(envelope())
    proxy.refuse = (503, b'{"error": {"status": "UNAVAILABLE"}}')

    with pytest.raises(Transient, match="Firestore: 503 UNAVAILABLE; tried again later"):
        store.get("puller-r1")
    with pytest.raises(Transient, match="no attempt of 8 came through"):
        store.claim("puller-r1", "one", NOW, LATER)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, r"403: we lack datastore\.entities\.\*; grant it: gcloud projects .* --role roles/datastore\.user"),
        (404, r"there is no database projects/p-.*; make it: gcloud firestore databases create"),
    ],
)
def test_what_a_person_must_mend_is_said_with_its_command(store: FirestoreStore, proxy: Lossy, status: int, said: str) -> None:
    proxy.refuse = (status, json.dumps({"error": {"message": "The database (default) does not exist"}}).encode())

    for ask in (lambda: store.get("x"), store.all, lambda: store.create(envelope())):
        with pytest.raises(Permanent, match=said) as refused:
            ask()
        assert refused.value.next_command.startswith("gcloud ")


def test_a_record_that_is_too_large_is_refused_before_it_is_sent(store: FirestoreStore, proxy: Lossy) -> None:
    store.create(envelope())
    won = store.claim("puller-r1", "one", NOW, LATER)
    assert won is not None
    commits = proxy.seen["commit"]

    with pytest.raises(Permanent, match=r"writing record puller-r1: \d+ bytes, more than a Firestore document takes"):
        store.save(msgspec.structs.replace(won, body=b"x" * 2**20), worker="one", revision=won.revision)
    assert proxy.seen["commit"] == commits
    assert store.get("puller-r1") == won


def test_more_than_a_page_is_read_whole_and_in_order(firestore_emulator: Emulator) -> None:
    database = f"projects/p-{uuid.uuid4().hex[:12]}/databases/(default)"
    store = FirestoreStore(Wire(database, lambda: "owner", f"http://{firestore_emulator.address}"), time.sleep)
    count = PAGE + 1
    for number in range(count):
        store.create(envelope(f"r-{number:05d}", wake_at=NOW if number % 2 else None))

    assert [each.id for each in store.all()] == [f"r-{number:05d}" for number in range(count)]
    even, odd = [f"r-{number:05d}" for number in range(0, count, 2)], [f"r-{number:05d}" for number in range(1, count, 2)]
    assert list(store.due(NOW)) == [*even, *odd]
    store.close()


def test_every_query_has_its_index(store: FirestoreStore, proxy: Lossy) -> None:
    """The emulator needs none; Firestore refuses a query without: by one field, or by a composite of INDEXES."""
    claimed(store)
    store.all()
    store.all("puller@acme.iam.gserviceaccount.com")
    store.due(NOW)
    store.suspensions()
    store.history("puller-r1")

    needed = {fields for fields in map(_fields, proxy.queries) if len(fields) > 1}
    assert needed == set(INDEXES)


def _fields(body: bytes) -> tuple[str, ...]:
    query = json.loads(body)["structuredQuery"]
    where = query.get("where", {})
    filters = [where] if "fieldFilter" in where else where.get("compositeFilter", {}).get("filters", [])
    equal = [each["fieldFilter"]["field"]["fieldPath"] for each in filters if each["fieldFilter"]["op"] == "EQUAL"]
    order = [each["field"]["fieldPath"] for each in query["orderBy"]]
    return tuple(field for field in (*equal, *order) if field != "__name__")


def test_what_each_change_costs(store: FirestoreStore, proxy: Lossy) -> None:
    """One read and one commit, whatever else is stored: no document grows hot, no query is needed."""
    store.create(envelope())
    proxy.seen.clear()
    won = store.claim("puller-r1", "one", NOW, LATER)
    assert won is not None
    store.save(won, worker="one", revision=1)
    store.extend("puller-r1", "one", LATER)
    store.release("puller-r1", "one")

    assert proxy.seen == {"GET": 4, "commit": 4}


def test_a_query_that_breaks_off_is_asked_again_and_never_passes_for_the_whole(store: FirestoreStore, proxy: Lossy) -> None:
    """Firestore streams: an error after its 200 is an element among the documents. Half the books would hide a claimed key."""
    ids = [f"r-{number}" for number in range(5)]
    for each in ids:
        store.create(envelope(each))
    proxy.breaks = 1
    assert [each.id for each in store.all()] == ids

    proxy.breaks = 100
    for ask in (store.all, lambda: store.due(NOW), lambda: store.standing("r-0", ("*",))):
        with pytest.raises(Transient, match=r"the answer broke off \(UNAVAILABLE\)"):
            ask()


def test_half_an_answer_about_a_claim_is_none(store: FirestoreStore, proxy: Lossy) -> None:
    """A suspension that was not told of would be one that nobody set."""
    store.create(envelope())
    proxy.instead["batchGet"] = [(200, b"[]")] * 2

    assert store.standing("puller-r1", ("*",)) == Standing(claimed_by="", revision=0, suspensions=())
    assert proxy.seen["batchGet"] == 3


def test_a_missing_index_needs_a_person(store: FirestoreStore, proxy: Lossy) -> None:
    proxy.instead["runQuery"] = [refusal(400, "FAILED_PRECONDITION", "The query requires an index.")]

    with pytest.raises(Permanent, match="an index is missing or still being built") as refused:
        store.due(NOW)
    assert refused.value.next_command.startswith("gcloud firestore indexes composite list --database=(default) ")


def test_a_resume_whose_answer_was_lost_is_ours(store: FirestoreStore, proxy: Lossy) -> None:
    store.suspend(FREEZE)
    proxy.lose = 1

    assert store.resume(EVERYTHING)
    assert not store.resume(EVERYTHING)


def test_a_resume_of_what_went_meanwhile_says_nothing_of_a_database(store: FirestoreStore, proxy: Lossy) -> None:
    store.suspend(FREEZE)
    proxy.instead["commit"] = [refusal(404, "NOT_FOUND", "No document to update")]

    assert store.resume(EVERYTHING)
    assert store.suspensions() == ()


def test_contention_passes(store: FirestoreStore, proxy: Lossy) -> None:
    proxy.instead = {verb: [refusal(409, "ABORTED", "Too much contention")] for verb in ("commit", "runQuery")}

    store.suspend(FREEZE)
    assert store.suspensions() == (FREEZE,)


def test_a_create_whose_answer_and_next_look_were_lost_is_ours(store: FirestoreStore, proxy: Lossy) -> None:
    proxy.lose, proxy.instead["GET"] = 1, [refusal(503, "UNAVAILABLE")]

    assert store.create(envelope())


def test_an_answer_that_is_no_json_is_asked_again(store: FirestoreStore, proxy: Lossy) -> None:
    store.create(envelope())
    proxy.instead["GET"] = [(200, b"<html>")]

    assert store.get("puller-r1") == envelope()
