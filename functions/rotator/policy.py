"""What a credential's owner wants: how far automation may go, how long it waits, how fast it rolls out.

Waits are timedeltas. `max_age` is when an old key must have *stopped working*; everything else is computed back from it, and
a policy that cannot fit is refused when it is read.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

Mode = Literal["observe", "manual", "automatic"]
Mint = Literal["upload", "create"]
Delivery = Literal["direct", "handover"]
Exposed = Literal["propose", "rotate"]
Confirm = Literal["publish", "roll_out", "delete_secrets", "disable_key", "delete_key"]


EVERYBODY = 100_000
"""More Shoots than a fleet has: no wave is cut."""


class Waits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait for what.

    propagation: a new key may be refused this long before that counts as failure (IAM is eventually consistent).
    soak: from "no Shoot names the old key and all have settled" to the deletion of its Secrets.
    idle: the provider must have seen no use of the old key for this long.
    unknown_use: waited instead of `idle`, from the same moment as soak, when the provider cannot tell.
    quiet: the old key stays disabled this long before it is deleted; disabling can be undone, deleting cannot.
    settle: a moved Shoot may take this long to settle before the rotation ends without it (maintenance windows: a day).
    request: the longest that a request of ours can stay under way; after a Secret is gone, one more list after this long.
    """

    propagation: timedelta = timedelta(minutes=10)
    soak: timedelta = timedelta(days=7)
    idle: timedelta = timedelta(days=3)
    unknown_use: timedelta = timedelta(days=14)
    quiet: timedelta = timedelta(days=7)
    settle: timedelta = timedelta(days=3)
    request: timedelta = timedelta(seconds=60)
    poll: timedelta = timedelta(seconds=30)


class Waves(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a roll-out grows. Limits count Shoots that have moved and not settled yet.

    canary: so many go first and must settle. growth: then as many times what has settled may be under way.
    failure_budget: with more failing Shoots than this, nobody else is moved.
    """

    canary: int = 1
    canary_purposes: tuple[str, ...] = ("evaluation", "testing", "development")
    growth: float = 2.0
    per_seed: int = 5
    limit: int = 50
    failure_budget: int = 0


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that an owner can decide about one credential; frozen into each order.

    delivery: direct, we point Shoots at the new Secret; handover, we write the Secret, and each Shoot's owner does.
    """

    mode: Mode = "observe"
    mint: Mint = "upload"
    delivery: Delivery = "direct"
    confirm: tuple[Confirm, ...] = ()
    exposed: Exposed = "propose"
    max_age: timedelta = timedelta(days=90)
    lifetime: timedelta | None = None
    adopt: bool = False
    other_users: tuple[str, ...] = ()
    probes: dict[str, str] = {}
    attempts: int = 50
    waits: Waits = Waits()
    waves: Waves = Waves()

    @property
    def longest(self) -> timedelta:
        """From the begin of a rotation to the day its predecessor stops working, at the slowest."""
        waits = self.waits
        return waits.propagation + waits.settle + max(waits.soak, waits.unknown_use) + waits.request

    @property
    def asks(self) -> bool:
        """An emergency waits for a person to say yes."""
        return self.mode == "manual" or self.exposed == "propose"

    def emergency(self) -> "Policy":
        """The same for a key that others know: no waits but the one that can be undone, and all Shoots at once.

        Gates and confirmations stay as they are: a Shoot that has not settled still holds the key, until it settles or a person
        waives it.
        """
        nothing = timedelta(0)
        waits = msgspec.structs.replace(self.waits, soak=nothing, idle=nothing, unknown_use=nothing)
        waves = msgspec.structs.replace(self.waves, growth=EVERYBODY, per_seed=EVERYBODY, limit=EVERYBODY)
        return msgspec.structs.replace(self, waits=waits, waves=waves)

    def starts_at(self, made_at: datetime, expires_at: datetime | None = None) -> datetime:
        """When a rotation must begin so that a key made then stops working in time and never expires in use."""
        begin = made_at + self.max_age - self.longest
        if expires_at is None:
            return begin
        return min(begin, expires_at - self.longest)


# What can be turned off and on again is waited for in minutes; what cannot be undone, in days.
MINIMA = {"propagation": timedelta(seconds=1), "request": timedelta(seconds=1), "poll": timedelta(seconds=1)}
LIMITS = {"canary": 1, "per_seed": 1, "limit": 1}


def contradictions(policy: Policy) -> tuple[str, ...]:
    """Why this policy cannot be kept; none when it can."""
    found: list[str] = []
    for name in policy.waits.__struct_fields__:
        value: timedelta = getattr(policy.waits, name)
        if value < MINIMA.get(name, timedelta(0)):
            found.append(f"waits.{name} is {text(value)}, less than {text(MINIMA.get(name, timedelta(0)))}")
    for name, least in LIMITS.items():
        if getattr(policy.waves, name) < least:
            found.append(f"waves.{name} is {getattr(policy.waves, name)}, less than {least}")
    if policy.waves.growth <= 0 or policy.waves.failure_budget < 0:
        found.append("waves.growth must be above 0, waves.failure_budget 0 or more")
    if policy.longest >= policy.max_age:
        found.append(
            f"max_age is {text(policy.max_age)}, but the waits before an old key is disabled add up to {text(policy.longest)}"
        )
    if policy.lifetime is not None and policy.lifetime < policy.max_age + policy.longest:
        found.append(
            f"lifetime is {text(policy.lifetime)}: a key could expire before it is replaced; "
            f"at least {text(policy.max_age + policy.longest)} fits"
        )
    if policy.lifetime is not None and policy.mint == "create":
        found.append(
            'lifetime can only be chosen with mint = "upload"; keys that Google makes get theirs from the organisation'
        )
    return tuple(found)


def text(span: timedelta) -> str:
    """A span as people write it: 7d, 12h, 90s, 1d12h."""
    seconds = round(span.total_seconds())
    if seconds == 0:
        return "0s"
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])
