"""What the api tells. Nothing here changes anything; all but one credential in detail is read from the books alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

import rotator
from rotator.doors import form
from rotator.doors.form import Refused, Said
from rotator.errors import Invalid, Permanent, RotatorError

if TYPE_CHECKING:
    from rotator.record import Record
    from rotator.service import Service
    from rotator.wiring import Wired

Status = Literal["Blocked", "Suspended", "Waiting", "Running", "Kept", "Done"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, understood: who asks, the names in its path, its query and its body in their forms."""

    by: str
    environment: Mapping[str, str]
    names: Mapping[str, str]
    query: Any = None
    body: Any = None

    @property
    def wired(self) -> "Wired":
        """The service of this process. Raises: Refused 503 without configuration or store: no fault of the caller's."""
        from rotator.doors import house

        try:
            return house.opened(self.environment)
        except Invalid as fault:
            raise Refused(503, f"the configuration cannot be used: {'; '.join(fault.faults)}") from fault
        except Permanent as fault:
            raise Refused(503, str(fault), code=fault.code, next_command=fault.next_command) from fault


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query without parameters."""


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which records, and how many at once."""

    credential: Annotated[str, msgspec.Meta(min_length=1, max_length=254)] | msgspec.UnsetType = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET
    unfinished: bool | msgspec.UnsetType = msgspec.UNSET
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, msgspec.Meta(min_length=1, max_length=300)] | msgspec.UnsetType = msgspec.UNSET


def health(_: Call) -> Said:
    """This process answers; nothing was opened."""
    return form.tree(200, {"kind": "health", "ok": True})


def ready(call: Call) -> Said:
    """The configuration can be used and the store answers. What is wrong is told to callers who are known, not here."""
    try:
        call.wired.store.suspensions()
    except (Refused, RotatorError):
        return form.problem(503, "configuration or store cannot be used; GET /records says why, to whom it is open")
    return form.tree(200, {"kind": "health", "ok": True})


def version(call: Call) -> Said:
    """The version of the program, and the platform's name for this deployment of it."""
    revision = call.environment.get("K_REVISION")
    return form.tree(200, {"kind": "version", "version": rotator.VERSION, "revision": revision})


def credentials(call: Call) -> Said:
    """What is live and what is being replaced, by the books; and which accounts may be touched."""
    from rotator import books
    from rotator.report import history

    service = call.wired.service
    records, unreadable = service.records()
    now = books.present(call.wired.clock.now(), records)
    tree = history.status_tree(records, unreadable, service.store.suspensions(), now)
    accounts = [{"credential": one.email, "base": one.base, "mode": one.policy.mode} for one in service.charges]
    return form.tree(200, {**tree, "accounts": accounts})


def credential(call: Call) -> Said:
    """Keys, Secrets and Shoots of one credential, as they are out there now."""
    from rotator.report import fleet

    wired = call.wired
    email = charged(wired.service, call.names["credential"])
    found = wired.service.look(wired.clock.now(), email)
    return form.tree(200, fleet.tree(msgspec.structs.replace(found, at=wired.clock.now())))  # by now servers were heard


def records(call: Call) -> Said:
    """A page of records in the order in which they were ordered. `next` is the cursor of the next page."""
    from rotator import books
    from rotator.report import form as texts
    from rotator.report import records as rows

    wanted: Filter = call.query
    every, unreadable = call.wired.service.records()
    stops = call.wired.store.suspensions()
    now = books.present(call.wired.clock.now(), every)
    ids = [record.id for record in every]
    if wanted.cursor and wanted.cursor not in ids:
        raise Refused(404, "query.cursor: no record has this id; begin without one")
    rest = every[ids.index(wanted.cursor) + 1 :] if wanted.cursor else every
    found = [record for record in rest if _wanted(record, wanted, rows.status_of(record, stops))]
    page = found[: wanted.limit]
    return form.tree(
        200,
        texts.tree(
            "records",
            now,
            records=[rows.tree(record, now, stops) for record in page],
            next=page[-1].id if len(found) > len(page) else None,
            unreadable=list(unreadable),
        ),
    )


def _wanted(record: "Record", wanted: Filter, status: str) -> bool:
    return (
        (not wanted.credential or wanted.credential in (record.order.credential, record.order.base))
        and (not wanted.status or wanted.status == status)
        and (wanted.unfinished is msgspec.UNSET or wanted.unfinished == record.unfinished)
    )


def record(call: Call) -> Said:
    """One record in full: order, state, evidence, and what each activation did."""
    return form.tree(200, whole(call.wired, found(call.wired.service, call.names["id"])))


def found(service: "Service", record_id: str) -> "Record":
    """The record of this id. Raises: Refused 404."""
    try:
        return service.record(record_id)
    except Invalid:
        raise Refused(404, "record: there is none of this id; all of them: GET /records") from None


def charged(service: "Service", word: str) -> Any:
    """The account of this address or base name: whole, because a program that guesses hits another. Raises: Refused 404."""
    for charge in service.charges:
        if word in (charge.email, charge.base):
            return charge.email
    raise Refused(404, "credential: rotator.toml names no such account; all of them: GET /credentials")


def whole(wired: "Wired", record: "Record") -> dict[str, Any]:
    """The record for machines, with its history."""
    from rotator import books
    from rotator.report import history

    now = books.present(wired.clock.now(), [record])
    return history.described(record, now, wired.store.suspensions(), wired.service.history(record.id))
