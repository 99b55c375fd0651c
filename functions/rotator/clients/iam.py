"""IAM's keys of service accounts, for protocol `world.Accounts`.

Keys and accounts over gRPC (google-cloud-iam); only why Google disabled a key is read over REST, which alone knows it. Names
always carry the real project: behind `projects/-` an absent key answers 403. Nothing that changes something is sent twice: what
became of a lost answer, the step finds out by reading.
"""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import grpc
import httpx
from google.cloud import iam_admin_v1 as iam
from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport

from rotator import permission
from rotator.clients import crypto
from rotator.clients.calls import ServerClock
from rotator.clients.disable_reason import DisableReasons
from rotator.clients.refusal import BARE, CAP, Refusals
from rotator.clients.rpc import Attempt, Caller
from rotator.clients.token import AccessToken
from rotator.errors import Absent, Exists, Permanent, StalePermit, Transient
from rotator.key import Account, AccountKey, Email, KeyId, PrivateKey, PublicKey, short
from rotator.policy import Mint
from rotator.world import Permit

HOST = "iam.googleapis.com"
"""What the channel leads to."""

YOUNG = timedelta(minutes=10)
"""IAM may answer 403 for the public half of a key that is younger than this (gcp.md, section 1.2)."""

_USER_MANAGED = iam.ListServiceAccountKeysRequest.KeyType.USER_MANAGED
_CERTIFICATE = iam.ServiceAccountPublicKeyType.TYPE_X509_PEM_FILE


class IamAccounts:
    """Keys of service accounts, by one worker with one access token. Safe for threads."""

    def __init__(self, channel: grpc.Channel, http: httpx.Client, token: AccessToken, clock: ServerClock) -> None:
        """Connect nothing yet."""
        transport = IAMGrpcTransport(channel=channel)
        self._iam: Any = iam.IAMClient(transport=transport)
        self._caller = Caller(token, transport)
        self._reasons = DisableReasons(http, token)
        self._token = token
        self._clock = clock
        self._lock = threading.Lock()
        self._public: dict[KeyId, PublicKey] = {}
        self._accounts: dict[Email, Account] = {}

    def account(self, credential: Email, project: str) -> Account:
        """The account; its numeric id never changes, so it is asked for once."""
        if credential in self._accounts:
            return self._accounts[credential]
        asked = Account(email=credential, project=project, unique_id="")
        attempt = _attempt(f"reading service account {credential}", "iam.serviceAccounts.get", asked)
        found = self._caller.call(
            lambda how: self._iam.get_service_account(request={"name": asked.resource}, **how), attempt, repeat=True
        )
        self._accounts[credential] = Account(email=credential, project=project, unique_id=str(found.unique_id))
        return self._accounts[credential]

    def keys(self, account: Account) -> tuple[AccountKey, ...]:
        """All user-managed keys; one that a get does not know is left out, as a stale list would."""
        listed = self._list(account)
        reasons = self._reasons.by_google(account) if any(key.disabled for key in listed) else {}
        found: list[AccountKey] = []
        for key in listed:
            try:
                found.append(_read(key, self._public_key(account, key), reasons))
            except Absent:
                continue
        return tuple(found)

    def key(self, account: Account, key_id: KeyId) -> AccountKey:
        """One key by id."""
        found = self._get(account, key_id)
        public_key = self._remember(key_id, found)
        return _read(found, public_key, self._reasons.by_google(account) if found.disabled else {})

    def generate(self) -> PrivateKey:
        """A new key pair."""
        return crypto.generate()

    def upload(self, account: Account, private: PrivateKey, begin: datetime, end: datetime | None) -> KeyId:
        """Upload a certificate of this pair. A pair that is there already is fine: its id is given."""
        try:
            return self.certify(account, private.public_key, crypto.certificate(private, begin, end))
        except Exists:
            mine = next((key.id for key in self.keys(account) if key.public_key == private.public_key), None)
            if mine is None:
                what = f"uploading key {short(private.public_key)} to {account.email}"
                raise Transient(f"{what}: IAM has it, but does not list it yet; looked for again later") from None
            return mine

    def certify(self, account: Account, public_key: PublicKey, certificate: bytes) -> KeyId:
        """Upload this certificate of the key as it stands. Raises: Exists when IAM says that it has it."""
        request = {"name": account.resource, "public_key_data": certificate}
        attempt = _attempt(f"uploading key {short(public_key)} to {account.email}", "iam.serviceAccountKeys.create", account)
        made = self._mint(lambda how: self._iam.upload_service_account_key(request=request, **how), attempt, account, "upload")
        return _id(made.name)

    def create(self, account: Account) -> tuple[KeyId, PrivateKey]:
        """Create a key at Google."""
        request = {
            "name": account.resource,
            "private_key_type": iam.ServiceAccountPrivateKeyType.TYPE_GOOGLE_CREDENTIALS_FILE,
            "key_algorithm": iam.ServiceAccountKeyAlgorithm.KEY_ALG_RSA_2048,
        }
        attempt = _attempt(f"creating a key of {account.email}", "iam.serviceAccountKeys.create", account)
        made = self._mint(lambda how: self._iam.create_service_account_key(request=request, **how), attempt, account, "create")
        key_id = _id(made.name)
        try:
            return key_id, crypto.private_key(json.loads(made.private_key_data)["private_key"])
        except (ValueError, KeyError, TypeError, AttributeError):
            # Without a cause: a JSON error carries the document that it could not read.
            why = f"key {key_id} was made, but the answer holds no key file; delete it"
            remove = (
                f"gcloud iam service-accounts keys delete {key_id} --iam-account {account.email} --project {account.project}"
            )
            raise Permanent(f"{attempt.what}: {why}: {remove}", code="no-key-file", next_command=remove) from None

    def disable(self, account: Account, key_id: KeyId, permit: Permit) -> None:
        """Disable the key."""
        self._change(account, key_id, "disable", permit)

    def enable(self, account: Account, key_id: KeyId) -> None:
        """Enable the key."""
        self._change(account, key_id, "enable", None)

    def delete(self, account: Account, key_id: KeyId, permit: Permit) -> None:
        """Delete the key."""
        self._change(account, key_id, "delete", permit)

    def fence(self) -> datetime:
        """The expiry of the one token that all calls of this worker carry."""
        return self._token.expires

    def _change(
        self, account: Account, key_id: KeyId, verb: Literal["disable", "enable", "delete"], permit: Permit | None
    ) -> None:
        methods = {
            "disable": self._iam.disable_service_account_key,
            "enable": self._iam.enable_service_account_key,
            "delete": self._iam.delete_service_account_key,
        }
        attempt = _attempt(f"{verb} key {key_id} of {account.email}", f"iam.serviceAccountKeys.{verb}", account)

        def send(how: dict[str, Any]) -> None:
            if permit is not None:
                _check(permit, f"{verb}_key", key_id, self._clock.now())
            methods[verb](request={"name": f"{account.resource}/keys/{key_id}"}, **how)

        self._caller.call(send, attempt, repeat=False)

    def _mint(self, send: Any, attempt: Attempt, account: Account, mint: Mint) -> Any:
        refusals = Refusals(account, mint)
        try:
            return self._caller.call(send, attempt, repeat=False, read=refusals.read)
        except Permanent as refusal:
            if refusal.code == BARE and len(self._list(account)) >= CAP:
                raise refusals.cap(attempt) from refusal
            raise

    def _list(self, account: Account) -> list[Any]:
        attempt = _attempt(f"listing keys of {account.email}", "iam.serviceAccountKeys.list", account)
        request = {"name": account.resource, "key_types": [_USER_MANAGED]}
        answer = self._caller.call(
            lambda how: self._iam.list_service_account_keys(request=request, **how), attempt, repeat=True
        )
        return list(answer.keys)

    def _get(self, account: Account, key_id: KeyId) -> Any:
        attempt = _attempt(f"reading key {key_id} of {account.email}", "iam.serviceAccountKeys.get", account)
        request = {"name": f"{account.resource}/keys/{key_id}", "public_key_type": _CERTIFICATE}
        return self._caller.call(lambda how: self._iam.get_service_account_key(request=request, **how), attempt, repeat=True)

    def _public_key(self, account: Account, listed: Any) -> PublicKey:
        """The public half of a listed key: lists do not carry it, and it never changes."""
        key_id = _id(listed.name)
        with self._lock:
            known = self._public.get(key_id)
        if known is not None:
            return known
        try:
            return self._remember(key_id, self._get(account, key_id))
        except Permanent as refusal:
            if refusal.code == "iam-permission" and self._clock.now() < _utc(listed.valid_after_time) + YOUNG:
                raise Transient(f"reading key {key_id} of {account.email}: 403 for a young key; read again later") from refusal
            raise

    def _remember(self, key_id: KeyId, key: Any) -> PublicKey:
        try:
            public_key = crypto.public_key_of_pem(key.public_key_data)
        except ValueError:
            raise Transient(f"reading key {key_id}: the answer has no public key that can be read; read again later") from None
        with self._lock:
            self._public[key_id] = public_key
        return public_key


