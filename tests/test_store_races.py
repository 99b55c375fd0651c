"""What every store promises to many threads and processes at once, and to those that come after a kill -9.

Processes are real ones: they open the same store by `Place.opening`, and are let go all at once by a line on stdin.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator.store import EVERYTHING, Store, Suspension
from store_engines import ENGINES, LATER, NOW, Place, claimed, envelope, place_of

FUNCTIONS = Path(__file__).parents[1] / "functions"
READY = "print('ready', flush=True); sys.stdin.readline()"
PRELUDE = "import sys; from datetime import *; NOW = datetime(2026, 3, 1, 12, tzinfo=UTC); LATER = NOW + timedelta(minutes=5)"


@pytest.fixture(params=ENGINES, name="place")
def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request.param, request, tmp_path)


@pytest.fixture(name="store")
def _store(place: Place) -> Iterator[Store]:
    store = place.open()
    yield store
    store.close()


@pytest.mark.parametrize("shared", [True, False], ids=["one store", "a store each"])
def test_of_eight_threads_one_wins_a_claim(place: Place, store: Store, shared: bool) -> None:
    ids = [f"r{number}" for number in range(20)]
    for each in ids:
        store.create(envelope(each))
    barrier = threading.Barrier(8, timeout=30)
    won: list[str] = []

    def race(worker: str) -> None:
        mine: Any = store if shared else place.open()
        barrier.wait()
        won.extend(each for each in ids if mine.claim(each, worker, NOW, LATER) is not None)
        if not shared:
            mine.close()

    threads = [threading.Thread(target=race, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == sorted(ids)
    assert {(each.revision, each.attempts) for each in store.all()} == {(1, 1)}


def test_of_eight_who_resume_one_is_told_that_it_did(store: Store) -> None:
    store.suspend(Suspension(subject=EVERYTHING, by="ann", why="freeze", at=NOW))
    barrier = threading.Barrier(8, timeout=30)
    told: list[bool] = []

    def resume() -> None:
        barrier.wait()
        told.append(store.resume(EVERYTHING))

    threads = [threading.Thread(target=resume) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == [False] * 7 + [True]


def started(*lines: str) -> subprocess.Popen[str]:
    """A process that runs these lines, with NOW and LATER known."""
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join((PRELUDE, *lines))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(FUNCTIONS)},
    )


def finished_together(processes: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Let all go at once, and give the words that each printed."""
    for process in processes:
        assert spoken(process) == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return said


def spoken(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_of_four_processes_one_wins_a_claim(place: Place, store: Store) -> None:
    ids = [f"r{number}" for number in range(50)]
    for each in ids:
        store.create(envelope(each))
    program = """
import os
for number in range(50):
    if store.claim(f"r{number}", f"w{os.getpid()}", NOW, LATER) is not None:
        print(f"r{number}")
"""
    said = finished_together([started(place.opening, READY, program) for _ in range(4)])

    assert sorted(word for words in said for word in words) == sorted(ids)
    assert {(each.revision, each.attempts) for each in store.all()} == {(1, 1)}


def test_a_store_is_made_once_when_four_processes_open_it_at_once(place: Place) -> None:
    program = "print(store.reserve('live', 1, NOW, 1.0).timestamp())"
    said = finished_together([started(READY, place.opening, program) for _ in range(4)])

    assert sorted(float(words[0]) for words in said) == [NOW.timestamp() + number for number in range(4)]


def test_processes_keep_the_pace_together(place: Place, store: Store) -> None:
    program = """
for entries in (1, 2, 3) * 8:
    print(entries, store.reserve("live", entries, NOW, 4.0).timestamp())
"""
    said = finished_together([started(place.opening, READY, program) for _ in range(4)])
    slots = sorted((float(at), int(entries)) for words in said for entries, at in zip(words[::2], words[1::2], strict=True))

    free_at = NOW.timestamp()
    for at, entries in slots:
        assert at == pytest.approx(free_at, abs=1e-5)
        free_at = at + entries / 4.0
    assert len(slots) == 96


def rest_of(process: subprocess.Popen[str]) -> str:
    """What it said besides, to its end. By the stream that was read before: `communicate` would pass by what that one holds."""
    with process:
        return process.stdout.read() if process.stdout else ""


def test_a_process_killed_among_its_saves_leaves_what_it_had_saved(place: Place, store: Store) -> None:
    """What was acknowledged is there, and body and revision are of the same save."""
    claimed(store, "doomed")
    program = """
import msgspec
held = store.get("puller-r1")
while True:
    body = b"%d " % (held.revision + 1) * 5000
    held = store.save(msgspec.structs.replace(held, body=body), worker="doomed", revision=held.revision)
    print(held.revision, flush=True)
"""
    for _ in range(4):
        process = started(place.opening, program)
        acknowledged = [int(spoken(process)) for _ in range(25)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in rest_of(process).split("\n")[:-1]]
        again = place.open()
        found = again.get("puller-r1")
        again.close()

        assert found is not None
        assert found.revision in {acknowledged[-1], acknowledged[-1] + 1}
        assert found.body == b"%d " % found.revision * 5000
        assert store.save(found, worker="doomed", revision=found.revision) is not None
        assert store.replace(found, revision=found.revision + 1) is not None
