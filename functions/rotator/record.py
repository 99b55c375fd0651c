"""Orders, records and their evidence: everything the store keeps about one rotation or retirement.

An order is what was asked and never changes. A record is where it stands. Evidence is append-only: one entry per change of
state, per block, per act of a person, with what each gate saw.
"""

import re
from datetime import datetime
from typing import Literal

import msgspec

from rotator.key import Email, PublicKey
from rotator.policy import Policy
from rotator.secret import SecretRef
from rotator.shoot import ShootRef
from rotator.states import FINAL, AnyState, Reenabled, RetirementState, RotationState, name_of


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Nothing to do before `until` (UTC); `why` as a person reads it. `seen`: what this look leaves for the next (`memory`).

    `until` is often only the next look. `ends`: when what is waited for is over at the latest, where that is known.
    """

    until: datetime
    why: tuple[str, ...]
    seen: bytes | None = None
    ends: datetime | None = None


class Blocked(msgspec.Struct, frozen=True, tag=True):
    """A person is needed. `code`: a stable word; `next_command`: exactly what goes on from here."""

    code: str
    why: tuple[str, ...]
    next_command: str


class Fact(msgspec.Struct, frozen=True):
    """One thing that was seen and what it proves: a gate's name, a sentence, the numbers behind it."""

    name: str
    saw: str
    numbers: dict[str, int | float | str] = {}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a record's history. `what`: "Draining -> DeletingSecrets", "blocked: quota", "retry", ..."""

    at: datetime
    what: str
    by: str
    facts: tuple[Fact, ...] = ()


class Place(msgspec.Struct, frozen=True, order=True):
    """One project namespace of one Garden: the unit that scope is made of."""

    garden: str
    namespace: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.garden}/{self.namespace}"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What every order says: for which credential, over which scope, by which policy, who asked and why."""

    credential: Email
    project: str
    base: str
    installation: str
    scope: tuple[Place, ...]
    policy: Policy
    by: str
    why: str
    at: datetime


class Replaced(msgspec.Struct, frozen=True):
    """A key that Shoots used when a rotation was ordered, and the Secrets that held it then."""

    public_key: PublicKey
    secrets: tuple[SecretRef, ...]


class RotationOrder(Order, frozen=True, kw_only=True, tag="rotation"):
    """Bring a key to every Shoot: a new one, or `to` one that exists. `replaces`: keys in use when it was given.

    `exposed`: the key that others know, because of which this is an emergency.
    """

    sequence: int
    replaces: tuple[Replaced, ...]
    to: PublicKey | None = None
    upstreams: tuple[str, ...] = ()
    exposed: PublicKey | None = None


class RetirementOrder(Order, frozen=True, kw_only=True, tag="retirement"):
    """Take this key away. `published`: it was in Secrets once; `secrets`: those that hold it or did, by our books."""

    public_key: PublicKey
    number: int
    published: bool
    secrets: tuple[SecretRef, ...]


PLACE = "place "
"""Begins a confirmation that names a place: a person says that nothing there needs the key, although nobody can look."""


PROPOSED = "confirm-rotation"
"""The block of a rotation that is urgent but not ours to begin: in manual mode a person says so."""


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """A person takes responsibility for one Shoot that has not settled; it binds to the uid, not to the name."""

    shoot: ShootRef
    by: str
    why: str
    at: datetime


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order stands. `rest` is beside the state, so that `retry` knows where to go on.

    `confirmed`: steps that a person has let pass. `attempts`: begun and not got further, deaths included. `seen`: see `memory`.
    `met`: old keys in Secrets that came to light after the order; Shoots are moved away only when the Secret is in the books.
    """

    id: str
    order: RotationOrder | RetirementOrder
    state: RotationState | RetirementState
    revision: int = 0
    attempts: int = 0
    rest: Wait | Blocked | None = None
    evidence: tuple[Evidence, ...] = ()
    confirmed: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    seen: bytes = b""
    met: tuple[Replaced, ...] = ()

    @property
    def kind(self) -> str:
        """rotation or retirement."""
        return "rotation" if isinstance(self.order, RotationOrder) else "retirement"

    @property
    def unfinished(self) -> bool:
        """There is something left to do, or to wait for."""
        return not isinstance(self.state, FINAL)

    @property
    def blocked(self) -> Blocked | None:
        """Why it does not go on by itself, if it does not: a person is needed, or one wants it to stay as it is (`kept`)."""
        return self.rest if isinstance(self.rest, Blocked) else None

    @property
    def kept(self) -> bool:
        """A person took this key back. It stays so, and nobody is waited for."""
        return isinstance(self.state, Reenabled)

    @property
    def needs(self) -> Blocked | None:
        """Why a person is needed, if one is."""
        return None if self.kept else self.blocked

    def moved(self, state: AnyState, now: datetime, *, by: str, facts: tuple[Fact, ...] = ()) -> "Record":
        """The record in its next state, rested, with the move in its evidence. A checkpoint within a state is no progress."""
        attempts = self.attempts if type(state) is type(self.state) else 0
        what = f"{name_of(self.state)} -> {name_of(state)}"
        return msgspec.structs.replace(
            self,
            state=state,
            rest=None,
            attempts=attempts,
            evidence=(*self.evidence, Evidence(at=now, what=what, by=by, facts=facts)),
        )

    def resting(self, rest: Wait | Blocked, now: datetime, *, by: str) -> "Record":
        """The record at rest. A block is evidence; a wait is not, or every poll would be."""
        evidence = self.evidence
        seen = self.seen
        if isinstance(rest, Wait) and rest.seen is not None:
            seen, rest = rest.seen, Wait(rest.until, rest.why, ends=rest.ends)
        if isinstance(rest, Blocked) and rest != self.rest:
            facts = tuple(Fact(rest.code, why) for why in rest.why)
            evidence = (*evidence, Evidence(at=now, what=f"blocked: {rest.code}", by=by, facts=facts))
        return msgspec.structs.replace(self, rest=rest, evidence=evidence, seen=seen)


def rotation_id(base: str, sequence: int) -> str:
    """The same for the same order however often it is given: creating the record twice fails the second time."""
    return f"{base}-r{sequence}"


def retirement_id(base: str, public_key: PublicKey, number: int) -> str:
    """As rotation_id; `number` counts the retirements of this key, because a withdrawn one may come again."""
    return f"{base}-k{public_key[:8]}-{number}"


def saga(record_id: str) -> Literal["rotation", "retirement"]:
    """What the record of this id is: who makes keys and who takes keys away may be two identities."""
    return "rotation" if re.search(r"-r[0-9]+$", record_id) else "retirement"


def may_be_id(word: str) -> bool:
    """It looks like the id of a record."""
    return re.fullmatch(r".+-(r[0-9]+|k[0-9a-f]{8}-[0-9]+)", word) is not None


def encode(record: Record) -> bytes:
    """The stored body: JSON. Plain classes are refused, and private material is one."""
    return msgspec.json.encode(record)


_DECODER = msgspec.json.Decoder(Record)


def decode(body: bytes) -> Record:
    """The record of a stored body.

    Raises: msgspec.ValidationError for a body that this version cannot read: leave it alone and report it.
    """
    return _DECODER.decode(body)
