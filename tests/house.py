"""A small house to live in: one sandbox, and the real service with its real clients wired to it, in simulated time.

Every test gets a house of its own. `Laps` here does what a patient worker does, but waits by moving the sandbox's clock.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from checker import Checker
from rotator import settings
from rotator.clients.garden import KubernetesGarden, Login
from rotator.deployment import Deployment
from rotator.key import Email
from rotator.policy import Policy, Waits, Waves
from rotator.record import Blocked, Record, Wait
from rotator.wiring import Wired
from rotator.world import World
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.garden import ROTATOR, Garden
from sandbox.google import Google
from sandbox.iam_key import Account
from sandbox.operations import Operations

EMAIL = Email("puller@acme-prod.iam.gserviceaccount.com")
PROJECT = "acme-prod"
BASE = "puller-acme-prod"
HOST = "europe-docker.pkg.dev"
IMAGE = "acme-prod/images/app"
NAMESPACE = "garden-acme"
TOPIC = "projects/acme-prod/topics/key-expiry"
USER = "system:serviceaccount:garden-acme:rotator"

POLICY = Policy(
    mode="automatic",
    adopt=True,
    probes={HOST: f"{IMAGE}:latest"},
    waits=Waits(
        soak=timedelta(hours=2),
        idle=timedelta(hours=1),
        unknown_use=timedelta(hours=6),
        quiet=timedelta(hours=3),
        settle=timedelta(hours=24),
        request=timedelta(seconds=30),
        poll=timedelta(seconds=10),
    ),
    waves=Waves(canary=1, growth=4.0),
)


class Laps:
    """Time by the sandbox's clock; waits up to `horizon` pass at once, `most` laps at most."""

    def __init__(self, clock: Clock, horizon: timedelta = timedelta(days=30), most: int = 400) -> None:
        self._clock = clock
        self._end = clock.now() + horizon
        self._left = most

    def next(self, after: datetime | None) -> datetime | None:
        self._left -= 1
        if self._left < 0:
            return None
        now = self._clock.now()
        if after is not None and after > now:
            if after > self._end:
                return None
            now = self._clock.advance((after - now).total_seconds() + 0.001)
        return now


