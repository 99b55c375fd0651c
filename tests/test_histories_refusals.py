"""Histories of things that say no, or nothing: webhooks, quotas, access, outages. Each: one clear line, nothing half-done."""

import threading
from datetime import timedelta

import pytest

from house import EMAIL, NAMESPACE, USER, House, house
from rotator.clients import calls
from rotator.errors import Invalid
from rotator.policy import contradictions
from rotator.record import Blocked, Wait
from rotator.states import Done, Draining, Published, Verified, name_of
from sandbox.faults import Fault
from sandbox.garden import ROTATOR
from sandbox.garden.access import Rule
from stories import (
    OLD,
    V1,
    begin,
    blocked,
    finished,
    key_states,
    mutations,
    on,
    patched,
    policy,
    retirement_of,
    retry,
    told,
    until,
)

STRICTER = 'admission webhook "validation.registry-cache" denied the request: spec: Invalid value: "ar": too long a password'


def test_a_stricter_webhook_refuses_the_new_secret_before_any_shoot_names_it() -> None:
    with house() as h:
        h.populate(2)
        number = h.faults.add(Fault(service="garden:*", method="PATCH shoots (dry run)", answer="403", text=STRICTER, times=0))
        w = h.wire()
        record = h.rotate(w)

        assert blocked(record).code == "webhook-refused"
        assert "too long a password" in told(record)
        assert patched(h) == []
        assert isinstance(record.state, Verified)

        h.faults.remove(number)
        assert isinstance(h.carry(w, retry(h, w, record).id).state, Done)


def test_a_webhook_that_is_down_is_waited_for() -> None:
    with house() as h:
        h.populate(1)
        h.live.knobs.webhook_down = True
        w = h.wire()
        record = on(h, w, begin(h, w), 8, 1)

        assert isinstance(record.rest, Wait)
        assert "failed calling webhook" in told(record)
        assert patched(h) == []

        h.live.knobs.webhook_down = False
        assert isinstance(h.carry(w, record.id).state, Done)


def test_a_full_quota_blocks_in_the_servers_words() -> None:
    with house() as h:
        h.populate(1)
        h.live.knobs.quotas[NAMESPACE] = 1
        w = h.wire()
        record = h.rotate(w)

        assert blocked(record).code == "secret-refused"
        assert "exceeded quota: gardener" in told(record)
        assert blocked(record).next_command == f"rotator retry {record.id}"

        h.live.knobs.quotas.clear()
        assert isinstance(h.carry(w, retry(h, w, record).id).state, Done)


def without(verb: str, resource: str) -> list[Rule]:
    return [
        Rule((each,), (kind,), rule.names)
        for rule in ROTATOR
        for each in rule.verbs
        for kind in rule.resources
        if (each, kind) != (verb, resource)
    ]


def take_right(h: House, verb: str, resource: str) -> None:
    h.live.forbid(USER, NAMESPACE)
    h.live.allow(USER, NAMESPACE, without(verb, resource))


def give_rights(h: House) -> None:
    h.live.allow(USER, NAMESPACE, ROTATOR)


@pytest.mark.parametrize(
    ("verb", "resource", "stops_at"),
    [
        ("list", "shoots", "Verified"),
        ("get", "secrets", "Verified"),
        ("create", "secrets", "Verified"),
        ("get", "shoots", "Verified"),
        ("patch", "shoots", "Verified"),
    ],
)
def test_a_right_that_is_missing_for_a_rotation_is_named_with_verb_and_object(verb: str, resource: str, stops_at: str) -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        record = begin(h, w)
        record = until(h, w, record, "Verified")
        take_right(h, verb, resource)

        record = on(h, w, record, 3, 1)

        assert name_of(record.state) == stops_at
        assert f"grant {verb} on {resource} in namespace {NAMESPACE}" in told(record)
        assert patched(h) == []

        give_rights(h)
        if isinstance(record.rest, Blocked):
            record = retry(h, w, record)
        h.clock.advance(600)
        assert isinstance(h.carry(w, record.id).state, Done)


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("list", "credentialsbindings"),
        ("list", "secretbindings"),
        ("list", "shoots"),
        ("get", "secrets"),
        ("delete", "secrets"),
    ],
)
def test_a_right_that_is_missing_for_a_retirement_keeps_the_key(verb: str, resource: str) -> None:
    with house(policy=policy(soak=timedelta(0))) as h:
        old, _ = h.populate(1)
        w = h.wire()
        h.rotate(w)
        retiring = retirement_of(h, w, old)
        take_right(h, verb, resource)

        retiring = on(h, w, retiring, 6, 1)

        assert f"grant {verb} on {resource} in namespace {NAMESPACE}" in told(retiring)
        assert h.live.secret(NAMESPACE, OLD) is not None
        assert key_states(h)[old] == "enabled"

        give_rights(h)
        if retiring.blocked:
            retry(h, w, retiring)
        assert set(finished(h, w).values()) == {"Done", "Gone"}


