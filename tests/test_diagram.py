"""The README's state diagrams are drawn from the code. `python tests/test_diagram.py --write` draws them anew."""

import pkgutil
import sys
import typing
from importlib import import_module
from pathlib import Path

import pytest

from diagram import OUTSIDE, RETIREMENT, ROTATION, diagram, edges_of, rewritten, state_of, steps_of, written
from rotator import service, states, steps

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.parametrize("kind", OUTSIDE)
def test_the_readme_shows_the_diagram_that_the_signatures_draw(kind: str) -> None:
    assert written(README.read_text(encoding="utf-8"), kind) == diagram(kind), "python tests/test_diagram.py --write"


def test_every_step_is_drawn() -> None:
    modules = [import_module(f"rotator.steps.{info.name}") for info in pkgutil.iter_modules(steps.__path__)]

    assert {step for module in modules for step in steps_of(module)} == {*ROTATION, *RETIREMENT}


@pytest.mark.parametrize(
    ("drawn", "union"),
    [(ROTATION, states.RotationState), (RETIREMENT, states.RetirementState)],
    ids=OUTSIDE,
)
def test_each_unfinished_state_has_one_step_and_every_state_can_be_reached(
    drawn: tuple[typing.Any, ...], union: object
) -> None:
    names = {state.__name__ for state in typing.get_args(union)}
    ends = {state.__name__ for state in states.FINAL}
    targets = {target for step in drawn for _, target, _ in edges_of(step)} | {"Planned", "Draining", "Superseded"}
    targets |= {target for _, target, _ in OUTSIDE["retirement"]}

    assert sorted(state_of(step) for step in drawn) == sorted(names - ends)
    assert names <= targets


def test_no_step_leads_back_from_beyond_the_point_of_no_return() -> None:
    """design.md 4: from DeletingSecrets on only a person turns back, and only a key that still exists."""
    edges = [edge for step in RETIREMENT for edge in edges_of(step)]

    assert [source for source, target, _ in edges if target == "Withdrawn"] == ["Draining"]
    assert [source for source, target, _ in edges if target == "Draining"] == []
    assert {source for source, target, _ in OUTSIDE["retirement"] if target == "Reenabling"} == {"Disabling", "Disabled"}
    assert service.Disabling is states.Disabling  # the verb that does so: Service.reenable


def test_a_diagram_is_rewritten_between_its_marks_only() -> None:
    old = "<!-- diagram:rotation -->\nold\n<!-- /diagram -->", "<!-- diagram:retirement -->x<!-- /diagram -->"
    fresh = rewritten(f"head\n{old[0]}\nbetween\n{old[1]}\nfoot\n")

    assert fresh.startswith("head\n<!-- diagram:rotation -->\n```mermaid\nstateDiagram-v2\n    [*] --> Planned\n")
    assert "\n<!-- /diagram -->\nbetween\n<!-- diagram:retirement -->\n```mermaid" in fresh
    assert fresh.endswith("```\n<!-- /diagram -->\nfoot\n")
    assert rewritten(fresh) == fresh


def test_marks_that_are_missing_are_said() -> None:
    with pytest.raises(ValueError, match="0 marks"):
        written("nothing", "rotation")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_diagram.py --write")
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
