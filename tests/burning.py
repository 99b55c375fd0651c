"""Scenes in which a retirement stands right before one of its burning calls: what tests/test_burning.py plants its faults into.

The world is the real sandbox; the records are written into the books as a rotation long done would have left them. One Shoot
lives on the wanted key, nobody needs the old one: nothing stands in the way but what a test plants.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from house import BASE, EMAIL, NAMESPACE, POLICY, PROJECT, House, Laps, house
from rotator.clients import crypto
from rotator.key import Account, Key, KeyFile, KeyId, PublicKey
from rotator.policy import Policy
from rotator.record import Record, Replaced, RetirementOrder, RotationOrder, retirement_id, rotation_id
from rotator.secret import INSTALLATION_LABEL, SecretRef, name
from rotator.states import (
    DeletingKey,
    DeletingSecrets,
    Disabled,
    Disabling,
    Done,
    Draining,
    RetirementState,
)
from rotator.wiring import Wired
from rotator.world import Answer
from sandbox.garden import ROTATOR
from sandbox.garden.kind import SECRETS
from sandbox.operations import Operation

SECOND = "garden-second"
OLD = "ar-credentials"
NEW = name(BASE, 1)
NEVER = 1e9
"""Seconds that no test waits for."""

HOUR = timedelta(hours=1)
BURNING = ("DELETE secrets", "DisableServiceAccountKey", "DeleteServiceAccountKey")


def policy(**changes: Any) -> Policy:
    """The house's policy; names of waits change its waits."""
    waits = {key: changes.pop(key) for key in list(changes) if key in POLICY.waits.__struct_fields__}
    return msgspec.structs.replace(POLICY, waits=msgspec.structs.replace(POLICY.waits, **waits), **changes)


@dataclass(frozen=True)
class HandMade:
    """One key of the account as the sandbox made it."""

    id: KeyId
    file: str
    public_key: PublicKey


@dataclass
class Scene:
    """The sandbox, the service, and one retirement; what people do to them."""

    house: House
    wired: Wired
    old: HandMade
    wanted: HandMade
    record_id: str = ""
    mark: int = field(default=0)

    # --- what the program does ---

    def run(self, laps: int = 4) -> Record:
        """The record was carried on for a few laps; where it stands then."""
        for _ in self.wired.service.run(
            self.wired.service.record(self.record_id), Laps(self.house.clock, timedelta(minutes=2), laps)
        ):
            pass
        return self.record

    @property
    def record(self) -> Record:
        return self.wired.service.record(self.record_id)

    def retry(self) -> Record:
        return self.wired.service.retry(self.record_id, self.house.now(), by="a person", why="looked into it")

    def burnt(self) -> list[Operation]:
        """Every burning call of ours that had an effect."""
        return [
            o
            for o in self.house.operations.since(self.mark)
            if o.method in BURNING and o.outcome == "ok" and "rotator" in str(o.facts.get("by"))
        ]

    # --- what others do ---

    def forbid(self) -> None:
        self.house.live.forbid(USER, SECOND)

    def allow(self) -> None:
        self.house.live.allow(USER, SECOND, ROTATOR)

    def come_late(self, secret: str = OLD, shoot: str = "late", **options: Any) -> None:
        """A new Shoot that opted out of being moved names this Secret; Gardener's finalizer is late."""
        self.house.live.knobs.protection_delay = NEVER
        self.house.shoot(shoot, secret, annotations={"registry-key-rotator/skip": "true"}, **options)

    def leave(self, shoot: str = "late") -> None:
        self.house.live.delete_shoot(NAMESPACE, shoot)

    def protect(self) -> None:
        """A Shoot named the old Secret for a moment; Gardener has not let go yet."""
        self.house.live.knobs.release_delay = NEVER
        self.house.shoot("short", OLD)
        self.house.live.point(NAMESPACE, "short", "ar", NEW)

    def release(self) -> None:
        self.house.live.patch(SECRETS, NAMESPACE, OLD, {"metadata": {"finalizers": None}})

    def unsettle(self) -> None:
        self.house.live.behave(NAMESPACE, "app", outcome="stuck")
        self.house.live.edit(NAMESPACE, "app", {"purpose": "testing"})

    def settle(self) -> None:
        self.house.live.behave(NAMESPACE, "app", outcome="Succeeded")

    def kill_wanted(self) -> None:
        self.house.google.iam.disable_by_google(self.wanted.id)

    def revive_wanted(self) -> None:
        self.house.google.iam.change_by_hand(self.wanted.id, "enabled")

    def own(self) -> None:
        owner = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": OLD, "uid": "1"}
        self.house.live.patch(SECRETS, NAMESPACE, OLD, {"metadata": {"ownerReferences": [owner]}})

    def disown(self) -> None:
        self.house.live.patch(SECRETS, NAMESPACE, OLD, {"metadata": {"ownerReferences": None}})

    def bind(self) -> None:
        self.house.live.create_binding(NAMESPACE, "infrastructure-2", OLD)

    def put_back(self) -> None:
        """Somebody creates the old Secret again, with the old key."""
        self.house.live.create_secret(NAMESPACE, OLD, password=self.old.file)

    def take_away(self) -> None:
        self.house.live.delete_secret(NAMESPACE, OLD)

    def reuse_the_name(self) -> None:
        """The old Secret's name comes back with another content, and a Shoot names it."""
        self.house.live.create_secret(NAMESPACE, OLD, "robot", "pw")
        self.come_late()

    def enable_old(self) -> None:
        self.house.google.iam.change_by_hand(self.old.id, "enabled")

    def disable_old(self) -> None:
        self.house.google.iam.change_by_hand(self.old.id, "disabled")

    def use_old(self) -> None:
        """Somebody outside uses the old key, and the provider has counted it."""
        self.try_old()
        self.wait(minutes=11)

    def try_old(self) -> Answer:
        return self.wired.world(EMAIL).registry.exchange(self.key_file(self.old))

    def key_file(self, made: HandMade) -> KeyFile:
        account = Account(email=EMAIL, project=PROJECT, unique_id=self.house.account.unique_id)
        return KeyFile(crypto.private_key(json.loads(made.file)["private_key"]), account, made.id)

    def wait(self, **span: float) -> None:
        self.house.clock.advance(timedelta(**span).total_seconds())


