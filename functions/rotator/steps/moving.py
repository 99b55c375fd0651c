"""Moving Shoots, for the two steps that do: the roll-out, and the drain that catches late joiners."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rotator import books, owner
from rotator.errors import Absent, Conflict, Denied
from rotator.key import KeyFile, PublicKey, short
from rotator.memory import Memory
from rotator.record import Order, Record, Replaced
from rotator.secret import SecretRef
from rotator.shoot import Mark, Shoot, why_not_movable
from rotator.survey import Survey
from rotator.trial import try_key
from rotator.waves import next_wave
from rotator.world import Move, World

REFUSALS = 5
"""So many refusals make a wave look elsewhere among those waiting, and twice as many end it: Shoots whose owner's admission
says no must not stop the others, and an admission that is down must not be asked about every Shoot there is."""

ASKED = 20
"""So many Shoots are told by name when their owners have to move them; the plan tells all."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Where Shoots are to go: the rotation that they are marked with, its key and the name of its Secret in every namespace."""

    rotation: str
    public_key: PublicKey
    secret: str
    secrets: tuple[SecretRef, ...]
    upstreams: tuple[str, ...]
    ours: frozenset[SecretRef]

    def there(self, shoot: Shoot) -> bool:
        """The Shoot's namespace has the Secret."""
        return SecretRef(shoot.ref.garden, shoot.ref.namespace, self.secret) in self.secrets


@dataclass(frozen=True, slots=True)
class Moved:
    """What a wave did. `held`: a failure budget stopped it. `dead`: the goal's key does not work. `words`: what was refused.

    `shoots`: those that were patched, as they are now.
    """

    patched: int = 0
    under_way: int = 0
    held: str = ""
    dead: str = ""
    words: tuple[str, ...] = ()
    shoots: tuple[Shoot, ...] = ()


def unmet(survey: Survey, order: Order, records: Iterable[Record]) -> tuple[Replaced, ...]:
    """Secrets with keys of this account that Shoots name and the books do not know.

    A Secret is known to us only while a Shoot names it. It must be in the books before the last Shoot is moved away from it, or
    it would be left behind with a key that is taken away, and admission would go on accepting references to it.
    """
    every = list(records)
    found: set[tuple[PublicKey, SecretRef]] = set()
    for shoot in survey.shoots:
        for reference in shoot.references:
            held = survey.secret(shoot, reference.secret)
            login = held.login() if held is not None else None
            if held is not None and login is not None and login.account == order.credential:
                found.add((login.public_key, held.ref))
    keys = sorted({key for key, _ in found})
    missing = {key: tuple(sorted({ref for k, ref in found if k == key} - set(books.secrets_of(every, key)))) for key in keys}
    return tuple(Replaced(key, refs) for key, refs in missing.items() if refs)


def reverted(shoot: Shoot, rotation: str, memory: Memory) -> bool:
    """Of a Shoot that names an old Secret: it had this rotation's mark, so its owner took our move back. We do not fight."""
    return memory.was_marked(shoot, rotation)


def change(shoot: Shoot, moves: Sequence[Move]) -> str:
    """What has to change in this Shoot, as its owner would look for it: each entry, from the Secret it names to the other."""
    entries = ", ".join(
        f"spec.resources[{each.index}].resourceRef.name ({each.entry}) {each.old} -> {each.new}" for each in moves
    )
    return entries + (f"; owned by {owner.named(shoot.owners)}" if shoot.owners else "")


def why_back(shoot: Shoot, moves: Sequence[Move]) -> str:
    """A reverted Shoot, in words. Pointing it at the new Secret again would only begin a fight."""
    return f"was moved back by its owner: change the reference at its source: {change(shoot, moves)}"


def why_left(shoot: Shoot, moves: Sequence[Move], rotation: str, memory: Memory) -> str:
    """Why a Shoot that names an old Secret stays with it: what stops us, or what its owner has not done."""
    if reverted(shoot, rotation, memory):
        return why_back(shoot, moves)
    return why_not_movable(shoot) or f"was not moved by its owner: {change(shoot, moves)}"