@pytest.mark.parametrize("verb", ["disable", "delete"])
def test_a_permission_that_is_missing_at_iam_blocks_with_the_command_that_grants_it(verb: str) -> None:
    with house() as h:
        old, _ = h.populate(1)
        w = h.wire()
        h.rotate(w)
        h.google.access.deny(f"iam.serviceAccountKeys.{verb}")
        retiring = h.carry(w, retirement_of(h, w, old).id)

        assert blocked(retiring).code == "iam-permission"
        assert f"lacks iam.serviceAccountKeys.{verb} on {EMAIL}" in told(retiring)
        assert blocked(retiring).next_command.startswith("gcloud iam service-accounts add-iam-policy-binding")
        assert old in key_states(h)


def test_a_garden_that_cannot_be_reached_is_waited_for_and_keeps_every_key() -> None:
    with calls.within(20.0, patience=0.2), house() as h:
        old, file = h.populate(1)
        far = h.add_garden("far", "garden-far")
        far.create_secret("garden-far", "copy", password=file)
        w = h.wire()
        h.rotate(w)
        retiring = retirement_of(h, w, old)
        far.stop()
        far.stop = lambda: None  # type: ignore[method-assign]  # the house closes it again

        retiring = on(h, w, retiring, 3, 1)

        assert isinstance(retiring.rest, Wait)
        assert "list shoots garden-far/* in Garden far: no answer" in told(retiring)
        assert isinstance(retiring.state, Draining)
        assert old in key_states(h)


def test_a_token_that_was_revoked_is_replaced_by_the_source() -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        h.live.revoke_tokens(USER)

        record = h.carry(w, record.id)

        assert isinstance(record.state, Done)


def test_a_token_that_nobody_renews_is_waited_for_and_said() -> None:
    with house() as h:
        h.populate(1)
        stuck = h.live.issue_token(USER)
        h.live.issue_token = lambda user, lifetime=None: stuck  # type: ignore[method-assign]  # a source that renews nothing
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        h.live.revoke_tokens(USER)

        record = on(h, w, record, 2, 1)

        assert isinstance(record.rest, Wait)
        assert "401, the token of Garden live has expired or was revoked; renew it" in told(record)
        assert isinstance(record.state, Published)


def test_observe_mode_touches_nothing() -> None:
    with house(policy=policy(mode="observe")) as h:
        h.populate(2)
        h.clock.advance(100 * 86400)
        w = h.wire()
        before = len(h.operations.since())

        begun, found = w.service.tick(h.now())
        w.service.tick(h.now())

        assert begun == ()
        assert found.credentials[0].shoots
        assert [o.method for o in h.operations.since(before) if o.mutating] == []
        assert w.service.records()[0] == ()
        with pytest.raises(Invalid, match='its mode is "observe"'):
            begin(h, w)


@pytest.mark.parametrize("step", ["publish", "roll_out"])
def test_a_step_that_a_person_confirms_waits_for_retry(step: str) -> None:
    with house(policy=policy(confirm=(step,))) as h:
        h.populate(1)
        w = h.wire()
        record = h.rotate(w)

        assert blocked(record).code == f"confirm-{step}"
        assert (h.live.secret(NAMESPACE, V1) is None) == (step == "publish")
        assert patched(h) == []

        record = retry(h, w, record)
        assert isinstance(h.carry(w, record.id).state, Done)
        assert f"blocked: confirm-{step}" in [each.what for each in record.evidence]


