"""One record in full, and the credentials that all records speak of together."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from rotator import books
from rotator.history import Line
from rotator.key import Email, PublicKey, short
from rotator.record import Record, RetirementOrder, RotationOrder
from rotator.report import form, milestone, records
from rotator.report.form import Row, Tree
from rotator.states import Done, Published, name_of
from rotator.store import Suspension


def described(record: Record, now: datetime, suspensions: Sequence[Suspension] = (), lines: Sequence[Line] = ()) -> Tree:
    """The record with its order, its state, its evidence and its history (`lines`), for machines."""
    return form.tree(
        "record",
        now,
        **records.tree(record, now, suspensions),
        order=msgspec.to_builtins(record.order),
        state=msgspec.to_builtins(record.state),
        confirmed=list(record.confirmed),
        waivers=msgspec.to_builtins(record.waivers),
        evidence=msgspec.to_builtins(record.evidence),
        history=msgspec.to_builtins(tuple(lines)),
    )


LATELY = ("AT (UTC)", "STATE", "BY", "WHAT HAPPENED")
NEWEST = 12


def lately(lines: Sequence[Line]) -> tuple[Row, ...]:
    """The newest lines of its history, oldest first: what was done or waited for, when and by whom; see LATELY."""
    return tuple(
        (form.second(line.at), line.state, line.by.partition(":")[0], line.what or "; ".join(line.why[:2]) or "went on")
        for line in lines[-NEWEST:]
    )


def earlier(lines: Sequence[Line], record: Record) -> str:
    """That there are lines before those, and where; empty when there are none."""
    if len(lines) <= NEWEST:
        return ""
    return f"the newest {NEWEST} of {len(lines)} lines of its history; all of them: rotator describe {record.id} -o json"


def about(record: Record, now: datetime, suspensions: Sequence[Suspension] = ()) -> tuple[tuple[str, str], ...]:
    """The record's head: names and values."""
    order = record.order
    rest = record.rest
    found = [
        ("ID", record.id),
        ("Credential", order.credential),
        ("Key", f"{records.key_of(record) or '-'} (start of the SHA-256 of its public key)"),
        ("Phase", ", ".join(dict.fromkeys((name_of(record.state), records.status_of(record, suspensions))))),
        ("Ordered", f"{form.clock(order.at)} by {order.by}: {order.why}"),
        ("Scope", f"{form.counted(len(order.scope), 'namespace')}: {', '.join(map(str, order.scope))}"),
    ]
    if isinstance(order, RotationOrder):
        found.append(("Replaces", ", ".join(f"key {short(old.public_key)}" for old in order.replaces) or "-"))
    elif order.secrets:
        found.append(("Secrets", ", ".join(map(str, order.secrets))))
    if record.confirmed:
        found.append(("Confirmed", ", ".join(record.confirmed)))
    found += [("Waived", f"{w.shoot} by {w.by} at {form.clock(w.at)}: {w.why}") for w in record.waivers]
    label = "Kept" if record.kept else "Blocked" if record.needs else "Waits for"
    found += [(label, why) for why in records.why(record, suspensions)]
    if record.kept:
        found.append(("To retire it after all", f"rotator retry {record.id}"))
    elif record.needs is not None:
        found.append(("Code", f"{record.needs.code} (rotator explain {record.needs.code})"))
        found += [("Next", command) for command in records.next_commands(record)]
    elif rest is not None and record.unfinished:
        found.append(("Looks again", form.ahead(rest.until, now)))  # type: ignore[union-attr]  # blocked was handled above
    if isinstance(record.state, Done):
        found += [("Left behind", f"{left.shoot} {left.why}") for left in record.state.left]
    return tuple(found)


MILESTONES = ("STEP", "DONE (UTC)", "NOT BEFORE (UTC)", "NOTE")


def milestone_rows(record: Record, now: datetime) -> tuple[Row, ...]:
    """The lines of the runbook with their times."""
    return tuple(
        (
            one.name,
            form.second(one.done_at) if one.done_at else "-",
            form.ahead(one.earliest, now) if one.earliest else "-",
            one.note,
        )
        for one in milestone.milestones(record, now)
    )


def history(record: Record) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """The evidence: a headline per entry, and below it what was seen, by name."""
    return tuple(
        (
            f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.what}  (by {entry.by})",
            tuple((fact.name.replace("_", " "), fact.saw) for fact in entry.facts),
        )
        for entry in record.evidence
    )


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One credential by our books: which key is live, since when, and which records are worth a look."""

    credential: Email
    live: books.Wanted | None
    live_since: datetime | None
    shown: tuple[Record, ...]
    suspended: Suspension | None


def standings(
    every: Sequence[Record], suspensions: Sequence[Suspension], *, whole: bool = False, only: Collection[str] = ()
) -> tuple[Standing, ...]:
    """All credentials that have records. Shown: what is unfinished and the newest ended one of each kind; `whole`: all.

    `only`: just these ids, and the credentials that they are of.
    """
    found: list[Standing] = []
    for credential in dict.fromkeys(record.order.credential for record in every if not only or record.id in only):
        mine = [record for record in every if record.order.credential == credential]
        ended = [record for record in mine if not record.unfinished]
        newest = {record.kind: record.id for record in ended}
        live = books.wanted(mine)
        brought = next((record for record in mine if live is not None and record.id == live.rotation), None)
        found.append(
            Standing(
                credential=credential,
                live=live,
                live_since=milestone.reached(brought, Published) if brought else None,
                shown=tuple(r for r in mine if (r.id in only if only else whole or r.unfinished or r.id in newest.values())),
                suspended=records.held(credential, suspensions),
            )
        )
    return tuple(found)


def replacing(shown: Sequence[Record]) -> list[PublicKey]:
    """The keys that Shoots are being moved away from, and those that are being taken away."""
    every = [record.order for record in shown if record.unfinished and not record.kept]
    found = {order.public_key for order in every if isinstance(order, RetirementOrder)}
    return sorted(found | {old.public_key for order in every if isinstance(order, RotationOrder) for old in order.replaces})


def status_tree(
    every: Sequence[Record],
    unreadable: Sequence[str],
    suspensions: Sequence[Suspension],
    now: datetime,
    *,
    whole: bool = False,
    only: Collection[str] = (),
) -> Tree:
    """What is live, what is being replaced, and when: for machines."""
    return form.tree(
        "status",
        now,
        credentials=[
            {
                "credential": one.credential,
                "live": {
                    "public_key": one.live.public_key,
                    "rotation": one.live.rotation,
                    "since": form.stamp(one.live_since),
                    "secrets": [str(ref) for ref in one.live.secrets],
                }
                if one.live
                else None,
                "replacing": replacing(one.shown),
                "records": [records.tree(record, now, suspensions) for record in one.shown],
            }
            for one in standings(every, suspensions, whole=whole, only=only)
        ],
        suspensions=[{"subject": one.subject, "by": one.by, "why": one.why, "at": form.stamp(one.at)} for one in suspensions],
        unreadable=list(unreadable),
    )
