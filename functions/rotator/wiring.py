"""From settings to a service: the store, and the world that each activation gets.

A command that only reads the books never loads Google's or Kubernetes' libraries. Each activation gets a world of its own, with
one access token that is never refreshed: its expiry is the fence of everything that activation burns.
"""

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rotator.clients import calls
from rotator.errors import Invalid, RotatorError
from rotator.key import Email
from rotator.ledger import Ledger
from rotator.neighbours import Neighbours
from rotator.pace import Pace
from rotator.record import Place, Record
from rotator.runbook import CLAIM
from rotator.service import Service
from rotator.settings import Settings, load
from rotator.stores.sqlite import SqliteStore
from rotator.telemetry import SILENCE, Telemetry
from rotator.world import Staging, Usage, World

if TYPE_CHECKING:
    from rotator.stores.firestore import FirestoreStore
    from rotator.stores.firestore_probe import Probe
    from rotator.stores.firestore_wire import Wire

STEP = timedelta(seconds=60)
"""A step that began at the end of a budget ends within so long: some calls of twenty seconds, and a wait for a write slot."""

HEARING = 6.0
"""Seconds for a server to tell the time: another one can as well, and so can the first answer of the work itself."""

LIFE = secrets.token_hex(4)
"""This process, where number and machine do not tell: on Cloud Run every instance is called localhost and counts from one."""


class _Late:
    """A neighbour that is made at its first call: a mere look needs neither library, and a cold start pays 100 ms for both."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        made = self._make()
        self.__dict__.update({each: getattr(made, each) for each in dir(made) if not each.startswith("_")})
        return getattr(made, name)


class Wired(Neighbours):
    """A service with all its neighbours behind it, and the clock that follows the servers."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep, claim: timedelta | None = None) -> None:
        """Open the store; connect nothing. `sleep` waits for write slots; `claim`: see Service (None: as `claim_of` says)."""
        super().__init__(settings)
        self.store = opened(self)
        self.told: Callable[[Record], None] = lambda _: None
        self.telemetry: Telemetry = SILENCE
        per_second = {garden.name: garden.entries_per_second for garden in settings.garden}
        self.service = Service(
            installation=settings.installation,
            charges=self.charges,
            places=self.places,
            store=self.store,
            make_world=self.world,
            pace=Pace(self.store, per_second, self.clock.now, sleep),
            worker=f"{os.uname().nodename}:{os.getpid()}:{LIFE}:{secrets.token_hex(4)}",
            claim=claim or claim_of(settings),
            told=self._tell,
        )

    def world(self, credential: Email | None = None) -> World:
        """Neighbours for one activation. Nothing is connected before its first call."""
        from rotator.clients import iam, registry

        lines, access = self.lines(), self.access()

        def staged() -> Any:
            from rotator.clients import staging

            project = self.staging.get(credential or "", "")
            topic = self.settings.deployment.expiry_topic
            return staging.SecretManagerStaging(lines.channel(staging.HOST), access, project, topic)

        def usage() -> Any:
            from rotator.clients import usage

            return usage.MonitoringUsage(lines.channel(usage.HOST), access)

        world = World(
            accounts=iam.IamAccounts(lines.channel(iam.HOST), lines.http, access, self.clock),
            staging=cast(Staging, _Late(staged)),
            gardens={name: garden.activation() for name, garden in self.gardens().items()},
            registry=registry.ArtifactRegistry(lines.http, self.clock),
            usage=cast(Usage, _Late(usage)),
            books=Ledger(self.store, self.places, self._tell),
        )
        return self.telemetry.around(world)

    def _tell(self, record: Record) -> None:
        """To whoever is `told` by now: doors write it into their log, a terminal says nothing."""
        self.told(record)

    def hear(self) -> None:
        """The clock has heard a server, if one answers soon: gates open by their time, not by this machine's."""
        try:
            gardens = self.gardens()
        except RotatorError:
            return  # no activation gets a world either, and that one says why; the door still sees to its other matters
        for garden in gardens.values():
            try:
                with calls.within(HEARING, patience=0.0):
                    garden.secret(self.places[0].namespace, "registry-key-rotator-clock")
            except RotatorError:
                continue  # a refusal carries a Date as well; whoever needs this Garden will say what is wrong
            return

    def release_dead(self) -> None:
        """Claims that died with their process on this machine are released, so that nobody waits for their end.

        Not in Firestore, where instances that share one name cannot see each other's processes: a living claim would be taken
        for a dead one.
        """
        if self.settings.deployment.firestore:
            return
        here = os.uname().nodename
        for envelope in self.store.all():
            host, process, life, *_ = [*envelope.claimed_by.split(":"), "", ""]
            if host == here and process.isdigit() and not _alive(int(process), life):
                self.store.release(envelope.id, envelope.claimed_by)

    def close(self) -> None:
        """The store and all connections are closed."""
        self.store.close()
        super().close()


def _alive(process: int, life: str) -> bool:
    """The process lives. One of our own number that is not us died before us: in containers numbers repeat."""
    if process == os.getpid():
        return life == LIFE
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def claim_of(settings: Settings) -> timedelta:
    """How long an activation that says nothing holds its record.

    Behind doors it is what its request may last and a little more: nobody sees there that an instance died, and the record
    waits so long for another one. Too short harms nobody: who was overtaken sends no other write and loses its save.
    """
    facts = settings.deployment
    return facts.budget + STEP if facts.firestore or facts.work_topic else CLAIM


def opened(neighbours: Neighbours) -> "SqliteStore | FirestoreStore":
    """The store that the settings name. Raises: Permanent for a file that cannot be used; Firestore is not asked yet."""
    facts = neighbours.settings.deployment
    if not facts.firestore:
        return SqliteStore(neighbours.settings.store)
    from rotator.stores.firestore import FirestoreStore

    return FirestoreStore(_wire(neighbours), time.sleep)


def probe(neighbours: Neighbours) -> "Probe":
    """The Firestore database that the settings name, to be asked how it stands."""
    from rotator.stores.firestore_probe import Probe

    return Probe(_wire(neighbours))


def _wire(neighbours: Neighbours) -> "Wire":
    from rotator.stores.firestore_wire import Wire

    facts = neighbours.settings.deployment
    if facts.firestore_emulator:
        return Wire(facts.firestore, lambda: "owner", f"http://{facts.firestore_emulator}")
    return Wire(facts.firestore, neighbours.authorize)


def written(settings: Settings, places: Sequence[Place]) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """All records in the books, and a line for each that cannot be read; none while there is no store: nothing is made.

    Raises: Permanent for a store that cannot be used.
    """
    if not there(settings):
        return (), ()
    neighbours = Neighbours(settings)
    store = opened(neighbours)
    try:
        return Ledger(store, places).every()
    finally:
        store.close()
        neighbours.close()


def there(settings: Settings) -> bool:
    """There is a store already: the file, or Firestore, which needs no making by us."""
    return bool(settings.deployment.firestore) or settings.store.exists()


def open(config: Path | None, environment: Mapping[str, str], sleep: Callable[[float], None] = time.sleep) -> Wired:  # noqa: A001
    """The service that this configuration describes. Raises: Invalid, also for a store in a folder that is not there."""
    settings, said = load(config, environment), environment.get("ROTATOR_STATE")
    # Our own folder is made; one that somebody named and that is not there is a slip, or a disk that is not mounted.
    if said and not settings.deployment.firestore and not settings.store.parent.is_dir():
        raise Invalid((f"ROTATOR_STATE={said}: there is no folder {settings.store.parent}; make it, or name another file",))
    return Wired(settings, sleep)
