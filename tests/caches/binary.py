"""Where Distribution's binary is. One place asks; who needs it and has none is skipped with the line that gets it."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from real_garden import build

VARIABLE = "ROTATOR_REGISTRY_BIN"
"""Names a binary of one's own: of the version that modules/distribution pins, or another one to try."""

REQUIRED = "ROTATOR_REQUIRE_REAL"


def registry() -> Path:
    """The binary. Skips the test when there is none, or fails it when everything is required to run."""
    if not sys.platform.startswith("linux"):
        unavailable("they run on Linux only: Go reads the test's certificate from SSL_CERT_FILE there")
    named = os.environ.get(VARIABLE, "")
    if named and not os.access(named, os.X_OK):
        unavailable(f"{VARIABLE} names {named}, which is no program; unset it, then make real-garden")
    path = Path(named) if named else build.folder() / "registry"
    if not path.exists():
        try:
            path = build.binaries()["registry"]
        except build.Unavailable as why:
            unavailable(str(why))
    return path


def unavailable(why: str) -> NoReturn:
    """The test is skipped with one line, or fails when everything is required to run."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"real registry caches are required: {why}", pytrace=False)
    pytest.skip(f"real registry caches: {why}")
