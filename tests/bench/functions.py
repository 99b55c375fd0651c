"""What the doors cost: function seconds of a slow roll-out, and a fast one against the bare PATCHes that it needs.

Run: python tests/bench/functions.py [--shoots 50]. The first lives in virtual time: a hundred Shoots on ten seeds whose
reconciles take fifteen minutes, and a schedule every minute that carries records on itself. Counted are the real seconds inside
the door, the sandbox's answers included; waits cost nothing, because a function does not sleep through them. The second runs
real processes over Google's emulators: twenty credentials at once, reconciles at once, no pace; its floor moves as many Shoots
of the same sandbox to another Secret, from as many threads as there are workers, and asks nothing. What is fixed per credential
(a key pair, its proofs, looks of the schedule) weighs on small fleets: --shoots 500 says more, and takes minutes.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import urllib3

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "functions")]

import chaos  # noqa: E402
import figures  # noqa: E402
from cloud_ground import ground  # noqa: E402
from door_ground import ask, doors  # noqa: E402
from emulators import REQUIRED, Emulator, Unavailable  # noqa: E402
from house import EMAIL, HOST, NAMESPACE  # noqa: E402
from sandbox.cloud import USER, Cloud  # noqa: E402
from sandbox.garden.kind import SHOOTS  # noqa: E402

RECONCILE = 900.0
CREDENTIALS = 20
EVERY = 3.0
"""Seconds between calls of the schedule; waits beyond two seconds go on then."""

DOORS = ("schedule", "worker1", "worker2")


def function_seconds() -> None:
    """Seconds inside the schedule from the order to the end of the rotation."""
    with tempfile.TemporaryDirectory() as folder, doors(Path(folder)) as (built, wired):
        _, key_file = built.hand_made_key()
        built.live.create_secret(NAMESPACE, "ar-credentials", password=key_file)
        for number in range(100):
            caches, seed = ({HOST: "ar"}, {"ar": "ar-credentials"}), f"seed-{number % 10}"
            built.live.create_shoot(NAMESPACE, f"shoot-{number}", *caches, seed=seed)
        built.catch_up()
        for number in range(100):
            built.live.behave(NAMESPACE, f"shoot-{number}", start_delay=0.0, duration=RECONCILE)
        begun = wired.service.rotate(EMAIL, built.now(), by="bench", why="a measurement")
        spent, calls = 0.0, 0
        while wired.service.record(begun.id).unfinished:
            start = time.perf_counter()
            answer = ask("schedule")
            spent, calls = spent + time.perf_counter() - start, calls + 1
            assert answer.status == 200, answer.tree
            built.clock.advance(60)
            built.catch_up()
        hours = (built.now() - begun.order.at) / timedelta(hours=1)
    print(f"100 Shoots, 15 minutes each: {hours:.1f} h by the clock, {calls} calls, {spent:.1f} s inside the function")
    figures.put("function_seconds_100_shoots", value=spent, unit="s", goal=10.0, met=spent < 10.0)


def fan_out(shoots: int) -> None:
    """Seconds from the first call of the schedule to the last moved Shoot, over those of the bare PATCHes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        emulators = [Emulator(name, folder) for name in ("firestore", "pubsub")]
        try:
            with instant(shoots) as cloud:
                floor = bare_patches(cloud)
            with instant(shoots) as cloud:
                taken = rotated(cloud, folder, emulators)
        finally:
            for emulator in emulators:
                emulator.stop()
    count, ratio = CREDENTIALS * shoots, taken / floor
    print(f"{count} Shoots of {CREDENTIALS} credentials: bare PATCHes {floor:.1f} s, fan-out {taken:.1f} s, {ratio:.1f} times")
    figures.put(
        "fanout_vs_patches", value=taken, unit=f"s, {count} Shoots", floor=floor, ratio=ratio, goal=2.0, met=ratio <= 2.0
    )


@contextmanager
def instant(shoots: int) -> Iterator[Cloud]:
    """A fleet whose Shoots reconcile in no time."""
    cloud = chaos.fleet(CREDENTIALS, shoots)
    try:
        for namespace, name in cloud.gardens["live"].names(SHOOTS):
            cloud.gardens["live"].behave(namespace, name, start_delay=0.0, duration=0.0)
        yield cloud
    finally:
        cloud.stop()


def rotated(cloud: Cloud, folder: Path, emulators: list[Emulator]) -> float:
    """Seconds until every rotation is done."""
    addresses = {emulator.name: emulator.address for emulator in emulators}
    policy = {**chaos.POLICY, "waves": {"canary": 1, "growth": 1000.0, "per_seed": 100_000, "limit": 100_000}}
    with ground(folder, cloud, **addresses, doors=DOORS, policy=policy, ROTATOR_BUDGET="40s") as house:
        config = Path(house.environment["ROTATOR_CONFIG"])
        config.write_text(config.read_text().replace("entries_per_second = 5.0", "entries_per_second = 1000000.0"))
        storm = chaos.Chaos(house, cloud, chaos.random.Random(0), ())
        house.doors["schedule"].ask("/", b"", method="GET")  # the process is warm, as one that serves every minute is
        start = time.perf_counter()
        house.schedule()
        following = start + EVERY
        while True:
            found = [record for record in storm.records() if record.kind == "rotation"]
            if len(found) == CREDENTIALS and not any(record.unfinished for record in found):
                return time.perf_counter() - start
            assert time.perf_counter() - start < 600, "it does not end"
            time.sleep(0.5)
            if time.perf_counter() > following:
                house.schedule()
                following = time.perf_counter() + EVERY


def bare_patches(cloud: Cloud) -> float:
    """Seconds until every Shoot has moved to another Secret and reconciled, by one PATCH each from two threads."""
    garden = cloud.gardens["live"]
    names = list(garden.names(SHOOTS))
    for number in range(CREDENTIALS):
        garden.create_secret(chaos.NAMESPACES[number % len(chaos.NAMESPACES)], f"next-{number}", password="{}")
    token = garden.issue_token(USER)
    http = urllib3.PoolManager(maxsize=2)
    kind = {"Authorization": f"Bearer {token}", "Content-Type": "application/json-patch+json"}

    def send(part: list[tuple[str, str]]) -> None:
        for namespace, name in part:
            url = f"{garden.address}/apis/core.gardener.cloud/v1beta1/namespaces/{namespace}/shoots/{name}"
            new = f"next-{name.partition('-')[0].removeprefix('s')}"
            patch = [
                {"op": "replace", "path": "/spec/resources/0/resourceRef/name", "value": new},
                {"op": "add", "path": "/metadata/annotations/bench", "value": "x"},
            ]
            answer = http.request("PATCH", url, body=json.dumps(patch).encode(), headers=kind)
            assert answer.status == 200, answer.data

    start = time.perf_counter()
    threads = [threading.Thread(target=send, args=(names[number::2],)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cloud.advance(0.0)
    return time.perf_counter() - start


def main(shoots: int = 50) -> None:
    """Measure, print, and put the figures."""
    function_seconds()
    try:
        fan_out(shoots)
    except Unavailable as why:
        if os.environ.get(REQUIRED) == "1":
            raise SystemExit(f"bench: {why}") from None
        print(f"fan-out not measured: {why}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--shoots", type=int, default=50)
    main(parser.parse_args().shoots)
