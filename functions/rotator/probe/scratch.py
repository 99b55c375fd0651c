"""The keys that a probe has made, and how they go away again: all of them, whatever happened, and no other.

A pair is written down before it is sent: when the answer is lost, or a person presses Ctrl-C, its public key finds what came of
it. Certificates end after a day, so that even a process that was killed leaves nothing that lasts.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from rotator.clients import crypto
from rotator.clients.iam import IamAccounts
from rotator.errors import Absent, Exists, Permanent, RotatorError
from rotator.gates import permit_own
from rotator.key import Account, KeyFile, KeyId, PrivateKey, PublicKey
from rotator.steps.mint import BACKDATED

LIFE = timedelta(days=1)
"""What is left of a killed probe dies by itself."""

TRIES = 6
"""Rounds of cleaning before the rest is left to a person."""

PAUSE = 10.0
"""Seconds between two of them."""


class Scratch:
    """Keys of one account, made by this process."""

    def __init__(
        self,
        account: Account,
        connect: Callable[[], IamAccounts],
        now: Callable[[], datetime],
        say: Callable[[str], None],
    ) -> None:
        """`connect`: IAM with a fresh token; a probe may outlive one."""
        self.account = account
        self.connect = connect
        self._now = now
        self._say = say
        self._ids: dict[KeyId, PublicKey] = {}
        self._gone: set[KeyId] = set()
        self._absent: set[KeyId] = set()
        self._pairs: set[PublicKey] = set()
        self._doubtful: set[PublicKey] = set()

    @property
    def left(self) -> tuple[KeyId, ...]:
        """Keys that are still there as far as we know."""
        return tuple(self._ids)

    @property
    def doubtful(self) -> bool:
        """An upload was sent, and nobody knows what came of it."""
        return bool(self._doubtful)

    def certificate(self, private: PrivateKey) -> bytes:
        """Another certificate of this pair, for a day."""
        now = self._now()
        return crypto.certificate(private, now - BACKDATED, now + LIFE)

    def upload(self, private: PrivateKey, certificate: bytes | None = None) -> KeyId:
        """IAM knows the pair. Raises: Exists, Permanent when it refuses; with anything else, it is in doubt."""
        public_key, known = private.public_key, set(self._ids)
        certificate = certificate or self.certificate(private)
        self._pairs.add(public_key)
        self._doubtful.add(public_key)
        try:
            key_id = self.connect().certify(self.account, public_key, certificate)
        except (Permanent, Exists):
            self._doubtful.discard(public_key)
            raise
        self._ids[key_id] = public_key
        self._doubtful.discard(public_key)
        if key_id not in known:
            self._say(f"made key {key_id}")
        return key_id

    def make(self) -> KeyFile:
        """A new key of the usual size."""
        private = crypto.generate()
        return KeyFile(private, self.account, self.upload(private))

    def disable(self, key_id: KeyId) -> None:
        """IAM was told."""
        leave = permit_own(self._ids, self._now(), action="disable_key", subject=key_id)
        self.connect().disable(self.account, key_id, leave)

    def enable(self, key_id: KeyId) -> None:
        """IAM was told."""
        self.connect().enable(self.account, key_id)

    def delete(self, key_id: KeyId) -> None:
        """IAM was told. That it has no such key is believed when it says so twice: a young key is not known everywhere."""
        leave = permit_own(self._ids, self._now(), action="delete_key", subject=key_id)
        try:
            self.connect().delete(self.account, key_id, leave)
        except Absent:
            if key_id not in self._absent:
                self._absent.add(key_id)
                return
        self._gone.add(key_id)
        del self._ids[key_id]

    def clean(self, sleep: Callable[[float], None]) -> None:
        """What can be deleted is deleted, the rest is in `left` and `doubtful`. A pair in doubt is looked for several times."""
        for number in range(TRIES):
            if number:
                sleep(PAUSE)
            self._find()
            for key_id in self.left:
                try:
                    self.delete(key_id)
                except Exception as fault:  # noqa: BLE001 - whatever is wrong with one key, the others go
                    why = str(fault) if isinstance(fault, RotatorError) else type(fault).__name__
                    self._say(f"key {key_id} is still there: {why}")
            if not self._ids and not self._doubtful:
                return

    def _find(self) -> None:
        """Keys that a lost answer has left are in the books: those of our own pairs, and no other."""
        try:
            keys = self.connect().keys(self.account) if self._pairs else ()
        except RotatorError as fault:
            self._say(f"the keys of {self.account.email} cannot be listed: {fault}")
            return
        for key in keys:
            if key.public_key in self._pairs and key.id not in self._ids and key.id not in self._gone:
                self._ids[key.id] = key.public_key
                self._doubtful.discard(key.public_key)
