"""`python -m chaos [--rounds 50]`: twenty credentials with twenty Shoots each rotate while doors are killed, emulators paused.

Two schedules and two workers, as in two regions. SIGKILL hits a gunicorn worker in the middle of whatever it does; its master
starts another one, as the platform would. What must hold afterwards: no promise broken in the sandbox's log, no pull failed,
one rotation per credential, and every record ended or blocked with a reason.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import figures
from checker import Checker
from cloud_ground import CloudGround, ground
from emulators import Emulator
from rotator import wiring
from rotator.record import Blocked, Record
from sandbox.cloud import Cloud
from sandbox.garden.kind import SHOOTS

HOST, IMAGE = "europe-docker.pkg.dev", "acme-prod/images/app:latest"
NAMESPACES = ("garden-acme", "garden-beta", "garden-gamma", "garden-delta")
PAST = timedelta(days=76)
POLICY = {
    "mode": "automatic",
    "adopt": True,
    "max_age": "77d",
    "waits": {"poll": "1s", "request": "1s", "soak": "2h", "idle": "1h", "unknown_use": "6h", "quiet": "3h", "settle": "1d"},
    "waves": {"canary": 1, "growth": 4.0, "per_seed": 50},
}
DOORS = ("schedule1", "schedule2", "worker1", "worker2")


def fleet(credentials: int, shoots: int) -> Cloud:
    """A cloud whose keys are all of an age; serving."""
    cloud = Cloud(behind=PAST).start()
    cloud.google.monitoring.lag = 0.0
    garden = cloud.add_garden("live", *NAMESPACES)
    cloud.google.create_account("acme-prod", "nobody@acme-prod.iam.gserviceaccount.com")
    cloud.google.repository(HOST, "acme-prod/images")
    cloud.images[HOST] = IMAGE
    for number in range(credentials):
        email = f"puller-{number}@acme-prod.iam.gserviceaccount.com"
        cloud.google.create_account("acme-prod", email)
        cloud.google.registry.grant(email, HOST, "acme-prod/images")
        cloud.may_touch(email)
        account = cloud.google.iam.account(email)
        assert account is not None
        key_file = cloud.google.make_key(account, by="terraform@acme.example")[1]
        namespace = NAMESPACES[number % len(NAMESPACES)]
        garden.create_secret(namespace, f"ar-{number}", password=key_file)
        for shoot in range(shoots):
            name = f"s{number}-{shoot}"
            garden.create_shoot(
                namespace, name, {HOST: "ar"}, {"ar": f"ar-{number}"}, seed=f"seed-{shoot % 4}", purpose="production"
            )
    cloud.advance(PAST.total_seconds())
    for namespace, name in garden.names(SHOOTS):
        garden.behave(namespace, name, start_delay=0.2, duration=0.5)
    cloud.pull_everywhere()
    return cloud


@dataclass
class Chaos:
    """What was done to the house, and what came of it."""

    house: CloudGround
    cloud: Cloud
    chance: random.Random
    emulators: tuple[Emulator, ...]
    tell: Callable[[str], None] = lambda _: None
    real_time: bool = False
    """The Garden lives in the machine's time, which nobody can move on."""
    kills: int = 0
    pauses: int = 0
    failed_pulls: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def storm(self, rounds: int) -> None:
        """So many processes were killed, at random moments, while two schedules went on calling."""
        callers = [threading.Thread(target=self._call, args=(door,), daemon=True) for door in DOORS if "schedule" in door]
        for caller in callers:
            caller.start()
        try:
            while self.kills < rounds:
                time.sleep(self.chance.uniform(0.1, 1.2))
                self._kill(self.chance.choice(DOORS))
                if self.chance.random() < 0.08:
                    self._pause(self.chance.choice(self.emulators))
                if self.chance.random() < 0.15 and not self.real_time:
                    self.cloud.advance(self.chance.choice((60.0, 600.0, 3600.0)))
                self._pull()
                if self.kills % 10 == 0:
                    self.tell(f"{self.kills} of {rounds} kills, {self.pauses} pauses, {self._ended()}")
        finally:
            self._stop.set()
            for caller in callers:
                caller.join()

    def calm(self, patience: float = 420.0) -> tuple[Record, ...]:
        """Nothing is broken any more, schedules come, days pass: every record has ended, or needs a person."""
        end, before, idle = time.monotonic() + patience, (), 0
        while True:
            due = sum(self._schedule(door) for door in DOORS if "schedule" in door)
            self._pull()
            found = self.records()
            left = [record for record in found if record.unfinished and not isinstance(record.rest, Blocked)]
            if found and not left and due == 0:
                return found
            if time.monotonic() > end:
                raise AssertionError(
                    f"these records do not end: {[(one.id, type(one.state).__name__, one.rest) for one in left]}"
                )
            time.sleep(0.5)
            now = tuple((record.id, record.revision) for record in found)
            idle = 0 if now != before else idle + 1
            before = now
            # Nothing is due, or what is due belongs to a worker that died with its claim: a quarter of an hour, by design.
            if (due == 0 or idle > 3) and not self.real_time:
                self.cloud.advance(3600.0 if due == 0 else 300.0)

    def records(self) -> tuple[Record, ...]:
        """The books, as a command would read them."""
        wired = wiring.open(None, self.house.environment)
        try:
            found, unreadable = wired.service.records()
            assert unreadable == ()
            return found
        finally:
            wired.close()

    def violations(self) -> list[str]:
        """What the checker says of the whole history."""
        self.cloud.advance(0.0)
        accounts = frozenset(each["email"] for each in self.cloud.accounts)
        return Checker(accounts=accounts).read(self.cloud.operations.since())

    def _ended(self) -> str:
        try:
            found = self.records()
        except Exception as fault:  # the store may stand still
            return f"books not read: {type(fault).__name__}"
        return f"{sum(not record.unfinished for record in found)} of {len(found)} records ended"

    def _call(self, door: str) -> None:
        while not self._stop.is_set():
            self._schedule(door)
            self._stop.wait(1.0)

    def _schedule(self, door: str) -> int:
        try:
            answer = self.house.schedule(door)
        except OSError:  # killed meanwhile
            return 1
        return int(json.loads(answer.body).get("due", 1))

    def _kill(self, door: str) -> None:
        for process in workers(self.house, door):
            os.kill(process, signal.SIGKILL)
            self.kills += 1

    def _pause(self, emulator: Emulator) -> None:
        for process in emulator.children():
            os.kill(process, signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.5, 3.0))
        for process in emulator.children():
            os.kill(process, signal.SIGCONT)
        self.pauses += 1

    def _pull(self) -> None:
        self.failed_pulls += [str(pull) for pull in self.cloud.pull_everywhere() if pull.fault]


