"""What a cold start of the door `api` loads: nothing of Google, Kubernetes or cryptography until something asks for them.

Counted is what comes on top of functions-framework, which brings a few modules of Google's own.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from cli_runner import ROOT
from settings_texts import GOOD

HEAVY = ("google", "grpc", "kubernetes", "cryptography", "httpx", "tenacity", "urllib3", "rich", "pydantic")
ASK = """
import os, sys
import functions_framework
bare = set(sys.modules)
import main
from rotator.doors import api
from rotator.doors.form import Asked
query = {"unfinished": "true"} if sys.argv[1] == "/records" else {}
said = api.handle(Asked("GET", sys.argv[1], query, headers={"host": "localhost"}, remote="127.0.0.1"), os.environ)
print(said.status, *(set(sys.modules) - bare))
"""


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/version", "/openapi.json", "/credentials", "/records"])
def test_reading_the_books_loads_no_client(tmp_path: Path, path: str) -> None:
    (tmp_path / "rotator.toml").write_text(GOOD)
    environment = {"PYTHONPATH": str(ROOT / "functions"), "HOME": str(tmp_path)}
    environment |= {"ROTATOR_CONFIG": str(tmp_path / "rotator.toml"), "ROTATOR_STATE": str(tmp_path / "state.db")}
    done = subprocess.run(
        [sys.executable, "-c", ASK, path], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    status, *modules = done.stdout.split()
    assert status == "200"
    assert [name for name in modules if name.partition(".")[0] in HEAVY] == []
    assert ("sqlite3" in modules) == (path not in {"/", "/healthz", "/version", "/openapi.json"})
