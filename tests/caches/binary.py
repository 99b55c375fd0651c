"""Where Distribution's binary is. One place asks; who needs it and has none is skipped with the line that gets it."""

import os
import shutil
import sys
from pathlib import Path

import pytest

VERSION = "v3.1.1"
"""What extension v0.24.0 deploys."""

VARIABLE = "ROTATOR_REGISTRY_BIN"
REQUIRED = "ROTATOR_REQUIRE_REAL"
PACKAGE = f"github.com/distribution/distribution/v3/cmd/registry@{VERSION}"


def registry() -> Path:
    """The binary. Skips the test when there is none, or fails it when everything is required to run."""
    if not sys.platform.startswith("linux"):
        return _missing("registry caches run on Linux only: Go reads the test's certificate from SSL_CERT_FILE there")
    named = os.environ.get(VARIABLE, "")
    if named:
        if os.access(named, os.X_OK):
            return Path(named)
        return _missing(f"{VARIABLE} names {named}, which is no program; build one with: GOBIN=$PWD/build go install {PACKAGE}")
    found = shutil.which("registry")
    if found:
        return Path(found)
    return _missing(
        f"no Distribution; get it with: GOBIN=$PWD/build go install {PACKAGE} && export {VARIABLE}=$PWD/build/registry"
    )


def _missing(why: str) -> Path:
    if os.environ.get(REQUIRED):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
