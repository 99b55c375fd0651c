"""Following a change until everybody has seen it: the only place of this program that sits and polls for minutes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from rotator.errors import RotatorError, Transient
from rotator.policy import text
from rotator.probe.finding import QUESTIONS, Finding, answer
from rotator.trial import IN_A_ROW
from rotator.world import Answer

Ask = Callable[[], Answer]

PACE = ((20.0, 1.0), (120.0, 5.0), (float("inf"), 15.0))
"""Seconds between two looks: as many as the second number, until as many as the first have passed."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What one witness says of a change. `since`: seconds after it from which on every answer was the wanted one."""

    since: float | None = None
    row: int = 0
    turned: int = 0
    last: Answer | None = None
    before: list[Answer] = field(default_factory=list)
    silent: str = ""
    words: str = ""
    broken: bool = False

    @property
    def settled(self) -> bool:
        """It has said so often enough, one after the other: IAM's frontends learn of a change at different times."""
        return self.row >= IN_A_ROW

    @property
    def over(self) -> bool:
        """There is nothing more to hear from it."""
        return self.settled or self.broken

    def heard(self, said: Answer, wanted: bool, at: float) -> None:  # noqa: FBT001 - a value, as Answer has it
        """One more answer, so many seconds after the change."""
        self.last = said
        if said.accepted is wanted:
            self.since = at if self.since is None else self.since
            self.row += 1
            return
        self.turned += self.since is not None
        self.since, self.row = None, 0
        if said.text not in {one.text for one in self.before}:
            self.before.append(said)


@dataclass(frozen=True, slots=True)
class Watch:
    """Time as it is measured: `seconds` that never go back, and a `sleep` that a wish to stop may end by KeyboardInterrupt."""

    seconds: Callable[[], float]
    sleep: Callable[[float], None]
    say: Callable[[str], None]

    def follow(self, witnesses: Mapping[str, Ask], *, wanted: bool) -> dict[str, Seen]:
        """What each witness (a question's name) says until all have settled, at most as long as the question allows."""
        begun = self.seconds()
        seen = {name: Seen() for name in witnesses}
        while True:
            for name, ask in witnesses.items():
                if not seen[name].over:
                    self._look(name, ask, seen[name], begun, wanted=wanted)
            passed = self.seconds() - begun
            if all(one.over or passed >= _patience(name, one) for name, one in seen.items()):
                return seen
            self.sleep(next(pause for until, pause in PACE if passed < until))

    def _look(self, name: str, ask: Ask, seen: Seen, begun: float, *, wanted: bool) -> None:
        self.sleep(0.0)  # where a wish to stop is noticed
        was = seen.words
        try:
            said = ask()
        except RotatorError as fault:
            seen.silent, seen.broken = str(fault), not isinstance(fault, Transient)
            seen.words = seen.silent
        else:
            seen.heard(said, wanted, self.seconds() - begun)
            seen.words = said.text
        if seen.words != was:
            self.say(f"  {name}: {text(timedelta(seconds=self.seconds() - begun))}: {seen.words}")


def _patience(name: str, seen: Seen) -> float:
    """Seconds to listen to it; who has begun to say what is wanted may say it often enough."""
    return QUESTIONS[name].bound.total_seconds() * (2 if seen.row else 1)


def judged(name: str, seen: Seen, *, wanted: bool) -> Finding:
    """What is to be said of it: when it was seen, in which words, and whether our code expects that."""
    asked = QUESTIONS[name]
    if not seen.settled:
        if seen.last is None or seen.broken:
            return answer(name, agrees=None, measured=seen.silent)
        if wanted and not seen.last.propagating:
            return answer(name, agrees=None, measured=seen.last.text)
        return answer(name, agrees=False, measured=f"not within {text(asked.bound)}{_words(seen, wanted=wanted)}")
    since = seen.since or 0.0
    told = f"after {text(timedelta(seconds=since))}{_words(seen, wanted=wanted)}"
    good = since <= asked.bound.total_seconds() and not seen.turned
    if seen.turned:
        told += f"; it was seen and then not {seen.turned} times"
    if wanted:
        good = good and all(one.propagating and one.said.startswith(asked.says) for one in seen.before)
    elif asked.says and seen.last is not None:
        good = good and seen.last.said.startswith(asked.says)
    return answer(name, agrees=good, measured=told, seconds=since)


def _words(seen: Seen, *, wanted: bool) -> str:
    if not wanted:
        return f": {seen.last.said}" if seen.last and seen.last.said else ""
    before = "; ".join(one.said or one.text for one in seen.before)
    return f"; before: {before}" if before else ""


def unheard(names: tuple[str, ...], fault: RotatorError) -> list[Finding]:
    """None of these could be asked."""
    return [answer(name, agrees=None, measured=str(fault)) for name in names]
