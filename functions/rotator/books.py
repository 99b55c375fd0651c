"""What the credential's records say together: which key is wanted, which are claimed, which Secrets held what.

Pure functions over records. `wanted` and `claimed` are the two reasons why a key is never taken away (design.md, section 3).
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from rotator.key import PublicKey
from rotator.record import Place, Record, RetirementOrder, RotationOrder
from rotator.secret import SecretRef, name, sequence_of
from rotator.states import (
    Creating,
    DeletingKey,
    DeletingSecrets,
    Done,
    Gone,
    Minted,
    Planned,
    Published,
    Reenabled,
    Staged,
    Superseded,
    Verified,
    name_of,
)


class Wanted(msgspec.Struct, frozen=True):
    """The key of the newest published rotation, and where that rotation put it."""

    rotation: str
    public_key: PublicKey
    secrets: tuple[SecretRef, ...]
    finished: bool


def present(now: datetime, records: Iterable[Record], *more: datetime) -> datetime:
    """The present as the books know it: no server is asked here, but what was written down (`more`: elsewhere) has happened."""
    return max([now, *more, *(entry.at for record in records for entry in record.evidence)])


def rotations(records: Iterable[Record]) -> list[tuple[Record, RotationOrder]]:
    """The rotations among them, oldest first."""
    found = [(record, record.order) for record in records if isinstance(record.order, RotationOrder)]
    return sorted(found, key=lambda pair: pair[1].sequence)


def key_of(record: Record) -> PublicKey | None:
    """The public key this rotation names: by its order, or from the moment its private half was staged."""
    state = record.state
    match state:
        case Staged():
            return state.public_key
        case Minted() | Verified() | Published() | Done():
            return state.key.public_key
        case Superseded():
            return state.key.public_key if state.key else state.public_key
        case Planned() | Creating():
            return record.order.to if isinstance(record.order, RotationOrder) else None
        case _:
            return None


def published(record: Record) -> bool:
    """The rotation put its key into Secrets, all of them."""
    state = record.state
    if isinstance(state, Verified):
        return bool(state.secrets)
    return isinstance(state, Published | Done) or (isinstance(state, Superseded) and state.published)


def wanted(records: Iterable[Record]) -> Wanted | None:
    """The newest published rotation's key; None before the first one."""
    for record, _ in reversed(rotations(records)):
        state = record.state
        if isinstance(state, Verified | Published | Done | Superseded) and published(record) and state.key is not None:
            return Wanted(record.id, state.key.public_key, state.secrets, not record.unfinished)
    return None


def claimed(records: Iterable[Record], public_key: PublicKey) -> str:
    """The unfinished rotation that this key is meant for, or empty."""
    for record, _ in rotations(records):
        if record.unfinished and key_of(record) == public_key:
            return record.id
    return ""


def newer(records: Iterable[Record], rotation: Record) -> str:
    """A rotation ordered later than this one, or empty: from its begin on this one is superseded."""
    later = [
        r.id
        for r, order in rotations(records)
        if isinstance(rotation.order, RotationOrder) and order.sequence > rotation.order.sequence
    ]
    return later[-1] if later else ""


def ours(records: Iterable[Record]) -> frozenset[PublicKey]:
    """Keys that we minted, or began to."""
    return frozenset(key for record, order in rotations(records) if order.to is None and (key := key_of(record)) is not None)


def replaced(records: Iterable[Record]) -> frozenset[PublicKey]:
    """Keys that a published rotation was ordered to replace, or that one of ours brought: all that may be retired."""
    found: set[PublicKey] = set()
    for record, order in rotations(records):
        if published(record):
            found |= {old.public_key for old in order.replaces}
    return frozenset(found)


def successor(records: Iterable[Record], public_key: PublicKey) -> str:
    """The newest published rotation that was ordered to replace this key, or empty."""
    found = [
        record.id
        for record, order in rotations(records)
        if published(record) and any(old.public_key == public_key for old in order.replaces)
    ]
    return found[-1] if found else ""


def why_retired(records: Iterable[Record], public_key: PublicKey) -> str:
    """Why a key that is neither wanted nor claimed is taken away: what replaced it, where our books know that."""
    by = successor(records, public_key)
    return f"replaced by {by}" if by else "neither wanted nor claimed by a rotation"


