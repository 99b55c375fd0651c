"""`rotator run`: what is due begins, what waits goes on; and the loop that carries one record on."""

import argparse
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import FrameType

from rotator.cli import ERROR, FINE
from rotator.cli.desk import Desk
from rotator.cli.progress import Lines, line
from rotator.cli.telling import code_of, show
from rotator.errors import RotatorError
from rotator.laps import PatientLaps
from rotator.wiring import Wired

SHORT = timedelta(seconds=10)
"""Waits up to here are sat out; longer ones give others their turn."""

TICK = timedelta(minutes=5)
"""How often all Gardens are looked at for what is due."""

LISTEN = 15.0
"""Seconds between two looks at the servers' clock, at the books, and at the wish to stop."""


@contextmanager
def stoppable(desk: Desk, advice: str, *more: signal.Signals) -> Iterator[threading.Event]:
    """SIGINT, SIGTERM (and `more`) set the event, so that the step under way is finished; a second one ends at once."""
    stop = threading.Event()

    def handler(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()
        desk.say(advice)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    old = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, *more)}
    try:
        yield stop
    finally:
        for number, before in old.items():
            signal.signal(number, before)


class News:
    """What a loop has to say: a line that it would say again, round by round, is said once until it changes or goes."""

    def __init__(self, desk: Desk) -> None:
        """Nothing said yet."""
        self.desk = desk
        self._lines: dict[str, Lines] = {}
        self._standing: dict[str, tuple[str, ...]] = {}

    def of(self, record_id: str) -> Lines:
        """Says what is new of this record."""
        return self._lines.setdefault(record_id, Lines(self.desk))

    def tell(self, subject: str, words: Iterable[str]) -> None:
        """So it stands with this subject now; what stood before was said."""
        now, before = tuple(words), self._standing.get(subject, ())
        self._standing[subject] = now
        for word in now:
            if word not in before:
                self.desk.say(word)


def run(asked: argparse.Namespace, desk: Desk) -> int:
    """What was due has begun and has gone as far as it could."""
    advice = "ending after the current step; every step is saved, `rotator run` goes on from there"
    with desk.opened() as wired, stoppable(desk, advice) as stop:
        if not asked.once and not desk.live:
            desk.stamp = lambda: f"{wired.clock.now():%Y-%m-%dT%H:%M:%SZ} "
        wired.hear()
        failed = _rounds(desk, wired, stop) if asked.once else _for_ever(desk, wired, stop)
        records, unreadable = wired.service.records()
        suspensions = wired.service.store.suspensions()
        now = wired.clock.now()
    for words in unreadable:
        desk.say(words)
    if desk.json:
        from rotator.report import history

        desk.tree(history.status_tree(records, unreadable, suspensions, now))
    elif asked.once:
        show(desk, records, suspensions, now)
    return ERROR if failed else code_of(records) or FINE


def _rounds(desk: Desk, wired: Wired, stop: threading.Event) -> bool:
    """Rounds until one begins nothing and ends nothing; whether something failed."""
    failed, first, news = False, True, News(desk)
    while not stop.is_set():
        begun, fault = tick(news, wired)
        ended, faults = due(news, wired, stop)
        failed = failed or fault or faults
        if first and not begun and not ended and not fault and not _open(wired):
            desk.say("nothing is due")
        first = False
        if not begun and not ended:
            break
    return failed


def _open(wired: Wired) -> bool:
    return any(record.unfinished for record in wired.service.records()[0])


def _for_ever(desk: Desk, wired: Wired, stop: threading.Event) -> bool:
    """Until somebody stops it."""
    desk.say("running; Ctrl-C ends it after the current step")
    looked: datetime | None = None
    news = News(desk)
    while not stop.is_set():
        now = wired.clock.now()
        if looked is None or now >= looked + TICK:
            tick(news, wired)
            looked = now
        ended, _ = due(news, wired, stop)
        if ended:
            looked = None  # what ended may make something else due
            continue
        stop.wait(_pause(wired))
        if not stop.is_set():
            wired.hear()
    return False


def _pause(wired: Wired) -> float:
    """Seconds until the next record wakes, at most LISTEN."""
    now = wired.clock.now()
    wakes = [(one.wake_at - now).total_seconds() for one in wired.service.store.all() if one.unfinished and one.wake_at]
    return max(min([LISTEN, *wakes]), 0.5)


def tick(news: News, wired: Wired) -> tuple[int, bool]:
    """Logins were renewed, and what is due has begun: how many records, and whether looking failed."""
    logins = wired.renew_logins()
    news.tell("logins", (login.fault for login in logins if login.fault))
    for login in logins:
        if login.renewed and not login.fault:
            news.desk.say(f"the token of Garden {login.garden} was renewed")
    try:
        begun, found = wired.service.tick(wired.clock.now())
    except RotatorError as fault:
        news.tell("looking", str(fault).split("\n"))
        return 0, True
    news.tell("looking", found.unread)
    for record in begun:
        news.desk.say(line(record) if record.blocked else f"{record.id} begins: {record.order.why}")
    return len(begun), bool(found.unread)


def due(news: News, wired: Wired, stop: threading.Event) -> tuple[int, bool]:
    """Every record that is due was carried on: how many ended, and whether one failed. One fault stops no other record."""
    ended, failed = 0, False
    for record_id in wired.service.due(wired.clock.now()):
        if stop.is_set():
            break
        try:
            ended += carry_on(news, wired, record_id, stop)
            news.tell(record_id, ())
        except RotatorError as fault:
            news.tell(record_id, str(fault).split("\n"))
            failed = True
    return ended, failed


def carry_on(news: News, wired: Wired, record_id: str, stop: threading.Event | None = None) -> bool:
    """The record has gone on as far as short waits reach; True when it ended."""
    show_line = news.of(record_id)
    laps = PatientLaps(wired.clock.now, time.sleep, stop or threading.Event(), patience=SHORT)
    ended = False
    for record in wired.service.run(wired.service.record(record_id), laps):
        if show_line(record):
            laps.stirred()
        ended = not record.unfinished
    return ended
