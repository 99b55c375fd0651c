"""What histories ask of a house: who names what, who runs what, who was patched when; and how far a record got."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from house import EMAIL, HOST, NAMESPACE, POLICY, House, Laps
from rotator import guard
from rotator.guard import Sending
from rotator.policy import Policy
from rotator.record import Blocked, Record, RetirementOrder, Wait
from rotator.states import name_of
from rotator.wiring import Wired
from rotator.world import World
from sandbox.garden.kind import SHOOTS

OTHER_HOST = "us-docker.pkg.dev"
V1, V2 = "puller-acme-prod-v1", "puller-acme-prod-v2"
OLD = "ar-credentials"
DAY, MINUTES = timedelta(days=1), timedelta(minutes=2)
SKIP = "registry-key-rotator/skip"


def policy(**changes: Any) -> Policy:
    """The house's policy; names of waits and waves change those."""
    waits = {key: changes.pop(key) for key in list(changes) if key in POLICY.waits.__struct_fields__}
    waves = {key: changes.pop(key) for key in list(changes) if key in POLICY.waves.__struct_fields__}
    replace = msgspec.structs.replace
    return replace(POLICY, waits=replace(POLICY.waits, **waits), waves=replace(POLICY.waves, **waves), **changes)


# --- what is ---


def names(h: House, shoot: str, *, namespace: str = NAMESPACE, garden: str = "live") -> list[str]:
    """The Secrets that the Shoot's entries name, in order."""
    return [entry["resourceRef"]["name"] for entry in h.gardens[garden].shoot(namespace, shoot)["spec"].get("resources", [])]


def runs(h: House, shoot: str, *, garden: str = "live") -> list[str]:
    """Public keys that the Shoot's caches run, as the log has it."""
    h.catch_up()
    seen = [o for o in h.operations.since() if o.service == f"gardenlet:{garden}" and o.facts.get("name") == shoot]
    return list(seen[-1].facts["public_keys"]) if seen else []


def patched(h: House) -> list[str]:
    """Names of the Shoots that we patched, in order; refused patches left out."""
    return [
        o.facts["name"]
        for o in h.operations.since()
        if o.method == "PATCH shoots" and o.outcome == "ok" and "rotator" in str(o.facts.get("by"))
    ]


def mutations(h: House) -> list[str]:
    """Everything that we changed, or tried to."""
    return [
        o.method
        for o in h.operations.since()
        if o.mutating and ("rotator" in str(o.facts.get("by", "rotator")) and not o.service.startswith("gardenlet"))
    ]


def key_states(h: House) -> dict[str, str]:
    """IAM's keys that are left, by id."""
    return {key.key_id: key.state for key in h.account.user_managed() if key.state != "deleted"}


def public_key(h: House, key_id: str) -> str:
    return str(next(o.facts["public_key"] for o in h.operations.since() if o.facts.get("key_id") == key_id))


# --- what is done ---


def on(h: House, w: Wired, record: Record | str, laps: int = 5, minutes: float = 2) -> Record:
    """The record was carried on for some laps, waits of minutes included; longer waits end it."""
    record_id = record if isinstance(record, str) else record.id
    for _ in w.service.run(w.service.record(record_id), Laps(h.clock, timedelta(minutes=minutes), laps)):
        pass
    return w.service.record(record_id)


def begin(h: House, w: Wired, **order: Any) -> Record:
    return w.service.rotate(EMAIL, h.now(), by="a person", why="a test", **order)


def until(h: House, w: Wired, record: Record, state: str, laps: int = 60) -> Record:
    """The record has come to this state, lap by lap."""
    for _ in range(laps):
        if name_of(record.state) == state:
            return record
        record = on(h, w, record, 1)
        if isinstance(record.rest, Wait) and record.rest.until > h.now():
            h.clock.advance((record.rest.until - h.now()).total_seconds() + 0.001)
    raise AssertionError(f"{record.id} never came to {state}: {name_of(record.state)}, {record.rest}")


def retirements(w: Wired) -> list[Record]:
    return [r for r in w.service.records()[0] if isinstance(r.order, RetirementOrder)]


def retirement_of(h: House, w: Wired, key_id: str) -> Record:
    """The newest retirement of this key, begun now if it is due."""
    w.service.tick(h.now())
    wanted = public_key(h, key_id)
    return next(r for r in reversed(retirements(w)) if isinstance(r.order, RetirementOrder) and r.order.public_key == wanted)


def told(record: Record) -> str:
    """Why it rests, in one line."""
    return "" if record.rest is None else " | ".join(record.rest.why)


def blocked(record: Record) -> Blocked:
    assert isinstance(record.rest, Blocked), record.rest
    return record.rest


def retry(h: House, w: Wired, record: Record) -> Record:
    w.service.retry(record.id, h.now(), by="a person", why="mended")
    return on(h, w, record, 30)


def slow(h: House, seconds: float = 60.0) -> None:
    """From now on every reconcile takes so long; the Shoots there are have been created before."""
    for namespace, name in h.live.names(SHOOTS):
        h.live.behave(namespace, name, duration=seconds)


def finished(h: House, w: Wired) -> dict[str, str]:
    """Schedules ticked until nothing was left: id and final state of every record; and nothing was violated on the way."""
    ends = {
        record.id: name_of(record.state) if not record.rest else f"{name_of(record.state)}: {told(record)}"
        for record in h.whole(w)
    }
    assert h.violations() == []
    return ends


# --- what is watched ---


def watching(handler: Callable[[Sending], None]) -> Callable[[World], World]:
    """For House.around: `handler` is told of every call before it is sent."""

    def before(sending: Sending, call: Callable[[], Any]) -> Any:
        handler(sending)
        return call()

    return lambda world: guard.around(world, before)


TWO_UPSTREAMS = {HOST: "ar", OTHER_HOST: "us"}