def why_no_way_back(records: Iterable[Record], word: str) -> str:
    """Why the key of this word (public key, id, or the record that takes it away) cannot be enabled again."""
    every = list(records)
    for record in reversed(every):
        order, state = record.order, record.state
        if not isinstance(order, RetirementOrder):
            continue
        ids = state.ids if isinstance(state, DeletingKey | Gone) else ()
        if not (word == record.id or order.public_key.startswith(word) or any(each.startswith(word) for each in ids)):
            continue
        match state:
            case Gone():
                return f"it is deleted at IAM ({record.id}): nothing brings it back"
            case DeletingKey():
                return f"it is being deleted at IAM ({record.id}): there is no way back any more"
            case DeletingSecrets():
                return f"it is still enabled, but its Secrets are being deleted ({record.id}); to stop: rotator suspend"
            case Reenabled():
                return f"it was taken back already and is kept ({record.id})"
            case _:
                return f"it is still enabled ({record.id} is {name_of(state)}); to go back to it: rotator rotate --to {word}"
    if any((key := key_of(record)) is not None and key.startswith(word) for record in every):
        return "it is still enabled, and nothing takes it away"
    return "no retirement takes away a key of this name; all keys: rotator discover"


def exposed(records: Iterable[Record], public_key: PublicKey) -> str:
    """The rotation that was ordered because others know this key, or empty."""
    return next((record.id for record, order in rotations(records) if order.exposed == public_key), "")


def emergency(records: Iterable[Record], public_key: PublicKey) -> str:
    """The same, but only if it was let begin: a proposal that nobody confirmed shortens no wait."""
    for record, order in rotations(records):
        began = record.confirmed or not order.policy.asks or key_of(record) is not None
        if order.exposed == public_key and began:
            return record.id
    return ""


def secrets_of(records: Iterable[Record], public_key: PublicKey) -> tuple[SecretRef, ...]:
    """Every Secret that holds this key, held it, or may yet be created with it by a late call, by our books."""
    found: set[SecretRef] = set()
    every = list(records)
    for record, order in rotations(every):
        if key_of(record) == public_key:
            found |= {SecretRef(p.garden, p.namespace, name(order.base, order.sequence)) for p in order.scope}
            if isinstance(record.state, Verified | Published | Done | Superseded):
                found |= set(record.state.secrets)
        found |= {ref for old in order.replaces if old.public_key == public_key for ref in old.secrets}
    for record in every:
        if isinstance(record.order, RetirementOrder) and record.order.public_key == public_key:
            found |= set(record.order.secrets)
        found |= {ref for met in record.met if met.public_key == public_key for ref in met.secrets}
    return tuple(sorted(found))


def all_secrets(records: Iterable[Record]) -> frozenset[SecretRef]:
    """Every Secret of this credential that our books know."""
    every = list(records)
    found: set[SecretRef] = set()
    for record in every:
        if isinstance(record.order, RetirementOrder):
            found |= set(record.order.secrets)
        if (key := key_of(record)) is not None:
            found |= set(secrets_of(every, key))
        if isinstance(record.order, RotationOrder):
            found |= {ref for old in record.order.replaces for ref in old.secrets}
        found |= {ref for met in record.met for ref in met.secrets}
    return frozenset(found)


def creating_until(records: Iterable[Record], public_key: PublicKey) -> datetime | None:
    """Until when a late create of a Secret with this key can land: the last fence that a rotation of it saved."""
    fences: list[datetime] = []
    for record, _ in rotations(records):
        if key_of(record) == public_key and isinstance(record.state, Verified | Published | Done | Superseded):
            fences += record.state.fences.values()
    return max(fences, default=None)


def next_sequence(records: Iterable[Record], base: str, names: Iterable[str]) -> int:
    """The number of the next rotation: above all in our books, and above every Secret that there is by a name of ours."""
    taken = [order.sequence for _, order in rotations(records)]
    taken += [number for found in names if (number := sequence_of(base, found)) is not None]
    return 1 + max(taken, default=0)


def scope(order_scope: Iterable[Place], today: Iterable[Place]) -> tuple[Place, ...]:
    """The order's frozen scope joined with today's configuration: neither may shrink what is looked at."""
    return tuple(sorted(set(order_scope) | set(today)))
