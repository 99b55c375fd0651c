"""What was found at one look, as values: for reports, and for deciding what is due."""

from datetime import datetime

import msgspec

from rotator.key import AccountKey, Email, PublicKey
from rotator.policy import Policy
from rotator.secret import SecretRef
from rotator.shoot import Shoot


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A service account that the configuration lets us touch, with its policy and the base of all names.

    `installation`: the mark on all that we write; empty where nobody has to tell ours from another one's.
    """

    email: Email
    project: str
    base: str
    policy: Policy
    installation: str = ""


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """One key of an account. `role`: in use, wanted, claimed, retiring, orphaned, unmanaged, or unused.

    `made_at`: by our books, where they know; IAM tells when a certificate begins, and ours begin before they are uploaded.
    """

    key: AccountKey
    role: str
    secrets: tuple[SecretRef, ...]
    shoots: int
    starts_at: datetime | None
    made_at: datetime | None = None


class SecretView(msgspec.Struct, frozen=True, kw_only=True):
    """One Secret of an account; `remarks`: what adoption should know; `kept`: why a retirement may not delete it."""

    ref: SecretRef
    public_key: PublicKey
    ours: bool
    remarks: tuple[str, ...]
    shoots: tuple[str, ...]
    kept: str = ""


class ShootView(msgspec.Struct, frozen=True, kw_only=True):
    """One Shoot of an account: which key it names, and whether it could move now."""

    shoot: Shoot
    secrets: tuple[str, ...]
    keys: tuple[PublicKey, ...]
    not_movable: str
    not_settled: str


class CredentialView(msgspec.Struct, frozen=True, kw_only=True):
    """One credential with all that was found. `charge` is None for an account that the configuration does not name.

    `listed`: IAM's list of its keys was read; else `keys` is empty and says nothing, and `unlisted` says why, for an account
    of ours. `partial`: some of the scope was not read, so there may be more Secrets and Shoots. `blocked`: records that need
    a person; `unproved`: rotations whose new key was tried and is not accepted yet.
    """

    email: Email
    charge: Charge | None
    keys: tuple[KeyView, ...]
    secrets: tuple[SecretView, ...]
    shoots: tuple[ShootView, ...]
    upstreams: tuple[str, ...]
    in_use: tuple[PublicKey, ...]
    wanted: PublicKey | None
    hindrances: tuple[str, ...]
    listed: bool = True
    unlisted: str = ""
    partial: bool = False
    blocked: tuple[str, ...] = ()
    unproved: tuple[str, ...] = ()

    @property
    def will_block(self) -> tuple[str, ...]:
        """Where the retirement of the keys in use will wait for a person, and what he may do before."""
        never = {each.key.public_key for each in self.keys if each.role == "unmanaged"}
        return tuple(f"Secret {one.ref} {one.kept}" for one in self.secrets if one.kept and one.public_key not in never)

    def role(self, key: KeyView) -> str:
        """The key's role as far as it may be said: what nobody seems to use may be in use where nobody could look."""
        return "unclear" if self.partial and key.role in {"orphaned", "unmanaged"} else key.role


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one look. `unread`: what of the scope could not be read."""

    at: datetime
    credentials: tuple[CredentialView, ...]
    idle_shoots: int
    unread: tuple[str, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that could not be read: of the scope, and of the keys at IAM."""
        return (*self.unread, *(view.unlisted for view in self.credentials if view.unlisted))
