"""Policies: which contradict themselves, when a rotation must begin, and how spans are written."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from parts import DAY, HOUR, MINUTE, NOW
from rotator.policy import Policy, Waits, Waves, contradictions, text


def test_the_default_policy_only_looks_and_can_be_kept() -> None:
    assert Policy().mode == "observe"
    assert not Policy().adopt
    assert contradictions(Policy()) == ()


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (Policy(waits=Waits(soak=-DAY)), "waits.soak"),
        (Policy(waits=Waits(quiet=-MINUTE)), "waits.quiet"),
        (Policy(waits=Waits(poll=timedelta(0))), "waits.poll is 0s, less than 1s"),
        (Policy(waits=Waits(request=timedelta(0))), "waits.request is 0s, less than 1s"),
        (Policy(waits=Waits(propagation=timedelta(0))), "waits.propagation is 0s, less than 1s"),
        (Policy(waves=Waves(canary=0)), "waves.canary is 0, less than 1"),
        (Policy(waves=Waves(per_seed=0)), "waves.per_seed is 0, less than 1"),
        (Policy(waves=Waves(limit=0)), "waves.limit is 0, less than 1"),
        (Policy(waves=Waves(growth=0)), "waves.growth"),
        (Policy(waves=Waves(failure_budget=-1)), "waves.failure_budget"),
        (Policy(max_age=17 * DAY), "max_age is 17d"),
        (Policy(max_age=Policy().longest), "max_age is 17d"),
        (Policy(lifetime=100 * DAY), "lifetime is 100d: a key could expire before it is replaced"),
        (Policy(lifetime=400 * DAY, mint="create"), 'only be chosen with mint = "upload"'),
    ],
)
def test_a_policy_that_cannot_be_kept_says_why(policy: Policy, why: str) -> None:
    said = contradictions(policy)

    assert len(said) == 1
    assert why in said[0]


@pytest.mark.parametrize(
    "policy",
    [
        Policy(max_age=Policy().longest + timedelta(seconds=1)),
        Policy(lifetime=Policy().max_age + Policy().longest),
        Policy(waits=Waits(soak=timedelta(0), idle=timedelta(0), unknown_use=timedelta(0), quiet=timedelta(0))),
        Policy(waves=Waves(growth=0.5)),
    ],
)
def test_the_edge_of_what_can_be_kept_is_accepted(policy: Policy) -> None:
    assert contradictions(policy) == ()


def test_all_contradictions_are_told_at_once() -> None:
    policy = Policy(max_age=DAY, waits=Waits(poll=timedelta(0)), waves=Waves(canary=0, limit=0))

    assert len(contradictions(policy)) == 4


def test_the_slowest_way_counts_the_longer_of_soak_and_unknown_use() -> None:
    waits: dict[str, Any] = {"propagation": MINUTE, "settle": HOUR, "request": MINUTE}

    assert Policy(waits=Waits(**waits, soak=2 * DAY, unknown_use=DAY)).longest == 2 * DAY + HOUR + 2 * MINUTE
    assert Policy(waits=Waits(**waits, soak=DAY, unknown_use=2 * DAY)).longest == 2 * DAY + HOUR + 2 * MINUTE


def test_a_rotation_begins_so_that_the_old_key_stops_working_at_its_maximal_age() -> None:
    policy = Policy()

    assert policy.starts_at(NOW) + policy.longest == NOW + policy.max_age


@pytest.mark.parametrize(("life", "earlier"), [(60 * DAY, True), (89 * DAY, True), (90 * DAY, False), (400 * DAY, False)])
def test_a_key_that_expires_earlier_is_replaced_earlier(life: timedelta, earlier: bool) -> None:
    policy = Policy()
    begin = policy.starts_at(NOW, NOW + life)

    assert begin + policy.longest <= NOW + life
    assert (begin < policy.starts_at(NOW)) is earlier


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(hours=12), "12h"),
        (timedelta(days=7), "7d"),
        (timedelta(days=1, hours=12), "1d12h"),
        (timedelta(days=1, hours=2, minutes=3), "1d2h"),
        (timedelta(milliseconds=400), "0s"),
        (timedelta(seconds=59.6), "1m"),
    ],
)
def test_spans_are_written_as_people_write_them(span: timedelta, words: str) -> None:
    assert text(span) == words


@pytest.mark.parametrize("kind", [Policy, Waits, Waves])
def test_a_policy_with_an_unknown_word_is_refused(kind: type) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"forever": 1}', type=kind)


def test_a_policy_survives_the_store() -> None:
    policy = Policy(mode="automatic", confirm=("delete_key",), lifetime=200 * DAY, probes={"h": "r:t"}, other_users=("ci",))

    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
