"""The lines of the runbook that a record is to walk, each with its time: done then, or at the earliest then."""

from datetime import datetime, timedelta

import msgspec

from rotator.record import Record, RetirementOrder, RotationOrder, Wait
from rotator.report import form
from rotator.states import (
    DeletingKey,
    DeletingSecrets,
    Disabled,
    Disabling,
    Done,
    Draining,
    Gone,
    Minted,
    Published,
    Reenabled,
    Reenabling,
    Superseded,
    Verified,
    Withdrawn,
)


class Milestone(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the runbook in one record: done at a time, or not before one. Both None: it does not come any more.

    `note` says what the time hangs on.
    """

    name: str
    done_at: datetime | None = None
    earliest: datetime | None = None
    note: str = ""


def reached(record: Record, state: type) -> datetime | None:
    """When the record came into this state, by its evidence."""
    arrow = f"-> {state.__name__}"
    return next((entry.at for entry in reversed(record.evidence) if entry.what.endswith(arrow)), None)


def milestones(record: Record, now: datetime) -> tuple[Milestone, ...]:
    """The lines of the runbook that this record is to walk, each with its time."""
    if isinstance(record.order, RotationOrder):
        return _rotation(record, now)
    return _retirement(record, record.order, now)


def _rotation(record: Record, now: datetime) -> tuple[Milestone, ...]:
    movers = "by their owners" if record.order.policy.delivery == "handover" else "in waves"
    lines = (
        ("key is there", Minted, "a new key is made, or an old one taken up again"),
        ("key is proven", Verified, "token exchanges and a pull at every upstream"),
        ("Secrets are written", Published, "one in each namespace, judged by Gardener's webhook"),
        ("Shoots have moved", Done, f"{movers}; each must reconcile"),
    )
    over = isinstance(record.state, Superseded)
    earliest = None if over else soonest(record, now)
    found: list[Milestone] = []
    for name, state, note in lines:
        done_at = reached(record, state)
        found.append(Milestone(name=name, done_at=done_at, earliest=None if done_at else earliest, note=note))
    return tuple(found)


def _retirement(record: Record, order: RetirementOrder, now: datetime) -> tuple[Milestone, ...]:
    waits, state = order.policy.waits, record.state
    soak, quiet = (waits.soak, waits.quiet) if order.published else (timedelta(0), timedelta(0))
    unknown = waits.unknown_use if order.published else timedelta(0)
    gone = isinstance(state, Disabling | Disabled | DeletingKey | Gone | Reenabling | Reenabled)
    clear = state.clear_since if isinstance(state, Draining | DeletingSecrets | Disabling) else None
    since = max(clear or now, now - soak)
    resting = max(record.rest.ends, now) if isinstance(record.rest, Wait) and record.rest.ends else soonest(record, now)

    secrets = Milestone(
        name="its Secrets are deleted",
        done_at=_saw(record, "secrets_gone") if gone or isinstance(state, DeletingSecrets) else None,
        earliest=max(since + soak, resting) if isinstance(state, Draining) else resting,
        note=_note_on_soak(clear, order, soak),
    )
    after = secrets.done_at or secrets.earliest or now
    disabled_at = reached(record, Disabled)
    disabled = Milestone(
        name="it is disabled",
        done_at=disabled_at,
        earliest=max(after + waits.request, resting if isinstance(state, DeletingSecrets | Disabling) else now),
        note=f"when Google has seen no use for {form.span(waits.idle)}; if it cannot tell: "
        f"{form.clock((clear or now) + max(soak, unknown))}"
        if order.published and not gone
        else "",
    )
    began = disabled.done_at or disabled.earliest or now
    deleted = Milestone(
        name="it is deleted",
        done_at=reached(record, Gone),
        earliest=max(began + quiet, resting if isinstance(state, Disabled | DeletingKey) else now),
        note=f"after {form.span(quiet)} of silence; until it is disabled everything can be taken back by enabling",
    )
    over = isinstance(state, Withdrawn | Reenabling | Reenabled)
    closed = [_closed(each, over=over) for each in (secrets, disabled, deleted)]
    if isinstance(state, Reenabling | Reenabled):
        closed[1] = msgspec.structs.replace(closed[1], note="and taken back by a person")
    return tuple(closed)


def _note_on_soak(clear: datetime | None, order: RetirementOrder, soak: timedelta) -> str:
    if not order.published:
        return "it was never in a Secret"
    if clear is None:
        return f"{form.span(soak)} after the last Shoot has left it and settled"
    return f"nobody uses it since {form.clock(clear)}; {form.span(soak)} of soak"


def _closed(milestone: Milestone, *, over: bool) -> Milestone:
    if milestone.done_at is not None or over:
        return msgspec.structs.replace(milestone, earliest=None, note="")
    return milestone


def _saw(record: Record, fact: str) -> datetime | None:
    return next((entry.at for entry in reversed(record.evidence) if any(one.name == fact for one in entry.facts)), None)


def soonest(record: Record, now: datetime) -> datetime:
    """When the record looks again, or now."""
    return max(record.rest.until, now) if isinstance(record.rest, Wait) else now
