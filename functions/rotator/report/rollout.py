"""How far a roll-out is, Shoot by Shoot: read from what is out there, because nothing about single Shoots is stored."""

import msgspec

from rotator.record import Record, RotationOrder
from rotator.secret import name
from rotator.view import CredentialView, ShootView


class Stand(msgspec.Struct, frozen=True):
    """One Shoot: "waits", "moved", "settled" or "skipped", and why."""

    shoot: str
    word: str
    why: str


def stands(view: CredentialView, record: Record) -> tuple[Stand, ...]:
    """Where each Shoot of the credential stands in this rotation."""
    if not isinstance(record.order, RotationOrder):
        return ()
    new = name(record.order.base, record.order.sequence)
    whom = "for its owner to move it" if record.order.policy.delivery == "handover" else "for its wave"
    return tuple(_stand(one, new, whom) for one in view.shoots)


def _stand(view: ShootView, new: str, whom: str) -> Stand:
    shoot = str(view.shoot.ref)
    if set(view.secrets) == {new}:
        return Stand(shoot, "moved", view.not_settled) if view.not_settled else Stand(shoot, "settled", "")
    if view.not_movable:
        return Stand(shoot, "skipped", view.not_movable)
    return Stand(shoot, "waits", whom)


def counted(found: tuple[Stand, ...]) -> str:
    """5 settled, 2 moved, 1 waits."""
    words = ("settled", "moved", "waits", "skipped")
    counts = {word: sum(1 for one in found if one.word == word) for word in words}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)
