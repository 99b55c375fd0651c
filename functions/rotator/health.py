"""How a credential is, in a few numbers: what alarms are set on."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from rotator.key import Email
from rotator.record import Record
from rotator.view import CredentialView

DAY = timedelta(days=1)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one credential at one look. A key counts while it works and Shoots use it or a record is about it.

    key_age_days: of the oldest such key; over_age: it is older than the policy's max_age. expires_in_days, safe_until: of the
    one that a Shoot uses and that ends first; None: none ever ends. keys: all user-managed ones, whoever made them.
    """

    credential: Email
    mode: str
    keys: int
    orphaned: int
    blocked: int
    key_age_days: float | None
    over_age: bool
    expires_in_days: float | None
    safe_until: datetime | None


def health(view: CredentialView, records: Iterable[Record], now: datetime) -> Health | None:
    """The credential's health; None where the configuration does not name it, or IAM did not show its keys."""
    if view.charge is None or not view.listed:
        return None
    alive = [each for each in view.keys if each.key.works_at(now) and each.role != "unmanaged"]
    ends = [each.key.expires_at for each in alive if each.shoots and each.key.expires_at is not None]
    oldest = min((each.key.made_at for each in alive), default=None)
    policy = view.charge.policy
    return Health(
        credential=view.email,
        mode=policy.mode,
        keys=len(view.keys),
        orphaned=sum(1 for each in view.keys if each.role == "orphaned"),
        blocked=sum(1 for record in records if record.unfinished and record.blocked is not None),
        key_age_days=_days(now - oldest) if oldest else None,
        over_age=oldest is not None and now - oldest > policy.max_age,
        expires_in_days=_days(min(ends) - now) if ends else None,
        safe_until=min(ends, default=None),
    )


def line(found: Health) -> str:
    """As a person reads it in the log."""
    age = "no key of ours" if found.key_age_days is None else f"oldest key {found.key_age_days:g} days"
    until = f", safe until {found.safe_until:%Y-%m-%d}" if found.safe_until else ""
    needs = f", {found.blocked} need a person" if found.blocked else ""
    return f"{found.credential}: {age}, {found.keys} keys{until}{needs}"


def _days(span: timedelta) -> float:
    return round(span / DAY, 1)
