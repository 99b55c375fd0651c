"""A fresh Google per test, with the clients of one worker."""

from collections.abc import Iterator

import pytest

from google_neighbours import Neighbours
from rotator.clients import calls
from sandbox.google import Google


@pytest.fixture
def world() -> Iterator[Neighbours]:
    with calls.within(20.0, patience=0.4), Google() as google:
        neighbours = Neighbours(google)
        yield neighbours
        neighbours.close()
