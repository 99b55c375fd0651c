"""What we read of a Shoot, and whether what its spec says is what really runs.

Sources: gardener.md sections 1 (places that name a Secret), 4 (generation and status) and 5 (special states). Nothing about
single Shoots is stored by us: our memory is the annotation MARK on the Shoot, `<rotation> <generation>`, written in the same
patch that moves it, where its owner can read it.
"""

from datetime import datetime

import msgspec

from rotator.owner import Owner

MARK = "registry-key-rotator/mark"
SKIP = "registry-key-rotator/skip"
CANARY = "registry-key-rotator/canary"
FIELD_MANAGER = "registry-key-rotator"
SETTLING_OPERATIONS = frozenset({"Create", "Reconcile", "Restore"})


class ShootRef(msgspec.Struct, frozen=True, order=True, gc=False):
    """Which Shoot; `uid` tells a Shoot from a later one of the same name."""

    garden: str
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.garden}/{self.namespace}/{self.name}"


class Reference(msgspec.Struct, frozen=True, gc=False):
    """One entry of spec.resources that names a Secret; `index` is its place in the list."""

    index: int
    entry: str
    secret: str


class Cache(msgspec.Struct, frozen=True, gc=False):
    """One upstream of the registry cache and the entry of spec.resources that its credential comes from."""

    upstream: str
    entry: str


class Operation(msgspec.Struct, frozen=True, gc=False):
    """status.lastOperation."""

    type: str
    state: str
    progress: int
    description: str
    at: datetime | None


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Our annotation: this rotation last moved or marked the Shoot, when its generation was this."""

    rotation: str
    generation: int

    def __str__(self) -> str:
        """The annotation's value."""
        return f"{self.rotation} {self.generation}"


class Shoot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Shoot at one consistent read.

    `other_secrets`: Secret names in places other than spec.resources. `companions`: resource and name of each entry of
    spec.resources that is no Secret: who changes the list must be allowed to read them all. `marked_at`: when our field
    manager last wrote it (UTC). `touched`: somebody else wrote spec.resources since our mark, by managedFields. `annotated`: it
    has a map of annotations, to which a patch can add. `owners`: tools that keep the Shoot from a source of their own.
    """

    ref: ShootRef
    generation: int
    references: tuple[Reference, ...]
    other_secrets: tuple[str, ...] = ()
    companions: tuple[tuple[str, str], ...] = ()
    bindings: tuple[str, ...] = ()
    caches: tuple[Cache, ...] = ()
    cache_config: int | None = None
    purpose: str = ""
    seed: str = ""
    status_seed: str = ""
    canary: bool = False
    skip: bool = False
    deleting: bool = False
    ignored: bool = False
    confined: bool = False
    hibernate: bool = False
    hibernated: bool = False
    observed_generation: int = 0
    operation: Operation | None = None
    unhealthy: str = ""
    frozen_resources: bool = False
    mark: Mark | None = None
    marked_at: datetime | None = None
    touched: bool = False
    annotated: bool = True
    owners: tuple[Owner, ...] = ()

    def names(self) -> frozenset[str]:
        """Every Secret of the namespace that the Shoot names directly."""
        return frozenset(reference.secret for reference in self.references) | frozenset(self.other_secrets)

    @property
    def needs_mark(self) -> bool:
        """A confined Shoot's generation does not follow its spec: only a mark can date what its spec says."""
        return self.confined and not self.deleting and (self.mark is None or self.touched)


def why_not_settled(shoot: Shoot) -> str:
    """Empty when what the spec says is what really runs; else the reason, as its owner would say it.

    Source: design.md section 7, "Settled". `observedGeneration` is set when a reconcile *starts*, so it proves nothing
    without Succeeded; and Succeeded may be the run before, so the generation must also be past our mark.
    """
    return _why_unreachable(shoot) or _why_pending(shoot) or _why_unhealthy(shoot)


def _why_unreachable(shoot: Shoot) -> str:
    if shoot.deleting:
        return "is being deleted; its deletion still reads the Secret"
    if shoot.ignored:
        return "is ignored by gardenlet (shoot.gardener.cloud/ignore)"
    if shoot.seed != shoot.status_seed:
        return f"is not where it should be (spec.seedName {shoot.seed or 'unset'}, status {shoot.status_seed or 'unset'})"
    return ""


def _why_pending(shoot: Shoot) -> str:
    operation = shoot.operation
    if operation is None:
        return "has not been reconciled yet"
    if operation.type not in SETTLING_OPERATIONS:
        return f"is busy with {operation.type} ({operation.state})"
    if operation.state != "Succeeded":
        return f"has {operation.type} {operation.state} {operation.progress}%"
    if shoot.observed_generation != shoot.generation:
        return f"waits for a reconcile (generation {shoot.generation}, observed {shoot.observed_generation})"
    if shoot.confined and shoot.mark is None:
        return "rolls out in its maintenance window only, and has no mark yet"
    if shoot.confined and shoot.touched:
        return "rolls out in its maintenance window only, and its spec.resources changed since our mark"
    if shoot.mark is not None and shoot.observed_generation <= shoot.mark.generation:
        return f"has not been reconciled since generation {shoot.mark.generation}" + (
            "; rolls out in its maintenance window only" if shoot.confined else ""
        )
    return ""


def _why_unhealthy(shoot: Shoot) -> str:
    if shoot.hibernate != shoot.hibernated:
        return "is going to sleep" if shoot.hibernate else "is waking up"
    if shoot.frozen_resources:
        return "has frozen managed resources (HasIgnoredManagedResources)"
    if shoot.unhealthy and not shoot.hibernated:
        return f"has SystemComponentsHealthy {shoot.unhealthy}"
    return ""


def why_not_movable(shoot: Shoot) -> str:
    """Empty when a patch of spec.resources may be tried; else why Gardener or its owner would refuse it."""
    if shoot.deleting:
        return "is being deleted"
    if shoot.skip:
        return f"its owner opted out ({SKIP})"
    operation = shoot.operation
    if shoot.status_seed and shoot.seed != shoot.status_seed:
        return "is migrating between seeds"
    if operation is not None and operation.type in {"Migrate", "LiveMigrate"}:
        return "is migrating between seeds"
    if operation is not None and operation.type == "Restore" and operation.state != "Succeeded":
        return "is being restored on another seed"
    return ""


def failing(shoot: Shoot) -> str:
    """Empty, or how the Shoot fails: what a failure budget counts."""
    operation = shoot.operation
    if operation is not None and operation.state in {"Error", "Failed"}:
        return f"{operation.type} {operation.state}: {operation.description}"[:200]
    if shoot.unhealthy == "False" and not shoot.hibernated:
        return "SystemComponentsHealthy False"
    return ""
