"""What the rotator needs in each project namespace, with the names of the Secrets there: for `rotator rbac` and `doctor`.

Names come from what Shoots and bindings name now, from our books, and from the numbers that the next rotations take. What one
call cannot tell, the others still do; whatever could not be read is said.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rotator import books
from rotator.errors import RotatorError
from rotator.key import Email
from rotator.permission import RENEW, GardenRight, Identity, in_garden
from rotator.record import Place, Record
from rotator.secret import HeldSecret, name
from rotator.shoot import Shoot
from rotator.view import Charge
from rotator.world import Garden


class Need(msgspec.Struct, frozen=True):
    """One right. `names`: of the objects it is needed for; none: it is not narrowed by name."""

    right: GardenRight
    names: tuple[str, ...] = ()


class PlaceNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed in one namespace. `unread`: why names may be missing."""

    place: Place
    needs: tuple[Need, ...]
    unread: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """What is in one namespace. `secrets`: by name, None where there is none; those that could not be read are absent."""

    shoots: tuple[Shoot, ...]
    bound: frozenset[str]
    secrets: dict[str, HeldSecret | None]
    unread: tuple[str, ...]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What is in all of them, and in whose name that is judged."""

    installation: str
    charges: tuple[Charge, ...]
    records: tuple[Record, ...]
    found: dict[Place, Found]

    @property
    def writers(self) -> dict[Email, Charge]:
        """The accounts whose keys are rotated, not only observed."""
        return {charge.email: charge for charge in self.charges if charge.policy.mode != "observe"}

    @property
    def upstreams(self) -> tuple[str, ...]:
        """Registry hosts that our accounts pull from, by what Shoots name."""
        hosts: set[str] = set()
        ours = {charge.email for charge in self.charges}
        for found in self.found.values():
            for shoot in found.shoots:
                entries = {each.entry for each in shoot.references if accounts(found.secrets.get(each.secret)) & ours}
                hosts |= {cache.upstream for cache in shoot.caches if cache.entry in entries}
        return tuple(sorted(hosts))


def wide(places: Iterable[Place], charges: Iterable[Charge], who: Identity | None = None) -> tuple[PlaceNeeds, ...]:
    """Everything needed there, by all or by one identity, not narrowed by name: nothing has to be looked at."""
    writes = any(charge.policy.mode != "observe" for charge in charges)
    return tuple(
        PlaceNeeds(place=place, needs=tuple(Need(right) for right in in_garden(who) if writes or not right.writes))
        for place in sorted(set(places))
    )


def renewing(found: Iterable[PlaceNeeds], garden: str, accounts: Iterable[tuple[str, str]]) -> list[PlaceNeeds]:
    """The same, and what a ServiceAccount (namespace, name) needs to renew its own token, in its own namespace."""
    by_place = {one.place: one for one in found}
    for namespace, account in accounts:
        place = Place(garden, namespace)
        before = by_place.get(place, PlaceNeeds(place=place, needs=()))
        by_place[place] = msgspec.structs.replace(before, needs=(*before.needs, Need(RENEW, (account,))))
    return [by_place[place] for place in sorted(by_place)]


def look(
    installation: str,
    charges: Sequence[Charge],
    records: Sequence[Record],
    gardens: Mapping[str, Garden],
    places: Iterable[Place],
) -> Look:
    """What is in these places, and in those that our books still look at. Again: only reads; every fault is in `unread`."""
    known = {Place(ref.garden, ref.namespace) for ref in books.all_secrets(records)}
    asked = sorted(place for place in {*places, *known} if place.garden in gardens)
    booked = books.all_secrets(records)
    found = {
        place: _found(gardens[place.garden], place, {ref.name for ref in booked if Place(ref.garden, ref.namespace) == place})
        for place in asked
    }
    return Look(installation=installation, charges=tuple(charges), records=tuple(records), found=found)


def narrow(seen: Look, ahead: int, who: Identity | None = None) -> tuple[PlaceNeeds, ...]:
    """Everything needed in each place, by all or by one identity.

    Secrets are told by name, with those of the next `ahead` rotations of each account.
    """
    coming = versions(seen, ahead)
    return tuple(_place(seen, place, coming, in_garden(who)) for place in sorted(seen.found))


def versions(seen: Look, ahead: int) -> frozenset[str]:
    """The names that rotations gave to their Secrets, and that the next ones will give: they are asked about for ever."""
    there = {name for found in seen.found.values() for name in found.secrets}
    coming: set[str] = set()
    for charge in seen.writers.values():
        records = [record for record in seen.records if record.order.credential == charge.email]
        first = books.next_sequence(records, charge.base, there)
        coming |= {name(charge.base, sequence) for sequence in range(1, first + ahead)}
    return frozenset(coming)


def accounts(held: HeldSecret | None) -> frozenset[Email]:
    """The service accounts whose keys are in the Secret."""
    return frozenset(key.account for key in held.keys) if held is not None else frozenset()


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """As people count: v2 before v10."""
    return tuple(sorted(names, key=lambda each: [(part.isdecimal(), part.zfill(9)) for part in re.split(r"(\d+)", each)]))


def _place(seen: Look, place: Place, coming: frozenset[str], rights: Sequence[GardenRight]) -> PlaceNeeds:
    found, writers = seen.found[place], seen.writers
    booked = {ref.name for ref in books.all_secrets(seen.records) if Place(ref.garden, ref.namespace) == place}
    named = frozenset(found.secrets) | found.bound | {name for shoot in found.shoots for name in shoot.names()}
    moving = coming | booked | {each for each, held in found.secrets.items() if accounts(held) & writers.keys()}
    companions = {
        companion
        for shoot in found.shoots
        if any(each.secret in moving for each in shoot.references)
        for companion in shoot.companions
    }
    deleted = {each for each, held in found.secrets.items() if held is not None and _may_go(held, seen)}
    names = {
        ("get", "secrets"): named | coming | booked,
        ("delete", "secrets"): deleted | coming | {each for each in booked if found.secrets.get(each) is None},
        ("get", "configmaps"): {each for resource, each in companions if resource == "configmaps"},
        ("get", "workloadidentities"): {each for resource, each in companions if resource == "workloadidentities"},
    }
    needs = [
        Need(right, in_order(names[right.verb, right.resource]) if right.by_name else ())
        for right in rights
        if writers or not right.writes
    ]
    return PlaceNeeds(
        place=place, needs=tuple(need for need in needs if need.names or not need.right.by_name), unread=found.unread
    )


def _may_go(held: HeldSecret, seen: Look) -> bool:
    """A retirement might delete this Secret one day."""
    charges = [seen.writers[email] for email in accounts(held) & seen.writers.keys()]
    if held.installation or held.owners:
        return held.installation == seen.installation and not held.owners and bool(charges)
    return any(charge.policy.adopt for charge in charges)


def _found(garden: Garden, place: Place, booked: set[str]) -> Found:
    unread: list[str] = []
    shoots: tuple[Shoot, ...] = ()
    bound: frozenset[str] = frozenset()
    try:
        shoots = garden.shoots(place.namespace)
    except RotatorError as fault:
        unread.append(str(fault))
    try:
        bound = frozenset(garden.bindings(place.namespace))
    except RotatorError as fault:
        unread.append(str(fault))
    secrets: dict[str, HeldSecret | None] = {}
    for each in sorted(bound | booked | {each for shoot in shoots for each in shoot.names()}):
        try:
            secrets[each] = garden.secret(place.namespace, each)
        except RotatorError as fault:
            unread.append(str(fault))
    return Found(shoots, bound, secrets, tuple(unread))