USER = "system:serviceaccount:garden-acme:rotator"
State = Callable[["Scene", datetime], RetirementState]


def draining(_: Scene, now: datetime) -> RetirementState:
    return Draining(since=now - 30 * HOUR, clear_since=now - 20 * HOUR)


def deleting_secrets(_: Scene, now: datetime) -> RetirementState:
    return DeletingSecrets(clear_since=now - 20 * HOUR)


def secrets_gone(_: Scene, now: datetime) -> RetirementState:
    return DeletingSecrets(clear_since=now - 20 * HOUR, gone_since=now - HOUR)


def disabling(_: Scene, now: datetime) -> RetirementState:
    return Disabling(clear_since=now - 20 * HOUR, fence=now - HOUR)


def disabled(scene: Scene, now: datetime) -> RetirementState:
    return Disabled(at=now - 20 * HOUR, fence=now - 19 * HOUR, ids=(scene.old.id,))


def deleting_key(scene: Scene, now: datetime) -> RetirementState:
    return DeletingKey(at=now, ids=(scene.old.id,))


HAS_SECRET = (draining, deleting_secrets)
IS_DISABLED = (disabled, deleting_key)


@contextmanager
def scene(
    state: State, policy: Policy = POLICY, *, retire_wanted: bool = False, fence: timedelta | None = None
) -> Iterator[Scene]:
    """A retirement in this state, of the old key (or of the wanted one itself).

    `fence`: the old key was one of ours, and its Secrets could be created until so long after now.
    """
    with house(policy=policy) as built:
        built.add_namespace("live", SECOND)
        old, wanted = make_key(built), make_key(built, "rotator")
        wired = built.wire()
        made = Scene(built, wired, old, wanted)
        built.live.create_secret(NAMESPACE, NEW, password=wanted.file, labels={INSTALLATION_LABEL: "acme"})
        built.shoot("app", NEW)
        if state in HAS_SECRET:
            built.live.create_secret(NAMESPACE, OLD, password=old.file)
        if state in IS_DISABLED:
            built.google.iam.change_by_hand(old.id, "disabled")
        now = built.now()
        ledger = wired.service.ledger
        common: dict[str, Any] = {
            "credential": EMAIL,
            "project": PROJECT,
            "base": BASE,
            "installation": "acme",
            "scope": wired.places,
            "policy": policy,
            "by": "test",
            "why": "a test",
            "at": now,
        }
        held = SecretRef("live", NAMESPACE, OLD)
        for sequence, key, ref, fences in (
            (0, old, held, {"live": now + fence} if fence else {}),
            (1, wanted, SecretRef("live", NAMESPACE, NEW), {}),
        ):
            if sequence == 0 and fence is None:
                continue
            order = RotationOrder(
                **common, sequence=sequence, replaces=(Replaced(old.public_key, (held,)),) if sequence else ()
            )
            done = Done(
                key=Key(public_key=key.public_key, id=key.id, staged=None), secrets=(ref,), fences=fences, moved=1, left=()
            )
            ledger.create(Record(id=rotation_id(BASE, sequence), order=order, state=done), now, "test")
        retired = wanted if retire_wanted else old
        order = RetirementOrder(**common, public_key=retired.public_key, number=1, published=True, secrets=(held,))
        made.record_id = retirement_id(BASE, retired.public_key, 1)
        ledger.create(Record(id=made.record_id, order=order, state=state(made, now)), now, "test")
        made.mark = len(built.operations.since())
        yield made


def make_key(built: House, by: str = "human") -> HandMade:
    """A key of the account, of a person or of ours."""
    key_id, file = built.google.make_key(built.account, by)
    public_key = next(o.facts["public_key"] for o in reversed(built.operations.since()) if o.facts.get("key_id") == key_id)
    return HandMade(KeyId(key_id), file, PublicKey(public_key))


Act = Callable[[Scene], object]


def nothing(_: Scene) -> None:
    """Nothing to do."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One gate before one burning step: what keeps it shut, what is said then, and what opens it."""

    before: str
    gate: str
    state: State
    plant: Act = nothing
    says: str
    heal: Act = nothing
    policy: Policy = POLICY
    person: str = ""
    command: str = "rotator retry"
    story: str = ""
    fence: timedelta | None = None

    def __str__(self) -> str:
        return "-".join(filter(None, (self.before, self.gate, self.story)))


def entries(cases: Sequence[Case]) -> set[tuple[str, str]]:
    """Which lines of gates.py these cases are about."""
    return {(case.before, case.gate) for case in cases}
