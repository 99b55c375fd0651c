"""Histories of roll-outs: who is moved when, and what stops it. One act, then the world is looked at."""

from datetime import timedelta
from itertools import groupby

from house import EMAIL, NAMESPACE, house
from rotator.record import Wait
from rotator.states import Done, Published
from sandbox.faults import Fault
from stories import (
    MINUTES,
    OLD,
    V1,
    begin,
    blocked,
    finished,
    names,
    on,
    patched,
    policy,
    retry,
    runs,
    slow,
    told,
    until,
    watching,
)

NO = "validation.example.org denied the request: owners say no"
ONE_BY_ONE = policy(canary=1, growth=2.0)


def test_a_canary_goes_first_and_alone() -> None:
    with house(policy=ONE_BY_ONE) as h:
        h.populate(0)
        for name, options in (
            ("api", {"purpose": "production"}),
            ("build", {"purpose": "development"}),
            ("web", {"purpose": "production"}),
        ):
            h.shoot(name, OLD, labels={"registry-key-rotator/canary": "true"} if name == "web" else {}, **options)
        slow(h)
        w = h.wire()
        h.rotate(w)

        log = [(o.method, o.facts["name"]) for o in h.operations.since() if o.method in {"PATCH shoots", "ROLLOUT shoots"}]
        ours = log[log.index(("PATCH shoots", "build")) :]

        assert ours[:2] == [("PATCH shoots", "build"), ("ROLLOUT shoots", "build")]
        assert patched(h) == ["build", "web", "api"]
        assert finished(h, w)


def test_waves_grow_by_what_has_settled() -> None:
    with house(policy=ONE_BY_ONE) as h:
        h.populate(7)
        slow(h)
        w = h.wire()

        h.rotate(w)

        log = [o.method for o in h.operations.since() if o.method in {"PATCH shoots", "ROLLOUT shoots"}][7:]
        waves = [len(list(wave)) for method, wave in groupby(log) if method == "PATCH shoots"]
        assert waves == [1, 2, 4]


def test_no_more_shoots_of_one_seed_are_under_way_than_the_policy_allows() -> None:
    with house(policy=policy(growth=100.0, per_seed=2)) as h:
        h.populate(5)
        for number in range(3):
            h.shoot(f"other-{number}", OLD, seed="gcp-us1")
        slow(h)
        w = h.wire()
        h.rotate(w)

        under_way: dict[str, set[str]] = {}
        most = 0
        for o in h.operations.since():
            name = o.facts.get("name", "")
            seed = under_way.setdefault(name.partition("-")[0], set())
            if o.method == "PATCH shoots":
                seed.add(name)
            elif o.method == "ROLLOUT shoots":
                seed.discard(name)
            most = max(most, len(seed))

        assert most == 2
        assert len(patched(h)) == 8


def test_a_failing_canary_holds_the_roll_out_and_is_named_until_a_person_waives_it() -> None:
    with house(policy=policy(settle=MINUTES)) as h:
        _, _ = h.populate(3)
        h.live.behave(NAMESPACE, "shoot-0", outcome="Failed", text="node pool is broken")
        w = h.wire()
        record = h.rotate(w)

        why = blocked(record)
        assert why.code == "failure-budget"
        assert "live/garden-acme/shoot-0: Reconcile Failed: node pool is broken" in told(record)
        assert patched(h) == ["shoot-0"]
        assert names(h, "shoot-1") == [OLD]

        w.service.waive(record.id, "live/garden-acme/shoot-0", h.now(), by="a person", why="its owner mends it tomorrow")
        record = h.carry(w, record.id)

        assert isinstance(record.state, Done)
        assert names(h, "shoot-1") == names(h, "shoot-2") == [V1]
        assert [left.shoot for left in record.state.left] == ["live/garden-acme/shoot-0"]


def test_a_failing_canary_that_was_mended_goes_on_after_retry() -> None:
    with house() as h:
        h.populate(2)
        h.live.behave(NAMESPACE, "shoot-0", outcome="Failed")
        w = h.wire()
        record = h.rotate(w)
        assert blocked(record).code == "failure-budget"

        h.live.behave(NAMESPACE, "shoot-0", outcome="Succeeded")
        h.live.maintenance(NAMESPACE, "shoot-0")
        record = retry(h, w, record)

        assert isinstance(h.carry(w, record.id).state, Done)
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_a_failure_within_the_budget_stops_nobody() -> None:
    with house(policy=policy(failure_budget=1, growth=100.0, settle=MINUTES)) as h:
        h.populate(3)
        h.live.behave(NAMESPACE, "shoot-1", outcome="Failed")
        w = h.wire()

        record = h.rotate(w)

        assert isinstance(record.state, Done)
        assert sorted(patched(h)) == ["shoot-0", "shoot-1", "shoot-2"]


def test_a_shoot_that_failed_before_we_came_does_not_count() -> None:
    with house() as h:
        h.populate(3)
        h.live.behave(NAMESPACE, "shoot-1", outcome="Failed")
        h.live.reconcile(NAMESPACE, "shoot-1")
        w = h.wire()

        record = begin(h, w)
        until(h, w, record, "Published")
        on(h, w, record, 8)

        assert patched(h)[0] != "shoot-1"
        assert sorted(patched(h)) == ["shoot-0", "shoot-1", "shoot-2"]


