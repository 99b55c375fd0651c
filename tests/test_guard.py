"""The door before every write: it knows every method, asks ahead of each that mutates, and can keep it from being sent."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from parts import ACCOUNT, shoot
from rotator import world as worlds
from rotator.errors import Halted
from rotator.guard import MUTATING, READING, Sending, around, guarded
from rotator.shoot import Reference
from rotator.world import World

PROTOCOLS = {
    "accounts": worlds.Accounts,
    "staging": worlds.Staging,
    "gardens": worlds.Garden,
    "registry": worlds.Registry,
    "usage": worlds.Usage,
    "books": worlds.Books,
}
MUTATING_METHODS = [(neighbour, method) for neighbour, methods in MUTATING.items() for method in sorted(methods)]
READING_METHODS = [(neighbour, method) for neighbour, methods in READING.items() for method in sorted(methods)]


class Neighbour:
    """Answers every call and remembers which ones reached it."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    def __getattr__(self, method: str) -> Callable[..., str]:
        def call(*arguments: object, **keywords: object) -> str:
            self.reached.append(method)
            return f"{method} {arguments} {keywords}"

        return call


def world_of(neighbour: Any) -> World:
    return World(
        accounts=neighbour, staging=neighbour, gardens={"live": neighbour}, registry=neighbour, usage=neighbour, books=neighbour
    )


def call(world: World, neighbour: str, method: str, *arguments: object, **keywords: object) -> Any:
    door = world.gardens["live"] if neighbour == "gardens" else getattr(world, neighbour)
    return getattr(door, method)(*arguments, **keywords)


@pytest.mark.parametrize("neighbour", PROTOCOLS)
def test_mutating_and_reading_are_exactly_the_methods_of_the_protocol(neighbour: str) -> None:
    methods = {name for name, _ in inspect.getmembers(PROTOCOLS[neighbour], inspect.isfunction) if not name.startswith("_")}

    assert MUTATING[neighbour] | READING[neighbour] == methods
    assert not MUTATING[neighbour] & READING[neighbour]


def test_every_neighbour_of_the_world_is_behind_the_door() -> None:
    assert set(PROTOCOLS) == set(World.__dataclass_fields__) == set(MUTATING) == set(READING)


@pytest.mark.parametrize(("neighbour", "method"), MUTATING_METHODS)
def test_a_write_is_not_sent_when_it_is_halted(neighbour: str, method: str) -> None:
    inner = Neighbour()

    def never(sending: Sending) -> None:
        raise Halted(f"{sending.neighbour} {sending.garden} {sending.method}")

    with pytest.raises(Halted, match=f"{neighbour} {'live' if neighbour == 'gardens' else ''} {method}"):
        call(guarded(world_of(inner), never), neighbour, method, shoot())
    assert inner.reached == []


@pytest.mark.parametrize(("neighbour", "method"), READING_METHODS)
def test_a_read_asks_nobody(neighbour: str, method: str) -> None:
    inner = Neighbour()

    def never(sending: Sending) -> None:
        raise Halted(sending.method)

    assert call(guarded(world_of(inner), never), neighbour, method, 1, word=2) == f"{method} (1,) {{'word': 2}}"
    assert inner.reached == [method]


@pytest.mark.parametrize(("neighbour", "method"), MUTATING_METHODS)
def test_a_write_that_may_pass_is_sent_once_and_answers(neighbour: str, method: str) -> None:
    inner, asked = Neighbour(), list[Sending]()

    assert call(guarded(world_of(inner), asked.append), neighbour, method, 1, word=2) == f"{method} (1,) {{'word': 2}}"
    assert inner.reached == [method]
    assert [(each.neighbour, each.method, each.arguments) for each in asked] == [(neighbour, method, (1,))]


def test_a_garden_knows_its_name_and_others_have_none() -> None:
    asked: list[Sending] = []
    world = guarded(world_of(Neighbour()), asked.append)
    call(world, "gardens", "mark", shoot())
    call(world, "staging", "add", "base")

    assert [each.garden for each in asked] == ["live", ""]


@pytest.mark.parametrize(
    ("neighbour", "method", "entries"),
    [
        ("gardens", "move", 2),
        ("gardens", "judge", 2),
        ("gardens", "mark", 0),
        ("gardens", "create_secret", 0),
        ("gardens", "delete_secret", 0),
        ("accounts", "delete", 0),
    ],
)
def test_a_patch_of_references_costs_admission_one_read_for_each_entry(neighbour: str, method: str, entries: int) -> None:
    two = shoot(references=(Reference(0, "ar", "a"), Reference(2, "other", "b")))

    assert Sending(neighbour, "live", method, (two,)).entries == entries


def test_a_patch_costs_at_least_one_entry() -> None:
    assert Sending("gardens", "live", "move", (shoot(references=()),)).entries == 1


def test_a_harness_can_stand_around_every_call_and_swallow_it() -> None:
    inner, seen = Neighbour(), list[str]()

    def swallow(sending: Sending, _: Callable[[], Any]) -> str:
        seen.append(sending.method)
        return "nothing was sent"

    world = around(world_of(inner), swallow)
    assert world.accounts.keys(ACCOUNT) == "nothing was sent"  # type: ignore[comparison-overlap]  # the harness lies
    assert call(world, "usage", "use") == "nothing was sent"
    assert (seen, inner.reached) == (["keys", "use"], [])
