"""What one look at a scope leaves for the next: which Shoots had settled, and which bore our mark.

Gardener reconciles every Shoot about once an hour, for minutes. Among some hundred Shoots a few are always under way, so no
single look would ever find all of them settled, although nothing has changed. A Shoot that was seen settled runs what its spec
named then; while its generation and everything it names are the same, another reconcile of that spec cannot bring back a key.

A Shoot that bore our mark and names an old Secret again was moved back. Whoever writes the whole Shoot anew takes the mark
away, too; so it is remembered, or we would patch such a Shoot at every look.

Kept as fingerprints, eight bytes each: nothing about a Shoot can be read from them, and a Shoot that changed matches none.
Confined Shoots are not remembered, because their generation does not follow their spec.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from rotator.shoot import Shoot, ShootRef, why_not_settled

SIZE = 8


class Memory(msgspec.Struct, frozen=True):
    """The Shoots that were seen settled, and those that were seen marked, at earlier looks of the same record."""

    known: frozenset[bytes] = frozenset()

    @staticmethod
    def of(packed: bytes) -> "Memory":
        """As it was packed into a record."""
        return Memory(frozenset(packed[place : place + SIZE] for place in range(0, len(packed), SIZE)))

    def why_not_settled(self, shoot: Shoot) -> str:
        """Empty when the Shoot has settled, now or at an earlier look with the very same spec; else why not."""
        why = why_not_settled(shoot)
        if why and may_be_remembered(shoot) and fingerprint(shoot) in self.known:
            return ""
        return why

    def was_marked(self, shoot: Shoot, rotation: str) -> bool:
        """The Shoot bears this rotation's mark, or bore it at an earlier look."""
        return bears(shoot, rotation) or mark_of(shoot.ref, rotation) in self.known

    def after(self, shoots: Iterable[Shoot], rotation: str = "", *, whole: bool = True) -> bytes:
        """What to keep after this look, packed: those that have settled by now, and those with this rotation's mark.

        Shoots that are gone are forgotten; after a look that did not see the `whole` scope nobody can be told to be gone.
        """
        shoots = tuple(shoots)
        kept = {
            print_
            for shoot in shoots
            if may_be_remembered(shoot) and ((print_ := fingerprint(shoot)) in self.known or not why_not_settled(shoot))
        }
        kept |= {mark_of(shoot.ref, rotation) for shoot in shoots if self.was_marked(shoot, rotation)}
        return b"".join(sorted(kept if whole else kept | self.known))


NOTHING = Memory()
"""No look yet."""


def may_be_remembered(shoot: Shoot) -> bool:
    """Its generation speaks for its spec, and the reconcile under way, if any, is one of that very spec, where it belongs."""
    return (
        not shoot.confined
        and not shoot.deleting
        and not shoot.ignored
        and shoot.seed == shoot.status_seed
        and shoot.observed_generation == shoot.generation
        and (shoot.mark is None or shoot.generation > shoot.mark.generation)
        and shoot.hibernate == shoot.hibernated
        and not shoot.frozen_resources
        and (shoot.operation is None or shoot.operation.type in {"Create", "Reconcile", "Restore"})
    )


def bears(shoot: Shoot, rotation: str) -> bool:
    """The Shoot bears this rotation's mark."""
    return shoot.mark is not None and shoot.mark.rotation == rotation


def mark_of(shoot: ShootRef, rotation: str) -> bytes:
    """Eight bytes for this Shoot, by its uid, under this rotation's mark."""
    return hashlib.blake2b(msgspec.msgpack.encode((shoot, rotation)), digest_size=SIZE).digest()


def fingerprint(shoot: Shoot) -> bytes:
    """Eight bytes that are the same as long as Shoot, generation and everything it names are."""
    named = (shoot.ref, shoot.generation, shoot.references, shoot.other_secrets, shoot.caches, shoot.mark)
    return hashlib.blake2b(msgspec.msgpack.encode(named), digest_size=SIZE).digest()
