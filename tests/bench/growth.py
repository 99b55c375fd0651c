"""How the cost of a schedule's call grows while nothing is due: requests and seconds, by credentials and by Shoots.

Run: python tests/bench/growth.py. Real clients before the sandbox and Firestore's emulator, with a proxy that counts. The books
hold two finished records per credential. Linear is: per credential, and per Shoot, the same wherever the fleet stands.
"""

import os
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "functions")]

import chaos  # noqa: E402
import figures  # noqa: E402
from emulators import REQUIRED, Emulator, Unavailable  # noqa: E402
from lossy import Lossy  # noqa: E402
from rotator import wiring  # noqa: E402

FLEETS = ((1, 10), (10, 10), (100, 10), (1, 100), (1, 1000), (1, 10_000))
"""Credentials, and Shoots of each."""


def measured(credentials: int, shoots: int, firestore: Emulator) -> tuple[float, int, int, Counter[str]]:
    """Seconds, requests to IAM and Google, requests to the Garden, requests to Firestore of one call, the fastest of three."""
    cloud = chaos.fleet(credentials, shoots)
    with tempfile.TemporaryDirectory() as folder, Lossy(firestore.address) as proxy:
        policy = {"mode": "manual", "max_age": "200d"}
        config = cloud.write_config(Path(folder), **policy)
        environment = {
            "ROTATOR_CONFIG": str(config),
            "ROTATOR_FIRESTORE": f"projects/g-{uuid.uuid4().hex[:10]}/databases/(default)",
            "FIRESTORE_EMULATOR_HOST": proxy.address,
        }
        wired = wiring.open(None, environment)
        try:
            wired.hear()
            wired.service.tick(wired.clock.now())  # connections stand, Secrets are decoded
            taken = []
            for _ in range(3):
                before = cloud.operations.since()[-1].number
                proxy.seen.clear()
                start = time.perf_counter()
                wired.service.tick(wired.clock.now())
                wired.service.due(wired.clock.now())
                taken.append(time.perf_counter() - start)
            asked = [each.service.partition(":")[0] for each in cloud.operations.since(before)]
        finally:
            wired.close()
            cloud.stop()
    garden = sum(each == "garden" for each in asked)
    return min(taken), len(asked) - garden, garden, Counter(proxy.seen)


def requests(found: tuple[float, int, int, Counter[str]]) -> int:
    """All of them."""
    return found[1] + found[2] + sum(found[3].values())


def main() -> None:
    """Measure, print, and put the figures."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            firestore = Emulator("firestore", Path(folder))
        except Unavailable as why:
            if os.environ.get(REQUIRED) == "1":
                raise SystemExit(f"bench: {why}") from None
            print(f"growth not measured: {why}")
            return
        try:
            found = {fleet: measured(*fleet, firestore) for fleet in FLEETS}
        finally:
            firestore.stop()
    print("credentials  Shoots   seconds  Google  Garden  Firestore")
    for (credentials, shoots), (seconds, google, garden, store) in found.items():
        print(f"{credentials:11}{credentials * shoots:8}{seconds:10.3f}{google:8}{garden:8}{sum(store.values()):11}")
    one, many = found[1, 10], found[100, 10]
    growth = requests(many) / 100 / requests(one)
    shoots = requests(found[1, 10_000]) / requests(one)
    flat = found[1, 10_000][0] / found[1, 1000][0] / 10
    print(f"per credential, at 100 of those at 1: {growth:.2f} times the requests")
    print(
        f"per Shoot, at 10,000 of those at 1,000: {flat:.2f} times the seconds; {shoots:.2f} times the requests of ten Shoots"
    )
    figures.put("growth_per_credential", value=growth, unit="requests at 100 : at 1", goal=1.1, met=growth <= 1.1)
    figures.put("growth_per_shoot", value=flat, unit="s per Shoot at 10,000 : at 1,000", goal=1.1, met=flat <= 1.1)
    figures.put("growth_per_shoot_ms", value=(found[1, 10_000][0] - one[0]) * 1e3 / 9_990, unit="ms per Shoot")


if __name__ == "__main__":
    main()
