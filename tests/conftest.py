"""What several folders of tests share: the real servers, once per process, for tests that are marked `real`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from emulators import Emulator
    from real_garden.landscape import Landscape


def _emulator(name: str, folder: Path) -> "Iterator[Emulator]":
    """Google's emulator; skipped with one line where it cannot be had, failed where it is required."""
    from emulators import REQUIRED, Emulator, Unavailable

    try:
        running = Emulator(name, folder)
    except Unavailable as why:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"Google's emulators are required: {why}", pytrace=False)
        pytest.skip(str(why))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def firestore_emulator(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Emulator]":
    """Firestore; each test takes a project of its own in it."""
    yield from _emulator("firestore", tmp_path_factory.mktemp("firestore"))


@pytest.fixture(scope="session")
def pubsub_emulator(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Emulator]":
    """Pub/Sub; each test takes a project of its own in it."""
    yield from _emulator("pubsub", tmp_path_factory.mktemp("pubsub"))


@pytest.fixture(scope="session")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Landscape]":
    """The real servers; skipped with one line where they cannot be had, failed where they are required."""
    from real_garden.build import Unavailable
    from real_garden.landscape import Landscape

    try:
        running = Landscape(tmp_path_factory.mktemp("real-garden"))
    except Unavailable as why:
        if os.environ.get("ROTATOR_REQUIRE_REAL") == "1":
            pytest.fail(f"the real API servers are required: {why}", pytrace=False)
        pytest.skip(f"real API servers: {why}")
    with running:
        yield running
