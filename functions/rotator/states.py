"""Where a rotation or a retirement is: one frozen type per state, two tagged unions.

A state holds what its own step learnt and nothing else; what can be read from the world is not in it. Tags are stored: they
are never reused, and unknown fields are refused, so a body of another version is reported and left alone, never guessed.
"""

from datetime import datetime

import msgspec

from rotator.key import Key, KeyId, PublicKey
from rotator.secret import SecretRef


class State(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True, kw_only=True):
    """Only the encoding that all states share; it has no field, and no state inherits from another."""


# --- rotation: runbook lines 1 to 4 ---


class Planned(State, frozen=True):
    """Ordered, nothing done."""


class Staged(State, frozen=True):
    """The private half is in Secret Manager as this version; IAM may or may not know the public half yet."""

    version: int
    public_key: PublicKey
    at: datetime


class Creating(State, frozen=True):
    """A key is being created at IAM; `before` are all key ids seen before the first call, `tries` the calls begun."""

    before: tuple[KeyId, ...]
    tries: int
    at: datetime


class Minted(State, frozen=True):
    """The key exists at IAM and its private half is in our hands."""

    key: Key
    at: datetime


class Verified(State, frozen=True):
    """The key works at every upstream. `fences`: until when a create of its Secret can land, per Garden.

    `secrets`: where it was published before a namespace joined and the rotation came back here; it stays wanted meanwhile.
    """

    key: Key
    fences: dict[str, datetime]
    secrets: tuple[SecretRef, ...] = ()


class Published(State, frozen=True):
    """A Secret with the key is in every namespace concerned. `fences` as in Verified, kept for the key's retirement."""

    key: Key
    secrets: tuple[SecretRef, ...]
    fences: dict[str, datetime]
    at: datetime


class Left(msgspec.Struct, frozen=True):
    """A Shoot that could not move or has not settled, and why; the retirement of its key waits for it."""

    shoot: str
    why: str


class Done(State, frozen=True):
    """Every Shoot that can move has moved."""

    key: Key
    secrets: tuple[SecretRef, ...]
    fences: dict[str, datetime]
    moved: int
    left: tuple[Left, ...]


class Superseded(State, frozen=True):
    """A newer rotation took over. `key` is None before one was minted, `secrets` empty before they were published."""

    by: str
    key: Key | None
    staged: int | None
    public_key: PublicKey | None
    published: bool
    secrets: tuple[SecretRef, ...]
    fences: dict[str, datetime]


RotationState = Planned | Staged | Creating | Minted | Verified | Published | Done | Superseded

# --- retirement: runbook lines 5 and 6 ---


class Draining(State, frozen=True):
    """The key still serves. `clear_since`: all had settled at that look, and nobody named it at any look since then."""

    since: datetime
    clear_since: datetime | None = None


class DeletingSecrets(State, frozen=True):
    """No way back: its Secrets are being deleted. `gone_since`: none of them was there, at every look since then."""

    clear_since: datetime
    gone_since: datetime | None = None


class Disabling(State, frozen=True):
    """The key is being disabled; no call that disables it can land after `fence`."""

    clear_since: datetime
    fence: datetime


class Disabled(State, frozen=True):
    """Every id with this public key is disabled. `fence` as in Disabling, because a late call may still land."""

    at: datetime
    fence: datetime
    ids: tuple[KeyId, ...]


class DeletingKey(State, frozen=True):
    """The key is being deleted at IAM."""

    at: datetime
    ids: tuple[KeyId, ...]
    absent_since: datetime | None = None


class Gone(State, frozen=True):
    """IAM does not know the key any more, no Secret holds it, nothing is left of its rotation."""

    at: datetime
    ids: tuple[KeyId, ...]


class Withdrawn(State, frozen=True):
    """The key is wanted or claimed again; nothing of it was taken away."""

    why: str


class Reenabling(State, frozen=True):
    """A person wants the key back: it is enabled, and asserted again until no late call can disable it."""

    fence: datetime
    by: str


class Reenabled(State, frozen=True):
    """The key works again and stays so until a person lets the retirement go on."""

    at: datetime


RetirementState = Draining | DeletingSecrets | Disabling | Disabled | DeletingKey | Gone | Withdrawn | Reenabling | Reenabled

AnyState = RotationState | RetirementState
FINAL: tuple[type, ...] = (Done, Superseded, Gone, Withdrawn)


def name_of(state: AnyState) -> str:
    """The state's word, as reports and logs show it."""
    return type(state).__name__
