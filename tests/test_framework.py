"""The helper starts what the platform would start, and leaves nothing behind."""

import os
import re
from pathlib import Path

import pytest

from framework import door
from real_garden.process import Failed

HELLO = "import os\n\ndef hello(request):\n    return f\"{request.path} {os.environ.get('GREETING')} {os.getpid()}\"\n"


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    source = tmp_path / "main.py"
    source.write_text(HELLO)
    return source


def test_a_door_answers_with_the_environment_that_it_was_given_and_is_gone_afterwards(hello: Path, tmp_path: Path) -> None:
    with door("hello", tmp_path / "log", source=hello, GREETING="good-day") as running:
        answer = running.ask("/anybody")
        process = int(answer.body.split()[-1])
        assert alive(process)

    assert answer.status == 200
    assert answer.body.startswith(b"/anybody good-day ")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", running.url)
    assert not alive(process)


def test_two_doors_do_not_want_the_same_port(hello: Path, tmp_path: Path) -> None:
    with door("hello", tmp_path / "one", source=hello) as one, door("hello", tmp_path / "two", source=hello) as two:
        assert one.url != two.url
        assert (one.ask().status, two.ask().status) == (200, 200)


def test_a_door_that_cannot_start_says_why(hello: Path, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"(?s)door absent ended with 1.*absent"):
        door("absent", tmp_path / "log", source=hello).__enter__()


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
