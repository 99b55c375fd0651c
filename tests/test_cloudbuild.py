"""cloudbuild.yaml: Google's own message takes it, and its steps do what they say as far as they need no cloud."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.cloud.devtools import cloudbuild_v1
from google.protobuf import json_format

from terraform_files import ROOT

TREE: dict[str, Any] = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["id"]: step for step in TREE["steps"]}
CONFIG = 'installation = "acme-caches"\n'


def run(step: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The step's script in this folder, with the substitutions as Cloud Build maps them."""
    given = {name: str(value) for name, value in TREE["substitutions"].items()} | {"SERVICE_PREFIX": "rotator-acme-caches"}
    return subprocess.run(
        ["bash", "-c", STEPS[step]["script"]],
        cwd=folder,
        env={**os.environ, "PROJECT_ID": "acme-rotator", "PAUSE": "0", **given, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def program(folder: Path, name: str, text: str) -> None:
    """A stand-in on the PATH that writes down how it was called."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/usr/bin/env bash\necho "{name} $*" >> "{folder}/calls"\n{text}\n', encoding="utf-8")
    path.chmod(0o755)


def test_cloud_build_takes_it() -> None:
    built = json_format.ParseDict(TREE, cloudbuild_v1.Build.pb(cloudbuild_v1.Build()))

    assert [step.id for step in built.steps] == ["check", "test", "package", "remember", "deploy", "smoke"]
    known: set[str] = set()
    for step in built.steps:
        assert set(step.wait_for) <= known
        known.add(step.id)


def test_every_substitution_is_used_and_every_name_is_one() -> None:
    text = (ROOT / "cloudbuild.yaml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{?(_[A-Z_]+)\b", text.partition("options:")[2]))

    assert used == set(TREE["substitutions"])


@pytest.mark.parametrize("step", STEPS)
def test_every_script_can_be_read_by_its_shell(step: str) -> None:
    script = STEPS[step]["script"]
    shell = script.splitlines()[0].removeprefix("#!").split()[-1]

    assert subprocess.run([Path(shell).name, "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize("step", ["check", "test"])
def test_what_is_checked_are_targets_of_the_makefile(step: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (target,) = re.findall(r"^make (\w+)$", STEPS[step]["script"], re.MULTILINE)

    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_archive_holds_the_program_its_pins_and_the_settings_and_is_the_same_twice(tmp_path: Path) -> None:
    for name in ("functions", "infra"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "rotator.toml").write_text(CONFIG, encoding="utf-8")

    first = run("package", tmp_path)
    content = (tmp_path / "build/rotator.zip").read_bytes()
    second = run("package", tmp_path)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert (tmp_path / "build/rotator.zip").read_bytes() == content
    with zipfile.ZipFile(tmp_path / "build/rotator.zip") as archive:
        names = set(archive.namelist())
        assert {"main.py", "requirements.txt", "rotator.toml", "rotator/service.py"} <= names
        assert archive.read("rotator.toml").decode() == CONFIG
        assert not any("tests" in name for name in names)
        archive.extractall(tmp_path / "unpacked")
    loaded = subprocess.run(
        [sys.executable, "-c", "import main; print(main.api.__name__)"],
        cwd=tmp_path / "unpacked",
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.stdout.strip() == "api", loaded.stderr


def test_without_settings_nothing_is_packed(tmp_path: Path) -> None:
    (tmp_path / "infra").symlink_to(ROOT / "infra")

    done = run("package", tmp_path)

    assert done.returncode == 1
    assert "reading rotator.toml: " in done.stderr
    assert "README" in done.stderr
    assert not (tmp_path / "build").exists()


def test_certificates_that_the_settings_name_go_along_and_one_that_is_missing_is_said(tmp_path: Path) -> None:
    for name in ("functions", "infra"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "rotator.toml").write_text(CONFIG + '[[garden]]\nca_file = "ca/live.pem"\n', encoding="utf-8")

    missing = run("package", tmp_path)
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca/live.pem").write_text("public", encoding="utf-8")
    found = run("package", tmp_path)

    assert (missing.returncode, found.returncode) == (1, 0)
    assert "ca/live.pem" in missing.stderr
    with zipfile.ZipFile(tmp_path / "build/rotator.zip") as archive:
        assert archive.read("ca/live.pem") == b"public"


@contextmanager
def api(status: int) -> Iterator[tuple[str, list[str]]]:
    """Something that answers /readyz; its address and the Authorization headers it saw."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.path} {self.headers['Authorization']}")
            body = json.dumps({"kind": "ready"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()


def smoke(folder: Path, status: int) -> tuple[subprocess.CompletedProcess[str], list[str], list[str]]:
    """The smoke step against an api that answers so: what it said, what the api saw, what was called."""
    (folder / "build").mkdir()
    (folder / "build/before.txt").write_text("rotator-acme-caches-api\trotator-acme-caches-api-00007\n", encoding="utf-8")
    with api(status) as (url, seen):
        program(folder, "gcloud", f'case "$*" in *describe*) echo {url};; *print-identity-token*) echo canary-token;; esac')
        done = run("smoke", folder, PATH=f"{folder}/bin:{os.environ['PATH']}")
    return done, seen, (folder / "calls").read_text(encoding="utf-8").splitlines()


BACK = (
    "gcloud run services update-traffic rotator-acme-caches-api --to-revisions rotator-acme-caches-api-00007=100"
    " --project acme-rotator --region europe-west3"
)


def test_a_revision_that_is_ready_stays_and_the_log_has_the_way_back(tmp_path: Path) -> None:
    done, seen, calls = smoke(tmp_path, 200)

    assert done.returncode == 0, done.stderr
    assert seen == ["/readyz Bearer canary-token"]
    assert BACK in done.stdout
    assert BACK not in calls
    assert "canary-token" not in done.stdout + done.stderr


def test_a_revision_that_is_not_ready_hands_its_traffic_back(tmp_path: Path) -> None:
    done, seen, calls = smoke(tmp_path, 503)

    assert done.returncode == 1
    assert len(seen) == 5
    assert calls[-1] == BACK
