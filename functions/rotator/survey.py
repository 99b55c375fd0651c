"""One look over a scope: all its Shoots, the Secrets they name, and what those Secrets hold.

Everything that decides about references decides on a survey, so that one lap asks for every list page once. What could not be
read is part of the result: it keeps gates shut.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rotator.errors import RotatorError, Transient, Unreadable
from rotator.key import Email, PublicKey
from rotator.record import Place
from rotator.secret import HeldSecret, SecretRef
from rotator.shoot import Shoot
from rotator.world import Move, World


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found. `secrets`: every Secret that was asked for, None where there is none; never encoded, keys are in it."""

    shoots: tuple[Shoot, ...]
    secrets: dict[SecretRef, HeldSecret | None]
    unread: tuple[str, ...]
    bound: frozenset[SecretRef] = frozenset()

    def whole(self) -> "Survey":
        """The survey, when all of it was read. Raises: Transient naming what could not be."""
        if self.unread:
            raise Transient("; ".join(self.unread))
        return self

    def secret(self, shoot: Shoot, name: str) -> HeldSecret | None:
        """The Secret of the Shoot's namespace, None when there is none or it could not be read."""
        return self.secrets.get(SecretRef(shoot.ref.garden, shoot.ref.namespace, name))

    def holding(self, public_key: PublicKey) -> tuple[HeldSecret, ...]:
        """All Secrets found that hold this key."""
        return tuple(held for _, held in sorted(self.secrets.items()) if held is not None and held.holds(public_key))

    def in_use(self, credential: Email) -> tuple[PublicKey, ...]:
        """The keys of this account that caches of Shoots are pointed at, each once."""
        found: dict[PublicKey, None] = {}
        for shoot in self.shoots:
            for reference in shoot.references:
                held = self.secret(shoot, reference.secret)
                login = held.login() if held is not None else None
                if login is not None and login.account == credential:
                    found.setdefault(login.public_key)
        return tuple(found)

    def moves(self, shoot: Shoot, credential: Email, target: str, ours: frozenset[SecretRef]) -> tuple[Move, ...]:
        """Entries of this Shoot that name another Secret of this account than `target`.

        An entry whose Secret is gone counts when our books say that it was one of this account's (`ours`): so a Shoot that
        lost its Secret is healed.
        """
        found: list[Move] = []
        for reference in shoot.references:
            if reference.secret == target:
                continue
            ref = SecretRef(shoot.ref.garden, shoot.ref.namespace, reference.secret)
            held = self.secrets.get(ref)
            login = held.login() if held is not None else None
            lost = held is None and ref in self.secrets and ref in ours
            if lost or (login is not None and login.account == credential):
                found.append(Move(reference.index, reference.entry, reference.secret, target))
        return tuple(found)

    def upstreams(self, credential: Email) -> tuple[str, ...]:
        """The registry hosts that caches reach with this account."""
        found: set[str] = set()
        for shoot in self.shoots:
            entries = {r.entry for r in shoot.references if self._is_of(shoot, r.secret, credential)}
            found |= {cache.upstream for cache in shoot.caches if cache.entry in entries}
        return tuple(sorted(found))

    def users(self, credential: Email) -> tuple[Shoot, ...]:
        """Shoots with an entry that names a Secret of this account."""
        return tuple(s for s in self.shoots if any(self._is_of(s, r.secret, credential) for r in s.references))

    def _is_of(self, shoot: Shoot, name: str, credential: Email) -> bool:
        held = self.secret(shoot, name)
        login = held.login() if held is not None else None
        return login is not None and login.account == credential


def look(places: Iterable[Place], world: World, also: Sequence[SecretRef] = ()) -> Survey:
    """All Shoots of these places, every Secret that they or a binding name, and the Secrets `also`.

    Again: the same calls; nothing is changed. Raises: Transient for what may be readable soon.
    """
    found = _Found(also, bound=True)
    for place in sorted(set(places)):
        found.add(place, world)
    return found.survey()


def look_around(places: Iterable[Place], world: World, also: Sequence[SecretRef] = (), *, bound: bool = False) -> Survey:
    """All Shoots of the places that answer, every Secret that they name, and the Secrets `also`: for reports and for moving.

    One Garden that is down must not keep the Shoots of the others on an old key. Bindings are asked for (`bound`) by reports
    only: no cache takes its credential from one. Raises: the fault of the first Garden when no place answers at all.
    """
    found = _Found(also, bound=bound)
    down: dict[str, tuple[RotatorError, list[str]]] = {}
    for place in sorted(set(places)):
        if place.garden in down:  # it was given its time once; a hundred namespaces must not each wait as long
            down[place.garden][1].append(place.namespace)
            continue
        try:
            found.add(place, world)
        except RotatorError as fault:
            down[place.garden] = (fault, [])
    if down and not found.answered:
        raise next(iter(down.values()))[0]
    found.unread += [f"{fault}" + (f"; not asked then: {', '.join(rest)}" if rest else "") for fault, rest in down.values()]
    return found.survey()


class _Found:
    """What has been read so far."""

    def __init__(self, also: Sequence[SecretRef], *, bound: bool) -> None:
        self._also = also
        self._asks_bindings = bound
        self._shoots: list[Shoot] = []
        self._secrets: dict[SecretRef, HeldSecret | None] = {}
        self._bound: set[SecretRef] = set()
        self.unread: list[str] = []
        self.answered = False

    def add(self, place: Place, world: World) -> None:
        """One place more. Raises: what its Garden answered, but for Unreadable, which is noted."""
        garden = world.gardens.get(place.garden)
        if garden is None:
            self.unread.append(f"{place}: Garden {place.garden} is not configured any more")
            return
        try:
            here = garden.shoots(place.namespace)
            names = set(garden.bindings(place.namespace)) if self._asks_bindings else set()
        except Unreadable as fault:
            self.unread.append(str(fault))
            return
        self.answered = True
        self._shoots.extend(here)
        self._bound |= {SecretRef(place.garden, place.namespace, name) for name in names}
        for shoot in here:
            names |= shoot.names()
        names |= {ref.name for ref in self._also if (ref.garden, ref.namespace) == (place.garden, place.namespace)}
        for name in sorted(names):
            try:
                self._secrets[SecretRef(place.garden, place.namespace, name)] = garden.secret(place.namespace, name)
            except Unreadable as fault:
                self.unread.append(str(fault))

    def survey(self) -> Survey:
        """All of it."""
        return Survey(tuple(self._shoots), self._secrets, tuple(self.unread), frozenset(self._bound))