@dataclass
class House:
    """One sandbox with one Garden (more by `add_garden`), one account with one hand-made key, and a wired service."""

    folder: Path
    policy: Policy = POLICY
    topic: str = TOPIC
    clock: Clock = field(default_factory=Clock)
    operations: Operations = field(default_factory=Operations)
    faults: Faults = field(default_factory=Faults)
    around: Callable[[World], World] = lambda world: world
    sleep: Callable[[float], None] = lambda _: None
    """How a write slot is waited for."""
    gardens: dict[str, Garden] = field(default_factory=dict)
    namespaces: dict[str, list[str]] = field(default_factory=dict)
    opened: list[Wired] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.google = Google(self.clock, self.operations, self.faults).start()
        self.google.monitoring.lag = 0.0
        self.google.door.before.append(self.catch_up)
        self.account: Account = self.google.create_account(PROJECT, EMAIL)
        self.google.repository(HOST, "acme-prod/images", images=("app",))
        self.google.grant(self.account, HOST, "acme-prod/images")
        self.add_garden("live", NAMESPACE)

    def add_garden(self, name: str, *namespaces: str) -> Garden:
        garden = Garden(name, self.clock, self.operations, self.faults)
        garden.start()
        self.gardens[name] = garden
        self.namespaces[name] = []
        for namespace in namespaces:
            self.add_namespace(name, namespace)
        return garden

    def add_namespace(self, garden: str, namespace: str) -> None:
        self.gardens[garden].create_namespace(namespace)
        self.namespaces[garden].append(namespace)

    @property
    def live(self) -> Garden:
        return self.gardens["live"]

    def catch_up(self) -> None:
        """Gardenlets have done what was due, so that the log has it before whatever comes now."""
        for garden in self.gardens.values():
            garden.catch_up()

    def close(self) -> None:
        for wired in self.opened:
            wired.close()
        for garden in self.gardens.values():
            garden.stop()
        self.google.stop()

    # --- landscape ---

    def hand_made_key(self) -> tuple[str, str]:
        """A key of a person: its id and JSON file."""
        return self.google.make_key(self.account)

    def populate(
        self, shoots: int = 2, *, secret: str = "ar-credentials", namespace: str = NAMESPACE, **options: Any
    ) -> tuple[str, str]:
        """A hand-made key in an immutable Secret, and Shoots that live on it. Gives key id and key file."""
        key_id, key_file = self.hand_made_key()
        self.live.create_secret(namespace, secret, password=key_file)
        for number in range(shoots):
            self.shoot(f"shoot-{number}", secret, namespace=namespace, **options)
        return key_id, key_file

    def shoot(self, name: str, secret: str, *, namespace: str = NAMESPACE, garden: str = "live", **options: Any) -> None:
        self.gardens[garden].create_shoot(namespace, name, {HOST: "ar"}, {"ar": secret}, **options)
        self.gardens[garden].catch_up()

    # --- the program ---

    def settings(self) -> settings.Settings:
        return settings.Settings(
            file=self.folder / "rotator.toml",
            store=self.folder / "state.db",
            installation="acme",
            garden=tuple(
                settings.GardenSettings(
                    name=name,
                    namespaces=tuple(self.namespaces[name]),
                    server=garden.address,
                    token=settings.Token(garden.issue_token(USER)),
                    entries_per_second=1e6,
                )
                for name, garden in self.gardens.items()
            ),
            account=(
                settings.AccountSettings(email=EMAIL, project=PROJECT, base=BASE, staging_project=PROJECT, policy=self.policy),
            ),
            sandbox=settings.SandboxSettings(grpc=self.google.grpc_address, http=f"http://{self.google.http_address}"),
            deployment=Deployment(expiry_topic=self.topic),
        )

    def wire(self) -> Wired:
        """Fresh objects, as a new process would have: nothing but the store's file is remembered."""
        for name, garden in self.gardens.items():
            for namespace in self.namespaces[name]:
                garden.allow(USER, namespace, ROTATOR)
        wired = _Around(self, self.settings())
        self.opened.append(wired)
        wired.hear()
        return wired

    def now(self) -> datetime:
        return self.clock.now()

    def carry(self, wired: Wired, record_id: str, horizon: timedelta = timedelta(days=30), most: int = 400) -> Record:
        """The record is carried on until it ends, blocks, or waits beyond the horizon."""
        end = self.now() + horizon
        for _ in range(most):
            for _ in wired.service.run(wired.service.record(record_id), Laps(self.clock, timedelta(minutes=2), most)):
                pass
            record = wired.service.record(record_id)
            if not isinstance(record.rest, Wait) or not record.unfinished or record.rest.until > end:
                break
            self.clock.advance(max((record.rest.until - self.now()).total_seconds(), 0) + 0.001)
        return record

    def rotate(self, wired: Wired, **order: Any) -> Record:
        """A rotation has begun and was carried on as far as it goes."""
        begun = wired.service.rotate(EMAIL, self.now(), by="test", why="a test", **order)
        return self.carry(wired, begun.id)

    def whole(self, wired: Wired, rounds: int = 20) -> list[Record]:
        """Schedules tick and records are carried on until nothing is left to do."""
        for _ in range(rounds):
            wired.service.tick(self.now())
            open_ids = [r.id for r in wired.service.records()[0] if r.unfinished and not r.blocked]
            for record_id in open_ids:
                self.carry(wired, record_id)
            begun, _ = wired.service.tick(self.now())
            left = [r for r in wired.service.records()[0] if r.unfinished and not isinstance(r.rest, Blocked)]
            if not left and not begun:
                break
        return list(wired.service.records()[0])

    def violations(self, **options: Any) -> list[str]:
        """What the checker says of the whole history."""
        return Checker(**{"accounts": frozenset({EMAIL}), **options}).read(self.operations.since())


class _Around(Wired):
    """Wired, with every world wrapped (how harnesses count and break calls), and with Garden tokens that are renewed."""

    def __init__(self, built: House, found: settings.Settings) -> None:
        self._built = built
        super().__init__(found, sleep=lambda seconds: built.sleep(seconds))  # noqa: PLW0108  # whatever it is by then

    def world(self, credential: Email | None = None) -> World:
        return self._built.around(super().world(credential))

    def gardens(self) -> dict[str, KubernetesGarden]:
        for name, garden in self._built.gardens.items():
            if name not in self._gardens:
                login = Login.server(garden.address, None, Mount(self._built, garden).read)
                self._gardens[name] = KubernetesGarden(name, login, self.clock)
        return self._gardens


class Mount:
    """A token file as Kubernetes mounts it: replaced when a fifth of its life is left, the same until then."""

    def __init__(self, built: House, garden: Garden) -> None:
        self._built = built
        self._garden = garden
        self._token = ""
        self._good_until = built.now()

    def read(self) -> str:
        now, life = self._built.now(), timedelta(seconds=self._garden.knobs.token_lifetime)
        if now >= self._good_until - life / 5:
            self._token, self._good_until = self._garden.issue_token(USER), now + life
        return self._token


@contextmanager
def house(**options: Any) -> Iterator[House]:
    with tempfile.TemporaryDirectory() as folder:
        built = House(Path(folder), **options)
        try:
            yield built
        finally:
            built.close()
