"""What steps may ask from outside, in the runbook's words: one small protocol per neighbour.

Every method makes at most one mutating request. A call that mutates says so in its first word. Errors are those of
`rotator.errors` and nothing else. Implementations: rotator/clients (the real thing), and wrappers in `guard` and the tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from rotator.key import Account, AccountKey, Email, KeyFile, KeyId, PrivateKey
from rotator.record import Place, Record
from rotator.secret import Draft, HeldSecret
from rotator.shoot import Mark, Shoot


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to burn one object, made only in `gates`; clients refuse it for another object or after `until`."""

    action: Literal["delete_secret", "disable_key", "delete_key"]
    subject: str
    until: datetime


class Answer(msgspec.Struct, frozen=True):
    """What a verifier answered about a key: accepted or not, and in words. `said`: the server's own, of a refusal."""

    accepted: bool
    text: str
    propagating: bool = False
    said: str = ""


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider knows about the use of a key. `unknown` gives the reason when it knows nothing; that is never idle."""

    last: datetime | None = None
    seen_until: datetime | None = None
    unknown: str = ""


class Move(msgspec.Struct, frozen=True):
    """One entry of spec.resources that is to name another Secret."""

    index: int
    entry: str
    old: str
    new: str


class Accounts(Protocol):
    """IAM's keys of service accounts. Reads may be stale; a key's public half never changes."""

    def account(self, credential: Email, project: str) -> Account:
        """The account. Raises: Absent."""
        ...

    def keys(self, account: Account) -> tuple[AccountKey, ...]:
        """All user-managed keys, by list; a stale list may lack the newest."""
        ...

    def key(self, account: Account, key_id: KeyId) -> AccountKey:
        """One key by id. Raises: Absent."""
        ...

    def generate(self) -> PrivateKey:
        """A new key pair, in memory only; nobody is asked."""
        ...

    def upload(self, account: Account, private: PrivateKey, begin: datetime, end: datetime | None) -> KeyId:
        """Upload a self-signed certificate for this pair, valid from `begin` to `end` (None: for ever)."""
        ...

    def create(self, account: Account) -> tuple[KeyId, PrivateKey]:
        """Create a key at Google. Never repeated: each success is one more key."""
        ...

    def disable(self, account: Account, key_id: KeyId, permit: Permit) -> None:
        """Disable the key. Raises: Absent, StalePermit."""
        ...

    def enable(self, account: Account, key_id: KeyId) -> None:
        """Enable the key. Raises: Absent."""
        ...

    def delete(self, account: Account, key_id: KeyId, permit: Permit) -> None:
        """Delete the key. Raises: Absent, StalePermit."""
        ...

    def fence(self) -> datetime:
        """After this time no burning call of this worker can land: its one access token has expired."""
        ...


class Staging(Protocol):
    """Secret Manager: private halves between generation and publication, by version number only."""

    def prepare(self, base: str, installation: str) -> None:
        """Create the staging secret with the installation's mark, if it is not there. Raises: Permanent for a foreign mark."""
        ...

    def add(self, base: str, private: PrivateKey) -> int:
        """Add a version with this private key and give its number."""
        ...

    def read(self, base: str, version: int) -> PrivateKey:
        """The private key of this version. Raises: Absent when there is none or it was destroyed."""
        ...

    def versions(self, base: str) -> tuple[int, ...]:
        """The numbers of all versions not destroyed; a list, so it may be stale."""
        ...

    def destroy(self, base: str, version: int) -> None:
        """Destroy the version; destroyed already is fine."""
        ...

    def topic(self) -> str:
        """Where Secret Manager announces that a key becomes due; empty: nowhere, and nothing is scheduled."""
        ...

    def schedule(self, base: str, installation: str, at: datetime) -> None:
        """Set the time at which Secret Manager announces, if it is another. Raises: Absent, Permanent for a foreign mark."""
        ...


class Garden(Protocol):
    """One Garden cluster: Secrets and Shoots of its project namespaces."""

    def shoots(self, namespace: str) -> tuple[Shoot, ...]:
        """All Shoots at one consistent read. Raises: Unreadable."""
        ...

    def bindings(self, namespace: str) -> tuple[str, ...]:
        """Names of Secrets of this namespace that SecretBindings and CredentialsBindings name. Raises: Unreadable."""
        ...

    def secret(self, namespace: str, name: str) -> HeldSecret | None:
        """The Secret, None when there is none (404 only). Raises: Unreadable."""
        ...

    def create_secret(self, draft: Draft) -> None:
        """Create the immutable Secret. Raises: Exists, Denied."""
        ...

    def judge(self, shoot: Shoot, moves: Sequence[Move]) -> str:
        """Ask the installed webhook about these moves by one nudged dry run, storing nothing; its words. Raises: Denied."""
        ...

    def move(self, shoot: Shoot, moves: Sequence[Move], mark: Mark) -> Shoot:
        """Point the entries at their new Secrets and mark the Shoot, in one patch. Raises: Conflict, Denied, Absent."""
        ...

    def mark(self, shoot: Shoot, mark: Mark) -> None:
        """Write the mark only. Raises: Conflict, Denied, Absent."""
        ...

    def delete_secret(self, secret: HeldSecret, permit: Permit) -> None:
        """Delete exactly this Secret, by uid and resourceVersion. Raises: Absent, Conflict, StalePermit."""
        ...

    def fence(self) -> datetime | None:
        """After this time no create of this worker can land; None when its credentials do not tell."""
        ...


class Registry(Protocol):
    """Google's token endpoint and Artifact Registry, as a cache meets them."""

    def exchange(self, key_file: KeyFile) -> Answer:
        """Whether the key is exchanged for an access token."""
        ...

    def pull(self, key_file: KeyFile, upstream: str, image: str | None) -> Answer:
        """Whether the registry accepts the key; with an image (repository:tag), whether it may pull it."""
        ...


class Usage(Protocol):
    """What the provider has seen of a key's use."""

    def use(self, account: Account, keys: Sequence[KeyId], control: Sequence[KeyId], since: datetime, until: datetime) -> Use:
        """The last use of any of `keys`, believed only if `control` keys show use in the same answer."""
        ...


class Books(Protocol):
    """The credential's other records."""

    def records(self, credential: Email) -> tuple[Record, ...]:
        """All records of this credential that can be read, oldest first. Raises: Unreadable when one cannot."""
        ...

    def withdraw(self, retirement: Record, why: str, now: datetime) -> bool:
        """Turn back a Draining retirement by compare-and-set; False when it has moved since it was read."""
        ...

    def scope(self) -> tuple[Place, ...]:
        """Today's configured scope."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """All neighbours. A dataclass, because it is never encoded."""

    accounts: Accounts
    staging: Staging
    gardens: Mapping[str, Garden]
    registry: Registry
    usage: Usage
    books: Books
