"""What is seen while something happens: plain lines anywhere, one live view on a terminal. All of it on stderr."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from rotator.cli.desk import Desk
from rotator.record import Record, Wait
from rotator.report import form, milestone, records, rollout
from rotator.report.rollout import Stand
from rotator.states import name_of

SHOWN = 20
"""So many Shoots fit into a live view; those that have settled go first when there are more."""


FEW = 3
"""Facts of a step that a line tells; what comes with more is in the record."""

LONG = 240
"""Characters of a reason in a line of the log; the rest is in the record."""


class Watcher(Protocol):
    """Shows what `rotate` does."""

    def record(self, record: Record) -> bool:
        """The record was saved; True when it is news."""
        ...

    def shoots(self, stands: tuple[Stand, ...]) -> None:
        """So the Shoots stand now."""
        ...

    def word(self, text: str) -> None:
        """Something to say."""
        ...


class Lines:
    """One line per change of state and per reason to wait."""

    def __init__(self, desk: Desk) -> None:
        """Nothing said yet."""
        self._desk = desk
        self._last: tuple[str, tuple[str, ...]] = ("", ())

    def __call__(self, record: Record) -> bool:
        """The record's newest step was said, unless it says the same as before; True when it is news."""
        resting = record.rest.why if record.rest else ()
        now = (name_of(record.state), resting)
        if now == self._last and record.unfinished:
            return False
        self._last = now
        self._desk.mutter(line(record))
        return True


def line(record: Record) -> str:
    """What just happened to the record, in one line."""
    rest = record.rest
    if record.needs is not None:
        why = "; ".join(record.needs.why)
        return f"{record.id} is blocked ({record.needs.code}): {why}; next: {', then '.join(records.next_commands(record))}"
    if record.kept and record.rest is not None:
        return f"{record.id} is {'; '.join(records.why(record))}; to retire it after all: rotator retry {record.id}"
    if isinstance(rest, Wait):
        return f"{record.id} {name_of(record.state)}, looks again {form.clock(rest.until)}: {brief(rest.why, record.id)}"
    last = record.evidence[-1] if record.evidence else None
    facts = last.facts if last else ()
    saw = "; ".join(fact.saw for fact in facts[:FEW])
    if len(facts) > FEW:
        saw = f"{len(facts)} things checked: rotator describe {record.id}"
    before, _, after = last.what.partition(" -> ") if last else ("", "", "")
    what = after if before == after else last.what if last else name_of(record.state)
    return f"{record.id} {what}" + (f": {saw}" if saw else "")


def brief(why: Sequence[str], record_id: str) -> str:
    """As much of it as fits a line of a log, and where the rest is to be read."""
    text = "; ".join(why)
    return text if len(text) <= LONG else f"{text[:LONG].rsplit(' ', 1)[0]} ... (all of it: rotator describe {record_id})"


def calm(ends: datetime) -> str:
    """What somebody should know who watches a wait that may be long."""
    return f"  this takes until {form.clock(ends)} at most; Ctrl-C is fine, `rotator run` goes on from here"


def besides(why: Iterable[str], shoots: Iterable[str]) -> list[str]:
    """What is said besides how single Shoots stand, which is shown anyway."""
    shown = tuple(f"{shoot} {verb} " for shoot in shoots for verb in ("is", "has", "waits", "rolls"))
    return [each for each in why if not each.startswith(shown)]


class PlainWatcher:
    """A line per step and per reason to wait, and one for each Shoot that stands differently than before."""

    def __init__(self, desk: Desk) -> None:
        """Nothing seen yet."""
        self._desk = desk
        self._said: tuple[str, ...] = ()
        self._news: tuple[str, tuple[str, ...]] = ("", ())
        self._seen: dict[str, Stand] = {}

    def record(self, record: Record) -> bool:
        """See Watcher. What a wait says of a single Shoot that has moved is left to `shoots`."""
        news = (name_of(record.state), record.rest.why if record.rest else ())
        changed, self._news = news != self._news, news
        rest = record.rest if isinstance(record.rest, Wait) else None
        words = besides(rest.why, self._seen) if rest else [line(record)]
        if changed and tuple(words) != self._said:
            self._said = tuple(words)
            for word in words:
                self._desk.mutter(f"{record.id} {name_of(record.state)}: {word}" if rest else word)
        return changed

    def shoots(self, stands: tuple[Stand, ...]) -> None:
        """See Watcher."""
        for one in stands:
            if self._seen.get(one.shoot) != one and (one.word != "waits" or one.shoot in self._seen):
                self._desk.mutter(f"  {one.shoot} {one.word}{': ' if one.why else ''}{one.why}")
            self._seen[one.shoot] = one

    def word(self, text: str) -> None:
        """See Watcher."""
        self._desk.say(text)


class LiveWatcher:
    """A view that is redrawn in place: the runbook's lines, the Shoots, what is waited for."""

    def __init__(self, live: Any) -> None:
        """`live`: a rich.live.Live that is running."""
        self._live = live
        self._record: Record | None = None
        self._stands: tuple[Stand, ...] = ()
        self._words: list[str] = []

    def record(self, record: Record) -> bool:
        """See Watcher."""
        before, self._record = self._record, record
        self._draw()
        return before is None or (before.state, before.rest and before.rest.why) != (
            record.state,
            record.rest and record.rest.why,
        )

    def shoots(self, stands: tuple[Stand, ...]) -> None:
        """See Watcher."""
        self._stands = stands
        self._draw()

    def word(self, text: str) -> None:
        """See Watcher."""
        self._words = [*self._words[-2:], text]
        self._draw()

    def _draw(self) -> None:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        record = self._record
        if record is None:
            return
        steps = Table.grid(padding=(0, 2))
        reached = True
        for one in milestone.milestones(record, record.evidence[-1].at):
            mark = Text("✓", "green") if one.done_at else Text("▸", "cyan") if reached else Text("·", "dim")
            reached = bool(one.done_at)
            steps.add_row(mark, one.name, Text(form.clock(one.done_at) if one.done_at else one.note, "dim"))
        shoots = Table.grid(padding=(0, 2))
        colour = {"settled": "green", "moved": "cyan", "waits": "dim", "skipped": "yellow"}
        order = sorted(self._stands, key=lambda one: one.word == "settled") if len(self._stands) > SHOWN else self._stands
        for stand in order[:SHOWN]:
            shoots.add_row("", stand.shoot, Text(stand.word, colour[stand.word]), Text(stand.why, "dim", overflow="ellipsis"))
        rest = besides(record.rest.why, [one.shoot for one in self._stands]) if record.rest and record.unfinished else []
        head = Text(f"{record.order.credential}  {record.id}", "bold")
        counted = [Text(f"  {rollout.counted(self._stands)}")] if self._stands else []
        tail = [Text(f"  {why}", "yellow" if record.needs else "dim") for why in (*rest[:3], *self._words)]
        if isinstance(record.rest, Wait) and record.rest.ends is not None and record.unfinished:
            tail.append(Text(calm(record.rest.ends), "dim"))
        self._live.update(Group(head, steps, shoots, *counted, *tail))


@contextlib.contextmanager
def watching(desk: Desk) -> Iterator[Watcher]:
    """A watcher for this desk's stderr."""
    if not desk.live:
        yield PlainWatcher(desk)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, no_color=True if desk.asked.no_color else None)
    with Live(console=console, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False) as live:
        yield LiveWatcher(live)
