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
from datetime import timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "functions")]

import chaos  # noqa: E402
import figures  # noqa: E402
from emulators import REQUIRED, Emulator, Unavailable  # noqa: E402
from lossy import Lossy  # noqa: E402
from rotator import wiring  # noqa: E402

FLEETS = ((1, 10), (10, 10), (50, 10), (1, 100), (1, 1000))
"""Credentials, and Shoots of each."""


def measured(credentials: int, shoots: int, firestore: Emulator) -> tuple[float, int, int, Counter[str]]:
    """Seconds, requests to IAM and Google, requests to the Garden, requests to Firestore of one call."""
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
            before = cloud.operations.since()[-1].number
            proxy.seen.clear()
            start = time.perf_counter()
            wired.service.tick(wired.clock.now())
            wired.service.due(wired.clock.now() + timedelta(0))
            seconds = time.perf_counter() - start
            asked = [each.service.partition(":")[0] for each in cloud.operations.since(before)]
        finally:
            wired.close()
            cloud.stop()
    garden = sum(each == "garden" for each in asked)
    return seconds, len(asked) - garden, garden, Counter(proxy.seen)


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
    one, many = found[1, 10], found[50, 10]
    growth = (sum(many[1:3]) + sum(many[3].values())) / 50 / (sum(one[1:3]) + sum(one[3].values()))
    shoots = sum(found[1, 1000][1:3]) / sum(found[1, 10][1:3])
    print(f"requests per credential at 50, of those at 1: {growth:.2f}; requests at 1,000 Shoots, of those at 10: {shoots:.2f}")
    figures.put("growth_per_credential", value=growth, unit="requests at 50 : at 1", goal=1.1, met=growth <= 1.1)
    figures.put("growth_per_shoot_seconds", value=found[1, 1000][0] * 1e3 / 1000, unit="ms per Shoot at 1,000")


if __name__ == "__main__":
    main()
