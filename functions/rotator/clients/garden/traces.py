"""Who wrote what after us: read off managedFields and the fingerprint beside our mark.

Only marked Shoots have traces to read. A confined Shoot's generation does not follow its spec, so its mark counts only while
nobody can have changed what it names; when that is unclear, somebody has (design.md section 7, "Settled").
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from rotator.clients.garden.wire import Wire, Writer, instant
from rotator.shoot import FIELD_MANAGER, Shoot


class Spec(Wire, rename={"resources": "f:resources"}):
    """f:spec of fieldsV1: only whether f:resources is there; what is below stays raw."""

    resources: msgspec.Raw = msgspec.Raw()


class Fields(Wire, rename={"spec": "f:spec"}):
    """fieldsV1."""

    spec: Spec = msgspec.field(default_factory=Spec)


_FIELDS = msgspec.json.Decoder(Fields)


def added(shoot: Shoot, writers: Sequence[Writer], seen: str | None) -> Shoot:
    """The marked Shoot with `marked_at`, and `touched` if it is confined."""
    times = [instant(each.time) for each in writers if each.manager == FIELD_MANAGER]
    marked_at = max((at for at in times if at), default=None)
    same = seen is not None and seen.partition(" ")[0] == fingerprint(shoot)
    touched = shoot.confined and (not same or _written_since(marked_at, writers))
    return msgspec.structs.replace(shoot, marked_at=marked_at, touched=touched)


def seen(shoot: Shoot) -> str:
    """What stands beside a mark of this Shoot: the fingerprint, and when the mark before it was made.

    A patch that changes nothing has no time in managedFields: without that time, marking twice would leave the old one.
    """
    before = f" {shoot.marked_at:%Y-%m-%dT%H:%M:%SZ}" if shoot.marked_at is not None else ""
    return f"{fingerprint(shoot)}{before}"


def fingerprint(shoot: Shoot) -> str:
    """Changes whenever the Shoot names other Secrets, or its caches take them from other entries."""
    named = (
        [(each.entry, each.secret) for each in shoot.references],
        [(each.upstream, each.entry) for each in shoot.caches],
        shoot.other_secrets,
    )
    return hashlib.sha256(msgspec.json.encode(named)).hexdigest()[:16]


def _written_since(marked_at: datetime | None, writers: Sequence[Writer]) -> bool:
    if marked_at is None:
        return True
    for each in writers:
        at = instant(each.time)
        # Times are whole seconds: the same second may be after us.
        if each.manager != FIELD_MANAGER and (at is None or at >= marked_at) and _owns_resources(each):
            return True
    return False


def _owns_resources(writer: Writer) -> bool:
    try:
        fields = _FIELDS.decode(writer.fields)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True  # what cannot be read may be anything
    return bool(bytes(fields.spec.resources))