def _read(key: Any, public_key: PublicKey, reasons: dict[KeyId, str]) -> AccountKey:
    end = _utc(key.valid_before_time)
    key_id = _id(key.name)
    return AccountKey(
        id=key_id,
        public_key=public_key,
        made_at=_utc(key.valid_after_time),
        expires_at=None if end.year == crypto.NEVER.year else end,
        origin="USER" if key.key_origin == iam.ServiceAccountKeyOrigin.USER_PROVIDED else "GOOGLE",
        disabled=bool(key.disabled),
        disabled_by_google=reasons.get(key_id, "") if key.disabled else "",
    )


def _check(permit: Permit, action: str, subject: str, now: datetime) -> None:
    """Return only when the permit is for exactly this and still good."""
    asked = f"{action} {subject}"
    if (permit.action, permit.subject) != (action, subject):
        raise StalePermit(f"{asked}: the permit is for {permit.action} {permit.subject}; nothing was sent")
    if permit.until <= now:
        raise StalePermit(
            f"{asked}: the permit was good until {permit.until:%Y-%m-%d %H:%M:%S} UTC; nothing was sent, "
            "the gates are asked again"
        )


def _attempt(what: str, name: str, account: Account) -> Attempt:
    right = permission.google(name)
    grant = permission.Resource(right.on, account.email, account.project).bind(right.role, "MEMBER")
    return Attempt(what=what, permission=f"{right.name} on {account.email}", grant=grant, forbidden="iam-permission")


def _id(name: str) -> KeyId:
    return KeyId(name.rpartition("/")[2])


def _utc(moment: datetime) -> datetime:
    """A plain datetime: the driver's own class keeps nanoseconds and does not survive every comparison."""
    return datetime(*moment.timetuple()[:6], tzinfo=UTC)