def mark_confined(shoots: Sequence[Shoot], rotation: str, world: World) -> tuple[str, ...]:
    """Every confined Shoot among them that cannot be dated has a fresh mark; what was refused is said.

    Again: a Shoot whose mark still dates its spec is left alone.
    """
    refused: list[str] = []
    for shoot in shoots:
        if not shoot.needs_mark:
            continue
        try:
            world.gardens[shoot.ref.garden].mark(shoot, Mark(rotation, shoot.generation))
        except (Conflict, Absent):
            continue  # it moved meanwhile: the next look decides
        except Denied as fault:
            refused.append(f"{shoot.ref} cannot be marked: {fault}")
    return tuple(refused)


def move_wave(
    movable: Sequence[Shoot],
    moved: Sequence[Shoot],
    goal: Goal,
    record: Record,
    order: Order,
    survey: Survey,
    world: World,
    memory: Memory,
    *,
    now: datetime,
) -> Moved:
    """The next wave names the goal's Secret, each Shoot by one patch, onto a key that was tried in this very activation.

    Again: computed from what is seen, so a Shoot that has moved is in `moved` and not patched twice.
    """
    if order.policy.delivery == "handover":
        return handed_over(movable, moved, goal, order, survey, world, memory)
    excused = [waiver.shoot for waiver in record.waivers]
    attempted: set[str] = set()
    arrived = list(moved)
    words: list[str] = []
    patched = refusals = 0
    # The next ones in each lap, which saves a revision.
    elsewhere = movable[record.revision * REFUSALS % max(1, len(movable)) :]
    while refusals < 2 * REFUSALS:
        chosen = movable if refusals < REFUSALS else elsewhere
        waiting = [shoot for shoot in chosen if shoot.ref.uid not in attempted and goal.there(shoot)]
        wave = next_wave(waiting, arrived, goal.rotation, order.policy.waves, excused, memory, now)
        if wave.held or not wave.take:
            return Moved(patched, wave.under_way, wave.held, "", tuple(words), tuple(arrived[len(moved) :]))
        if not attempted and (dead := why_dead(goal, order, survey, world)):
            return Moved(patched, wave.under_way, "", dead)
        for shoot in wave.take:
            attempted.add(shoot.ref.uid)
            moves = survey.moves(shoot, order.credential, goal.secret, goal.ours)
            try:
                arrived.append(world.gardens[shoot.ref.garden].move(shoot, moves, Mark(goal.rotation, shoot.generation)))
                patched += 1
            except (Conflict, Absent):
                words.append(f"{shoot.ref} changed meanwhile; looking again")
            except Denied as fault:
                refusals += 1
                words.append(f"{shoot.ref} refused: {fault}")
                if refusals % REFUSALS == 0:
                    break
    under_way = sum(1 for shoot in arrived if memory.why_not_settled(shoot))
    return Moved(patched, under_way, "", "", tuple(words), tuple(arrived[len(moved) :]))


def handed_over(
    movable: Sequence[Shoot],
    moved: Sequence[Shoot],
    goal: Goal,
    order: Order,
    survey: Survey,
    world: World,
    memory: Memory,
) -> Moved:
    """Nothing is patched: who has to change what is said, while the key that they are asked to move to works.

    Again: only reads. A Shoot that its owner has moved is in `moved` by then.
    """
    under_way = sum(1 for shoot in moved if memory.why_not_settled(shoot))
    asked = sorted((shoot for shoot in movable if goal.there(shoot)), key=lambda shoot: shoot.ref)
    if not asked:
        return Moved(under_way=under_way)
    if dead := why_dead(goal, order, survey, world):
        return Moved(under_way=under_way, dead=dead)
    words = [
        f"{shoot.ref}: its owner has to change {change(shoot, survey.moves(shoot, order.credential, goal.secret, goal.ours))}"
        for shoot in asked[:ASKED]
    ]
    if asked[ASKED:]:
        words.append(f"and {len(asked) - ASKED} Shoots more: rotator plan {order.credential}")
    return Moved(under_way=under_way, words=tuple(words))


def why_dead(goal: Goal, order: Order, survey: Survey, world: World) -> str:
    """Empty when the key that Shoots are about to move to works, tried with the bytes of its Secret."""
    login = next((login for held in survey.holding(goal.public_key) if (login := held.login()) is not None), None)
    if login is None:
        return f"no Secret holds key {short(goal.public_key)} any more"
    account = world.accounts.account(order.credential, order.project)
    answer = try_key(KeyFile(login.private, account, login.id), goal.upstreams, order, world)
    return "" if answer.accepted else f"key {short(goal.public_key)} does not work any more: {answer.text}"
