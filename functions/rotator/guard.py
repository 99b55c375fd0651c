"""The door before every write: suspension, claim and pace are asked there, once, for all neighbours.

Steps know nothing of it. It wraps a World generically, so a mutating method that is added later is guarded too, or the test
that compares MUTATING with the protocols fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from rotator.world import Accounts, Books, Garden, Registry, Staging, Usage, World

MUTATING: dict[str, frozenset[str]] = {
    "accounts": frozenset({"upload", "create", "disable", "enable", "delete"}),
    "staging": frozenset({"prepare", "add", "destroy", "schedule"}),
    "gardens": frozenset({"create_secret", "judge", "move", "mark", "delete_secret"}),
    "registry": frozenset(),
    "usage": frozenset(),
    "books": frozenset({"withdraw"}),
}
"""Methods that send a mutating request, by neighbour. `judge` stores nothing, but costs admission as much as a write."""

READING: dict[str, frozenset[str]] = {
    "accounts": frozenset({"account", "keys", "key", "generate", "fence"}),
    "staging": frozenset({"read", "versions", "topic"}),
    "gardens": frozenset({"shoots", "bindings", "secret", "fence"}),
    "registry": frozenset({"exchange", "pull"}),
    "usage": frozenset({"use"}),
    "books": frozenset({"records", "scope"}),
}


@dataclass(frozen=True, slots=True)
class Sending:
    """A call that is about to be made: `neighbour` is a key of MUTATING, `garden` the Garden's name if it is one."""

    neighbour: str
    garden: str
    method: str
    arguments: tuple[Any, ...]

    @property
    def mutating(self) -> bool:
        """It sends a mutating request."""
        return self.method in MUTATING[self.neighbour]

    @property
    def entries(self) -> int:
        """What the call costs gardener-apiserver: one live GET per entry of spec.resources (gardener.md, section 11)."""
        if self.neighbour != "gardens" or self.method not in {"judge", "move"}:
            return 0
        return max(len(self.arguments[0].references), 1)


Around = Callable[[Sending, Callable[[], Any]], Any]
"""Makes the call, or does not: gets what is to be sent and the call itself."""


class _Door:
    __slots__ = ("_around", "_garden", "_inner", "_neighbour")

    def __init__(self, inner: object, neighbour: str, garden: str, around: Around) -> None:
        self._inner = inner
        self._neighbour = neighbour
        self._garden = garden
        self._around = around

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = getattr(self._inner, method)
        neighbour, garden, around = self._neighbour, self._garden, self._around

        def through(*arguments: Any, **keywords: Any) -> Any:
            return around(Sending(neighbour, garden, method, arguments), lambda: call(*arguments, **keywords))

        return through


def around(world: World, handler: Around) -> World:
    """The same world, with every call of every neighbour going through `handler`."""
    return World(
        accounts=cast(Accounts, _Door(world.accounts, "accounts", "", handler)),
        staging=cast(Staging, _Door(world.staging, "staging", "", handler)),
        gardens={name: cast(Garden, _Door(garden, "gardens", name, handler)) for name, garden in world.gardens.items()},
        registry=cast(Registry, _Door(world.registry, "registry", "", handler)),
        usage=cast(Usage, _Door(world.usage, "usage", "", handler)),
        books=cast(Books, _Door(world.books, "books", "", handler)),
    )


def guarded(world: World, before: Callable[[Sending], None]) -> World:
    """The same world, with `before` asked ahead of every mutating call; it raises Halted to keep the call from being sent."""

    def handler(sending: Sending, call: Callable[[], Any]) -> Any:
        if sending.mutating:
            before(sending)
        return call()

    return around(world, handler)
