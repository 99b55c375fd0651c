"""Doors that are killed at random moments, while the emulators stand still at times: nothing is broken, and everything ends."""

import os
from collections import Counter
from pathlib import Path

import pytest

import chaos
from emulators import Emulator
from rotator.record import Blocked

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(1200)]

ROUNDS = int(os.environ.get("ROUNDS", "50"))


def test_a_fleet_rotates_while_its_doors_are_killed(
    firestore_emulator: Emulator, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    emulators = (firestore_emulator, pubsub_emulator)
    with chaos.chaos(tmp_path, seed=20261128, credentials=20, shoots=20, emulators=emulators) as storm:
        storm.storm(ROUNDS)
        found = storm.calm()

        assert chaos.report(storm, found) == 0
        assert storm.kills >= ROUNDS
        assert all(record.rest.why for record in found if isinstance(record.rest, Blocked))
        rotations = Counter(record.order.credential for record in found if record.kind == "rotation")
        assert rotations == {account["email"]: 1 for account in storm.cloud.accounts}