def test_every_confirmation_of_a_retirement_is_asked_once() -> None:
    with house(policy=policy(confirm=("delete_secrets", "disable_key", "delete_key"), other_users=("ci",))) as h:
        old, _ = h.populate(1)
        w = h.wire()
        h.rotate(w)
        retiring = h.carry(w, retirement_of(h, w, old).id)
        asked: list[str] = []
        while retiring.blocked:
            asked.append(retiring.blocked.code)
            w.service.retry(retiring.id, h.now(), by="jo", why="yes")
            retiring = h.carry(w, retiring.id)

        assert asked == ["confirm-other-users", "confirm-delete_secrets", "confirm-disable_key", "confirm-delete_key"]
        assert name_of(retiring.state) == "Gone"


def test_the_same_trigger_any_number_of_times_makes_one_rotation() -> None:
    with house() as h:
        h.populate(1)
        h.clock.advance(89 * 86400)
        services = [h.wire() for _ in range(4)]
        barrier = threading.Barrier(len(services))

        def tick(number: int) -> None:
            barrier.wait()
            services[number].service.tick(h.now())
            services[number].service.rotate(EMAIL, h.now(), by=f"trigger {number}", why="an event")

        threads = [threading.Thread(target=tick, args=(number,)) for number in range(len(services))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        records, _ = services[0].service.records()
        assert [record.id for record in records] == ["puller-acme-prod-r1"]
        finished(h, services[0])
        assert mutations(h).count("UploadServiceAccountKey") == 1
        assert mutations(h).count("CREATE secrets") == 1


def test_two_workers_on_one_record_do_its_work_once() -> None:
    with house() as h:
        h.populate(3)
        workers = [h.wire() for _ in range(3)]
        record = begin(h, workers[0])
        threads = [threading.Thread(target=h.carry, args=(w, record.id)) for w in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        record = h.carry(workers[0], record.id)

        assert isinstance(record.state, Done)
        assert sorted(patched(h)) == ["shoot-0", "shoot-1", "shoot-2"]
        assert mutations(h).count("UploadServiceAccountKey") == 1


def test_a_policy_that_cannot_fit_is_refused_in_one_line_a_fault() -> None:
    tight = policy(max_age=timedelta(days=5), soak=timedelta(days=10), lifetime=timedelta(days=6))

    said = contradictions(tight)

    assert "max_age is 5d, but the waits before an old key is disabled add up to" in said[0]
    assert "lifetime is 6d: a key could expire before it is replaced" in said[1]


@pytest.mark.parametrize("change", ["gone from the configuration", "new in the configuration"])
def test_neither_the_order_nor_the_configuration_shrinks_what_is_looked_at(change: str) -> None:
    """A namespace that was taken out of rotator.toml still counts for orders given before; one that came in counts at once."""
    with house() as h:
        old, file = h.populate(1)
        h.add_namespace("live", "garden-two")
        if change.startswith("new"):
            h.namespaces["live"].remove("garden-two")
        w = h.wire()
        h.rotate(w)
        retiring = retirement_of(h, w, old)
        w.close()
        h.opened.remove(w)
        # Only now, so that the namespace counts by its place in a scope and not by a Secret in our books.
        h.live.create_secret("garden-two", "copy", password=file)
        h.shoot("two", "copy", namespace="garden-two", annotations={"registry-key-rotator/skip": "true"})
        if change.startswith("new"):
            h.namespaces["live"].append("garden-two")
        else:
            h.namespaces["live"].remove("garden-two")
            h.live.allow(USER, "garden-two", ROTATOR)

        w = h.wire()
        h.clock.advance(86400)
        retiring = on(h, w, retiring)

        assert isinstance(retiring.state, Draining)
        assert "live/garden-two/two names copy" in told(retiring)
