"""What people order through the api: it is put into the books, with who and why, and a worker is woken to carry it out.

Nothing is run here, so every answer is quick. A verb that refuses, because the books or the world do not allow it, is a 409.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import msgspec

from rotator import logs
from rotator.doors import form
from rotator.doors.form import Refused, Said
from rotator.doors.reading import Call, charged, found, whole
from rotator.doors.strict import Credential, Key, Reason
from rotator.errors import Invalid, RotatorError

if TYPE_CHECKING:
    from rotator.record import Record
    from rotator.wiring import Wired


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rotation of this credential; `to` a key that exists, or `new` although one is under way, which that supersedes."""

    credential: Credential
    reason: Reason
    to: Key | msgspec.UnsetType = msgspec.UNSET
    new: bool = False


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An act, signed by whoever asks, with a reason."""

    reason: Reason


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Responsibility for one Shoot that does not settle, or for a place that cannot be read any more."""

    shoot: Annotated[
        str,
        msgspec.Meta(
            pattern="^[a-z0-9-]{1,63}/[a-z0-9-]{1,63}(/[a-z0-9-]{1,63})?$",
            description="garden/namespace/name; garden/namespace is a place.",
        ),
    ]
    reason: Reason


class Stop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one credential, or of everything."""

    credential: Credential | msgspec.UnsetType = msgspec.UNSET
    reason: Reason


def rotate(call: Call) -> Said:
    """The rotation is in the books. Again: the same one until it is finished, unless `new`."""
    wired, asked = call.wired, call.body
    credential = charged(wired.service, asked.credential)
    wired.hear()
    now = wired.clock.now()
    with _allowed():
        record = wired.service.rotate(
            credential, now, by=call.by, why=asked.reason, to=None if asked.to is msgspec.UNSET else asked.to, new=asked.new
        )
    if record.order.at != now:
        return form.tree(200, whole(wired, record))
    _say(call, "rotation.ordered", record.id, asked.reason)
    _wake(wired, record)
    return form.tree(201, whole(wired, record), Location=f"/records/{record.id}")


def retry(call: Call) -> Said:
    """The record goes on from where it rests; a step that waited for a person is confirmed."""
    from rotator import books

    wired = call.wired
    record = found(wired.service, call.names["id"])
    with _allowed():
        record = wired.service.retry(record.id, books.present(wired.clock.now(), [record]), by=call.by, why=call.body.reason)
    return _acted(call, wired, record, "record.retried")


def waive(call: Call) -> Said:
    """The record no longer waits for this Shoot. If it still runs the old key, its pulls will fail."""
    wired = call.wired
    record = found(wired.service, call.names["id"])
    wired.hear()
    with _allowed():
        record = wired.service.waive(record.id, call.body.shoot, wired.clock.now(), by=call.by, why=call.body.reason)
    return _acted(call, wired, record, "record.waived")


def reenable(call: Call) -> Said:
    """The key's retirement is turned back: a worker enables the key at once, and again until no late call can undo that."""
    wired = call.wired
    wired.hear()
    try:
        record = wired.service.reenable(call.names["key"], wired.clock.now(), by=call.by, why=call.body.reason)
    except Invalid:
        raise Refused(404, "key: no retirement of such a key is disabling or disabled; see: GET /records") from None
    return _acted(call, wired, record, "key.reenabled")


def suspend(call: Call) -> Said:
    """No write is sent any more."""
    from rotator import books

    wired = call.wired
    subject = _subject(call, wired)
    now = books.present(wired.clock.now(), wired.service.records()[0])
    wired.service.suspend(subject, now, by=call.by, why=call.body.reason)
    return _suspension(call, wired, subject, "suspended")


def resume(call: Call) -> Said:
    """Automation goes on, unless another suspension still holds it."""
    wired = call.wired
    subject = _subject(call, wired)
    wired.service.resume(subject)
    return _suspension(call, wired, subject, "resumed")


def _subject(call: Call, wired: "Wired") -> str:
    """The credential or everything; also one that left the configuration while it was suspended. Raises: Refused 404."""
    from rotator.store import EVERYTHING

    word = call.body.credential
    if word is msgspec.UNSET:
        return EVERYTHING
    if any(one.subject == word for one in wired.store.suspensions()):
        return str(word)
    return str(charged(wired.service, word))


def _suspension(call: Call, wired: "Wired", subject: str, action: str) -> Said:
    from rotator.report import form as texts
    from rotator.store import EVERYTHING

    _say(call, f"automation.{action}", subject, call.body.reason)
    left = [one for one in wired.store.suspensions() if one.subject in {EVERYTHING, subject}]
    tree = {
        "kind": "suspension",
        "subject": subject,
        "suspended": bool(left),
        "suspensions": [{"subject": one.subject, "by": one.by, "why": one.why, "at": texts.stamp(one.at)} for one in left],
    }
    return form.tree(200, tree)


def _acted(call: Call, wired: "Wired", record: "Record", action: str) -> Said:
    _say(call, action, record.id, call.body.reason)
    _wake(wired, record)
    return form.tree(200, whole(wired, record))


def _wake(wired: "Wired", record: "Record") -> None:
    """A worker takes the record up now. A message that cannot be sent costs the time to the next schedule."""
    try:
        wired.wake([record.id])
    except RotatorError as fault:
        logs.line("WARNING", "fault", str(fault), door="api", record=record.id)


@contextmanager
def _allowed() -> Iterator[None]:
    try:
        yield
    except Invalid as fault:
        raise Refused(409, "; ".join(fault.faults)) from None


def _say(call: Call, action: str, subject: str, why: str) -> None:
    """One line for the log of whoever operates this: acts of people, of which a resumption leaves no other trace."""
    logs.line(
        "NOTICE", "act", f"{action} {subject} by {call.by}: {why}", action=action, by=call.by, subject=subject, reason=why
    )
