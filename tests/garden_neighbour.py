"""One Garden of the sandbox with the rotator's client for it, and what its tests send: shared by tests/clients_garden."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden
from rotator.key import Account, Email, KeyFile, KeyId, PrivateKey, PublicKey
from rotator.secret import Draft, SecretRef
from rotator.shoot import Mark, Shoot
from rotator.world import Move, Permit
from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.garden import Garden
from sandbox.keys import KeyPair
from sandbox.operations import Operations

NS = "garden-acme"
HOST = "europe-docker.pkg.dev"
EMAIL = Email("puller@acme.iam.gserviceaccount.com")
PAIR = KeyPair()
ACCOUNT = Account(EMAIL, "acme", "1234567890")
FILE = KeyFile(PrivateKey(PAIR.pem, PublicKey(PAIR.public_key)), ACCOUNT, KeyId("4f1c"))
MARKED = Mark("r-1", 1)


@dataclass(frozen=True)
class Neighbour:
    server: Garden
    clock: Clock
    faults: Faults
    operations: Operations
    client: KubernetesGarden
    heard: ServerClock

    def shoot(self, name: str = "api") -> Shoot:
        return next(shoot for shoot in self.client.shoots(NS) if shoot.ref.name == name)

    def fail(self, method: str, answer: str, *, times: int = 0, text: str = "injected", when: str = "before") -> None:
        self.faults.add(Fault(service="garden:*", method=method, answer=answer, times=times, text=text, when=when))


def move(shoot: Shoot, new: str = "ar-v2", old: str = "ar-v1") -> list[Move]:
    return [Move(each.index, each.entry, old, new) for each in shoot.references if each.secret == old or old != "ar-v1"]


def draft(name: str = "ar-v3") -> Draft:
    return Draft(ref=SecretRef("eu", NS, name), installation="prod", key_file=FILE)


def permit(uid: str, **changes: object) -> Permit:
    return Permit(**{"action": "delete_secret", "subject": uid, "until": datetime.now(UTC) + timedelta(hours=1), **changes})  # type: ignore[arg-type]
