"""One service account and its keys, each with the history that makes reads stale and propagation slow.

A change is three moments: when it was made, when lists and gets begin to show it, and when authentication begins to obey it.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.keys import KeyPair, fingerprint

ENABLED, DISABLED, DELETED = "enabled", "disabled", "deleted"
GOOGLE, USER, SYSTEM = "GOOGLE", "USER", "SYSTEM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A key's new state: seen by reads from `seen_at`, obeyed by authentication from `works_at`."""

    state: str
    seen_at: datetime
    works_at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Key:
    """One key id. Two ids may carry the same public key: the same certificate, uploaded twice."""

    account: "Account"
    public: rsa.RSAPublicKey
    origin: str
    valid_after: datetime
    valid_before: datetime
    certificate: bytes | None = None
    pair: KeyPair | None = None
    key_id: str = field(default_factory=lambda: secrets.token_hex(20))
    changes: list[Change] = field(default_factory=list)
    disable_reason: str | None = None
    extended_status: dict[str, str] = field(default_factory=dict)
    public_key: str = field(init=False)
    """The key's identity in the log."""

    def __post_init__(self) -> None:
        """Derive the identity once; it is compared often."""
        self.public_key = fingerprint(self.public)

    def __repr__(self) -> str:
        """Name the key, never its material."""
        return f"Key({self.key_id})"

    @property
    def name(self) -> str:
        """The full resource name, always with the real project and the email."""
        return f"{self.account.name}/keys/{self.key_id}"

    @property
    def state(self) -> str:
        """What is true, whatever reads say."""
        return self.changes[-1].state

    def become(self, state: str, now: datetime, *, seen_after: float, works_after: float) -> None:
        """The key has the state; reads and authentication follow after so many seconds."""
        self.changes.append(
            Change(
                state=state,
                seen_at=now + timedelta(seconds=seen_after),
                works_at=now + timedelta(seconds=works_after),
            )
        )

    def seen(self, now: datetime) -> str | None:
        """The state that lists and gets show; None while they do not know the key yet."""
        return next((change.state for change in reversed(self.changes) if change.seen_at <= now), None)

    def authenticates(self, now: datetime) -> bool:
        """Whether a signature by this key is accepted now."""
        obeyed = next((change.state for change in reversed(self.changes) if change.works_at <= now), None)
        return obeyed == ENABLED and self.valid_after <= now < self.valid_before

    def x509(self) -> bytes:
        """The certificate, PEM: as uploaded, or made by Google for its own keys."""
        if self.certificate is None and self.pair is not None:
            self.certificate = self.pair.certificate(self.valid_after, self.valid_before)
        return self.certificate or b""


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """A service account; `unique_id` is the numeric name that metrics use."""

    project: str
    email: str
    unique_id: str
    keys: dict[str, Key] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name the account."""
        return f"Account({self.email})"

    @property
    def name(self) -> str:
        """The full resource name."""
        return f"projects/{self.project}/serviceAccounts/{self.email}"

    def user_managed(self) -> list[Key]:
        """All keys that count against the limit: neither deleted nor Google's own."""
        return [key for key in self.keys.values() if key.origin != SYSTEM and key.state != DELETED]
