"""The rotator's own Google clients, all of them, routed to one sandbox: what the tests of these clients share."""

from datetime import timedelta
from typing import Any

from rotator.clients.calls import ServerClock
from rotator.clients.iam import HOST as IAM
from rotator.clients.iam import IamAccounts
from rotator.clients.registry import ArtifactRegistry
from rotator.clients.route import Loopback, Route
from rotator.clients.staging import HOST as SECRETS
from rotator.clients.staging import SecretManagerStaging
from rotator.clients.token import AccessToken, from_metadata
from rotator.clients.usage import HOST as METRICS
from rotator.clients.usage import MonitoringUsage
from rotator.errors import RotatorError
from rotator.key import Account, Email, KeyFile, KeyId, PrivateKey
from rotator.world import Accounts, Permit, Registry, Staging, Usage
from sandbox.faults import Fault
from sandbox.google import Google

EMAIL = Email("puller@acme.iam.gserviceaccount.com")
HOST = "europe-docker.pkg.dev"
REPOSITORY = "acme/images"
IMAGE = "acme/images/app:latest"
TOPIC = "projects/acme/topics/expiry"


class Neighbours:
    """One worker's clients. `account` exists and may pull; it has no user-managed keys at first."""

    def __init__(self, google: Google) -> None:
        self.google = google
        made = google.create_account("acme", EMAIL)
        google.repository(HOST, REPOSITORY)
        google.grant(made, HOST, REPOSITORY)
        self.account = Account(email=EMAIL, project="acme", unique_id=made.unique_id)
        self.connect()

    def connect(self) -> None:
        """A worker begins: new clients, with a token of their own."""
        google = self.google
        self.route = Route(Loopback(google.http_address, google.grpc_address))
        self.http = self.route.http()
        self.clock = ServerClock()
        self.token = AccessToken(from_metadata(self.http, google.http_address, self.clock))
        self._channels = [self.route.channel(host) for host in (IAM, SECRETS, METRICS)]
        self.accounts: Accounts = IamAccounts(self._channels[0], self.http, self.token, self.clock)
        self.staging: Staging = SecretManagerStaging(self._channels[1], self.token, "acme", TOPIC)
        self.usage: Usage = MonitoringUsage(self._channels[2], self.token)
        self.registry: Registry = ArtifactRegistry(self.http, self.clock)

    def close(self) -> None:
        self.http.close()
        for channel in self._channels:
            channel.close()

    def upload(self) -> tuple[KeyId, PrivateKey]:
        private = self.accounts.generate()
        return self.accounts.upload(self.account, private, self.now - timedelta(minutes=2), None), private

    def key_file(self) -> KeyFile:
        key_id, private = self.upload()
        return KeyFile(private, self.account, key_id)

    def permit(self, action: Any, subject: str, seconds: float = 60) -> Permit:
        return Permit(action=action, subject=subject, until=self.now + timedelta(seconds=seconds))

    def fail(self, method: str, answer: str, **more: Any) -> None:
        self.google.faults.add(Fault(method=method, answer=answer, **({"times": 0} | more)))

    def calls(self, method: str) -> int:
        return sum(entry.method == method for entry in self.google.operations.since())

    @property
    def now(self) -> Any:
        return self.google.clock.now()


def material(google: Google) -> tuple[str, ...]:
    """Every line of every private key of this sandbox, as long as it is telling."""
    return tuple(line for pem in google.key_files_issued() for line in pem.splitlines() if len(line) > 30 and "KEY" not in line)


def told(fault: BaseException) -> str:
    """Everything that a log of this exception could show, its causes included."""
    texts: list[str] = []
    link: BaseException | None = fault
    while link is not None:
        texts += [str(link), repr(link), repr(vars(link)) if isinstance(link, RotatorError) else ""]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(texts)
