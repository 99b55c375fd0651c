"""Google as one object: IAM, Secret Manager, Monitoring, the token endpoint, the metadata server and Artifact Registry.

Two loopback ports: one gRPC server for the three APIs, one HTTP server for the rest. Both serve from `start` to `stop`.
"""

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Self

import grpc
from google.cloud import secretmanager_v1 as secretmanager

from sandbox import grpc_door, iam
from sandbox.access import Access
from sandbox.clock import Clock
from sandbox.door import Call, Door, Refused
from sandbox.faults import Faults
from sandbox.google_http import GoogleHttp
from sandbox.iam import Iam
from sandbox.iam_grpc import IamService
from sandbox.iam_key import Account
from sandbox.iam_rest import IamRest
from sandbox.keys import KeyRing
from sandbox.metadata import Metadata
from sandbox.monitoring import Monitoring
from sandbox.oauth2 import OAuth2
from sandbox.operations import Operations
from sandbox.projects import Projects
from sandbox.registry import Registry, Repository
from sandbox.registry_login import Login
from sandbox.scheduler import Scheduler
from sandbox.secret_manager import SecretManager
from sandbox.secret_manager_grpc import SecretManagerService

ROTATOR = "rotator@sandbox.iam.gserviceaccount.com"
"""Whom the metadata server speaks for; the only member at first."""


class Google:
    """All of Google that the rotator touches, with the knobs of every part."""

    def __init__(self, clock: Clock | None = None, operations: Operations | None = None, faults: Faults | None = None) -> None:
        """Build the services around one clock, one log and one list of faults, shared with others or its own."""
        self.clock = clock or Clock()
        self.operations = operations or Operations()
        self.faults = faults or Faults()
        self.door = Door(self.clock, self.operations, self.faults)
        self.ring = KeyRing()
        self.access = Access(self.clock)
        self.access.members.add(ROTATOR)
        self.iam = Iam(self.door, self.ring)
        self.secrets = SecretManager(self.door, self.ring)
        self.notices = self.secrets.notices
        self.door.before.append(self.secrets.catch_up)
        self.monitoring = Monitoring(self.iam, self.access, self.door)
        self.oauth2 = OAuth2(self.iam, self.access, self.door)
        self.metadata = Metadata(self.access, self.clock, ROTATOR)
        self.registry = Registry(Login(self.iam, self.access, self.ring), self.door)
        self.scheduler = Scheduler(self.access)
        self.http = GoogleHttp(
            self.door,
            oauth2=self.oauth2,
            iamrest=IamRest(self.iam, self.access),
            metadata=self.metadata,
            registry=self.registry,
            projects=Projects(self.access),
            scheduler=self.scheduler,
        )
        self.http_address = self.http.address
        self.http_url = f"http://{self.http_address}"
        self._grpc = grpc.server(ThreadPoolExecutor(32, "google-grpc"), options=(("grpc.so_reuseport", 0),))
        self._grpc.add_generic_rpc_handlers(self._handlers())
        self.grpc_address = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"

    def start(self) -> Self:
        """Both ports answer."""
        self._grpc.start()
        self.http.start()
        return self

    def stop(self) -> None:
        """Both ports are closed; calls that hung are over."""
        self.http.stop()
        self._grpc.stop(None).wait()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def create_account(self, project: str, email: str) -> Account:
        """The service account exists, without keys of its owner's making."""
        return self.iam.create_account(project, email)

    def make_key(self, account: Account, by: str = "human") -> tuple[str, str]:
        """Somebody outside the program made a key: its id and its JSON key file. It is in the log."""
        with self.door.lock:
            key, key_file = self.iam.create(account)
            call = Call(service="iam", method="CreateServiceAccountKey", target=account.name, mutating=True)
            self.door.record(call, iam.facts(key, by))
            return key.key_id, key_file

    def make_secret(self, project: str, name: str, wanted: Mapping[str, Any]) -> None:
        """Somebody outside the program made a secret without versions, if it is not there; fields of secretmanager.Secret."""
        with self.door.lock, contextlib.suppress(Refused):
            self.secrets.create(f"projects/{project}", name, secretmanager.Secret(wanted))

    def repository(self, host: str, path: str, *, private: bool = True, images: tuple[str, ...] = ("app",)) -> Repository:
        """The registry has a repository; `path` and `path/<image>` can be pulled with the tag `latest`."""
        with self.door.lock:
            return self.registry.add(host, path, private=private, images=images)

    def grant(self, account: Account, host: str, path: str) -> None:
        """The account may pull everything under the path."""
        with self.door.lock:
            self.registry.grant(account.email, host, path)

    def token(self, seconds: float = 3600.0, principal: str = ROTATOR) -> str:
        """A fresh access token, without the detour over the metadata server."""
        with self.door.lock:
            return self.access.issue(principal, seconds).value

    def key_files_issued(self) -> tuple[str, ...]:
        """Every private key PEM the sandbox ever made or saw, for tests that look where none may be."""
        return self.ring.issued()

    def last_use(self, key_id: str) -> datetime | None:
        """When the key last authenticated anybody."""
        used = [one.at for one in self.iam.authentications if one.key_id == key_id and one.accepted]
        return max(used, default=None)

    def _handlers(self) -> tuple[Any, ...]:
        services = (
            ("google.iam.admin.v1.IAM", "iam", IamService(self.iam, self.access).rpcs()),
            (
                "google.cloud.secretmanager.v1.SecretManagerService",
                "secretmanager",
                SecretManagerService(self.secrets, self.access, self.door).rpcs(),
            ),
            ("google.monitoring.v3.MetricService", "monitoring", self.monitoring.rpcs()),
        )
        return tuple(
            grpc_door.handlers(full_name, service, rpcs, self.door, self.access) for full_name, service, rpcs in services
        )
