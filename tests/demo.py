"""`python -m demo`: the sandbox comes up, and the real commands rotate one credential and retire its old key.

Waits are those of the default policy, days and weeks: the sandbox has a clock of its own that is moved on, and the rotator
takes its time from servers. Only polling is quicker than by default. Each command is shown before its output.
"""

import os
import shlex
import sys
import tempfile
import threading
import time
from pathlib import Path

from rotator.cli import main
from sandbox import landscape
from sandbox.cloud import Cloud
from sandbox.control import state
from sandbox.garden.kind import SHOOTS

WIDTH = 100


class Stage:
    """The sandbox, and whoever shows it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.pulls = 0
        self.failed = 0
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        os.environ["ROTATOR_CONFIG"] = str(cloud.write_config(folder, waits=landscape.QUICK))
        os.environ["ROTATOR_STATE"] = str(folder / "state.db")

    def tell(self, text: str) -> None:
        """A word between the commands."""
        print(f"\n\x1b[2m# {text}\x1b[0m" if self._colour else f"\n# {text}", flush=True)

    def run(self, command: str, *expected: int) -> None:
        """The command was typed, so to speak. Raises: SystemExit when it does not end as it should."""
        print(f"\n\x1b[1;36m$ {command}\x1b[0m" if self._colour else f"\n$ {command}", flush=True)
        code = main(shlex.split(command)[1:])
        sys.stdout.flush()
        if code not in expected:
            raise SystemExit(f"demo: {command} ended with {code}, expected {' or '.join(map(str, expected))}")

    def pull(self) -> None:
        """Every cache has pulled once."""
        self._count(len(pulls := self.cloud.pull_everywhere()), [str(pull) for pull in pulls if pull.fault])

    def days(self, days: int) -> None:
        """Days have passed, with pulls all the time."""
        self.tell(f"everything waits: the sandbox clock moves on {days} days, and all caches go on pulling")
        count, failed = self.cloud.live(days)
        self._count(count, [str(pull) for pull in failed])
        print(f"  it is {self.cloud.clock.now():%Y-%m-%d %H:%M} UTC now")

    def _count(self, count: int, failed: list[str]) -> None:
        self.pulls += count
        self.failed += len(failed)
        print(f"  {count} pulls, {len(failed)} failed")
        for line in failed[:5]:
            print(f"  {line}")

    def window_later(self) -> None:
        """As soon as only the confined Shoot is left, its maintenance window comes."""
        threading.Thread(target=self._wait_for_window, daemon=True).start()

    def _wait_for_window(self) -> None:
        garden, namespace, name = landscape.CONFINED
        before = self._running()
        while len({place for place, keys in self._running().items() if keys != before.get(place)}) < landscape.AWAKE_SHOOTS:
            time.sleep(0.3)
        time.sleep(1.5)
        self.cloud.gardens[garden].maintenance(namespace, name)

    def _running(self) -> dict[tuple[str, str, str], tuple[str, ...]]:
        return {
            (one["garden"], one["namespace"], one["shoot"]): tuple(one["caches"].values())
            for one in state(self.cloud)["running"]
        }

    def _named(self) -> dict[tuple[str, str, str], list[str]]:
        return {
            (garden, namespace, name): [one["resourceRef"]["name"] for one in shoot["spec"].get("resources", [])]
            for garden, served in self.cloud.gardens.items()
            for namespace, name in served.names(SHOOTS)
            for shoot in [served.shoot(namespace, name)]
        }

    def ending(self) -> None:
        """The final table: who runs which key, and what became of the old one."""
        found = state(self.cloud)
        running = self._running()
        print(f"\n  {'SHOOT':<32}{'NAMES SECRET':<24}ITS CACHES RUN KEY")
        for place, secrets in self._named().items():
            keys = ", ".join(sorted({key[:8] for key in running.get(place, ())})) or "none: it sleeps"
            print(f"  {'/'.join(place):<32}{', '.join(secrets):<24}{keys if secrets else 'it has no cache'}")
        print(f"\n  {'KEY':<10}{'KEY ID':<10}{'ACCOUNT':<44}STATE AT IAM")
        for key in found["keys"]:
            print(f"  {key['public_key'][:8]:<10}{key['id'][:8]:<10}{key['account']:<44}{key['state']}")


def play(stage: Stage) -> None:
    """The whole story."""
    stage.tell("two Gardens, three service accounts, twelve Shoots. What is out there? Nobody wrote a list.")
    stage.run("rotator discover", 0)
    stage.tell("one key has become too old. What would a rotation do, and when? This changes nothing.")
    stage.run("rotator plan puller@acme-prod", 2)
    stage.tell("first, every registry cache pulls through its own key")
    stage.pull()
    stage.tell(
        "now for real. The Shoot crawler takes its new Secret in its maintenance window only, which\n"
        "# the sandbox lets come as soon as all others have settled"
    )
    stage.window_later()
    stage.run("rotator rotate puller@acme-prod --reason 'make demo'", 2)
    stage.tell("all Shoots have moved, the sleeping one too. Do they pull?")
    stage.pull()
    stage.tell("the old key still works; it is taken away step by step, each behind its gates")
    stage.run("rotator run --once", 2)
    stage.days(7)
    stage.tell("nobody has used the old key for seven days: its Secrets go, then it is disabled")
    stage.run("rotator run --once", 2)
    stage.days(7)
    stage.tell("it was disabled for seven days and nobody cried out: it is deleted")
    stage.run("rotator run --once", 0)
    stage.tell("what was seen before each step stays on record")
    stage.run(f"rotator describe {_retirement()}", 0)
    stage.tell("once more: nothing is due")
    stage.run("rotator run --once", 0)
    stage.tell("who runs which key now")
    stage.ending()


def _retirement() -> str:
    from rotator import wiring

    wired = wiring.open(None, os.environ)
    try:
        return next(record.id for record in wired.service.records()[0] if record.kind == "retirement")
    finally:
        wired.close()


def demo() -> int:
    """The demo was played. 1 when a pull failed."""
    began = time.monotonic()
    os.environ.setdefault("COLUMNS", str(WIDTH))
    with tempfile.TemporaryDirectory(prefix="rotator-demo-") as folder, landscape.cloud() as cloud:
        stage = Stage(cloud, Path(folder))
        play(stage)
    print(f"\n{stage.pulls} pulls in all, {stage.failed} failed; {time.monotonic() - began:.0f} s.")
    print("Look further: make sandbox leaves it running for you to try each command, to break things, and to go back.")
    return 1 if stage.failed else 0


if __name__ == "__main__":
    sys.exit(demo())
