"""Processes that die: every call of the program to the outside can be its last.

A `Trap` stands around World and Store, generically, so a method that is added later is counted too. It counts every call, reads
included, and kills the worker before a call is sent, or after its effect and before its answer. A worker that died stays dead:
every further call of its objects raises. Fresh objects, as a new process would have them, then carry on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol

from house import House
from rotator import guard
from rotator.guard import Sending
from rotator.ledger import Ledger
from rotator.runbook import CLAIM
from rotator.store import Store
from rotator.wiring import Wired
from rotator.world import World
from sandbox.operations import Operation

When = Literal["before", "after"]

WRITES = frozenset({"create", "claim", "save", "replace", "extend", "release", "suspend", "resume", "reserve"})
"""Methods of Store that change it."""

CHECKPOINTS = frozenset({"create", "save", "replace"})
"""Methods of Store that change a record."""

METHODS = frozenset(name for name in vars(Store) if not name.startswith("_"))


class Crash(BaseException):
    """The process is gone. Not an Exception, so no `except` of the program can live on after it."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a worker dies: at its call `number` (from 1) or its first call of this `name`; before it, or after its effect."""

    number: int
    when: When
    name: str = ""

    def hits(self, number: int, name: str) -> bool:
        """This call is meant."""
        return name == self.name if self.name else number == self.number


@dataclass(frozen=True, slots=True)
class Seen:
    """One call that a worker made: `first` to `last` are the numbers of the log entries that appeared meanwhile."""

    number: int
    name: str
    mutating: bool
    checkpoint: bool
    first: int
    last: int


Tell = Callable[[str, tuple[Any, ...], Callable[[], Any]], Any]
"""Makes the call that it is told of, or does not."""


@dataclass
class Trap:
    """Around one house: counts, kills at `points` one after the other (each counted from the latest wiring), remembers."""

    house: House
    points: list[Point] = field(default_factory=list)
    meddle: Tell | None = None
    calls: list[Seen] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    dead: bool = False
    sprung: list[str] = field(default_factory=list)

    def wire(self) -> Wired:
        """A new process: fresh objects, alive, counted from one."""
        self.dead, self.calls = False, []
        self.house.around = lambda world: guarded(world, self)
        wired = self.house.wire()
        store: Any = StoreDoor(wired.store, self)
        wired.store = wired.service.store = store
        wired.service.ledger = Ledger(store, wired.places)
        return wired

    def call(self, name: str, send: Callable[[], Any], arguments: tuple[Any, ...], *, mutating: bool, checkpoint: bool) -> Any:
        """The call was made and counted. Raises: Crash at a point, and always after one."""
        if self.dead:
            raise Crash
        number = len(self.calls) + 1
        point = self.points[0] if self.points and self.points[0].hits(number, name) else None
        first = len(self.house.operations.since()) + 1
        try:
            if point is not None and point.when == "before":
                self.die(f"before {name}")
            meddled = self.meddle is not None and (mutating or checkpoint)
            answer = self.meddle(name, arguments, send) if meddled and self.meddle else send()
        finally:
            last = len(self.house.operations.since())
            done = Seen(number, name, mutating, checkpoint, first, last)
            self.calls.append(done)
            self.seen.append(done)
        if point is not None:
            self.die(f"after {name}")
        return answer

    def die(self, where: str) -> None:
        """The worker is dead. Raises: Crash."""
        self.dead = True
        self.sprung.append(where)
        if self.points:
            self.points.pop(0)
        raise Crash

    def unseen(self) -> list[str]:
        """Mutations of the rotator in the sandbox's log that no mutating call explains, and calls that made more than one."""
        explained: dict[int, Seen] = {}
        found: list[str] = []
        ours = [operation for operation in self.house.operations.since() if of_rotator(operation)]
        for seen in self.seen:
            mine = [o for o in ours if seen.first <= o.number <= seen.last]
            if len(mine) > 1:
                found.append(f"{seen.name} made {len(mine)} mutations: {[f'{o.method} {o.outcome}' for o in mine]}")
            if seen.mutating:
                explained |= {o.number: seen for o in mine}
        found += [f"nobody saw {o.number} {o.method} {o.target} {o.outcome}" for o in ours if o.number not in explained]
        return found


def of_rotator(operation: Operation) -> bool:
    """The program asked for a change. What is refused or struck has no facts, but nobody else is refused anything here."""
    if not operation.mutating or operation.service.startswith("gardenlet"):
        return False
    by = operation.facts.get("by")
    return by is None or "rotator" in str(by)


class Teller(Protocol):
    """Is told of every call before it is made, and makes it, or does not."""

    def call(self, name: str, send: Callable[[], Any], arguments: tuple[Any, ...], *, mutating: bool, checkpoint: bool) -> Any:
        """What the call gave."""
        ...


def guarded(world: World, trap: Teller) -> World:
    """The world, every call of it through the trap. Books are left out: what they do is seen at the store."""

    def through(sending: Sending, send: Callable[[], Any]) -> Any:
        if sending.neighbour == "books":
            return send()
        name = f"{sending.neighbour}.{sending.method}"
        return trap.call(name, send, sending.arguments, mutating=sending.mutating, checkpoint=False)

    return guard.around(world, through)


class StoreDoor:
    """A store, every call of it through the trap."""

    def __init__(self, inner: Any, trap: Teller) -> None:
        """Around `inner`."""
        self._inner = inner
        self._trap = trap

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._inner, method)
        if method not in METHODS:
            return call

        def through(*arguments: Any, **keywords: Any) -> Any:
            return self._trap.call(
                f"store.{method}",
                lambda: call(*arguments, **keywords),
                arguments,
                mutating=False,
                checkpoint=method in CHECKPOINTS,
            )

        return through


Act = Callable[[House, Wired], object]


def live(trap: Trap, acts: Sequence[Act], most: int = 12) -> Wired:
    """The acts have been done one after the other, whoever died meanwhile: the act is then repeated by a new process.

    The schedule ticks at once beside the claim that the dead worker left; work goes on when that claim has run out.
    """
    wired = trap.wire()
    left = list(acts)
    while left:
        try:
            left[0](trap.house, wired)
            left.pop(0)
        except Crash:
            assert len(trap.sprung) <= most
            wired = revived(trap)
    return wired


def revived(trap: Trap) -> Wired:
    """A new process after a death: a tick at once, then the old claim has run out."""
    while True:
        wired = trap.wire()
        try:
            wired.service.tick(trap.house.now())
        except Crash:
            continue
        trap.house.clock.advance((CLAIM + timedelta(minutes=1)).total_seconds())
        return wired
