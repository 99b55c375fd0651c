"""What is watched of a credential, in numbers: for the log's alarms and for metrics. Pure, from one look."""

from datetime import datetime, timedelta

import msgspec

from rotator.key import Email
from rotator.view import CredentialView

DAY = timedelta(days=1)


class Gauge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One credential at one look; names and meanings as in `log_fields`. None: not known, or never."""

    credential: Email
    key_max_age_days: float
    blocked: int
    unproved: int
    shoots: int
    key_age_days: float | None = None
    over_age: bool | None = None
    expires_in_days: float | None = None
    safe_until: datetime | None = None
    keys: int | None = None
    dead: int | None = None
    orphaned: int | None = None
    unmanaged: int | None = None


def read(view: CredentialView, now: datetime) -> Gauge | None:
    """The numbers of this credential; None for an account that the configuration does not name."""
    if view.charge is None:
        return None
    gauge = Gauge(
        credential=view.email,
        key_max_age_days=_days(view.charge.policy.max_age),
        blocked=len(view.blocked),
        unproved=len(view.unproved),
        shoots=len(view.shoots),
    )
    if not view.listed:
        return gauge
    used = [each.key for each in view.keys if each.role == "wanted" or each.key.public_key in view.in_use]
    wanted = [key for key in used if view.wanted in (None, key.public_key)]
    made_at = min((key.made_at for key in wanted), default=None)
    safe_until = min((key.expires_at for key in used if key.expires_at is not None), default=None)
    roles = [each.role for each in view.keys]
    return msgspec.structs.replace(
        gauge,
        key_age_days=_days(now - made_at) if made_at is not None else None,
        over_age=any(
            each.role != "unmanaged" and each.key.works_at(now) and now - each.key.made_at > view.charge.policy.max_age
            for each in view.keys
        ),
        expires_in_days=_days(safe_until - now) if safe_until is not None else None,
        safe_until=safe_until,
        keys=len(view.keys),
        dead=sum(1 for key in used if not key.works_at(now)),
        orphaned=None if view.partial else roles.count("orphaned"),
        unmanaged=None if view.partial else roles.count("unmanaged"),
    )


def _days(span: timedelta) -> float:
    return round(span / DAY, 3)
