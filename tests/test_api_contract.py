"""The OpenAPI document and the real door say the same: schemathesis asks every operation, rightly and wrongly.

All its checks are on: no 5xx, every status, content type and body as documented, right data taken, wrong data refused, methods
that are not there refused, authentication not ignored. Its inputs are the same in every run.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_ground import PULLER, TOKEN, Ground, ground

LOGIN = {"Authorization": f"Bearer {TOKEN}"}
RUN = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Ground]:
    (tmp_path / "token").write_text(TOKEN)
    with ground(tmp_path, ROTATOR_API_TOKEN_FILE=str(tmp_path / "token")) as built:
        built.post("/rotations", 201, credential=PULLER, reason="test", headers=LOGIN)
        yield built


@pytest.mark.parametrize("examples", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_the_door_does_what_its_document_says(here: Ground, examples: int, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            sys.executable, "-c", RUN, "run", f"{here.api.url}/openapi.json", "-H", f"Authorization: Bearer {TOKEN}",
            "--checks", "all", "--max-examples", str(examples), "--generation-deterministic",
            "--continue-on-failure", "--no-color", "--report-json-path", str(report),
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    asked = _operations(here) - 1  # that of the document itself is what it began with
    assert f"{asked} selected / {asked} total" in done.stdout
    assert "Traceback" not in here.api.said
    assert TOKEN not in here.api.said


def _operations(here: Ground) -> int:
    return sum(len(methods) for methods in json.loads(here.api.ask("/openapi.json", headers=LOGIN).body)["paths"].values())
