"""Whoever waits for a Garden is told so after some seconds: a dead one is given its time, and nothing else is said in it."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

from rotator.cli.desk import Desk
from rotator.telemetry import Silence
from rotator.world import Garden, World

SILENT = 2.5
"""Seconds; most Gardens answer within one."""


class Patience(Silence):
    """Tells of each Garden once that it is waited for. As the telemetry of a command it hears of every call."""

    def __init__(self, desk: Desk) -> None:
        """Nobody has been waited for."""
        self._desk = desk
        self._told: set[str] = set()

    def around(self, world: World) -> World:
        """The same world, with its Gardens' calls watched."""
        return replace(world, gardens={name: cast(Garden, _Watched(each, name, self)) for name, each in world.gardens.items()})

    @contextlib.contextmanager
    def waiting(self, garden: str) -> Iterator[None]:
        """If this takes long, it is said."""
        timer = threading.Timer(SILENT, self._tell, (garden,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _tell(self, garden: str) -> None:
        if garden not in self._told:
            self._told.add(garden)
            self._desk.say(f"waiting for Garden {garden} ...")


class _Watched:
    """A Garden whose calls are watched."""

    def __init__(self, inner: Garden, name: str, patience: Patience) -> None:
        self._inner = inner
        self._name = name
        self._patience = patience

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask = getattr(self._inner, name)

        @functools.wraps(ask)
        def asked(*words: Any, **more: Any) -> Any:
            with self._patience.waiting(self._name):
                return ask(*words, **more)

        return asked
