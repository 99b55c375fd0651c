"""Where an order stands: how far it is, when each next step may happen at the earliest, what it waits for, what blocks it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from rotator import books
from rotator.key import Email, short
from rotator.record import Blocked, Record, RetirementOrder, RotationOrder, Wait
from rotator.report import form
from rotator.report.form import Row, Tree
from rotator.states import (
    Creating,
    DeletingKey,
    DeletingSecrets,
    Disabled,
    Disabling,
    Done,
    Draining,
    Gone,
    Minted,
    Planned,
    Published,
    Reenabled,
    Reenabling,
    Staged,
    Superseded,
    Verified,
    Withdrawn,
    name_of,
)
from rotator.store import EVERYTHING, Suspension

HEADERS = ("ID", "PHASE", "STATUS", "AGE", "NEXT STEP", "NOT BEFORE (UTC)")


class Milestone(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the runbook in one record: done at a time, or not before one. Both None: it does not come any more.

    `note` says what the time hangs on.
    """

    name: str
    done_at: datetime | None = None
    earliest: datetime | None = None
    note: str = ""


def status_of(record: Record, suspensions: Sequence[Suspension] = ()) -> str:
    """One word: Blocked, Suspended, Waiting, Running, Done."""
    if not record.unfinished:
        return "Done"
    if record.blocked:
        return "Blocked"
    if held(record.order.credential, suspensions):
        return "Suspended"
    return "Waiting" if isinstance(record.rest, Wait) else "Running"


def held(credential: Email, suspensions: Sequence[Suspension]) -> Suspension | None:
    """The suspension that stops this credential's automation, if there is one."""
    return next((one for one in suspensions if one.subject in {EVERYTHING, credential}), None)


def key_of(record: Record) -> str:
    """The key that this record is about, by the start of its public key; empty before there is one."""
    order = record.order
    return short(order.public_key if isinstance(order, RetirementOrder) else books.key_of(record) or "")


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
    earliest = None if over else _soonest(record, now)
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
    resting = _soonest(record, now)

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


def _soonest(record: Record, now: datetime) -> datetime:
    return max(record.rest.until, now) if isinstance(record.rest, Wait) else now


def next_step(record: Record) -> str:
    """What happens next, as a verb; empty when nothing does."""
    match record.state:
        case Planned():
            to = record.order.to if isinstance(record.order, RotationOrder) else None
            return f"takes up key {short(to)}" if to else "makes a key"
        case Staged():
            return "uploads key"
        case Creating():
            return "creates key"
        case Minted():
            return "proves key"
        case Verified():
            return "writes Secrets"
        case Published():
            return "owners move Shoots" if record.order.policy.delivery == "handover" else "moves Shoots"
        case Draining() | DeletingSecrets(gone_since=None):
            return "deletes Secrets"
        case DeletingSecrets() | Disabling():
            return "disables key"
        case Disabled() | DeletingKey():
            return "deletes key"
        case Reenabling():
            return "enables key"
        case _:
            return ""


def not_before(record: Record, now: datetime) -> datetime | None:
    """When the next step may happen at the earliest; None when nothing is next, or only a person knows."""
    if not record.unfinished or record.blocked or isinstance(record.state, Reenabled):
        return None
    if isinstance(record.order, RotationOrder):
        return _soonest(record, now)
    return next((each.earliest for each in milestones(record, now) if each.done_at is None and each.earliest), None)


def row(record: Record, now: datetime, suspensions: Sequence[Suspension] = ()) -> Row:
    """One line of a table; see HEADERS."""
    when = not_before(record, now)
    return (
        record.id,
        name_of(record.state),
        status_of(record, suspensions),
        form.age(record.order.at, now),
        next_step(record) or "-",
        form.ahead(when, now) if when else "-",
    )


def why(record: Record, suspensions: Sequence[Suspension] = ()) -> tuple[str, ...]:
    """Why it is where it is; none when it is running or has ended."""
    if not record.unfinished:
        return ()
    found = record.rest.why if record.rest else ()
    stop = held(record.order.credential, suspensions)
    return (*((f"suspended by {stop.by} at {form.clock(stop.at)}: {stop.why}",) if stop else ()), *found)


def tree(record: Record, now: datetime, suspensions: Sequence[Suspension] = ()) -> Tree:
    """The record for machines, without its history."""
    rest, order, when = record.rest, record.order, not_before(record, now)
    return {
        "id": record.id,
        "record": record.kind,
        "credential": order.credential,
        "phase": name_of(record.state),
        "status": status_of(record, suspensions),
        "public_key": order.public_key if isinstance(order, RetirementOrder) else books.key_of(record),
        "ordered": {"at": form.stamp(order.at), "by": order.by, "why": order.why},
        "next_step": next_step(record) or None,
        "not_before": form.stamp(when),
        "waits_for": list(rest.why) if isinstance(rest, Wait) else [],
        "looks_again": form.stamp(rest.until) if isinstance(rest, Wait) else None,
        "blocked": {"code": rest.code, "why": list(rest.why), "next_command": rest.next_command}
        if isinstance(rest, Blocked)
        else None,
        "milestones": [
            {"name": one.name, "done_at": form.stamp(one.done_at), "earliest": form.stamp(one.earliest), "note": one.note}
            for one in milestones(record, now)
        ],
    }
