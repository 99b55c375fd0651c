"""The only place that builds clients: from settings to Gardens and Google. They are imported when they are needed, not before.

`doctor` and `rbac` stand on this alone, so that a store that cannot be opened hides nothing from them.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rotator.clients.calls import ServerClock
from rotator.errors import Invalid
from rotator.key import Email
from rotator.record import Place
from rotator.settings import GardenSettings, Settings
from rotator.view import Charge

if TYPE_CHECKING:
    import httpx

    from rotator.checkup import Asked
    from rotator.clients.bearer import Bearer
    from rotator.clients.garden import KubernetesGarden
    from rotator.clients.iam import IamAccounts
    from rotator.clients.kept import KeptToken
    from rotator.clients.lifetime import Lifetimes
    from rotator.clients.registry import ArtifactRegistry
    from rotator.clients.rest import Rest
    from rotator.clients.route import Route
    from rotator.clients.subscription import Messaging
    from rotator.clients.timetable import Timetable
    from rotator.clients.token import AccessToken
    from rotator.renewal import Seen


class Neighbours:
    """Gardens and Google as the settings name them, and the clock that follows them. Safe for threads."""

    def __init__(self, settings: Settings) -> None:
        """Connect nothing."""
        self.settings = settings
        self.clock = ServerClock()
        self.places = tuple(Place(garden.name, namespace) for garden in settings.garden for namespace in garden.namespaces)
        self.charges = tuple(
            Charge(email=Email(a.email), project=a.project, base=a.base, policy=a.policy, installation=settings.installation)
            for a in settings.account
        )
        self.staging = {account.email: account.staging_project for account in settings.account}
        self._gardens: dict[str, KubernetesGarden] = {}
        self._kept: dict[str, KeptToken] = {}
        self._lines: Lines | None = None
        self._bearer: Bearer | None = None
        self._making = threading.RLock()

    def gardens(self) -> "dict[str, KubernetesGarden]":
        """A client per Garden; made once, they keep their connections. Raises: Invalid, Permanent."""
        return {garden.name: self.garden(garden) for garden in self.settings.garden}

    def garden(self, settings: GardenSettings) -> "KubernetesGarden":
        """The client of this Garden. Raises: Invalid, Permanent."""
        with self._making:
            if settings.name not in self._gardens:
                self._gardens[settings.name] = _garden(settings, self, loopback_only=self.settings.sandbox is not None)
            return self._gardens[settings.name]

    def kept(self, settings: GardenSettings) -> "KeptToken":
        """The secret with this Garden's token; only where `token_secret` names one."""
        from rotator.clients import kept, staging

        with self._making:
            if settings.name not in self._kept:
                channel = self.lines().channel(staging.HOST)
                place = Place(settings.name, settings.namespaces[0])
                self._kept[settings.name] = kept.KeptToken(channel, self.access, settings.token_secret, place, self.clock.now)
            return self._kept[settings.name]

    def renew_logins(self) -> "tuple[Seen, ...]":
        """Gardens' tokens that are ours to renew have half of their life before them, or it is told why not."""
        from rotator import renewal

        return tuple(
            renewal.look(each.name, self.garden(each).activation(), self.kept(each), self.clock.now())
            for each in self.settings.garden
            if each.token_secret
        )

    def lines(self) -> "Lines":
        """Connections to Google; made once."""
        with self._making:
            if self._lines is None:
                from rotator.clients.route import Loopback, Route

                sandbox = self.settings.sandbox
                loopback = Loopback(sandbox.http.removeprefix("http://").rstrip("/"), sandbox.grpc) if sandbox else None
                self._lines = Lines(Route(loopback))
            return self._lines

    def access(self) -> "AccessToken":
        """One access token, fetched at its first use, never refreshed."""
        from rotator.clients import token

        http, sandbox = self.lines().http, self.settings.sandbox
        if sandbox:
            return token.AccessToken(token.from_metadata(http, sandbox.http.removeprefix("http://").rstrip("/"), self.clock))
        return token.AccessToken(token.from_google(http, self.clock))

    def identity(self, audience: str) -> Callable[[], str]:
        """Gives identity tokens for this audience."""
        from rotator.clients import token

        sandbox = self.settings.sandbox
        address = sandbox.http.removeprefix("http://").rstrip("/") if sandbox else token.METADATA
        return token.identity(self.lines().http, address, audience)

    def bearer(self) -> "Bearer":
        """Tokens for what burns nothing, the books and the messages: renewed when they grow old."""
        with self._making:
            if self._bearer is None:
                from rotator.clients.bearer import Bearer

                self._bearer = Bearer(self.access, self.clock.now)
            return self._bearer

    def authorize(self) -> str:
        """A token for the books, asked for when one is needed."""
        return self.bearer()()

    def wake(self, record_ids: Sequence[str]) -> int:
        """A message to `worker` is out for each record; how many, none without a topic. Raises: Transient, Permanent."""
        facts = self.settings.deployment
        if not facts.work_topic or not record_ids:
            return 0
        from rotator.clients import queue

        return queue.Topic(self._rest(queue.PUBSUB, facts.pubsub_emulator), facts.work_topic).wake(record_ids)

    def asked(self) -> "Asked":
        """Google, to be asked what we may do."""
        from rotator.checkup import Asked
        from rotator.clients import iam, registry, review, staging, usage

        lines, access = self.lines(), self.access()
        metric = usage.MonitoringUsage(lines.channel(usage.HOST), access)
        return Asked(
            review=review.Review(lines.channel(iam.HOST), lines.channel(staging.HOST), lines.http, access),
            usage=lambda project: metric.probe(project, self.clock.now()),
            registry=registry.ArtifactRegistry(lines.http, self.clock).greet,
        )

    def messaging(self) -> "Messaging":
        """Pub/Sub, to be asked how it stands."""
        from rotator.clients import queue
        from rotator.clients.subscription import Messaging

        return Messaging(self._rest(queue.PUBSUB, self.settings.deployment.pubsub_emulator))

    def lifetimes(self) -> "Lifetimes":
        """Firestore's admin API, to be asked how it stands."""
        from rotator.clients.lifetime import Lifetimes
        from rotator.stores.firestore_wire import FIRESTORE

        return Lifetimes(self._rest(FIRESTORE, self.settings.deployment.firestore_emulator))

    def timetable(self) -> "Timetable":
        """Cloud Scheduler, to be asked how it stands."""
        from rotator.clients.timetable import SCHEDULER, Timetable

        return Timetable(self._rest(SCHEDULER))

    def _rest(self, base: str, emulator: str = "") -> "Rest":
        """One of Google's REST APIs, or its emulator where there is one (host:port)."""
        from rotator.clients.rest import Rest

        if emulator:
            return Rest(self.lines().direct(), lambda: "owner", f"http://{emulator}")
        return Rest(self.lines().http, self.authorize, base)

    def trial(self) -> "tuple[Callable[[], IamAccounts], ArtifactRegistry]":
        """IAM, each time with a token that lives for minutes at least, and the registries: to try what Google answers."""
        from rotator.clients import bearer, iam, registry

        lines, made = self.lines(), list[iam.IamAccounts]()

        def accounts() -> iam.IamAccounts:
            if not made or made[-1].fence() - bearer.EARLY <= self.clock.now():
                made[:] = [iam.IamAccounts(lines.channel(iam.HOST), lines.http, self.access(), self.clock)]
            return made[-1]

        return accounts, registry.ArtifactRegistry(lines.http, self.clock)

    def close(self) -> None:
        """Every connection is closed."""
        for garden in self._gardens.values():
            garden.close()
        if self._lines is not None:
            self._lines.close()


