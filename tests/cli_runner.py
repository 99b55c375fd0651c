"""Runs the real command against a sandbox, in a process of its own, as a person would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START = "import sys; from rotator.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def tree(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def fault(self) -> str:
        """The one line that a failed command says; fails when there is more, or a traceback."""
        lines = self.err.strip().split("\n")
        assert len(lines) == 1, self.err
        assert lines[0].startswith("rotator: "), self.err
        return lines[0]


@dataclass
class Cli:
    """The command with a configuration and a store; `said` is all that it ever wrote."""

    config: Path
    store: Path
    said: list[str] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.store.parent),
            "USER": "ann",
            "PYTHONPATH": str(ROOT / "functions"),
            "ROTATOR_CONFIG": str(self.config),
            "ROTATOR_STATE": str(self.store),
            **more,
        }

    def __call__(self, *words: str, python: tuple[str, ...] = (), **environment: str) -> Ran:
        done = subprocess.run(
            [sys.executable, *python, "-c", START, *words],
            capture_output=True, text=True, timeout=120, check=False, env=self.environment(**environment),
        )  # fmt: skip
        self.said += [done.stdout, done.stderr]
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", START, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment(),
        )  # fmt: skip