def test_the_wanted_key_is_tried_before_each_wave_and_a_dead_one_moves_nobody() -> None:
    with house(policy=policy(growth=1.0)) as h:
        h.populate(3)
        slow(h, 300)
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        record = on(h, w, record, 2)
        assert len(patched(h)) == 1
        assert isinstance(record.state, Published)

        h.google.iam.disable_by_google(record.state.key.id)
        h.clock.advance(700)
        record = on(h, w, record)

        assert blocked(record).code == "wanted-key-dead"
        assert blocked(record).next_command == f"rotator rotate {EMAIL} --new"
        assert len(patched(h)) == 1


def test_suspension_while_a_write_slot_is_waited_for_stops_that_write() -> None:
    with house(policy=policy(canary=3)) as h:
        h.populate(3)
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        w.store.reserve("live", 20_000_000, h.now(), 1e6)
        slept: list[float] = []

        def stop(seconds: float) -> None:
            slept.append(seconds)
            w.service.suspend(EMAIL, h.now(), by="the operator", why="an incident")

        h.sleep = stop
        record = on(h, w, record, 1)

        assert [round(seconds) for seconds in slept] == [20]
        assert patched(h) == []
        assert "was suspended by the operator" in told(record)


def test_suspension_in_the_middle_of_a_wave_stops_before_the_next_write() -> None:
    with house(policy=policy(canary=3)) as h:
        h.populate(3)
        h.around = watching(lambda sending: stop() if sending.method == "move" else None)
        w = h.wire()

        def stop() -> None:
            w.service.suspend(EMAIL, h.now(), by="the operator", why="an incident")

        record = until(h, w, begin(h, w), "Published")
        record = on(h, w, record, 1)

        assert len(patched(h)) == 1
        assert isinstance(record.rest, Wait)
        assert "was suspended by the operator" in told(record)
        assert "an incident" in told(record)

        before = len(h.operations.since())
        h.clock.advance(300)
        record = on(h, w, record, 5)
        assert [o for o in h.operations.since(before) if o.mutating] == []
        assert record.attempts == 0

        h.around = lambda world: world
        assert w.service.resume(EMAIL)
        h.clock.advance(timedelta(minutes=2).total_seconds())
        assert isinstance(h.carry(w, record.id).state, Done)
        assert len(patched(h)) == 3
        assert runs(h, "shoot-2") == runs(h, "shoot-0")


def test_suspending_everything_suspends_every_credential() -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        record = begin(h, w)
        w.service.suspend("*", h.now(), by="the operator", why="a freeze")

        before = len(h.operations.since())
        record = on(h, w, record, 3)

        assert "everything was suspended by the operator" in told(record)
        assert [o.method for o in h.operations.since(before)] == []
        assert w.service.tick(h.now())[0] == ()
        assert [o.method for o in h.operations.since() if o.method in {"AddSecretVersion", "UploadServiceAccountKey"}] == []


def test_a_shoot_that_falls_ill_after_it_settled_holds_the_rest() -> None:
    """Components are looked at a minute after Succeeded, and given ten to recover: the failure budget counts them still."""
    with house(policy=policy(growth=1.0)) as h:
        h.populate(4)
        slow(h)
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        while len(patched(h)) < 2:
            record = on(h, w, record, 1)
            h.clock.advance(30)
        assert patched(h)[0] == "shoot-0"
        h.live.behave(NAMESPACE, "shoot-0", healthy=False)
        h.live.reconcile(NAMESPACE, "shoot-0")
        h.clock.advance(700)

        record = on(h, w, record, 20)

        assert blocked(record).code == "failure-budget"
        assert "live/garden-acme/shoot-0: SystemComponentsHealthy False" in told(record)
        assert patched(h) == ["shoot-0", "shoot-1"]


def test_a_cache_that_takes_minutes_to_come_back_asks_no_person() -> None:
    """Each cache restarts with its new key; one whose volume was slow blocked the roll-out of a fleet."""
    with house(policy=policy(growth=1.0)) as h:
        h.populate(3)
        slow(h)
        w = h.wire()
        record = on(h, w, until(h, w, begin(h, w), "Published"), 1)
        h.live.behave(NAMESPACE, "shoot-0", healthy=False)
        record = on(h, w, record, 20)
        assert isinstance(record.rest, Wait)
        assert patched(h) == ["shoot-0"]

        h.live.behave(NAMESPACE, "shoot-0", healthy=True)
        h.live.reconcile(NAMESPACE, "shoot-0")
        record = h.carry(w, record.id)

        assert isinstance(record.state, Done)
        assert len(patched(h)) == 3


def test_shoots_that_refuse_do_not_hold_up_those_behind_them() -> None:
    """Thirty owners' admissions said no, and everybody in the alphabet after them waited for a day."""
    with house(policy=policy(growth=100.0, per_seed=100)) as h:
        h.populate(30)
        h.shoot("willing", OLD)
        h.faults.add(Fault(service="garden:*", method="PATCH shoots", target="*shoot-*", answer="403", text=NO, times=0))
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        before = len(h.operations.since())

        record = on(h, w, record, 20)

        assert names(h, "willing") == [V1]
        asked = sum(1 for o in h.operations.since(before) if o.method == "PATCH shoots")
        assert asked <= 20 * 10 + 1
        assert "shoot-0 refused: " in told(record)
