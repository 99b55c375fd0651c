"""A handler that goes on after its request timed out, beside the copy that was delivered again: two activations of one process.

The first is paused inside a call for longer than its claim; meanwhile the second takes over. What a single call does when it
arrives late is in test_late_calls.py; here it is what the one who wakes does next.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from house import EMAIL, NAMESPACE, PROJECT, House, Laps, house
from rotator import guard
from rotator.deployment import Deployment
from rotator.errors import Transient
from rotator.guard import Sending
from rotator.key import KeyFile, KeyId
from rotator.record import Record
from rotator.runbook import CLAIM
from rotator.secret import Draft, SecretRef
from rotator.states import Done
from rotator.wiring import Wired
from rotator.world import World


@dataclass
class Pause:
    """Around every world: the first call of this name is held up, and `meanwhile` happens; then it is sent."""

    name: str
    meanwhile: Callable[[], object]
    happened: bool = False
    after: list[str] = field(default_factory=list)
    waking: bool = False
    """The paused activation goes on: what it sends now is in `after`."""

    def around(self, world: World) -> World:
        def through(sending: Sending, send: Callable[[], Any]) -> Any:
            name = f"{sending.neighbour}.{sending.method}"
            if name == self.name and not self.happened:
                self.happened = True
                self.meanwhile()
                self.waking = True
            elif self.waking and sending.mutating:
                self.after.append(name)
            return send()

        return guard.around(world, through)


@contextmanager
def ordered(shoots: int = 2) -> Iterator[tuple[House, Wired, str]]:
    """A house with a rotation that has been ordered."""
    with house() as lived_in:
        lived_in.populate(shoots)
        wired = lived_in.wire()
        yield lived_in, wired, wired.service.rotate(EMAIL, lived_in.now(), by="test", why="a test").id


def out_of_time(lived_in: House) -> None:
    lived_in.clock.advance((CLAIM + timedelta(minutes=1)).total_seconds())


def paused(lived_in: House, wired: Wired, record_id: str, name: str, meanwhile: Callable[[], object]) -> Pause:
    """The activation was paused at that call, has woken and has come to its end."""
    pause = Pause(name, meanwhile)
    lived_in.around = pause.around
    for _ in wired.service.run(wired.service.record(record_id), Laps(lived_in.clock, timedelta(minutes=2))):
        if pause.happened:
            raise AssertionError("the paused activation saved something")
    assert pause.happened
    return pause


CALLS = ["staging.add", "accounts.upload", "gardens.create_secret", "gardens.move", "staging.destroy"]


@pytest.mark.parametrize("call", CALLS)
def test_who_wakes_past_its_claim_saves_nothing_and_frees_no_other_claim(call: str) -> None:
    """The second activation of the same process holds the record all the while; a third one does not get it."""
    with ordered() as (lived_in, wired, record_id):
        second: list[Iterator[Record]] = []

        def take_over() -> None:
            out_of_time(lived_in)
            second.append(wired.service.run(wired.service.record(record_id), Laps(lived_in.clock, timedelta(minutes=2))))
            next(second[0])

        pause = paused(lived_in, wired, record_id, call, take_over)
        held = wired.store.get(record_id)
        third = list(wired.service.run(wired.service.record(record_id), Laps(lived_in.clock)))

        assert held is not None
        assert held.claimed_by
        assert third == []
        assert pause.after == []
        list(second[0])
        assert isinstance(lived_in.carry(wired, record_id).state, Done)
        assert lived_in.violations() == []


@pytest.mark.parametrize("call", CALLS)
def test_who_wakes_when_all_is_done_changes_nothing_more(call: str) -> None:
    with ordered() as (lived_in, wired, record_id):
        books: list[object] = []

        def all_done() -> None:
            out_of_time(lived_in)
            lived_in.whole(wired)
            books.append(wired.store.all())

        pause = paused(lived_in, wired, record_id, call, all_done)

        assert books == [wired.store.all()]
        assert pause.after == []
        lived_in.whole(wired)
        assert lived_in.violations() == []


def test_who_wakes_in_the_middle_of_a_wave_moves_nobody_else() -> None:
    with ordered(6) as (lived_in, wired, record_id):
        second: list[Iterator[Record]] = []
        moved: list[str] = []

        def take_over() -> None:
            out_of_time(lived_in)
            second.append(wired.service.run(wired.service.record(record_id), Laps(lived_in.clock)))
            next(second[0])

        def count(world: World) -> World:
            return guard.around(world, lambda sending, send: (moved.append(sending.method), send())[1])

        lived_in.around = count
        while moved.count("move") < 1:
            next(iter(wired.service.run(wired.service.record(record_id), Laps(lived_in.clock, timedelta(minutes=2)))))
        pause = paused(lived_in, wired, record_id, "gardens.move", take_over)

        assert pause.after == []
        list(second[0])
        assert isinstance(lived_in.carry(wired, record_id).state, Done)


def test_what_a_person_decides_stops_the_worker_before_its_next_call() -> None:
    """An act is a save without a claim: whoever is at work has lost the record and sends nothing more."""
    with ordered(3) as (lived_in, wired, record_id):

        def act() -> None:
            wired.service.waive(record_id, "live/garden-gone", lived_in.now(), by="jo", why="it was given up")

        pause = paused(lived_in, wired, record_id, "staging.prepare", act)

        assert pause.after == []
        assert isinstance(lived_in.carry(wired, record_id).state, Done)


def test_no_two_activations_have_the_same_name() -> None:
    with ordered() as (lived_in, wired, record_id):
        names = {claimed_by(lived_in, each, record_id) for each in (wired, lived_in.wire(), wired)}

        assert len(names) == 3


def test_claims_of_the_dead_are_released_and_no_others() -> None:
    with ordered() as (lived_in, wired, record_id):
        host, process, life, *_ = claimed_by(lived_in, wired, record_id).split(":")
        until = lived_in.now() + CLAIM
        names = {
            f"{host}:{process}:{life}:other:1": True,
            f"{host}:{process}:dead:other:1": False,
            f"{host}:999999999:{life}:other:1": False,
            f"elsewhere:999999999:{life}:other:1": True,
        }
        for name, stays in names.items():
            assert wired.store.claim(record_id, name, lived_in.now(), until) is not None
            wired.release_dead()
            found = wired.store.get(record_id)
            assert found is not None
            assert bool(found.claimed_by) == stays, name
            wired.store.release(record_id, name)


def test_in_firestore_no_claim_is_taken_for_a_dead_one() -> None:
    """Instances share the name of the machine and cannot see each other's processes."""
    with ordered() as (lived_in, wired, record_id):
        host, _, life, *_ = claimed_by(lived_in, wired, record_id).split(":")
        wired.settings = msgspec.structs.replace(wired.settings, deployment=Deployment(firestore="projects/p/databases/d"))
        wired.store.claim(record_id, f"{host}:999999999:{life}:other:1", lived_in.now(), lived_in.now() + CLAIM)
        wired.release_dead()
        found = wired.store.get(record_id)

        assert found is not None
        assert found.claimed_by


