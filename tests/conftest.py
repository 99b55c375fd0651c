"""What several folders of tests share: the real servers, once per process, for tests that are marked `real`."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from real_garden.landscape import Landscape


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