def workers(house: CloudGround, door: str) -> list[int]:
    """The process ids of the door's gunicorn workers: children of the master, which is the guard's child."""
    return [child for master in _children(house.doors[door].process.guard) for child in _children(master)]


def _children(process: int) -> list[int]:
    ran = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False)
    return [int(each) for each in ran.stdout.split()]


@contextmanager
def chaos(
    folder: Path, seed: int, credentials: int, shoots: int, emulators: tuple[Emulator, ...], **options: Any
) -> Iterator[Chaos]:
    """A fleet, a house before it, and the means to break it."""
    cloud = fleet(credentials, shoots)
    addresses = {each.name: each.address for each in emulators}
    try:
        with ground(
            folder, cloud, pubsub=addresses["pubsub"], firestore=addresses.get("firestore", ""), doors=DOORS, policy=POLICY
        ) as house:
            yield Chaos(house, cloud, random.Random(seed), emulators, **options)
    finally:
        cloud.stop()


def main() -> int:
    """The storm is over, and what it did was said. 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--credentials", type=int, default=20)
    parser.add_argument("--shoots", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rotator-chaos-") as temporary:
        folder = Path(temporary)
        emulators = (Emulator("firestore", folder), Emulator("pubsub", folder))
        try:
            with chaos(folder, asked.seed, asked.credentials, asked.shoots, emulators, tell=_tell) as storm:
                storm.storm(asked.rounds)
                found = storm.calm()
                return report(storm, found)
        finally:
            for emulator in emulators:
                emulator.stop()


def report(storm: Chaos, found: tuple[Record, ...]) -> int:
    """What came of it, as figures and a few lines."""
    broken = [*storm.violations(), *storm.failed_pulls]
    blocked = [record for record in found if isinstance(record.rest, Blocked)]
    figures.put("chaos_kills", value=storm.kills, unit="kills", met=True)
    figures.put("chaos_violations", value=len(broken), unit="violations", goal=0, met=not broken)
    _tell(f"{storm.kills} kills, {storm.pauses} pauses, {len(found)} records, {len(blocked)} blocked, {len(broken)} violations")
    for line in (*broken, *(f"{record.id} blocked: {record.rest}" for record in blocked)):
        _tell(line)
    return 1 if broken else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
