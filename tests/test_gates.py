"""Every gate open and shut, which gates stand where, and that there is no way past them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from parts import DAY, HOUR, MINUTE, NEW, NOW, OLD, POLICY, account_key, held, proof, retirement_order, shoot_ref, version
from rotator import conditions, gates
from rotator.conditions import Gate, Hold, Unsettled
from rotator.errors import Permanent
from rotator.gates import ask, permit
from rotator.key import KeyId
from rotator.policy import Policy
from rotator.record import Fact
from rotator.world import Answer, Use

WAITS = POLICY.waits
SECOND = timedelta(seconds=1)
ASKS = Policy(confirm=("delete_secrets", "disable_key", "delete_key"), other_users=("ci of team web",))
UNPUBLISHED: dict[str, Any] = {"published": False}

# gate, what is different from a world that opens it, what the order says, words that the person must see
SHUT: list[tuple[Gate, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    (conditions.scope_was_read, {"unread": ("live/garden-x: 403",)}, {}, ("cannot be read", "live/garden-x")),
    (conditions.nobody_wants_it, {"still_wanted": "claimed by r7"}, {}, ("claimed by r7",)),
    (conditions.nobody_names_it, {"references": ("web names v1",)}, {}, ("1 reference:", "web names v1")),
    (
        conditions.all_have_settled,
        {"unsettled": (Unsettled(shoot_ref(), "is waking up"),)},
        {},
        ("1 not settled", "garden-acme/web is waking up"),
    ),
    (conditions.wanted_key_works, {"wanted_works": Answer(False, "invalid_grant")}, {}, ("does not work", "invalid_grant")),
    (conditions.no_late_create, {"creating_until": NOW}, {}, ("could be created until 2026-11-02 12:00:00 UTC",)),
    (conditions.no_late_create, {"creating_until": NOW - conditions.FENCE_MARGIN}, {}, ("could be created",)),
    (conditions.no_late_create, {"creating_until": NOW}, UNPUBLISHED, ("could be created",)),
    (conditions.soak_is_over, {"clear_since": NOW - WAITS.soak + SECOND}, {}, ("nobody uses it since", "soak 7d")),
    (conditions.soak_is_over, {"clear_since": None}, {}, ("soak 7d",)),
    (conditions.gardener_let_go, {"secrets": (held(protected=True),)}, {}, ("Gardener still protects", "puller-acme-prod-v1")),
    (conditions.secrets_are_ours_to_delete, {"untouchable": ("belongs to Flux",)}, {}, ("belongs to Flux",)),
    (conditions.users_elsewhere_agreed, {}, {"policy": ASKS}, ("outside Gardener", "ci of team web")),
    (conditions.person_confirmed_delete_secrets, {}, {"policy": ASKS}, ("confirm delete_secrets",)),
    (conditions.person_confirmed_disable_key, {}, {"policy": ASKS}, ("confirm disable_key",)),
    (conditions.person_confirmed_delete_key, {}, {"policy": ASKS}, ("confirm delete_key",)),
    (conditions.secrets_are_gone, {"secrets": (held(),)}, {}, ("still there", "puller-acme-prod-v1")),
    (conditions.secrets_are_gone, {"secrets": (held(deleting=True),)}, {}, ("still there",)),
    (conditions.looked_twice, {"gone_since": None}, {}, ("one more look",)),
    (conditions.looked_twice, {"gone_since": NOW - WAITS.request + SECOND}, {}, ("one more look",)),
    (conditions.provider_sees_it_idle, {"use": Use(last=NOW - WAITS.idle + SECOND)}, {}, ("it was used at", "3d without use")),
    (
        conditions.provider_sees_it_idle,
        {"use": Use(unknown="no control"), "clear_since": NOW - WAITS.unknown_use + SECOND},
        {},
        ("use is unknown (no control)", "waiting 14d, until 2026-11-02 12:00 UTC"),
    ),
    (
        conditions.provider_sees_it_idle,
        {"use": Use(last=NOW - HOUR, unknown="no control")},
        {},
        ("it was used at",),
    ),
    (conditions.still_disabled, {"keys": (account_key(OLD),)}, {}, ("id-of-aa was enabled by somebody",)),
    (
        conditions.still_disabled,
        {"keys": (account_key(OLD, disabled=True), account_key(OLD, id=KeyId("second")))},
        {},
        ("second was enabled",),
    ),
    (conditions.quiet_is_over, {"disabled_at": NOW - WAITS.quiet + SECOND}, {}, ("disabled since", "quiet 7d")),
    (conditions.quiet_is_over, {"disabled_at": None}, {}, ("quiet 7d",)),
    (
        conditions.not_used_since_disabled,
        {"disabled_at": NOW - DAY, "use": Use(last=NOW - HOUR)},
        {},
        ("somebody tried the disabled key at 2026-11-02 11:00 UTC",),
    ),
]

# gate, what is different, what the order says, words of the evidence
OPEN: list[tuple[Gate, dict[str, Any], dict[str, Any], str]] = [
    (conditions.scope_was_read, {}, {}, "1 namespace read"),
    (conditions.nobody_wants_it, {}, {}, "neither wanted nor claimed"),
    (conditions.nobody_names_it, {}, {}, "no reference in scope"),
    (conditions.all_have_settled, {}, {}, "all settled"),
    (conditions.all_have_settled, {"waived": ("web by ann",)}, {}, "waived by a person: web by ann"),
    (conditions.wanted_key_works, {}, {}, "3 token exchanges"),
    (conditions.no_late_create, {}, {}, "no create can be under way"),
    (conditions.no_late_create, {"creating_until": NOW - conditions.FENCE_MARGIN - SECOND}, {}, "no create can be under way"),
    (conditions.soak_is_over, {"clear_since": NOW - WAITS.soak}, {}, "nobody uses it since"),
    (conditions.soak_is_over, {"clear_since": None}, UNPUBLISHED, "nobody uses it since"),
    (conditions.gardener_let_go, {"secrets": (held(),)}, {}, "reference-protection is gone"),
    (conditions.gardener_let_go, {"secrets": (held(protected=True, deleting=True),)}, {}, "reference-protection is gone"),
    (conditions.secrets_are_ours_to_delete, {"secrets": (held(),)}, {}, "1 Secret, all deletable"),
    (conditions.users_elsewhere_agreed, {}, {}, "no other users"),
    (conditions.users_elsewhere_agreed, {"confirmed": ("other-users",)}, {"policy": ASKS}, "confirmed: ci of team web"),
    (conditions.person_confirmed_delete_secrets, {}, {}, "not asked for"),
    (conditions.person_confirmed_delete_secrets, {"confirmed": ("delete_secrets",)}, {"policy": ASKS}, "confirmed"),
    (conditions.person_confirmed_disable_key, {}, {}, "not asked for"),
    (conditions.person_confirmed_disable_key, {"confirmed": ("disable_key",)}, {"policy": ASKS}, "confirmed"),
    (conditions.person_confirmed_delete_key, {}, {}, "not asked for"),
    (conditions.person_confirmed_delete_key, {"confirmed": ("delete_key",)}, {"policy": ASKS}, "confirmed"),
    (conditions.secrets_are_gone, {}, {}, "404 for every Secret"),
    (conditions.looked_twice, {"gone_since": NOW - WAITS.request}, {}, "looked again"),
    (conditions.provider_sees_it_idle, {}, {}, "no use for 3d"),
    (conditions.provider_sees_it_idle, {"use": Use(last=NOW - WAITS.idle, seen_until=NOW)}, {}, "no use for 3d"),
    (
        conditions.provider_sees_it_idle,
        {"use": Use(unknown="no control"), "clear_since": NOW - WAITS.unknown_use},
        {},
        "use unknown (no control); waited 14d instead",
    ),
    (conditions.provider_sees_it_idle, {"use": Use(unknown="never")}, UNPUBLISHED, "never published"),
    (conditions.still_disabled, {}, {}, "every id of the key is disabled (1)"),
    (conditions.quiet_is_over, {"disabled_at": NOW - WAITS.quiet}, {}, "disabled since"),
    (conditions.quiet_is_over, {"disabled_at": NOW}, UNPUBLISHED, "disabled since"),
    (conditions.not_used_since_disabled, {}, {}, "no use seen"),
    (
        conditions.not_used_since_disabled,
        {"disabled_at": NOW - DAY, "use": Use(last=NOW - DAY + conditions.TOKEN_LIFE)},
        {},
        "no use seen",
    ),
    (conditions.not_used_since_disabled, {"use": Use(unknown="no control")}, {}, "no control"),
]
PERSONS = {
    "secrets_are_ours_to_delete": "foreign-secret",
    "users_elsewhere_agreed": "confirm-other-users",
    "person_confirmed_delete_secrets": "confirm-delete_secrets",
    "person_confirmed_disable_key": "confirm-disable_key",
    "person_confirmed_delete_key": "confirm-delete_key",
    "still_disabled": "enabled-by-somebody",
    "not_used_since_disabled": "used-while-disabled",
}
TUPLES = {name: value for name, value in vars(gates).items() if name.startswith(("ENTER_", "BEFORE_"))}
EVERY_GATE = {gate.__name__ for entries in TUPLES.values() for gate in entries}


def named(row: tuple[Any, ...]) -> str:
    gate: Callable[..., object] = row[0]
    return f"{gate.__name__}-{'-'.join([*row[1], *row[2]]) or 'asis'}"


@pytest.mark.parametrize(("gate", "changed", "order", "words"), SHUT, ids=[named(row) for row in SHUT])
def test_a_gate_is_shut_and_says_why(
    gate: Gate, changed: dict[str, Any], order: dict[str, Any], words: tuple[str, ...]
) -> None:
    answer = gate(proof(**changed), retirement_order(OLD, **order), NOW)

    assert isinstance(answer, Hold)
    assert answer.gate == gate.__name__
    assert all(word in answer.why for word in words), answer.why
    assert (answer.person.code if answer.person else None) == PERSONS.get(answer.gate)
    assert answer.person is None or answer.person.next_command.startswith("rotator ")


@pytest.mark.parametrize(("gate", "changed", "order", "words"), OPEN, ids=[named(row) for row in OPEN])
def test_a_gate_is_open_and_says_what_it_saw(gate: Gate, changed: dict[str, Any], order: dict[str, Any], words: str) -> None:
    answer = gate(proof(**changed), retirement_order(OLD, **order), NOW)

    assert isinstance(answer, Fact)
    assert answer.name == gate.__name__
    assert words in answer.saw


@pytest.mark.parametrize(("gate", "changed", "order", "_"), SHUT, ids=[named(row) for row in SHUT])
def test_a_hold_that_knows_its_end_is_open_then_and_not_a_second_earlier(
    gate: Gate, changed: dict[str, Any], order: dict[str, Any], _: object
) -> None:
    """A wrong `until` is a hot loop if it is too early, and a key that lives too long if it is too late."""
    asked = retirement_order(OLD, **order)
    answer = gate(proof(**changed), asked, NOW)
    if not isinstance(answer, Hold) or answer.until is None:
        return
    # A clear_since that is not there yet means: from now on. Freeze it, as the step does in its checkpoint.
    begun = {name: NOW for name in ("clear_since", "gone_since", "disabled_at") if name in changed and changed[name] is None}

    seen = proof(**{**changed, **begun})
    assert isinstance(gate(seen, asked, answer.until - SECOND), Hold)
    assert isinstance(gate(seen, asked, answer.until + SECOND / 1000), Fact)


def test_every_gate_has_a_row_that_opens_it_and_one_that_shuts_it() -> None:
    assert {row[0].__name__ for row in SHUT} == EVERY_GATE
    assert {row[0].__name__ for row in OPEN} == EVERY_GATE


# design.md section 3: what stands before which call. A line that is missing here, or there, is a fault in one of them.
REQUIRED = {
    "ENTER_DELETING_SECRETS": [
        "scope_was_read", "nobody_wants_it", "nobody_names_it", "all_have_settled", "wanted_key_works", "no_late_create",
        "soak_is_over", "gardener_let_go", "secrets_are_ours_to_delete", "users_elsewhere_agreed",
        "person_confirmed_delete_secrets",
    ],
    "BEFORE_DELETING_A_SECRET": [
        "scope_was_read", "nobody_names_it", "all_have_settled", "wanted_key_works", "gardener_let_go",
        "secrets_are_ours_to_delete",
    ],
    "ENTER_DISABLING": [
        "scope_was_read", "secrets_are_gone", "nobody_names_it", "all_have_settled", "wanted_key_works", "looked_twice",
        "provider_sees_it_idle", "person_confirmed_disable_key",
    ],
    "BEFORE_DISABLING_A_KEY": [
        "scope_was_read", "secrets_are_gone", "nobody_names_it", "all_have_settled", "wanted_key_works",
    ],
    "ENTER_DELETING_KEY": ["still_disabled", "quiet_is_over", "not_used_since_disabled", "person_confirmed_delete_key"],
    "BEFORE_DELETING_A_KEY": ["still_disabled"],
}  # fmt: skip


def test_before_each_call_stand_exactly_the_gates_of_the_design() -> None:
    assert {name: [gate.__name__ for gate in entries] for name, entries in TUPLES.items()} == REQUIRED


def test_what_is_asked_to_enter_is_asked_again_before_the_call_unless_only_time_or_a_person_opens_it() -> None:
    once = {
        "nobody_wants_it", "no_late_create", "soak_is_over", "users_elsewhere_agreed", "person_confirmed_delete_secrets",
        "looked_twice", "provider_sees_it_idle", "person_confirmed_disable_key", "quiet_is_over",
        "not_used_since_disabled", "person_confirmed_delete_key",
    }  # fmt: skip
    pairs = [
        ("ENTER_DELETING_SECRETS", "BEFORE_DELETING_A_SECRET"),
        ("ENTER_DISABLING", "BEFORE_DISABLING_A_KEY"),
        ("ENTER_DELETING_KEY", "BEFORE_DELETING_A_KEY"),
    ]

    for enter, before in pairs:
        assert set(REQUIRED[enter]) - once == set(REQUIRED[before])


@pytest.mark.parametrize("entries", TUPLES.values(), ids=TUPLES)
def test_a_permit_is_given_behind_open_gates_and_dies_soon(entries: tuple[Gate, ...]) -> None:
    seen = proof(at=NOW - MINUTE)
    leave = permit(entries, seen, retirement_order(OLD), NOW, action="disable_key", subject="0123456789")

    assert (leave.action, leave.subject) == ("disable_key", "0123456789")
    assert leave.until == NOW - MINUTE + gates.PERMIT_LIFE


@pytest.mark.parametrize(("gate", "changed", "order", "_"), SHUT, ids=[named(row) for row in SHUT])
def test_a_permit_is_refused_behind_any_shut_gate(
    gate: Gate, changed: dict[str, Any], order: dict[str, Any], _: object
) -> None:
    for entries in TUPLES.values():
        if gate not in entries:
            continue
        with pytest.raises(Permanent, match="shut gate") as refused:
            permit(entries, proof(**changed), retirement_order(OLD, **order), NOW, action="delete_key", subject="0123456789")
        assert refused.value.code == "shut-gate"


def test_a_permit_for_something_else_than_burning_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        permit((), proof(), retirement_order(OLD), NOW, action="enable_key", subject="x")


def test_all_gates_are_asked_and_all_answers_are_kept() -> None:
    seen = proof(references=("web names v1",), unread=("live/garden-x: 403",), secrets=(held(NEW, version(2), protected=True),))
    facts, holds = ask(gates.ENTER_DELETING_SECRETS, seen, retirement_order(OLD), NOW)

    assert [hold.gate for hold in holds] == ["scope_was_read", "nobody_names_it", "gardener_let_go"]
    assert len(facts) + len(holds) == len(gates.ENTER_DELETING_SECRETS)