class Lines:
    """Connections to Google that activations share; each activation brings its own token."""

    def __init__(self, route: "Route") -> None:
        """`route` leads to Google, or to a sandbox."""
        self._route = route
        self._channels: dict[str, Any] = {}
        self._direct: httpx.Client | None = None
        self._making = threading.Lock()
        self.http = route.http()

    def channel(self, host: str) -> Any:
        """One channel per host."""
        with self._making:
            if host not in self._channels:
                self._channels[host] = self._route.channel(host)
            return self._channels[host]

    def direct(self) -> "httpx.Client":
        """To where a URL says, sandbox or not: for emulators, which stand beside it."""
        from rotator.clients.route import Route

        with self._making:
            if self._direct is None:
                self._direct = Route().http()
            return self._direct

    def close(self) -> None:
        """Every connection is closed."""
        self.http.close()
        if self._direct is not None:
            self._direct.close()
        for channel in self._channels.values():
            channel.close()


def _garden(settings: GardenSettings, neighbours: Neighbours, *, loopback_only: bool) -> "KubernetesGarden":
    from rotator.clients.garden import KubernetesGarden, Login
    from rotator.clients.garden.login import from_file

    if settings.kubeconfig is not None:
        login = Login.kubeconfig(settings.kubeconfig, settings.context or None)
    elif settings.token is not None:
        login = Login.server(settings.server, settings.ca_file, settings.token.reveal)
    elif settings.token_file is not None:
        login = Login.server(settings.server, settings.ca_file, from_file(settings.token_file))
    elif settings.google_audience:
        login = Login.server(settings.server, settings.ca_file, neighbours.identity(settings.google_audience))
    elif settings.token_secret:
        login = Login.server(settings.server, settings.ca_file, lambda: neighbours.kept(settings).read(), renews=True)
    else:
        raise Invalid((f"garden {settings.name}: it has neither a kubeconfig nor a token",))
    host = str(login.configuration.host)
    if loopback_only and urlsplit(host).hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise Invalid((f"garden {settings.name}: {host} is not on loopback, but [sandbox] is set; never mix the two",))
    return KubernetesGarden(settings.name, login, neighbours.clock)
