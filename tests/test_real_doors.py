"""The doors before the real API servers: an event begins an emergency, doors are killed on the way, and nothing is broken."""

import random
import secrets
from pathlib import Path

import pytest

import chaos
import figures
from checker import Checker
from cloud_ground import ground
from emulators import Emulator
from real_fleet import EMAIL, SECONDS, Fleet, history, laid
from real_garden.cloud import RealCloud
from real_garden.landscape import Landscape

pytestmark = [pytest.mark.real, pytest.mark.emulator]

KILLS = 10


def test_an_emergency_on_the_real_servers_survives_the_death_of_its_workers(
    landscape: Landscape, firestore_emulator: Emulator, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    emulators = (firestore_emulator, pubsub_emulator)
    with RealCloud(landscape) as cloud:
        namespace = f"garden-{secrets.token_hex(3)}"
        fleet = laid(cloud, namespace, tmp_path, dict(SECONDS))
        cloud.accounts[0]["policy"].update(mode="automatic", exposed="rotate")  # type: ignore[attr-defined]
        account = cloud.google.iam.account(EMAIL)
        assert account is not None
        (old,) = account.user_managed()
        addresses = {"firestore": firestore_emulator.address, "pubsub": pubsub_emulator.address}
        doors = (*chaos.DOORS, "events")
        with ground(tmp_path, cloud, **addresses, doors=doors, policy={"waits": SECONDS}, ROTATOR_BUDGET="3s") as house:
            storm = chaos.Chaos(house, cloud, random.Random(7), emulators, real_time=True)
            house.publish({"kind": "key-exposed", "service_account": EMAIL, "key_id": old.key_id}, times=3)
            storm.storm(KILLS)
            found = storm.calm()

        assert sorted((record.kind, type(record.state).__name__) for record in found) == [
            ("retirement", "Gone"),
            ("rotation", "Done"),
        ]
        violations = Checker(accounts=frozenset({EMAIL})).read(history(Fleet(cloud, namespace, fleet.cli), landscape))
        assert violations == []
        assert storm.failed_pulls == []
        assert old.state == "deleted"
        figures.put("chaos_kills_real", value=storm.kills, unit="kills", met=True)
        figures.put("chaos_violations_real", value=len(violations), unit="violations", goal=0, met=not violations)
