"""Figures as people read them."""

import pytest

import figures

MET = {
    "value": 1.0,
    "unit": "calls",
    "floor": 1.0,
    "ratio": 1.0,
    "goal": 1.0,
    "met": True,
    "machine": "2 cores",
    "at": "2026-11-23T10:00",
}
MISSED = {
    "value": 0.7312,
    "unit": "s",
    "floor": 0.126,
    "ratio": 5.803,
    "goal": 1.5,
    "met": False,
    "machine": "2 cores",
    "at": "2026-11-24T10:00",
}
COUNTED = {"value": 12345, "unit": "points", "floor": None, "ratio": None, "goal": None, "met": None}


def test_a_missed_goal_is_said_below_the_table() -> None:
    text = figures.table({"scan": MISSED, "calls": MET})

    assert text.splitlines()[1].split() == ["calls", "1", "calls", "1", "1x", "<=", "1x", "yes"]
    assert text.splitlines()[2].split() == ["scan", "0.731", "s", "0.126", "5.8x", "<=", "1.5x", "NO"]
    assert text.splitlines()[-2:] == ["goals missed: scan", "Taken on 2 cores; 2026-11-23, 2026-11-24."]


def test_a_figure_without_goal_or_machine_is_shown_as_it_is() -> None:
    text = figures.markdown({"crash_points": COUNTED})

    assert "| crash_points | 12,345 | points |  |  |  |  |" in text
    assert text.endswith("Taken on an unknown machine; no date.")


def test_the_block_in_the_readme_is_replaced_and_nothing_else() -> None:
    once = figures.placed("a\n<!-- figures -->\nold\n<!-- /figures -->\nz\n", "new")

    assert once == "a\n<!-- figures -->\nnew\n<!-- /figures -->\nz\n"
    assert figures.placed(once, "new") == once


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="substring not found"):
        figures.placed("no marks here", "new")


def test_the_machine_is_described_without_its_name() -> None:
    assert " cores, " in figures.machine()
    assert "Python 3." in figures.machine()
