"""`rotator rotate`: begins or continues a rotation, and shows it happen until it ends, blocks, or waits too long."""

import argparse
import threading
import time
from datetime import datetime, timedelta

from rotator.cli import FINE
from rotator.cli.desk import Desk
from rotator.cli.ordering import ordered
from rotator.cli.progress import Watcher, watching
from rotator.cli.running import stoppable
from rotator.cli.telling import code_of, show
from rotator.errors import RotatorError
from rotator.key import short
from rotator.laps import PatientLaps
from rotator.record import Record, RetirementOrder, Wait
from rotator.report import form, history, records, rollout
from rotator.report.rollout import Stand
from rotator.states import Done, Published, Superseded, name_of
from rotator.wiring import Wired

PATIENCE = timedelta(minutes=1)
"""With --until-waiting: how long nothing may happen."""

QUIET = timedelta(seconds=15)
"""Nothing has happened for so long: who watches is told what for, once."""

GLANCE = timedelta(seconds=2)
"""Between two looks at the Shoots, which are only for show."""

ELSEWHERE = 2.0
"""Seconds between two looks at a record that another process carries on."""


def rotate(asked: argparse.Namespace, desk: Desk) -> int:
    """The rotation has gone as far as it could, and the retirement of the old key has begun."""
    advice = f"ending after the current step; nothing is lost, go on with: rotator rotate {asked.credential}"
    with desk.opened() as wired, stoppable(desk, advice) as stop:
        service = wired.service
        credential = service.credential(asked.credential)
        wired.hear()
        record, nothing = ordered(asked, desk, wired, credential)
        if not nothing:
            record = _carried(asked, desk, wired, record, stop)
        every, unreadable = service.records(credential)
        retirements = [one for one in every if isinstance(one.order, RetirementOrder) and one.unfinished]
        only = {record.id, *(one.id for one in retirements)}
        suspensions, now = service.store.suspensions(), wired.clock.now()
    if desk.json:
        desk.tree(history.status_tree(every, unreadable, suspensions, now, only=only))
    else:
        show(desk, every, suspensions, now, only=only)
    if nothing:
        desk.say(nothing)
        return FINE
    _conclude(desk, record, retirements, now)
    return code_of([record, *retirements])


def _carried(asked: argparse.Namespace, desk: Desk, wired: Wired, begun: Record, stop: threading.Event) -> Record:
    """The rotation has gone as far as it could, and what it made due has begun."""
    laps = PatientLaps(wired.clock.now, time.sleep, stop, patience=PATIENCE if asked.until_waiting else None)
    with watching(desk) as watcher:
        record = follow(wired, begun.id, laps, watcher, stop)
    if isinstance(record.state, Done):
        wired.service.tick(wired.clock.now(), record.order.credential)
    return record


def patience(record: Record, shoots: tuple[Stand, ...]) -> str:
    """What a rotation that rests waits for, until when at most, and that nobody has to watch it; empty: it does not rest."""
    rest, policy = record.rest, record.order.policy
    if not isinstance(rest, Wait):
        return ""
    if isinstance(record.state, Published):
        left = [one for one in shoots if one.word in {"moved", "waits"}]
        whom = form.counted(len(left), "Shoot") if left else "Shoots"
        verb = "to be moved by their owners" if policy.delivery == "handover" else "to roll out and settle"
        most = form.clock(record.state.at + policy.waits.settle)
        until = f"{whom} {verb}, until {most} at most (waits.settle), or as long from when the last one moved"
    else:
        until = f"{rest.why[0] if rest.why else name_of(record.state)}; it looks again at {form.clock(rest.until)}"
    return f"{record.id} waits for {until}. Ctrl-C is fine: `rotator run` goes on"


def follow(wired: Wired, record_id: str, laps: PatientLaps, watcher: Watcher, stop: threading.Event) -> Record:
    """The record ended, blocked, or waits longer than these laps do; each activation has a world of its own."""
    glance = Glance(wired, watcher)
    stirred, told = wired.clock.now(), False
    while True:
        laps.renewed()
        moved = False
        for record in wired.service.run(wired.service.record(record_id), laps):
            moved = True
            if watcher.record(record):
                laps.stirred()
                stirred = wired.clock.now()
            glance(record)
            if not told and wired.clock.now() >= stirred + QUIET and (words := patience(record, glance.stands)):
                told = True
                watcher.word(words)
        record = wired.service.record(record_id)
        if not record.unfinished or record.blocked or stop.is_set() or laps.impatient:
            return record
        now = wired.clock.now()
        if not moved:
            _tell_holder(wired, record_id, watcher, now)
            laps.next(now + timedelta(seconds=ELSEWHERE))
            wired.hear()
        elif isinstance(record.rest, Wait):
            laps.renewed()
            laps.wait(min(record.rest.until, now + timedelta(minutes=1)))
            wired.hear()


class Glance:
    """Looks at the Shoots from time to time while they move. What it cannot see it does not show."""

    def __init__(self, wired: Wired, watcher: Watcher) -> None:
        """Not looked yet."""
        self._wired = wired
        self._watcher = watcher
        self._looked: datetime | None = None
        self.stands: tuple[Stand, ...] = ()

    def __call__(self, record: Record) -> None:
        """The watcher knows where the Shoots stand, if enough time has passed, or the rotation has ended."""
        now = self._wired.clock.now()
        if not isinstance(record.state, Published | Done):
            return
        if self._looked is not None and now < self._looked + GLANCE and isinstance(record.state, Published):
            return
        self._looked = now
        try:
            found = self._wired.service.look(now, record.order.credential)
        except RotatorError:
            return  # the step itself will say what is wrong
        for view in found.credentials:
            self.stands = rollout.stands(view, record)
            self._watcher.shoots(self.stands)


def _tell_holder(wired: Wired, record_id: str, watcher: Watcher, now: datetime) -> None:
    envelope = wired.service.store.get(record_id)
    if envelope is not None and envelope.claimed_by and envelope.claimed_until and envelope.claimed_until > now:
        until = f"{envelope.claimed_until:%H:%M:%S} UTC"
        watcher.word(f"another process ({envelope.claimed_by}) carries {record_id} on; its claim lasts until {until}")


def _conclude(desk: Desk, record: Record, retirements: list[Record], now: datetime) -> None:
    """In words: what has happened, and how it goes on."""
    state, credential = record.state, record.order.credential
    if isinstance(state, Done):
        left = f", {len(state.left)} left behind: rotator describe {record.id}" if state.left else ""
        desk.say(f"{credential} lives on key {short(state.key.public_key)}; {form.counted(state.moved, 'Shoot')} moved{left}")
        for one in retirements:
            when = records.not_before(one, now)
            soon = f"; its Secrets are deleted on {form.clock(when)} at the earliest" if when else ""
            desk.say(f"the old key {records.key_of(one)} is being retired ({one.id}){soon}; carry it on with: rotator run")
    elif isinstance(state, Superseded):
        desk.say(f"{record.id} was superseded by {state.by}: rotator status {credential}")
    elif record.blocked is None:
        desk.say(f"{record.id} waits; go on with: rotator rotate {credential}   or for everything: rotator run")
