"""`make cloud-sandbox`, and somebody who pastes what it prints: `rotator doctor` finds nothing amiss there."""

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import ROOT, Cli
from emulators import Emulator

pytestmark = pytest.mark.emulator

PATIENCE = 120.0


@pytest.fixture
def printed(tmp_path: Path, pubsub_emulator: Emulator) -> Iterator[str]:
    """It runs, and this is what it has said; it brings its own emulators, the other one shows that there are any."""
    said = tmp_path / "said"
    with said.open("w", encoding="utf-8") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "cloud_sandbox", str(tmp_path / "house")],
            stdout=out, stderr=subprocess.DEVNULL, cwd=ROOT / "tests", start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + PATIENCE
        while "Ctrl-C ends it" not in said.read_text(encoding="utf-8"):
            assert running.poll() is None, "it has ended"
            assert time.monotonic() < end, "it never stood"
            time.sleep(0.2)
        yield said.read_text(encoding="utf-8")
    finally:
        running.send_signal(signal.SIGINT)
        code = running.wait(60)
    assert code == 0
    assert "The cloud is gone." in said.read_text(encoding="utf-8")


def test_who_pastes_what_it_prints_has_a_doctor_that_finds_nothing_amiss(printed: str, tmp_path: Path) -> None:
    exports = dict(re.findall(r"^  export (\w+)=(.*)$", printed, re.MULTILINE))
    pasted = {name: "".join(shlex.split(value)) for name, value in exports.items()}
    ran = Cli(Path(pasted["ROTATOR_CONFIG"]), tmp_path / "state.db")("doctor", **pasted)
    rows = [re.split(r"  +", line, maxsplit=3) for line in ran.out.splitlines()[1:]]

    assert ran.code == 0, ran.out
    assert "0 missing, 0 could not be asked;" in ran.err
    assert {row[0] for row in rows} == {"ok", "not told"}
    assert {(row[1], row[3]) for row in rows if "the emulator" in row[3]} == {
        (
            "firestore",
            "index unfinished, wake_at, created  (the emulator does not tell whether it is there: it answers without one)",
        ),
        ("firestore", "index credential, created  (the emulator does not tell whether it is there: it answers without one)"),
        ("firestore", "time to live of history/expires_at  (the emulator does not tell)"),
        ("pubsub", "Secret Manager may publish  (the emulator does not tell)"),
        ("pubsub", "pubsub.topics.publish  (the emulator does not tell permissions)"),
    }
    assert {row[3] for row in rows if row[1] == "scheduler"} >= {"enabled"}
    assert "mend:" not in ran.out
