"""Who wrote what after us: read off managedFields and the fingerprint beside our mark.

Only marked Shoots have traces to read. A confined Shoot's generation does not follow its spec, so its mark counts only while
nobody can have changed what it names; when that is unclear, somebody has (design.md section 7, "Settled").
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from rotator.clients.garden.wire import Wire, instant
from rotator.shoot import FIELD_MANAGER, Shoot


class Spec(Wire, rename={"resources": "f:resources"}):
    """f:spec of fieldsV1: only whether f:resources is there; what is below stays raw."""

    resources: msgspec.Raw = msgspec.Raw()


class Fields(Wire, rename={"spec": "f:spec"}):
    """fieldsV1."""

    spec: Spec = msgspec.field(default_factory=Spec)


class Writer(Wire):
    """One entry of managedFields: who and when."""

    manager: str = ""
    time: str | None = None


class Entry(Writer, rename={"fields": "fieldsV1"}):
    """One entry of managedFields, with what it owns."""

    fields: Fields = msgspec.field(default_factory=Fields)


_WRITERS = msgspec.json.Decoder(list[Writer])
_ENTRIES = msgspec.json.Decoder(list[Entry])


def added(shoot: Shoot, managed_fields: msgspec.Raw, seen: str | None) -> Shoot:
    """The marked Shoot with `marked_at`, and `touched` if it is confined."""
    # Time is what a scan of thousands has least of: what the others own is looked at for confined Shoots only.
    entries = _entries(managed_fields) if shoot.confined else []
    writers = entries or _writers(managed_fields)
    times = [instant(each.time) for each in writers if each.manager == FIELD_MANAGER]
    marked_at = max((at for at in times if at), default=None)
    touched = shoot.confined and (seen != fingerprint(shoot) or _written_since(marked_at, entries))
    return msgspec.structs.replace(shoot, marked_at=marked_at, touched=touched)


def fingerprint(shoot: Shoot) -> str:
    """Changes whenever the Shoot names other Secrets, or its caches take them from other entries."""
    named = (
        [(each.entry, each.secret) for each in shoot.references],
        [(each.upstream, each.entry) for each in shoot.caches],
        shoot.other_secrets,
    )
    return hashlib.sha256(msgspec.json.encode(named)).hexdigest()[:16]


def _writers(managed_fields: msgspec.Raw) -> Sequence[Writer]:
    try:
        return _WRITERS.decode(managed_fields)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _entries(managed_fields: msgspec.Raw) -> Sequence[Entry]:
    try:
        return _ENTRIES.decode(managed_fields)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _written_since(marked_at: datetime | None, entries: Sequence[Entry]) -> bool:
    if marked_at is None:
        return True
    for entry in entries:
        if entry.manager == FIELD_MANAGER or not bytes(entry.fields.spec.resources):
            continue
        at = instant(entry.time)
        # Times are whole seconds: the same second may be after us.
        if at is None or at >= marked_at:
            return True
    return False
