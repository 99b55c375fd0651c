"""What a rotation leaves with Secret Manager: the day on which its key becomes due, so that the platform raises an event.

An event only makes somebody look sooner: the schedule finds a due key without it. So nothing here ever fails a rotation.
"""

from datetime import datetime, timedelta

from rotator.errors import Halted, RotatorError, Transient
from rotator.key import Key, short
from rotator.record import Fact, Record, RotationOrder
from rotator.world import World

SOONEST = timedelta(minutes=10)
"""Secret Manager takes nothing below five minutes from now, by its clock."""

TRIES = 3
"""Activations that try again what may pass; then the rotation ends without it."""


def announce(key: Key, record: Record, order: RotationOrder, world: World, now: datetime) -> tuple[Fact, ...]:
    """The staging secret has the day on which this key becomes due; the fact says so, or why there will be no event.

    Again: asked first, changed only where it differs. Raises: Halted; Transient in the first activations.
    """
    if not world.staging.topic():
        return ()
    try:
        account = world.accounts.account(order.credential, order.project)
        found = world.accounts.key(account, key.id)
        due = order.policy.starts_at(found.made_at, found.expires_at).replace(microsecond=0)
        at = max(due, now.replace(microsecond=0) + SOONEST)
        world.staging.schedule(order.base, order.installation, at)
    except Halted:
        raise
    except RotatorError as fault:
        if isinstance(fault, Transient) and record.attempts < TRIES:
            raise
        return (Fact("no_event", f"the platform will raise no event, the schedule finds the key anyway: {fault}"),)
    becomes = "becomes due" if at == due else f"has been due since {due:%Y-%m-%d %H:%M} UTC"
    return (Fact("event", f"Secret Manager raises an event at {at:%Y-%m-%d %H:%M} UTC: key {short(key.public_key)} {becomes}"),)
