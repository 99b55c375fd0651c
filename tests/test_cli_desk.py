"""How lines look: on a narrow terminal, and in the log of a service that nobody watches."""

from argparse import Namespace

import pytest

from rotator.cli.desk import Desk
from rotator.cli.running import News


def desk() -> Desk:
    return Desk(Namespace(output="table", no_color=True, debug=False, by=""))


def test_how_far_away_a_time_is_stays_in_one_piece(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for width in range(44, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        desk().table(("ID", "NOT BEFORE (UTC)"), [("puller-acme-prod-r1", "2026-03-01 12:00 (in 1m33s)")])

        assert "(in 1m33s)" in capsys.readouterr().out


def test_what_a_loop_has_said_it_says_again_only_after_it_was_gone(capsys: pytest.CaptureFixture[str]) -> None:
    shown = desk()
    shown.stamp = lambda: "2026-03-01T12:00:00Z "
    news = News(shown)

    for words in (["a is down"], ["a is down"], ["a is down", "b is down"], [], ["a is down"]):
        news.tell("looking", words)

    said = [f"2026-03-01T12:00:00Z rotator: {name} is down" for name in "aba"]
    assert capsys.readouterr().err.split("\n")[:-1] == said
