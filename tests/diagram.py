"""State diagrams drawn from the steps' signatures: `Next[X]` in the return annotation of a step is an edge to X.

An edge back to the same state is a checkpoint within it and is not drawn; waits and blocks leave the state as it is. Ends that
no step returns (a newer rotation, a person) are drawn from what the runbook and the service do, named in OUTSIDE.
"""

import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any

from rotator import states
from rotator.steps import Next, delete_key, delete_secrets, disable, drain, mint, publish, roll_out, stage, verify

ROTATION = (stage.stage, mint.upload, mint.create, verify.verify, publish.publish, roll_out.roll_out)
RETIREMENT = (
    drain.drain,
    delete_secrets.delete_secrets,
    disable.disable_key,
    disable.hold,
    delete_key.delete_key,
    disable.reenable,
    disable.stay,
)
Step = Callable[..., Any]
Edge = tuple[str, str, str]

OUTSIDE: dict[str, tuple[Edge, ...]] = {
    "rotation": (),
    "retirement": (
        ("Disabling", "Reenabling", "a person: reenable"),
        ("Disabled", "Reenabling", "a person: reenable"),
        ("Reenabled", "Draining", "a person: retry"),
    ),
}
"""What people do to a record; test_diagram says why each is true."""


def state_of(step: Step) -> str:
    """The state that this step takes."""
    return typing.cast(str, typing.get_type_hints(step)["state"].__name__)


def edges_of(step: Step) -> tuple[Edge, ...]:
    """Where this step leads, in the order of its signature."""
    returned = typing.get_type_hints(step)["return"]
    parts = typing.get_args(returned) or (returned,)
    found = [typing.get_args(part)[0].__name__ for part in parts if typing.get_origin(part) is Next]
    return tuple((state_of(step), target, step.__name__) for target in found if target != state_of(step))


def diagram(kind: str) -> str:
    """The mermaid text of this kind of record: rotation or retirement."""
    steps, first = (ROTATION, "Planned") if kind == "rotation" else (RETIREMENT, "Draining")
    edges = [edge for step in steps for edge in edges_of(step)] + list(OUTSIDE[kind])
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {source} --> {target}: {label}" for source, target, label in edges]
    drawn = {state for source, target, _ in edges for state in (source, target)}
    lines += [f"    {end.__name__} --> [*]" for end in states.FINAL if end.__name__ in drawn]
    if kind == "rotation":
        lines += ["    note right of Published : a newer order supersedes it in every state before Done"]
    return "\n".join([*lines, "```"])


def written(text: str, kind: str) -> str:
    """What stands between the markers. Raises: ValueError when they are not there once."""
    begin, end = f"<!-- diagram:{kind} -->", "<!-- /diagram -->"
    if text.count(begin) != 1:
        raise ValueError(f"README.md has {text.count(begin)} marks {begin}, wanted one")
    return text.split(begin)[1].split(end, maxsplit=1)[0].strip()


def rewritten(text: str, kinds: Iterable[str] = OUTSIDE) -> str:
    """The text with fresh diagrams between the markers."""
    for kind in kinds:
        begin, end = f"<!-- diagram:{kind} -->", "<!-- /diagram -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{diagram(kind)}\n{end}{rest.partition(end)[2]}"
    return text


def steps_of(module: Any) -> list[Step]:
    """All steps of a module: the functions that take a state and a record."""
    found = [
        function for _, function in inspect.getmembers(module, inspect.isfunction) if function.__module__ == module.__name__
    ]
    return [function for function in found if list(inspect.signature(function).parameters)[:2] == ["state", "record"]]
