"""Who moves next. Pure: a wave is computed from what is seen now, so a crash leaves nothing to repair.

Shoots that carry this rotation's mark have moved; those among them that have not settled are under way. A canary goes first
and must settle, then as many may be under way as `growth` times what has settled, within the limits, per seed and in all.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import msgspec

from rotator.memory import NOTHING, Memory
from rotator.policy import Waves
from rotator.shoot import Shoot, ShootRef, failing

RECOVERY = timedelta(minutes=10)
"""Gardener calls components ill after a minute; a volume that moves with its pod takes some (gardener.md, section 3)."""


class Wave(msgspec.Struct, frozen=True):
    """The Shoots to move now, in order; `held` says why nobody else may move, when a failure budget is spent."""

    take: tuple[Shoot, ...]
    held: str
    under_way: int
    settled: int


def next_wave(
    waiting: Iterable[Shoot],
    moved: Iterable[Shoot],
    rotation: str,
    limits: Waves,
    excused: Collection[ShootRef] = (),
    memory: Memory = NOTHING,
    now: datetime | None = None,
) -> Wave:
    """The next Shoots to move of those `waiting`, given those that have `moved`; `excused` were waived by a person.

    `memory`: a Shoot that settled after its move and is in its hourly reconcile is not under way again. `now`: a Shoot whose
    components are ill has RECOVERY from its last reconcile until that is a failure; until then it is under way.
    """
    arrived = [shoot for shoot in moved if shoot.ref not in excused]
    settled = sum(1 for shoot in arrived if not memory.why_not_settled(shoot))
    under_way = [shoot for shoot in arrived if memory.why_not_settled(shoot) and not shoot.ignored and not shoot.deleting]
    # Of all that arrived, not only of those under way: system components may fall ill a minute after Succeeded.
    failures = [
        f"{shoot.ref}: {failing(shoot)}"
        for shoot in arrived
        if fails_since_moved(shoot, rotation) and not recovering(shoot, now) and not shoot.ignored and not shoot.deleting
    ]
    if len(failures) > limits.failure_budget:
        held = f"{len(failures)} Shoots fail since they moved, the budget is {limits.failure_budget}: " + "; ".join(
            failures[:5]
        )
        return Wave((), held, len(under_way), settled)
    proven = settled >= limits.canary
    room = min(limits.limit, max(limits.canary, int(settled * limits.growth))) if proven else limits.canary - settled
    room -= len(under_way)
    per_seed = Counter(shoot.seed for shoot in under_way)
    take: list[Shoot] = []
    for shoot in sorted(waiting, key=lambda shoot: order_of(shoot, limits)):
        if len(take) >= room:
            break
        if shoot.seed and per_seed[shoot.seed] >= limits.per_seed:
            continue
        per_seed[shoot.seed] += 1
        take.append(shoot)
    return Wave(tuple(take), "", len(under_way), settled)


def fails_since_moved(shoot: Shoot, rotation: str) -> bool:
    """It fails in a reconcile that began after this rotation moved it: a failure of before is not ours to count."""
    mark = shoot.mark
    return (
        bool(failing(shoot)) and mark is not None and mark.rotation == rotation and shoot.observed_generation > mark.generation
    )


def recovering(shoot: Shoot, now: datetime | None) -> bool:
    """Its reconcile succeeded a moment ago and only its components are ill: a cache that restarts waits for its volume."""
    operation = shoot.operation
    if now is None or operation is None or operation.state != "Succeeded" or operation.at is None:
        return False
    return now < operation.at + RECOVERY


def order_of(shoot: Shoot, limits: Waves) -> tuple[bool, bool, bool, bool, ShootRef]:
    """Canaries first; what is broken, frozen or asleep proves nothing and goes late; production after the rest."""
    canary = shoot.canary or shoot.purpose in limits.canary_purposes
    proves_nothing = shoot.ignored or shoot.hibernate or not shoot.caches
    return (bool(failing(shoot)), proves_nothing, not canary, shoot.purpose == "production", shoot.ref)
