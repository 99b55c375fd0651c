"""The table of late calls has every call that changes something, names tests that there are, and is what the README shows."""

import ast
from pathlib import Path

import pytest

from crashes import WRITES
from late import WIRE
from rotator.guard import MUTATING
from zombie_table import BY_CALL, TABLE, Late, markdown

TESTS = Path(__file__).parent
README = TESTS.parent / "README.md"
BEGIN, END = "<!-- late -->\n", "\n<!-- /late -->"


def test_every_call_that_changes_something_has_one_line() -> None:
    world = {f"{neighbour}.{method}" for neighbour, methods in MUTATING.items() for method in methods}
    store = {f"store.{method}" for method in WRITES}

    assert len(BY_CALL) == len(TABLE)
    assert set(BY_CALL) == world | store | {"queue.publish"}


def test_every_call_that_is_sent_late_by_the_tests_says_what_may_be_answered() -> None:
    assert {row.call for row in TABLE if row.outcomes} == set(WIRE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.call)
def test_the_proof_is_a_test_that_there_is(row: Late) -> None:
    file, _, name = row.proof.partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_readme_shows_this_table() -> None:
    text = README.read_text(encoding="utf-8")
    shown = text.partition(BEGIN)[2].partition(END)[0]

    assert shown == markdown(), f"README.md: put this between {BEGIN.strip()} and {END.strip()}:\n{markdown()}"
