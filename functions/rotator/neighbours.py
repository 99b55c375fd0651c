"""The only place that builds clients: from settings to Gardens and Google. They are imported when they are needed, not before.

`doctor` and `rbac` stand on this alone, so that a store that cannot be opened hides nothing from them.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rotator.clients.calls import ServerClock
from rotator.errors import Invalid
from rotator.key import Email
from rotator.record import Place
from rotator.settings import GardenSettings, Settings
from rotator.view import Charge

if TYPE_CHECKING:
    from rotator.checkup import Asked
    from rotator.clients.garden import KubernetesGarden
    from rotator.clients.route import Route
    from rotator.clients.token import AccessToken


class Neighbours:
    """Gardens and Google as the settings name them, and the clock that follows them."""

    def __init__(self, settings: Settings) -> None:
        """Connect nothing."""
        self.settings = settings
        self.clock = ServerClock()
        self.places = tuple(Place(garden.name, namespace) for garden in settings.garden for namespace in garden.namespaces)
        self.charges = tuple(
            Charge(email=Email(a.email), project=a.project, base=a.base, policy=a.policy) for a in settings.account
        )
        self.staging = {account.email: account.staging_project for account in settings.account}
        self._gardens: dict[str, KubernetesGarden] = {}
        self._lines: Lines | None = None

    def gardens(self) -> "dict[str, KubernetesGarden]":
        """A client per Garden; made once, they keep their connections. Raises: Invalid, Permanent."""
        return {garden.name: self.garden(garden) for garden in self.settings.garden}

    def garden(self, settings: GardenSettings) -> "KubernetesGarden":
        """The client of this Garden. Raises: Invalid, Permanent."""
        if settings.name not in self._gardens:
            self._gardens[settings.name] = _garden(settings, self.clock, loopback_only=self.settings.sandbox is not None)
        return self._gardens[settings.name]

    def lines(self) -> "Lines":
        """Connections to Google; made once."""
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


def _garden(settings: GardenSettings, clock: ServerClock, *, loopback_only: bool) -> "KubernetesGarden":
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
