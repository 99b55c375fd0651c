"""What Gardener's controllers will do by themselves, in the order in which it falls due."""

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime

Deed = Callable[[datetime], None]


class Agenda:
    """Deeds with the time they are due. Nothing runs by itself: whoever looks at the Garden lets it catch up first."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._deeds: list[tuple[datetime, int, Deed]] = []
        self._numbers = itertools.count()

    def put(self, due: datetime, deed: Deed) -> None:
        """The deed will be done, with its own time, when the agenda catches up to `due`."""
        heapq.heappush(self._deeds, (due, next(self._numbers), deed))

    def catch_up(self, now: datetime) -> None:
        """All that was due by `now` is done, in order, also what it brought about."""
        while self._deeds and self._deeds[0][0] <= now:
            due, _, deed = heapq.heappop(self._deeds)
            deed(due)
