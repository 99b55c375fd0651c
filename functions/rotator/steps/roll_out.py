"""Runbook lines 3 and 4: Shoots are pointed at the new Secret, in waves, and have reconciled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator import books, owner
from rotator.memory import Memory
from rotator.record import PLACE, Blocked, Fact, Record, RotationOrder, Wait
from rotator.secret import SecretRef, name
from rotator.shoot import Shoot, failing, why_not_movable
from rotator.states import Done, Left, Published, Verified
from rotator.steps import Next
from rotator.steps.announce import announce
from rotator.steps.moving import Goal, mark_confined, move_wave, reverted, unmet, why_left
from rotator.steps.publish import concerned, target
from rotator.steps.sweep import sweep
from rotator.survey import Survey, look_around
from rotator.words import counted
from rotator.world import World

OWNERS = timedelta(minutes=10)
"""How often to look whether owners have moved their Shoots: a pipeline takes minutes, a review takes days."""


def roll_out(
    state: Published, record: Record, order: RotationOrder, world: World, now: datetime
) -> Next[Done] | Next[Verified] | Next[Published] | Wait | Blocked:
    """Every Shoot that can move has moved and settled, or is left behind with a reason; the retirement waits for those.

    A place that cannot be read holds nobody else up; it is waited for in the end, unless a person gave it up.
    Again: Shoots that name the new Secret are not patched again; who moves next is computed from what is seen.
    """
    records = world.books.records(order.credential)
    ours = books.all_secrets(records)
    given_up = {word.removeprefix(PLACE) for word in record.confirmed if word.startswith(PLACE)}
    places = [place for place in books.scope(order.scope, world.books.scope()) if str(place) not in given_up]
    survey = look_around(places, world, also=sorted(ours))
    if any(target(order, place) not in state.secrets for place in concerned(survey, order, ours)):
        found = Fact("new_namespace", "a Shoot of another namespace uses the credential")
        return Next(Verified(key=state.key, fences=state.fences, secrets=state.secrets), (found,))
    if met := unmet(survey, order, records):
        return Next(state, (Fact("met", ", ".join(str(ref) for old in met for ref in old.secrets)),), met)
    look = _Look.at(survey, ours, state, record, order, now)
    words = mark_confined([shoot for shoot in look.moved if not shoot.deleting], record.id, world)
    if movable := look.movable():
        return look.moving(movable, world, words)
    if waits := look.waits(words):
        return waits
    left = look.left()
    numbers: dict[str, int | float | str] = {"moved": len(look.moved), "left": len(left)}
    facts = (
        Fact("rolled_out", f"{counted(len(look.moved), 'Shoot')} moved, {len(left)} left", numbers),
        *kept(look.moved, order),
        *sweep(state.key.staged, record, records, world),
        *announce(state.key, record, order, world, now),
    )
    return Next(Done(key=state.key, secrets=state.secrets, fences=state.fences, moved=len(look.moved), left=left), facts)


@dataclass(frozen=True, slots=True)
class _Look:
    """A roll-out at one look. `moved`: Shoots that name the new Secret; `waiting`: those that name another one of its keys."""

    state: Published
    record: Record
    order: RotationOrder
    now: datetime
    survey: Survey
    goal: Goal
    memory: Memory
    moved: tuple[Shoot, ...]
    waiting: tuple[Shoot, ...]

    @staticmethod
    def at(
        survey: Survey, ours: frozenset[SecretRef], state: Published, record: Record, order: RotationOrder, now: datetime
    ) -> "_Look":
        """What the survey shows of it."""
        new = name(order.base, order.sequence)
        goal = Goal(record.id, state.key.public_key, new, state.secrets, survey.upstreams(order.credential), ours)
        waiting = tuple(shoot for shoot in survey.shoots if survey.moves(shoot, order.credential, new, ours))
        there = tuple(shoot for shoot in survey.shoots if any(each.secret == new for each in shoot.references))
        moved = tuple(shoot for shoot in there if shoot not in waiting)
        return _Look(state, record, order, now, survey, goal, Memory.of(record.seen), moved, waiting)

    @property
    def overtime(self) -> bool:
        """The time that the policy gives Shoots to settle is over since the Secrets were there."""
        return self.now >= self.state.at + self.order.policy.waits.settle

    def movable(self) -> list[Shoot]:
        """Who may be moved now, by us or by their owners."""
        if self.order.policy.delivery == "handover" and self.overtime:
            return []  # their owners have had their time; the retirement of the old key goes on asking them
        return [
            shoot for shoot in self.waiting if not why_not_movable(shoot) and not reverted(shoot, self.record.id, self.memory)
        ]

    def moving(self, movable: list[Shoot], world: World, words: tuple[str, ...]) -> Wait | Blocked:
        """The next wave is on its way, or it is told what holds it."""
        # One that has used up its time to settle holds no place in a wave any more, unless it fails: another goes instead.
        arrived = [s for s in self.moved if not self.memory.why_not_settled(s) or failing(s) or self.hope(s)]
        survey, waits = self.survey, self.order.policy.waits
        wave = move_wave(movable, arrived, self.goal, self.record, self.order, survey, world, self.memory, now=self.now)
        seen = self.memory.after((*survey.shoots, *wave.shoots), self.record.id, whole=not survey.unread)
        if wave.held:
            return Blocked("failure-budget", (wave.held,), f"rotator describe {self.record.id}")
        if wave.dead and self.now < self.state.at + waits.propagation:
            return Wait(self.now + waits.poll, (wave.dead,), seen)
        if wave.dead:
            return Blocked("wanted-key-dead", (wave.dead,), f"rotator rotate {self.order.credential} --new")
        if wave.words and not wave.patched and not wave.under_way and self.overtime:
            return Blocked("refused", wave.words, f"rotator retry {self.record.id}")
        total = len(self.waiting) + len(self.moved)
        counts = f"{len(self.moved) + wave.patched} of {counted(total, 'Shoot')} moved, {wave.under_way} to settle"
        pause = waits.poll
        if self.order.policy.delivery == "handover" and not wave.under_way:
            pause = max(pause, min(OWNERS, self.state.at + waits.settle - self.now))
        return Wait(self.now + pause, (counts, *wave.words, *survey.unread, *words), seen)

    def waits(self, words: tuple[str, ...]) -> Wait | None:
        """Nobody is to be moved: what there is still to wait for."""
        again = self.now + self.order.policy.waits.poll
        seen = self.memory.after(self.survey.shoots, self.record.id, whole=not self.survey.unread)
        if pending := [f"{shoot.ref} {why}" for shoot in self.moved if (why := self.hope(shoot))]:
            ends = max(self.patience(shoot) for shoot in self.moved if self.hope(shoot))
            many = counted(len(self.moved), "moved Shoot")
            counts = f"{len(pending)} of {many} to settle, at most until {ends:%Y-%m-%d %H:%M} UTC"
            return Wait(again, (counts, *pending[:5], *self.survey.unread, *words), seen, ends)
        if self.survey.unread:
            return Wait(again, (*self.survey.unread, *self.way_out(), *words), seen)
        return None

    def way_out(self) -> tuple[str, ...]:
        """How a person gives up a place; not said while it may just be down: its Shoots would lose their key."""
        if self.now < self.state.at + self.order.policy.waits.settle:
            return ()
        return (f"a namespace that is gone for good: rotator waive {self.record.id} GARDEN/NAMESPACE --reason ...",)

    def hope(self, shoot: Shoot) -> str:
        """Why a moved Shoot has not settled, while there is hope: not for ever, and not for one that nobody reconciles."""
        if shoot.ignored or shoot.deleting or self.now >= self.patience(shoot):
            return ""
        return self.memory.why_not_settled(shoot)

    def patience(self, shoot: Shoot) -> datetime:
        """Until when a moved Shoot is waited for."""
        return (shoot.marked_at or self.state.at) + self.order.policy.waits.settle

    def left(self) -> tuple[Left, ...]:
        """Who is left behind, each with the reason: the retirement of the old key holds on to those."""
        behind: list[Left] = []
        for shoot in self.waiting:
            moves = self.survey.moves(shoot, self.order.credential, self.goal.secret, self.goal.ours)
            behind.append(Left(str(shoot.ref), why_left(shoot, moves, self.record.id, self.memory)))
        behind += [Left(str(shoot.ref), why) for shoot in self.moved if (why := self.memory.why_not_settled(shoot))]
        return tuple(behind)


def kept(moved: Sequence[Shoot], order: RotationOrder) -> tuple[Fact, ...]:
    """Of Shoots that we moved those that a tool keeps: it moves them back unless its source names the new Secret, too."""
    found = [f"{shoot.ref} by {owner.named(shoot.owners)}" for shoot in moved if shoot.owners]
    if not found or order.policy.delivery == "handover":
        return ()
    new = name(order.base, order.sequence)
    many = f"{counted(len(found), 'moved Shoot')} {'is' if len(found) == 1 else 'are'}"
    text = f"{many} kept by tools, whose sources must name {new} now: {'; '.join(found[:5])}"
    return (Fact("kept_by_tools", text, {"shoots": len(found)}),)
