"""The only place that builds adapters: from settings to a service. Clients are imported when a world is needed, not before.

A command that only reads the books never loads Google's or Kubernetes' libraries. Each activation gets a world of its own, with
one access token that is never refreshed: its expiry is the fence of everything that activation burns.
"""

import os
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rotator.clients.calls import ServerClock
from rotator.errors import Halted, Invalid, RotatorError
from rotator.guard import Sending
from rotator.key import Email
from rotator.ledger import Ledger
from rotator.record import Place
from rotator.service import Service
from rotator.settings import GardenSettings, Settings, load
from rotator.stores.sqlite import SqliteStore
from rotator.view import Charge
from rotator.world import Garden, World

if TYPE_CHECKING:
    from rotator.clients.route import Route

PATIENT = timedelta(seconds=30)
"""A write slot that is further away is waited for in the record, not in the process."""


class Wired:
    """A service with all its neighbours behind it, and the clock that follows the servers."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        """Open the store; connect nothing. `sleep` waits for write slots."""
        self.settings = settings
        self.clock = ServerClock()
        self.store = SqliteStore(settings.store)
        self.places = tuple(Place(garden.name, namespace) for garden in settings.garden for namespace in garden.namespaces)
        self._sleep = sleep
        self._gardens: dict[str, Garden] = {}
        self._lines: _Lines | None = None
        self._pace = {garden.name: garden.entries_per_second for garden in settings.garden}
        self._staging = {account.email: account.staging_project for account in settings.account}
        self.service = Service(
            installation=settings.installation,
            charges=[Charge(email=Email(a.email), project=a.project, base=a.base, policy=a.policy) for a in settings.account],
            places=self.places,
            store=self.store,
            make_world=self.world,
            before=self.pace,
            worker=f"{os.uname().nodename}:{os.getpid()}:{id(self)}",
        )

    def world(self, credential: Email | None = None) -> World:
        """Neighbours for one activation. Nothing is connected before its first call."""
        from rotator.clients import iam, registry, staging, token, usage

        lines = self._google()
        sandbox = self.settings.sandbox
        source = (
            token.from_metadata(lines.http, sandbox.http.removeprefix("http://").rstrip("/"), self.clock)
            if sandbox
            else token.from_google(lines.http, self.clock)
        )
        access = token.AccessToken(source)
        return World(
            accounts=iam.IamAccounts(lines.channel(iam.HOST), lines.http, access, self.clock),
            staging=staging.SecretManagerStaging(lines.channel(staging.HOST), access, self._staging.get(credential or "", "")),
            gardens=self.gardens(),
            registry=registry.ArtifactRegistry(lines.http, self.clock),
            usage=usage.MonitoringUsage(lines.channel(usage.HOST), access),
            books=Ledger(self.store, self.places),
        )

    def _google(self) -> "_Lines":
        if self._lines is None:
            from rotator.clients.route import Loopback, Route

            sandbox = self.settings.sandbox
            loopback = Loopback(sandbox.http.removeprefix("http://").rstrip("/"), sandbox.grpc) if sandbox else None
            self._lines = _Lines(Route(loopback))
        return self._lines

    def gardens(self) -> dict[str, Garden]:
        """A client per Garden; made once, they keep their connections."""
        for garden in self.settings.garden:
            if garden.name not in self._gardens:
                self._gardens[garden.name] = _garden(garden, self.clock, loopback_only=self.settings.sandbox is not None)
        return self._gardens

    def hear(self) -> None:
        """The clock has heard a server, if one answers: gates open by their time, not by this machine's."""
        for garden in self.gardens().values():
            try:
                garden.secret(self.places[0].namespace, "registry-key-rotator-clock")
            except RotatorError:
                continue  # a refusal carries a Date as well; whoever needs this Garden will say what is wrong
            return

    def pace(self, sending: Sending) -> None:
        """The call may be sent: its write slot has come. Raises: Halted when the slot is too far away to wait here."""
        if not sending.entries:
            return
        now = self.clock.now()
        slot = self.store.reserve(sending.garden, sending.entries, now, self._pace[sending.garden])
        if slot - now > PATIENT:
            raise Halted(f"the write slots of Garden {sending.garden} are taken", until=slot)
        if slot > now:
            self._sleep((slot - now).total_seconds())

    def release_dead(self) -> None:
        """Claims that died with their process on this machine are released, so that nobody waits for their end."""
        here = os.uname().nodename
        for envelope in self.store.all():
            host, process, *_ = [*envelope.claimed_by.split(":"), ""]
            if host == here and process.isdigit() and not _alive(int(process)):
                self.store.release(envelope.id, envelope.claimed_by)

    def close(self) -> None:
        """The store and all connections are closed."""
        self.store.close()
        if self._lines is not None:
            self._lines.close()


class _Lines:
    """Connections to Google that activations share; each activation brings its own token."""

    def __init__(self, route: "Route") -> None:
        self._route = route
        self._channels: dict[str, Any] = {}
        self.http = route.http()

    def channel(self, host: str) -> Any:
        """One channel per host."""
        if host not in self._channels:
            self._channels[host] = self._route.channel(host)
        return self._channels[host]

    def close(self) -> None:
        """Every connection is closed."""
        self.http.close()
        for channel in self._channels.values():
            channel.close()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _garden(settings: GardenSettings, clock: ServerClock, *, loopback_only: bool) -> Garden:
    from rotator.clients.garden import KubernetesGarden, Login
    from rotator.clients.garden.login import from_file

    if settings.kubeconfig is not None:
        login = Login.kubeconfig(settings.kubeconfig, settings.context or None)
    elif settings.token is not None:
        login = Login.server(settings.server, settings.ca_file, settings.token.reveal)
    elif settings.token_file is not None:
        login = Login.server(settings.server, settings.ca_file, from_file(settings.token_file))
    else:
        raise Invalid((f"garden {settings.name}: it has neither a kubeconfig nor a token",))
    host = str(login.configuration.host)
    if loopback_only and urlsplit(host).hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise Invalid((f"garden {settings.name}: {host} is not on loopback, but [sandbox] is set; never mix the two",))
    return KubernetesGarden(settings.name, login, clock)


def open(config: Path | None, environment: Mapping[str, str], sleep: Callable[[float], None] = time.sleep) -> Wired:  # noqa: A001
    """The service that this configuration describes. Raises: Invalid."""
    return Wired(load(config, environment), sleep)