def claimed_by(lived_in: House, wired: Wired, record_id: str) -> str:
    """The name of an activation, as the store has it."""
    running = wired.service.run(wired.service.record(record_id), Laps(lived_in.clock))
    next(running)
    found = wired.store.get(record_id)
    running.close()  # type: ignore[attr-defined]  # a generator
    assert found is not None
    return found.claimed_by


def test_what_a_paused_worker_writes_into_the_store_is_lost() -> None:
    """Its claim ran out, another worker holds the record; then it sends, one by one, what it might have prepared."""
    with ordered() as (lived_in, wired, record_id):
        store, then = wired.store, lived_in.now()
        zombie = store.claim(record_id, "zombie", then, then + CLAIM)
        assert zombie is not None
        out_of_time(lived_in)
        now = lived_in.now()
        holder = store.claim(record_id, "holder", now, now + CLAIM)
        assert holder is not None

        assert store.save(zombie, worker="zombie", revision=zombie.revision) is None
        assert store.save(zombie, worker="zombie", revision=holder.revision) is None
        assert store.replace(zombie, revision=zombie.revision) is None
        assert not store.create(zombie)
        assert not store.extend(record_id, "zombie", now + 10 * CLAIM)
        store.release(record_id, "zombie")
        assert store.claim(record_id, "zombie", then, then + CLAIM) is None
        assert store.get(record_id) == holder
        store.release(record_id, "holder")
        late = store.claim(record_id, "zombie", then, then + CLAIM)
        assert late is not None
        assert store.claim(record_id, "anybody", now, now + CLAIM) is not None

        first = store.reserve("live", 5, now, 1.0)
        store.reserve("live", 5, then, 1.0)
        assert store.reserve("live", 5, now, 1.0) == first + timedelta(seconds=10)
        wired.service.suspend("*", now, by="jo", why="an incident")
        wired.service.suspend("*", then, by="zombie", why="an hour ago")
        assert len(store.suspensions()) == 1
        assert wired.service.resume("*")


def test_a_wake_up_too_many_is_refused() -> None:
    """A message that was published twice, or an hour late: the record is held, or has nothing to do yet."""
    with ordered() as (lived_in, wired, record_id):
        first = wired.service.run(wired.service.record(record_id), Laps(lived_in.clock))
        next(first)
        beside = list(wired.service.run(wired.service.record(record_id), Laps(lived_in.clock)))
        list(first)
        lived_in.carry(wired, record_id)
        books = wired.store.get(record_id)
        after = list(wired.service.run(wired.service.record(record_id), Laps(lived_in.clock)))
        again = wired.store.get(record_id)

        assert (beside, after) == ([], [])
        assert books is not None
        assert again is not None
        assert again.body == books.body


def test_no_other_activation_moves_the_fence_of_a_create() -> None:
    """The token that a create is sent with is the one whose end was saved, whoever else in this process has a newer one."""
    with house() as lived_in:
        lived_in.populate(1)
        wired = lived_in.wire()
        zombie, other = wired.world(EMAIL), wired.world(EMAIL)
        account = zombie.accounts.account(EMAIL, PROJECT)
        key_file = KeyFile(zombie.accounts.generate(), account, KeyId("a" * 40))
        drafts = [
            Draft(ref=SecretRef("live", NAMESPACE, f"late-{number}"), installation="acme", key_file=key_file)
            for number in range(2)
        ]

        fence = zombie.gardens["live"].fence()
        lived_in.clock.advance(3700)
        wired.hear()
        later = other.gardens["live"].fence()
        assert fence is not None
        assert later is not None
        assert fence < lived_in.now() < later
        with pytest.raises(Transient, match="401"):
            zombie.gardens["live"].create_secret(drafts[0])
        other.gardens["live"].create_secret(drafts[1])

        there = [draft.ref.name for draft in drafts if other.gardens["live"].secret(NAMESPACE, draft.ref.name)]
        assert there == ["late-1"]
