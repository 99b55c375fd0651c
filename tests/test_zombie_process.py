"""A real process, stopped (SIGSTOP) while one of its calls is under way, for longer than its claim; it wakes when all is done.

The call waits at the sandbox's door meanwhile and is served when the process wakes, with the rights and the world of then.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from house import BASE, EMAIL, NAMESPACE, TOPIC, USER, House, house
from late import WIRE
from rotator.states import Disabling, Done, Gone
from rotator.wiring import Wired
from sandbox.faults import Fault, Faults
from test_late_calls import judged

CLAIM = 20.0
"""Seconds; a worker that says nothing for so long may be taken over from."""

PATIENCE = 60.0


@dataclass
class Freezer(Faults):
    """Stops the process whose call of this service and method comes first, and holds the call until it is let go."""

    call: tuple[str, str] = ("", "")
    process: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__()

    def strike(self, service: str, method: str, target: str) -> Fault | None:
        if self.process and (service, method) == self.call and not self.arrived.is_set():
            os.kill(self.process, signal.SIGSTOP)
            self.arrived.set()
            assert self.go.wait(PATIENCE)
        return super().strike(service, method, target)


@dataclass
class Landscape:
    """A house whose state folder other processes can use as well."""

    house: House
    freezer: Freezer
    wired: Wired
    record_id: str
    foreign: str

    def config(self) -> Path:
        built = self.house
        sandbox = f'grpc = "{built.google.grpc_address}"\nhttp = "http://{built.google.http_address}"'
        path = built.folder / "rotator.toml"
        path.write_text(f"""
installation = "acme"
[[garden]]
name = "live"
namespaces = ["{NAMESPACE}"]
server = "{built.live.address}"
token_env = "GARDEN_TOKEN"
entries_per_second = 1000000.0
[[account]]
email = "{EMAIL}"
base = "{BASE}"
[policy]
mode = "automatic"
[sandbox]
{sandbox}
""")
        return path

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[str]]:
        """A process that carries the record on; whatever becomes of it, it is gone in the end."""
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ROTATOR_STATE": str(self.house.settings().store),
            "ROTATOR_EXPIRY_TOPIC": TOPIC,
            "GARDEN_TOKEN": self.house.live.issue_token(USER),
        }
        program = str(Path(__file__).with_name("one_activation.py"))
        words = [sys.executable, program, str(self.config()), self.record_id, str(CLAIM)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
            try:
                self.freezer.process = process.pid
                yield process
            finally:
                process.kill()


@contextmanager
def landscape(call: str) -> Iterator[Landscape]:
    """A rotation has been ordered; the first call of this kind will stop its process."""
    freezer = Freezer(call=WIRE[call])
    with house(faults=freezer) as built:
        built.populate(3)
        foreign, _ = built.hand_made_key()
        wired = built.wire()
        begun = wired.service.rotate(EMAIL, built.now(), by="test", why="a test")
        yield Landscape(built, freezer, wired, begun.id, foreign)


def until_disabling(scene: Landscape) -> None:
    """The retirement of the old key is about to disable it."""
    built, wired = scene.house, scene.wired
    built.carry(wired, scene.record_id)
    for _ in range(200):
        wired.service.tick(built.now())
        for record in wired.service.records()[0]:
            if record.unfinished:
                scene.record_id = record.id
                for after in wired.service.run(record, Once(built)):
                    if isinstance(after.state, Disabling):
                        return
        built.clock.advance(600)
    raise AssertionError("it was never about to be disabled")


@dataclass
class Once:
    """One lap."""

    house: House
    left: int = 1

    def next(self, after: object) -> object:
        self.left -= 1
        return self.house.now() if self.left >= 0 else None


def until_announcing(scene: Landscape) -> None:
    """All Shoots have moved; Secret Manager was away for a moment."""
    built, wired = scene.house, scene.wired
    built.faults.add(Fault(service="secretmanager", method="UpdateSecret", answer="UNAVAILABLE"))
    for _ in range(200):
        for _ in wired.service.run(wired.service.record(scene.record_id), Once(built)):
            pass
        built.clock.advance(60)
        if any(entry.method == "UpdateSecret" for entry in built.operations.since()):
            return
    raise AssertionError("nothing was announced")


def as_ordered(_: Landscape) -> None:
    """Nothing has been done yet."""


CASES: dict[str, tuple[str, Callable[[Landscape], None], float]] = {
    "uploading": ("accounts.upload", as_ordered, CLAIM + 1),
    "uploading, an hour": ("accounts.upload", as_ordered, 3700),
    "publishing": ("gardens.create_secret", as_ordered, CLAIM + 1),
    "moving a Shoot": ("gardens.move", as_ordered, CLAIM + 1),
    "announcing": ("staging.schedule", until_announcing, CLAIM + 1),
    "disabling": ("accounts.disable", until_disabling, CLAIM + 1),
}


@pytest.mark.parametrize("case", CASES)
def test_a_process_that_was_stopped_in_a_call_wakes_and_harms_nobody(case: str) -> None:
    call, before, away = CASES[case]
    with landscape(call) as scene:
        before(scene)
        built, wired = scene.house, scene.wired
        with scene.worker() as process:
            assert scene.freezer.arrived.wait(PATIENCE), process.communicate(timeout=PATIENCE)
            built.clock.advance(away)
            ended = built.carry(wired, scene.record_id)
            books = wired.store.all()
            past = len(built.operations.since())

            scene.freezer.go.set()
            process.send_signal(signal.SIGCONT)
            out, err = process.communicate(timeout=PATIENCE)

        sent = [o for o in built.operations.since(past) if o.mutating and not o.service.startswith("gardenlet")]
        assert (process.returncode, err) == (0, "")
        assert out.split()[-1] == "over"
        assert len(sent) <= 1
        assert {(o.service, o.method) for o in sent} <= {WIRE[call]}
        assert wired.store.all() == books
        built.whole(wired)
        assert built.violations() == []
        assert judged(built, wired, scene.foreign) == []
        assert isinstance(ended.state, Done | Gone)
