"""The three identities of an installation: each does its own work with its own permissions, and is asked for no other.

What the table says of each is held to what a landscape with everything in it is asked for: a Shoot beside a ConfigMap and a
WorkloadIdentity, a binding, a confined Shoot that comes late, patches that meet a change.
"""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from msgspec.structs import replace

from house import EMAIL, NAMESPACE, POLICY, USER, House, house
from rotator.needs import wide
from rotator.permission import EVERYBODY, GOOGLE, Identity, in_garden
from rotator.report import role
from rotator.states import Disabled, Gone, name_of
from rotator.wiring import Wired
from sandbox.faults import Fault
from sandbox.garden.access import Rule
from stories import OLD, SKIP, V1, on
from terraform_files import read
from test_notice import notice

LOCALS = read().locals
GRANTED = {
    "reader": set(LOCALS["on_keys"]["reader"]),
    "minter": {*LOCALS["on_keys"]["minter"], *LOCALS["on_staging"]},
    "revoker": {*LOCALS["on_keys"]["revoker"], "monitoring.timeSeries.list"},
}


@dataclass(frozen=True)
class Asked:
    """What Google and the Garden were asked for."""

    google: set[str]
    garden: set[str]

    def __or__(self, other: "Asked") -> "Asked":
        return Asked(self.google | other.google, self.garden | other.garden)


def needed(h: House) -> Asked:
    """Everything since the last time."""
    found = Asked(set(h.google.access.needed), {f"{verb} {resource}" for verb, _, resource in h.live.needed(USER)})
    h.google.access.needed.clear()
    h.live.forget_needed(USER)
    return found


def landscape(h: House) -> Wired:
    """Everything that asks for a verb; Terraform has made the staging secret, the program need not."""
    h.populate(2)
    h.live.add_companions(NAMESPACE, "shoot-0")
    h.live.create_secret(NAMESPACE, "infrastructure", username="gcp", password="x")
    h.live.create_binding(NAMESPACE, "infrastructure", "infrastructure")
    h.shoot("late", OLD, annotations={SKIP: "true"}, confined=True)
    h.shoot("companion", OLD, annotations={SKIP: "true"})
    h.live.edit(NAMESPACE, "companion", {"resources": entries(h, "shoot-0")})
    w = h.wire()
    w.world(EMAIL).staging.prepare("puller-acme-prod", "acme")
    needed(h)
    return w


def entries(h: House, shoot: str) -> list[dict[str, object]]:
    """What the Shoot's spec.resources name."""
    return list(h.live.shoot(NAMESPACE, shoot)["spec"]["resources"])


def changed_meanwhile(h: House) -> None:
    """The next patch meets a Shoot that somebody has changed."""
    h.faults.add(Fault(service="garden:live", method="PATCH shoots", answer="409"))


def looked(h: House, w: Wired) -> Asked:
    """A schedule looked and began, a person was answered."""
    w.service.tick(h.now())
    w.service.look(h.now(), EMAIL)
    return needed(h)


def rotated(h: House, w: Wired, record_id: str) -> Asked:
    changed_meanwhile(h)
    h.carry(w, record_id)
    return needed(h)


def retired(h: House, w: Wired, record_id: str) -> tuple[Asked, Asked]:
    """What the revoker asked for and what the reader did: late Shoots moved, the key was taken back once, and is gone."""
    for shoot in ("late", "companion"):
        h.live.annotate(NAMESPACE, shoot, {SKIP: None})
    changed_meanwhile(h)
    on(h, w, record_id)
    burned = needed(h)
    w.service.waive(record_id, "live/garden-acme/late", h.now(), by="test", why="a test")
    ordered = needed(h)
    h.live.maintenance(NAMESPACE, "late")
    until(h, w, record_id, Disabled)
    burned |= needed(h)
    w.service.reenable(record_id, h.now(), by="test", why="a second thought")
    ordered |= needed(h)
    h.carry(w, record_id)
    burned |= needed(h)
    w.service.retry(record_id, h.now(), by="test", why="a third thought")
    ordered |= needed(h)
    h.carry(w, record_id, horizon=timedelta(days=60))
    return burned | needed(h), ordered


