"""What a rotation of a credential would do if it began now, and the last moment by which each step keeps max_age.

Nothing is changed and nothing is promised: who moves is decided when it happens, on what is seen then.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from rotator import books
from rotator.key import Email, PublicKey
from rotator.policy import Policy
from rotator.record import PROPOSED, Record, rotation_id
from rotator.report import form, rollout
from rotator.report import records as standing
from rotator.report.form import Tree
from rotator.report.milestone import milestones
from rotator.secret import SecretRef, name
from rotator.shoot import Shoot
from rotator.view import CredentialView, Inventory, ShootView
from rotator.waves import next_wave


class Date(msgspec.Struct, frozen=True, kw_only=True):
    """One step: when it may be over at the earliest if we began now, and when it has to be over at the latest."""

    step: str
    earliest: datetime
    latest: datetime | None
    note: str = ""


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one Shoot; `wave` from 1, `owners`: tools that keep it.

    `what`: "moves", "waits" (moves, but its reconcile is far away), "handover" (its owner moves it) or "skipped".
    """

    shoot: str
    what: str
    wave: int | None
    why: str
    owners: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A rotation that nobody has ordered yet. `unfinished`: the one that is under way instead, if there is one.

    `remaining`: what that one still does; empty for one that was only proposed. `keys_unread`: why IAM's list is not known;
    then neither is what is replaced, nor since when. `partial`: not all of the scope was read, so every count is the least.
    `will_block`: where the retirement will wait for a person.
    """

    credential: Email
    mode: str
    rotation: str
    unfinished: str
    mint: str
    due_at: datetime | None
    replaces: tuple[PublicKey, ...]
    secrets: tuple[SecretRef, ...]
    fates: tuple[Fate, ...]
    dates: tuple[Date, ...]
    in_the_way: tuple[str, ...]
    keys_unread: str = ""
    partial: bool = False
    will_block: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()

    def count(self, what: str) -> int:
        """How many Shoots have this fate."""
        return sum(1 for fate in self.fates if fate.what == what)

    @property
    def waves(self) -> int:
        """How many waves they go in, if each wave settles."""
        return max((fate.wave or 0 for fate in self.fates), default=0)


def make(view: CredentialView, records: Sequence[Record], now: datetime) -> Plan | None:
    """The plan for this credential; None for one that the configuration does not name."""
    if view.charge is None:
        return None
    base, policy = view.charge.base, view.charge.policy
    mine = [record for record in records if record.order.credential == view.email]
    sequence = books.next_sequence(mine, base, (secret.ref.name for secret in view.secrets))
    places = sorted({(one.shoot.ref.garden, one.shoot.ref.namespace) for one in view.shoots})
    starts = [key.starts_at for key in view.keys if key.starts_at is not None]
    under_way = next((record for record, _ in books.rotations(mine) if record.unfinished), None)
    due_at = min(starts, default=None)
    return Plan(
        credential=view.email,
        mode=policy.mode,
        rotation=rotation_id(base, sequence),
        unfinished=under_way.id if under_way else "",
        mint=policy.mint,
        due_at=due_at,
        replaces=view.in_use,
        secrets=tuple(SecretRef(garden, namespace, name(base, sequence)) for garden, namespace in places),
        fates=fates(view.shoots, policy, name(base, sequence)),
        dates=dates(policy, now, due_at),
        in_the_way=view.hindrances,
        keys_unread=view.unlisted,
        partial=view.partial,
        will_block=view.will_block,
        remaining=remaining(view, under_way, now) if under_way else (),
    )


def remaining(view: CredentialView, record: Record, now: datetime) -> tuple[str, ...]:
    """What a rotation that is under way still does, and what it waits for; nothing of one that nobody has let begin."""
    if record.blocked and record.blocked.code == PROPOSED:
        return ()
    lines = [f"still to come: {each.name} ({each.note})" for each in milestones(record, now) if each.done_at is None]
    found = rollout.stands(view, record)
    if found:
        lines.append(f"Shoots: {rollout.counted(found)}")
        lines += [f"{each.shoot} {each.word}{' ' + each.why if each.why else ''}" for each in found if each.word != "settled"]
    lines += [f"{'blocked' if record.blocked else 'waits'}: {why}" for why in standing.why(record)]
    return tuple(lines)


def fates(shoots: Sequence[ShootView], policy: Policy, target: str) -> tuple[Fate, ...]:
    """What becomes of each Shoot, in the order in which they would move to the Secret `target`."""
    movable = [one.shoot for one in shoots if not one.not_movable and policy.delivery == "direct"]
    wave_of: dict[str, int] = {}
    number, moved = 0, list[Shoot]()
    while waiting := [shoot for shoot in movable if shoot not in moved]:
        number += 1
        # A Shoot that has not settled today will hold up its wave when the day comes; a plan does not wait for it.
        take = next_wave(waiting, [shoot for shoot in moved if not late(shoot)], "", policy.waves).take or tuple(waiting[:1])
        wave_of |= {shoot.ref.uid: number for shoot in take}
        moved += take
    found: list[Fate] = []
    for one in shoots:
        ref = one.shoot.ref
        owners = tuple(map(str, one.shoot.owners))
        if one.not_movable:
            found.append(Fate(shoot=str(ref), what="skipped", wave=None, why=one.not_movable, owners=owners))
            continue
        if policy.delivery == "handover":
            found.append(Fate(shoot=str(ref), what="handover", wave=None, why=asked(one, target), owners=owners))
            continue
        why = late(one.shoot) or one.not_settled
        what = "waits" if why else "moves"
        found.append(
            Fate(shoot=str(ref), what=what, wave=wave_of[ref.uid], why=why or sort_of(one.shoot, policy), owners=owners)
        )
    return tuple(sorted(found, key=lambda fate: (fate.wave is None, fate.wave or 0, fate.shoot)))


def asked(one: ShootView, target: str) -> str:
    """What the Shoot's owner has to change when the Secret is there."""
    entries = [each for each in one.shoot.references if each.secret in one.secrets]
    return "its owner changes " + ", ".join(f"{each.entry}: {each.secret} -> {target}" for each in entries)


