"""IAM's service-account keys: what exists, what reads show of it, what authenticates, and how far these three drift apart.

Facts are those of gcp.md 1. Whatever is not known about the real service is a knob here, so clients can be tried against every
answer. Callers hold the door's lock; nothing here logs, but the methods for people and for Google itself.
"""

import itertools
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sandbox import iam_key, iam_policy, keys
from sandbox.access import denial
from sandbox.door import Call, Door, Refused
from sandbox.iam_key import Account, Key

_NAME = re.compile(r"projects/([^/]+)/serviceAccounts/([^/]+)(?:/keys/([^/]+))?")
_REASON = "SERVICE_ACCOUNT_KEY_DISABLE_REASON_"
_STATUS = "SERVICE_ACCOUNT_KEY_EXTENDED_STATUS_KEY_"
_METHODS = {
    "enabled": "EnableServiceAccountKey",
    "disabled": "DisableServiceAccountKey",
    "deleted": "DeleteServiceAccountKey",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """Somebody used a key, or tried to; what Monitoring counts."""

    at: datetime
    project: str
    unique_id: str
    key_id: str
    accepted: bool


class Iam:
    """Accounts and keys of all projects. The public attributes are knobs, read at every call."""

    def __init__(self, door: Door, ring: keys.KeyRing) -> None:
        """Begin without accounts, strict and prompt: no propagation delay, no stale reads, no organisation policy."""
        self.key_limit = 10
        self.limit_counts_disabled = True
        self.limit_error: Literal["FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"] = "FAILED_PRECONDITION"
        """RESOURCE_EXHAUSTED is the shape of 2018, with a RetryInfo of 86401 s."""
        self.constraints: set[str] = set()
        """Organisation policies in force, such as iam.disableServiceAccountKeyUpload (also in their iam.managed. form)."""
        self.key_expiry_hours: int | None = None
        self.works_after = 0.0
        """Seconds from create, upload or enable until the key authenticates."""
        self.stops_after = 0.0
        """Seconds from disable or delete during which the key still authenticates."""
        self.stale = 0.0
        """Seconds during which List and Get do not show a change yet: a new key, a disable, a delete."""
        self.duplicate_upload: Literal["second key", "already exists", "same key"] = "second key"
        self.counts_tried_keys = False
        """Whether a key counts as used when it was only tried, because the key that signed was not named."""
        self.authentications: list[Authentication] = []
        self._door = door
        self._ring = ring
        self._accounts: dict[str, Account] = {}
        self._unique_ids = (str(100000000000000000000 + number) for number in itertools.count(secrets.randbelow(10**18)))
        self._system_pair: keys.KeyPair | None = None

    def create_account(self, project: str, email: str) -> Account:
        """The account exists, with one key that Google manages and nobody else can use."""
        with self._door.lock:
            account = Account(project=project, email=email, unique_id=next(self._unique_ids))
            self._accounts[email] = account
            self._system_pair = self._system_pair or self._ring.new_pair()
            now = self._door.clock.now().replace(microsecond=0)
            key = Key(
                account=account,
                public=self._system_pair.public,
                pair=self._system_pair,
                origin=iam_key.SYSTEM,
                valid_after=now,
                valid_before=now + timedelta(days=730),
            )
            self._keep(key, works_after=0.0, stale=0.0)
            return account

    def account(self, email_or_unique_id: str) -> Account | None:
        """The account of that name."""
        found = self._accounts.get(email_or_unique_id)
        return found or next((one for one in self._accounts.values() if one.unique_id == email_or_unique_id), None)

    def resolve(self, name: str, permission: str) -> tuple[Account, str]:
        """The account a resource name means, and the key id in it or "".

        Raises: Refused INVALID_ARGUMENT for no name at all; PERMISSION_DENIED, never NOT_FOUND, for an absent account.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise Refused("INVALID_ARGUMENT", f"Invalid resource name: {name!r}.")
        project, who, key_id = match.groups(default="")
        account = self.account(who)
        if account is None or project not in {"-", account.project}:
            raise denial(permission, name)
        return account, key_id

    def key(self, name: str, permission: str, *, stale: bool) -> Key:
        """The key of that name: as reads show it (`stale`), or as it truly is.

        Raises: Refused NOT_FOUND; PERMISSION_DENIED in its place when the name has the project wildcard.
        """
        account, key_id = self.resolve(name, permission)
        key = account.keys.get(key_id)
        state = None if key is None else key.seen(self._door.clock.now()) if stale else key.state
        if key is None or state in {None, iam_key.DELETED}:
            if name.startswith("projects/-/"):
                raise denial(permission, name)
            raise Refused("NOT_FOUND", f"Service account key {key_id} does not exist.")
        return key

    def listed(self, account: Account) -> Iterator[tuple[Key, str]]:
        """The keys that a list shows, each with the state that it shows."""
        now = self._door.clock.now()
        for key in account.keys.values():
            state = key.seen(now)
            if state is not None and state != iam_key.DELETED:
                yield key, state

    def seen(self, key: Key) -> str:
        """The state that reads show of a key they know."""
        return key.seen(self._door.clock.now()) or iam_key.ENABLED

    def alive(self, public_key: str) -> bool:
        """Whether a signature by this private key is accepted now, under any id; asked without being counted."""
        now = self._door.clock.now()
        with self._door.lock:
            every = [key for account in self._accounts.values() for key in account.keys.values()]
        return any(key.public_key == public_key and key.authenticates(now) for key in every)

    def create(self, account: Account) -> tuple[Key, str]:
        """A new key made by Google, and its JSON key file, which nobody can read a second time."""
        iam_policy.permit("Creation", account, self.constraints)
        self._count(account)
        pair = self._ring.new_pair()
        now = self._door.clock.now().replace(microsecond=0)
        key = Key(
            account=account,
            public=pair.public,
            pair=pair,
            origin=iam_key.GOOGLE,
            valid_after=now,
            valid_before=now + timedelta(hours=self.key_expiry_hours) if self.key_expiry_hours else keys.NEVER,
        )
        self._keep(key, works_after=self.works_after, stale=self.stale)
        return key, keys.key_file(
            project=account.project, email=account.email, unique_id=account.unique_id, key_id=key.key_id, pem=pair.pem
        )

    def upload(self, account: Account, certificate: bytes) -> Key:
        """A key whose private half Google never sees. A public key that is there already goes by `duplicate_upload`."""
        try:
            public, valid_after, valid_before = keys.read_certificate(certificate)
        except ValueError as fault:
            raise Refused("INVALID_ARGUMENT", f"Invalid public key: {fault}.") from None
        iam_policy.permit("Upload", account, self.constraints)
        iam_policy.limit_lifetime(valid_before - valid_after, account, self.key_expiry_hours)
        twin = next((one for one in account.user_managed() if one.public_key == keys.fingerprint(public)), None)
        if twin is not None and self.duplicate_upload == "same key":
            return twin
        if twin is not None and self.duplicate_upload == "already exists":
            raise Refused("ALREADY_EXISTS", "The given public key already exists on this service account.")
        self._count(account)
        key = Key(
            account=account,
            public=public,
            certificate=certificate,
            origin=iam_key.USER,
            valid_after=valid_after,
            valid_before=valid_before,
        )
        self._keep(key, works_after=self.works_after, stale=self.stale)
        return key

    def change(self, key: Key, state: str) -> None:
        """The key is enabled, disabled or deleted; reads and authentication follow as slowly as the knobs say."""
        if key.origin == iam_key.SYSTEM:
            raise Refused("FAILED_PRECONDITION", "Keys managed by Google cannot be changed.")
        works_after = self.works_after if state == iam_key.ENABLED else self.stops_after
        key.become(state, self._door.clock.now(), seen_after=self.stale, works_after=works_after)
        key.disable_reason = f"{_REASON}USER_INITIATED" if state == iam_key.DISABLED else None

    def change_by_hand(self, key_id: str, state: str, by: str = "human") -> None:
        """Somebody outside the program enabled, disabled or deleted the key, and it is in the log."""
        with self._door.lock:
            key = self._by_id(key_id)
            self.change(key, state)
            call = Call(service="iam", method=_METHODS[state], target=key.name, mutating=True)
            self._door.record(call, facts(key, by))

    def disable_by_google(self, key_id: str, reason: str = "EXPOSED") -> None:
        """Google took the key away (EXPOSED or COMPROMISE_DETECTED); its extended status stays, even after an enable."""
        with self._door.lock:
            key = self._by_id(key_id)
            key.extended_status[f"{_STATUS}{reason}"] = self._door.clock.now().isoformat()
            self.change_by_hand(key_id, iam_key.DISABLED, by="google")
            key.disable_reason = f"{_REASON}{reason}"

    def authenticate(self, account: Account, key_id: str, proves: Callable[[Key], bool]) -> Key | None:
        """The live key that made a signature, or None. Counted for Monitoring, accepted or not.

        A wrong `key_id` is tolerated: then all keys of the account are tried.
        """
        now = self._door.clock.now()
        tried = sorted(account.keys.values(), key=lambda one: one.key_id != key_id)
        signers = [key for key in tried if key.origin != iam_key.SYSTEM and proves(key)]
        accepted = next((key for key in signers if key.authenticates(now)), None)
        if accepted is None and signers:
            self._counted(signers[0], now, accepted=False)
        if accepted is not None:
            self._counted(accepted, now, accepted=True)
        if self.counts_tried_keys and (accepted is None or accepted.key_id != key_id):
            for key in account.user_managed():
                if key not in (accepted, *signers[:1]):
                    self._counted(key, now, accepted=False)
        return accepted

    def _count(self, account: Account) -> None:
        there = [key for key in account.user_managed() if self.limit_counts_disabled or key.state == iam_key.ENABLED]
        if len(there) >= self.key_limit:
            raise iam_policy.full(self.limit_error)

    def _by_id(self, key_id: str) -> Key:
        return next(account.keys[key_id] for account in self._accounts.values() if key_id in account.keys)

    def _counted(self, key: Key, now: datetime, *, accepted: bool) -> None:
        owner = key.account
        entry = Authentication(at=now, project=owner.project, unique_id=owner.unique_id, key_id=key.key_id, accepted=accepted)
        self.authentications.append(entry)

    def _keep(self, key: Key, *, works_after: float, stale: float) -> None:
        key.become(iam_key.ENABLED, self._door.clock.now(), seen_after=stale, works_after=works_after)
        key.account.keys[key.key_id] = key


def facts(key: Key, by: str) -> dict[str, Any]:
    """The key as the log shows it after a change."""
    return {
        "account": key.account.email,
        "key_id": key.key_id,
        "public_key": key.public_key,
        "state": key.state,
        "origin": key.origin,
        "by": by,
    }
