"""May we burn? Which conditions stand before which step, one line an entry.

The safety of the service can be read here: a test removes each line in turn and expects another test to fail. The order is the
argument: cheap and general first. What each line demands is in `conditions`. Source: design.md sections 3, 4 and 7.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from rotator.conditions import (
    Gate,
    Hold,
    Proof,
    all_have_settled,
    gardener_let_go,
    looked_twice,
    no_late_create,
    nobody_names_it,
    nobody_wants_it,
    not_used_since_disabled,
    person_confirmed_delete_key,
    person_confirmed_delete_secrets,
    person_confirmed_disable_key,
    provider_sees_it_idle,
    quiet_is_over,
    scope_was_read,
    secrets_are_gone,
    secrets_are_ours_to_delete,
    soak_is_over,
    still_disabled,
    users_elsewhere_agreed,
    wanted_key_works,
)
from rotator.errors import Permanent
from rotator.key import short
from rotator.record import Fact, RetirementOrder
from rotator.world import Permit

PERMIT_LIFE = timedelta(minutes=2)
"""What gates saw is believed for so long; clients refuse an older permit."""


ENTER_DELETING_SECRETS: tuple[Gate, ...] = (
    scope_was_read,
    nobody_wants_it,
    nobody_names_it,
    all_have_settled,
    wanted_key_works,
    no_late_create,
    soak_is_over,
    gardener_let_go,
    secrets_are_ours_to_delete,
    users_elsewhere_agreed,
    person_confirmed_delete_secrets,
)
BEFORE_DELETING_A_SECRET: tuple[Gate, ...] = (
    scope_was_read,
    nobody_names_it,
    all_have_settled,
    wanted_key_works,
    gardener_let_go,
    secrets_are_ours_to_delete,
)
ENTER_DISABLING: tuple[Gate, ...] = (
    scope_was_read,
    secrets_are_gone,
    nobody_names_it,
    all_have_settled,
    wanted_key_works,
    looked_twice,
    provider_sees_it_idle,
    person_confirmed_disable_key,
)
BEFORE_DISABLING_A_KEY: tuple[Gate, ...] = (
    scope_was_read,
    secrets_are_gone,
    nobody_names_it,
    all_have_settled,
    wanted_key_works,
)
ENTER_DELETING_KEY: tuple[Gate, ...] = (
    still_disabled,
    quiet_is_over,
    not_used_since_disabled,
    person_confirmed_delete_key,
)
BEFORE_DELETING_A_KEY: tuple[Gate, ...] = (still_disabled,)


def ask(
    gates: Sequence[Gate], proof: Proof, order: RetirementOrder, now: datetime
) -> tuple[tuple[Fact, ...], tuple[Hold, ...]]:
    """What the open gates saw, and every gate that is shut."""
    facts: list[Fact] = []
    holds: list[Hold] = []
    for gate in gates:
        answer = gate(proof, order, now)
        if isinstance(answer, Hold):
            holds.append(answer)
        else:
            facts.append(answer)
    return tuple(facts), tuple(holds)


def permit(gates: Sequence[Gate], proof: Proof, order: RetirementOrder, now: datetime, *, action: str, subject: str) -> Permit:
    """Leave to burn this one object, now.

    Raises: Permanent when a gate is shut: callers ask first, so this is a fault of ours and must never burn.
    """
    _, holds = ask(gates, proof, order, now)
    if holds:
        raise Permanent(f"{action} {short(subject)} asked for a permit behind a shut gate: {holds[0].why}", code="shut-gate")
    return msgspec.convert({"action": action, "subject": subject, "until": proof.at + PERMIT_LIFE}, Permit)


def permit_own(made: Collection[str], now: datetime, *, action: str, subject: str) -> Permit:
    """Leave to burn a key that this very process has made for a trial and given to nobody: no gate needs to look at that.

    Raises: Permanent for any other key.
    """
    if subject not in made:
        raise Permanent(f"{action} {short(subject)}: this process has not made that key; nothing was sent", code="shut-gate")
    return msgspec.convert({"action": action, "subject": subject, "until": now + PERMIT_LIFE}, Permit)
