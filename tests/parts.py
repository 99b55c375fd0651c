"""Values for the pure tests: one of each noun, healthy and unremarkable, so that a test names only what matters to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rotator import secret
from rotator.conditions import Proof
from rotator.key import Account, AccountKey, Email, Key, KeyFile, KeyId, PrivateKey, PublicKey
from rotator.policy import Policy
from rotator.record import Place, Record, RetirementOrder, RotationOrder, retirement_id, rotation_id
from rotator.secret import HeldKey, HeldSecret, SecretRef
from rotator.shoot import Cache, Operation, Reference, Shoot, ShootRef
from rotator.states import Draining, Planned, Published, RetirementState, RotationState
from rotator.world import Answer, Use

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

EMAIL = Email("puller@acme-prod.iam.gserviceaccount.com")
BASE = "puller-acme-prod"
PLACE = Place("live", "garden-acme")
ELSEWHERE = Place("live", "garden-beta")
ACCOUNT = Account(EMAIL, "acme-prod", "1234567890")
OLD, NEW, THIRD = (PublicKey(letter * 64) for letter in "abc")
POLICY = Policy()
MATERIAL = "the-very-material"


def private(public_key: PublicKey = NEW) -> PrivateKey:
    return PrivateKey(f"-----BEGIN PRIVATE KEY-----\n{MATERIAL}\n-----END PRIVATE KEY-----\n", public_key)


def key_file(public_key: PublicKey = NEW) -> KeyFile:
    return KeyFile(private(public_key), ACCOUNT, KeyId("0123456789abcdef"))


def key(public_key: PublicKey = NEW, staged: int | None = None) -> Key:
    return Key(public_key=public_key, id=KeyId(f"id-of-{public_key[:8]}"), staged=staged)


def account_key(public_key: PublicKey = NEW, **changed: Any) -> AccountKey:
    return AccountKey(
        **{
            "id": KeyId(f"id-of-{public_key[:8]}"),
            "public_key": public_key,
            "made_at": NOW - 10 * DAY,
            "expires_at": None,
            "origin": "USER",
            "disabled": False,
            **changed,
        }
    )


def at(name: str, place: Place = PLACE) -> SecretRef:
    return SecretRef(place.garden, place.namespace, name)


def version(sequence: int, place: Place = PLACE) -> SecretRef:
    return at(secret.name(BASE, sequence), place)


def held(public_key: PublicKey = OLD, ref: SecretRef | None = None, **changed: Any) -> HeldSecret:
    inside = HeldKey(entry="password", account=EMAIL, id=KeyId("id"), public_key=public_key, private=private(public_key))
    return HeldSecret(
        **{
            "ref": ref or version(1),
            "uid": "uid",
            "resource_version": "7",
            "immutable": True,
            "entries": frozenset({"username", "password"}),
            "username": secret.USERNAME,
            "keys": (inside,),
            "faults": (),
            "oddities": (),
            "installation": "acme",
            "owners": (),
            "protected": False,
            "deleting": False,
            **changed,
        }
    )


def shoot_ref(name: str = "web", place: Place = PLACE) -> ShootRef:
    return ShootRef(place.garden, place.namespace, name, f"uid-of-{name}")


def shoot(name: str = "web", **changed: Any) -> Shoot:
    """A settled Shoot that nobody has marked."""
    return Shoot(
        **{
            "ref": shoot_ref(name),
            "generation": 4,
            "observed_generation": 4,
            "references": (Reference(0, "ar", secret.name(BASE, 1)),),
            "caches": (Cache("europe-docker.pkg.dev", "ar"),),
            "seed": "eu-1",
            "status_seed": "eu-1",
            "operation": Operation("Reconcile", "Succeeded", 100, "", NOW - HOUR),
            **changed,
        }
    )


def rotation_order(sequence: int = 1, **changed: Any) -> RotationOrder:
    return RotationOrder(
        **{
            "credential": EMAIL,
            "project": "acme-prod",
            "base": BASE,
            "installation": "acme",
            "scope": (PLACE,),
            "policy": POLICY,
            "by": "ann",
            "why": "a test",
            "at": NOW - DAY,
            "sequence": sequence,
            "replaces": (),
            **changed,
        }
    )


def rotation(sequence: int = 1, state: RotationState | None = None, **order: Any) -> Record:
    return Record(id=rotation_id(BASE, sequence), order=rotation_order(sequence, **order), state=state or Planned())


def published(public_key: PublicKey = NEW, sequence: int = 1, **changed: Any) -> Published:
    return Published(
        **{"key": key(public_key), "secrets": (version(sequence),), "fences": {}, "at": NOW - HOUR, **changed},
    )


def retirement_order(public_key: PublicKey = OLD, number: int = 1, **changed: Any) -> RetirementOrder:
    return RetirementOrder(
        **{
            "credential": EMAIL,
            "project": "acme-prod",
            "base": BASE,
            "installation": "acme",
            "scope": (PLACE,),
            "policy": POLICY,
            "by": "rotator",
            "why": "a test",
            "at": NOW - DAY,
            "public_key": public_key,
            "number": number,
            "published": True,
            "secrets": (),
            **changed,
        }
    )


def retirement(public_key: PublicKey = OLD, state: RetirementState | None = None, number: int = 1, **order: Any) -> Record:
    return Record(
        id=retirement_id(BASE, public_key, number),
        order=retirement_order(public_key, number, **order),
        state=state or Draining(since=NOW - DAY),
    )


def proof(**changed: Any) -> Proof:
    """A proof before which every gate is open."""
    return Proof(
        **{
            "at": NOW,
            "public_key": OLD,
            "retirement": retirement_id(BASE, OLD, 1),
            "unread": (),
            "looked_at": 3,
            "references": (),
            "unsettled": (),
            "waived": (),
            "secrets": (),
            "untouchable": (),
            "still_wanted": "",
            "wanted_works": Answer(accepted=True, text="3 token exchanges in a row"),
            "creating_until": None,
            "confirmed": (),
            "clear_since": NOW - 30 * DAY,
            "gone_since": NOW - HOUR,
            "disabled_at": NOW - 30 * DAY,
            "keys": (account_key(OLD, disabled=True),),
            "use": Use(last=None, seen_until=NOW - HOUR),
            **changed,
        }
    )