def late(shoot: Shoot) -> str:
    """Why a Shoot that moves now would reconcile much later; empty when it would soon."""
    if shoot.ignored:
        return "is ignored by gardenlet (shoot.gardener.cloud/ignore): moves, and holds the old key until it reconciles"
    if shoot.confined:
        return "reconciles in its maintenance window only"
    return ""


def sort_of(shoot: Shoot, policy: Policy) -> str:
    """A word on a Shoot that explains its place in the order."""
    words = [f"purpose {shoot.purpose}"] if shoot.purpose else []
    if shoot.canary or shoot.purpose in policy.waves.canary_purposes:
        words.append("goes first")
    if shoot.hibernated:
        words.append("hibernated")
    return ", ".join(words)


def dates(policy: Policy, now: datetime, due_at: datetime | None) -> tuple[Date, ...]:
    """When each step may be over if we began now, and when it must be over: counted back from the end of max_age."""
    waits = policy.waits
    slow = max(waits.soak, waits.unknown_use)
    end = due_at + policy.longest if due_at else None

    def latest(back: timedelta) -> datetime | None:
        return end - back if end else None

    soaked = now + waits.soak
    movers = "by their owners; " if policy.delivery == "handover" else ""
    lines = (
        ("rotation begins", now, latest(policy.longest), ""),
        ("new key is proven", now, latest(slow + waits.request + waits.settle), "as a cache would use it"),
        (
            "Shoots have moved",
            now,
            latest(slow + waits.request),
            f"{movers}those not settled after {form.span(waits.settle)} are left",
        ),
        ("old Secrets deleted", soaked, latest(slow - waits.soak + waits.request), f"soak {form.span(waits.soak)}"),
        ("old key disabled", soaked + waits.request, end, f"unused for {form.span(waits.idle)}; unknown: {form.span(slow)}"),
        ("old key deleted", soaked + waits.request + waits.quiet, latest(-waits.quiet), f"quiet {form.span(waits.quiet)}"),
    )
    return tuple(Date(step=step, earliest=earliest, latest=last, note=note) for step, earliest, last, note in lines)


def tree(plans: Sequence[Plan], inventory: Inventory) -> Tree:
    """The plans for machines."""
    return form.tree(
        "plan",
        inventory.at,
        plans=[
            {
                "credential": one.credential,
                "mode": one.mode,
                "rotation": one.rotation,
                "unfinished": one.unfinished or None,
                "remaining": list(one.remaining),
                "due_at": form.stamp(one.due_at),
                "due": one.due_at is not None and one.due_at <= inventory.at,
                "mint": one.mint,
                "replaces": list(one.replaces),
                "secrets": msgspec.to_builtins(one.secrets),
                "shoots": msgspec.to_builtins(one.fates),
                "counts": {what: one.count(what) for what in ("moves", "waits", "handover", "skipped")} | {"waves": one.waves},
                "dates": [
                    {
                        "step": date.step,
                        "earliest": form.stamp(date.earliest),
                        "latest": form.stamp(date.latest),
                        "note": date.note,
                    }
                    for date in one.dates
                ],
                "in_the_way": list(one.in_the_way),
                "keys_unread": one.keys_unread or None,
                "partial": one.partial,
                "will_block": list(one.will_block),
            }
            for one in plans
        ],
        unread=list(inventory.faults),
    )
