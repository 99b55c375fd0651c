"""Acts of people: retry, waive, reenable, suspend, resume. All but waive ask only the books."""

import argparse

from rotator import books, refusals
from rotator.cli import FINE
from rotator.cli.desk import Desk
from rotator.cli.telling import show
from rotator.record import Record
from rotator.report import form
from rotator.store import EVERYTHING
from rotator.wiring import Wired


def retry(asked: argparse.Namespace, desk: Desk) -> int:
    """The record goes on at the next `rotator run`."""
    with desk.opened() as wired:
        now = books.present(wired.clock.now(), wired.service.records()[0])
        _tell(desk, wired, wired.service.retry(asked.id, now, by=desk.by, why=asked.reason))
    desk.say(f"{asked.id} may go on: rotator run")
    return FINE


def waive(asked: argparse.Namespace, desk: Desk) -> int:
    """The record no longer waits for this Shoot."""
    with desk.opened() as wired:
        wired.hear()
        _tell(desk, wired, wired.service.waive(asked.id, asked.shoot, wired.clock.now(), by=desk.by, why=asked.reason))
    desk.say(f"{asked.id} no longer waits for {asked.shoot}: rotator run")
    return FINE


def reenable(asked: argparse.Namespace, desk: Desk) -> int:
    """The key is being enabled by the next `rotator run`, which is carried out at once for this record."""
    from rotator.cli.running import News, carry_on

    with desk.opened() as wired:
        wired.hear()
        record = wired.service.reenable(asked.key, wired.clock.now(), by=desk.by, why=asked.reason)
        carry_on(News(desk), wired, record.id)
        _tell(desk, wired, wired.service.record(record.id))
    desk.say("the key stays enabled; go on asserting it until no late call can disable it: rotator run")
    return FINE


def suspend(asked: argparse.Namespace, desk: Desk) -> int:
    """No write is sent any more."""
    with desk.opened() as wired:
        subject = wired.service.credential(asked.credential) if asked.credential else EVERYTHING
        now = books.present(wired.clock.now(), wired.service.records()[0])
        before = [one for one in wired.service.store.suspensions() if one.subject == subject]
        wired.service.suspend(subject, now, by=desk.by, why=asked.reason or "no reason given")
    for one in before:
        desk.say(f"this replaces the suspension by {one.by} at {form.clock(one.at)}: {one.why}")
    _tell_subject(desk, subject, suspended=True)
    desk.say(f"{_named(subject)} is suspended; go on with: rotator resume{_word(asked)}")
    return FINE


def resume(asked: argparse.Namespace, desk: Desk) -> int:
    """Automation goes on."""
    with desk.opened() as wired:
        subject = wired.service.credential(asked.credential) if asked.credential else EVERYTHING
        was = wired.service.resume(subject)
        every = wired.service.store.suspensions()
    left = every if subject == EVERYTHING else [one for one in every if one.subject in {EVERYTHING, subject}]
    _tell_subject(desk, subject, suspended=any(one.subject in {EVERYTHING, subject} for one in left))
    desk.say(_resumed(subject, was=was) + (f": {asked.reason}" if was and asked.reason else ""))
    for one in left:
        desk.say(f"still suspended: {refusals.named(one)}, by {one.by}: {one.why} ({refusals.resuming(one)})")
    return FINE


def _resumed(subject: str, *, was: bool) -> str:
    whole = "automation as a whole" if subject == EVERYTHING else subject
    return f"{whole} goes on; what waited looks again within a minute: rotator run" if was else f"{whole} was not suspended"


def _tell(desk: Desk, wired: Wired, record: Record) -> None:
    from rotator.report import history

    suspensions = wired.service.store.suspensions()
    records, _ = wired.service.records(record.order.credential)
    now = books.present(wired.clock.now(), records)
    if desk.json:
        desk.tree(history.described(record, now, suspensions))
    else:
        show(desk, records, suspensions, now, only={record.id})


def _tell_subject(desk: Desk, subject: str, *, suspended: bool) -> None:
    if desk.json:
        desk.tree({"schema": "registry-key-rotator/v1", "kind": "suspension", "subject": subject, "suspended": suspended})


def _named(subject: str) -> str:
    return "everything" if subject == EVERYTHING else subject


def _word(asked: argparse.Namespace) -> str:
    return f" {asked.credential}" if asked.credential else ""