def test_each_works_with_its_own_permissions_and_needs_them_all() -> None:
    with house() as h:
        w = landscape(h)

        reader = looked(h, w)
        begun = w.service.rotate(EMAIL, h.now(), by="test", why="a test")
        reader |= needed(h)
        minter = rotated(h, w, begun.id)
        (retirement,), _ = w.service.tick(h.now())
        reader |= needed(h)
        revoker, ordered = retired(h, w, retirement.id)
        ends = (name_of(w.service.record(begun.id).state), type(w.service.record(retirement.id).state))
        asked = {"reader": reader | ordered, "minter": minter, "revoker": revoker}

        assert ends == ("Done", Gone)
        assert {who: each.garden for who, each in asked.items()} == {
            who: {str(right) for right in in_garden(who)} for who in EVERYBODY
        }
        table = {who: {right.name for right in GOOGLE if who in right.who} for who in EVERYBODY}
        assert table == GRANTED
        # versions.get is asked only about a version that cannot be destroyed.
        assert {who: each.google for who, each in asked.items()} == {
            **table,
            "minter": table["minter"] - {"secretmanager.versions.get"},
        }


@pytest.mark.parametrize("case", ["usual", "handover", "emergency"])
def test_with_nothing_but_its_own_role_each_identity_brings_its_work_to_the_end(case: str) -> None:
    """Whoever works has the Role that `rbac --for` prints for them, and no other verb."""
    policy = {"usual": {}, "handover": {"delivery": "handover"}, "emergency": {"exposed": "rotate"}}[case]
    with house(policy=replace(POLICY, **policy)) as h:
        key, _ = h.populate(2)
        h.live.add_companions(NAMESPACE, "shoot-0")
        h.shoot("calm", OLD, confined=True)
        w = h.wire()
        alone(h, w, "reader")
        w.service.tick(h.now())
        if case == "emergency":
            (begun,) = notice(h, w, "exposed", key_id=key).records
        else:
            begun = w.service.rotate(EMAIL, h.now(), by="test", why="a test").id
        alone(h, w, "minter")
        on(h, w, begun, 12)
        if case == "handover":
            for shoot in ("shoot-0", "shoot-1", "calm"):
                h.live.point(NAMESPACE, shoot, "ar", V1)
            h.clock.advance(5)
            on(h, w, begun, 12, minutes=15)  # their owners have moved them: the confined one is marked
        h.live.maintenance(NAMESPACE, "calm")
        h.live.catch_up()
        rotated = h.carry(w, begun, most=20)
        alone(h, w, "reader")
        (retirement,), _ = w.service.tick(h.now())
        alone(h, w, "revoker")
        retired = h.carry(w, retirement.id, most=20)

        assert (name_of(rotated.state), name_of(retired.state)) == ("Done", "Gone")
        assert h.violations() == []


def alone(h: House, w: Wired, who: Identity) -> None:
    """From now on this identity works."""
    h.live.forbid(USER, NAMESPACE)
    (place,) = wide(w.places, w.charges, who)
    trees = [rule.tree for rule in role.rules(place.needs)]
    h.live.allow(USER, NAMESPACE, [Rule(tuple(tree["verbs"]), tuple(tree["resources"])) for tree in trees])


def until(h: House, w: Wired, record_id: str, state: type) -> None:
    """The record has come to this state."""
    for _ in range(60):
        record = h.carry(w, record_id, horizon=timedelta(hours=1))
        if isinstance(record.state, state):
            return
        h.clock.advance(timedelta(hours=12).total_seconds())
    raise AssertionError(f"{record_id} is {name_of(record.state)}: {record.rest}")
