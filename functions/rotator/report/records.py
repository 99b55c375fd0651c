"""Where an order stands: how far it is, when each next step may happen at the earliest, what it waits for, what blocks it."""

from collections.abc import Sequence
from datetime import datetime

from rotator import books
from rotator.hold import SUSPENDED
from rotator.key import Email, short
from rotator.record import Evidence, Record, RetirementOrder, RotationOrder, Wait
from rotator.report import form
from rotator.report.form import Row, Tree
from rotator.report.milestone import milestones, soonest
from rotator.states import (
    Creating,
    DeletingKey,
    DeletingSecrets,
    Disabled,
    Disabling,
    Draining,
    Minted,
    Planned,
    Published,
    Reenabling,
    Staged,
    Verified,
    name_of,
)
from rotator.store import EVERYTHING, Suspension

HEADERS = ("ID", "PHASE", "STATUS", "AGE", "NEXT STEP", "NOT BEFORE (UTC)")


def status_of(record: Record, suspensions: Sequence[Suspension] = ()) -> str:
    """One word: Blocked, Suspended, Waiting, Running, Kept, Done."""
    if not record.unfinished:
        return "Done"
    if record.kept:
        return "Kept"
    if record.needs:
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


def taken_back(record: Record) -> Evidence | None:
    """The act by which a person took this key back, if one did."""
    return next((entry for entry in reversed(record.evidence) if entry.what.endswith("-> Reenabling")), None)


def _reason(act: Evidence) -> str:
    return next((fact.saw for fact in act.facts if fact.name == "why"), "no reason given")


def _kept(record: Record) -> Tree | None:
    """Who keeps the key and how it is retired after all, for machines; None when nobody does."""
    who = taken_back(record) if record.kept else None
    if who is None:
        return None
    return {"by": who.by, "at": form.stamp(who.at), "why": _reason(who), "to_retire": f"rotator retry {record.id}"}


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
            if isinstance(record.rest, Wait) and record.rest.ends:
                return "Shoots settle"
            return "owners move Shoots" if record.order.policy.delivery == "handover" else "moves Shoots"
        case Draining() | DeletingSecrets(gone_since=None):
            return "deletes Secrets"
        case DeletingSecrets() | Disabling():
            return "disables key"
        case Disabled() | DeletingKey():
            return "deletes key"
        case Reenabling():
            return "keeps key enabled"
        case _:
            return ""


def not_before(record: Record, now: datetime) -> datetime | None:
    """When the next step may happen at the earliest; None when nothing is next, or only a person knows."""
    if not record.unfinished or record.blocked or record.kept:
        return None
    if isinstance(record.order, RotationOrder):
        return soonest(record, now)
    return next((each.earliest for each in milestones(record, now) if each.done_at is None and each.earliest), None)


def looks_again(record: Record, now: datetime) -> str:
    """When the next look is, for people, where that is before the next step may happen; else empty."""
    when = not_before(record, now)
    if not record.unfinished or not isinstance(record.rest, Wait) or when is None or when <= max(record.rest.until, now):
        return ""
    return form.ahead(record.rest.until, now)


def row(record: Record, now: datetime, suspensions: Sequence[Suspension] = ()) -> Row:
    """One line of a table; see HEADERS."""
    when = not_before(record, now)
    return (
        record.id,
        name_of(record.state),
        status_of(record, suspensions),
        form.age(record.order.at, now),
        next_step(record) or "-",
        _when(record, when, now),
    )


def _when(record: Record, when: datetime | None, now: datetime) -> str:
    """The column's words. What a rotation waits for at last may be over at any moment: only its end is known."""
    if when is None:
        return "-"
    ends = record.rest.ends if isinstance(record.rest, Wait) and isinstance(record.order, RotationOrder) else None
    return f"at most {form.ahead(ends, now)}" if ends and ends > now else form.ahead(when, now)


def why(record: Record, suspensions: Sequence[Suspension] = ()) -> tuple[str, ...]:
    """Why it is where it is; none when it is running or has ended."""
    if not record.unfinished:
        return ()
    if record.kept:
        who = taken_back(record)
        return (f"kept, taken back by {who.by} at {form.clock(who.at)}: {_reason(who)}",) if who else ("kept by a person",)
    found = reasons(record)
    if stop := held(record.order.credential, suspensions):
        return (f"suspended by {stop.by} at {form.clock(stop.at)}: {stop.why}", *found)
    if record.rest and not found:
        return ("its automation was resumed: it goes on at the next look",)
    return found


def reasons(record: Record) -> tuple[str, ...]:
    """Why it rests but for a suspension, which the store knows better: it may be over, and the record has not looked since."""
    return tuple(why for why in record.rest.why if SUSPENDED not in why) if record.rest else ()


def next_commands(record: Record) -> tuple[str, ...]:
    """What a person does, in order: mends it, then lets the record go on. Empty when nobody is needed."""
    if record.needs is None:
        return ()
    command, retry = record.needs.next_command, f"rotator retry {record.id}"
    if command == "rotator retry":
        return (retry,)
    if "rotator retry" in command or command.startswith(("rotator rotate", "rotator reenable")):
        return (command,)
    return command, retry


def resumes(stop: Suspension) -> str:
    """The command that lets it go on."""
    return "rotator resume" if stop.subject == EVERYTHING else f"rotator resume {stop.subject}"


def tree(record: Record, now: datetime, suspensions: Sequence[Suspension] = ()) -> Tree:
    """The record for machines, without its history."""
    rest, needs, order, when = record.rest, record.needs, record.order, not_before(record, now)
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
        "waits_for": list(reasons(record)) if isinstance(rest, Wait) else [],
        "waits_at_most_until": form.stamp(rest.ends) if isinstance(rest, Wait) else None,
        "looks_again": form.stamp(rest.until) if isinstance(rest, Wait) else None,
        "blocked": {"code": needs.code, "why": list(needs.why), "next_command": needs.next_command} if needs else None,
        "kept": _kept(record),
        "milestones": [
            {"name": one.name, "done_at": form.stamp(one.done_at), "earliest": form.stamp(one.earliest), "note": one.note}
            for one in milestones(record, now)
        ],
    }
