"""Commands that ask only the books, so they answer at once: status, describe, explain, version."""

import argparse
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rotator import books
from rotator.cli import BLOCKED, FINE, PENDING, UNVERIFIED
from rotator.cli.desk import Desk
from rotator.errors import Invalid
from rotator.record import Record
from rotator.store import Suspension

if TYPE_CHECKING:
    from rotator.wiring import Wired

BEHIND = timedelta(minutes=1)
"""So much this machine's clock may be behind the books without a word."""

UNVERIFIED_CODES = frozenset({"key-not-accepted", "cannot-pull", "wanted-key-dead"})


def status(asked: argparse.Namespace, desk: Desk) -> int:
    """What is live and what is being replaced was shown."""
    from rotator.report import history

    with desk.opened() as wired:
        records, unreadable = wired.service.records()
        suspensions = wired.service.store.suspensions()
        now = _present(desk, wired, records)
        only = {asked.word} & {record.id for record in records}
        if asked.word and not only:
            credential = wired.service.credential(asked.word)
            records = tuple(record for record in records if record.order.credential == credential)
    if desk.json:
        desk.tree(history.status_tree(records, unreadable, suspensions, now, whole=asked.all, only=only))
    else:
        show(desk, records, suspensions, now, whole=asked.all, only=only)
    for line in unreadable:
        desk.say(line)
    return code_of(record for record in records if not only or record.id in only)


def describe(asked: argparse.Namespace, desk: Desk) -> int:
    """One record was shown in full."""
    from rotator.report import history

    with desk.opened() as wired:
        record = wired.service.record(asked.id)
        suspensions = wired.service.store.suspensions()
        now = _present(desk, wired, wired.service.records()[0])
        lines = wired.service.history(record.id)
    if desk.json:
        desk.tree(history.described(record, now, suspensions, lines))
        return code_of([record])
    desk.pairs(history.about(record, now, suspensions))
    desk.write()
    desk.table(history.MILESTONES, history.milestone_rows(record, now))
    desk.write()
    for headline, seen in history.history(record):
        desk.title(headline)
        desk.pairs(seen, indent=4)
    desk.write()
    if text := history.earlier(lines, record):
        desk.write(text)
    desk.table(history.LATELY, history.lately(lines))
    return code_of([record])


def _present(desk: Desk, wired: "Wired", records: Iterable[Record]) -> datetime:
    """The newest time of the books, or this machine's if it is later; where its clock is behind, that was said."""
    every, ours = tuple(records), wired.clock.now()
    waits = [line.at for record in every if record.unfinished for line in wired.service.history(record.id)[-1:]]
    now = books.present(ours, every, *waits, *(stop.at for stop in wired.service.store.suspensions()))
    if now - ours > BEHIND:
        said = f"{now:%Y-%m-%d %H:%M:%S} UTC, the newest time in the books: this machine's clock says {ours:%Y-%m-%d %H:%M:%S}"
        desk.say(f"as of {said}")
    return now


def explain(asked: argparse.Namespace, desk: Desk) -> int:
    """What a code means was told."""
    from rotator.cli import codes

    if asked.code is None:
        if desk.json:
            desk.tree(codes.tree())
        else:
            desk.table(("CODE", "MEANS"), [(code, text.partition(". ")[0]) for code, text in sorted(codes.CODES.items())])
        return FINE
    text = codes.meaning(asked.code)
    if text is None:
        raise Invalid((f"code {asked.code}: there is none of this name; all of them: rotator explain",))
    if desk.json:
        desk.tree({**codes.tree(), "codes": {asked.code: text}})
    else:
        desk.write(text)
    return FINE


def version(_: argparse.Namespace, desk: Desk) -> int:
    """The version was shown."""
    from importlib import metadata

    try:
        found = metadata.version("registry-key-rotator")
    except metadata.PackageNotFoundError:
        found = "unknown (not installed)"
    if desk.json:
        desk.tree({"schema": "registry-key-rotator/v1", "kind": "version", "version": found})
    else:
        desk.write(f"rotator {found}")
    return FINE


def show(
    desk: Desk,
    records: Iterable[Record],
    suspensions: Iterable[Suspension],
    now: datetime,
    *,
    whole: bool = False,
    only: Collection[str] = (),
) -> None:
    """The records of each credential (`only` those with these ids), and below them why they rest."""
    from rotator.key import short
    from rotator.report import form, history
    from rotator.report import records as rows

    stops = tuple(suspensions)
    found = history.standings(tuple(records), stops, whole=whole, only=only)
    for stop in stops:
        what = "everything" if stop.subject == "*" else stop.subject
        since = f"{form.clock(stop.at)} by {stop.by}: {stop.why}"
        desk.write(f"{what} is suspended since {since}; go on with: {rows.resumes(stop)}")
    if not found:
        desk.write("no records yet; see: rotator plan")
    for number, one in enumerate(found):
        if number or stops:
            desk.write()
        live = "no key of ours is live yet"
        if one.live is not None:
            since = f" since {form.clock(one.live_since)}" if one.live_since else ""
            live = f"live: key {short(one.live.public_key)}{since}"
        old = ", ".join(short(key) for key in history.replacing(one.shown))
        desk.title(f"{one.credential}  {live}" + (f", replacing key {old}" if old else ""))
        desk.table(rows.HEADERS, [rows.row(record, now, stops) for record in one.shown], indent=2)
        for record in one.shown:
            _why(desk, record, stops, now)


def _why(desk: Desk, record: Record, stops: tuple[Suspension, ...], now: datetime) -> None:
    from rotator.report import records as rows

    for line in rows.why(record, stops):
        verb = "is" if record.kept else "is blocked:" if record.needs else "waits:"
        desk.write(f"  {record.id} {verb} {line}")
    if look := rows.looks_again(record, now):
        desk.write(f"    looks again:   {look}")
    if record.kept:
        desk.write(f"    to retire it after all: rotator retry {record.id}")
    elif record.needs is not None:
        desk.write(f"    what it means: rotator explain {record.needs.code}")
        for word, command in zip(("next:", "then:"), rows.next_commands(record), strict=False):
            desk.write(f"    {word}          {command}")


def code_of(records: Iterable[Record]) -> int:
    """The exit code that these records deserve; one that a person keeps as it is has nothing left to do."""
    every = [record for record in records if record.unfinished and not record.kept]
    codes = {record.needs.code for record in every if record.needs}
    if codes & UNVERIFIED_CODES:
        return UNVERIFIED
    return BLOCKED if codes else PENDING if every else FINE
