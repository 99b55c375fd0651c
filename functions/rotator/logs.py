"""One JSON object per line on stdout, as Cloud Logging reads it: severity, message, the record's operation, a request's trace.

No library and no background thread: on Cloud Run nothing runs after the answer. What looks like key material is cut out of
every text, though nothing that is logged should hold any. Source of the field names:
https://cloud.google.com/logging/docs/structured-logging
"""

import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar, Token
from datetime import timedelta
from typing import Literal

import msgspec

from rotator.gauge import Gauge
from rotator.log_fields import OPERATION, SAMPLED, SPAN, TRACE, Kind
from rotator.record import Blocked, Record, Wait
from rotator.renewal import Seen
from rotator.states import name_of

Severity = Literal["DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"]

PRODUCER = "registry-key-rotator"
MATERIAL = re.compile(r"-----BEGIN.*?(-----END[^-]*-----|$)|ya29\.\S+|eyJ[\w.-]{20,}|[A-Za-z0-9+/=_-]{80,}", re.DOTALL)
"""Keys, tokens and long blobs: names and addresses are shorter."""


class Trace(msgspec.Struct, frozen=True):
    """Where lines and spans belong: ids in hex, as W3C writes them; `span` empty: the request came without one."""

    trace: str
    span: str
    sampled: bool
    project: str


_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
_project: ContextVar[str] = ContextVar("project", default="")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]))?")


def request(headers: Mapping[str, str], project: str = "") -> None:
    """Lines of this request carry its trace, if it came with one. `headers` by lower-case names."""
    trace = span = flags = ""
    if found := _TRACEPARENT.fullmatch(headers.get("traceparent", "")):
        trace, span, flags = found[1], found[2], found[3]
    elif found := _CLOUD_TRACE.fullmatch(headers.get("x-cloud-trace-context", "")):
        trace, span, flags = found[1], f"{int(found[2] or 0):016x}"[-16:], found[3] or "0"
    _project.set(project)
    known = trace.strip("0")
    _trace.set(Trace(trace, span if span.strip("0") else "", bool(int(flags, 16) & 1), project) if known else None)


def traced() -> Trace | None:
    """Where lines belong that are written now."""
    return _trace.get()


def within(trace: str, span: str, *, sampled: bool) -> Token[Trace | None]:
    """Lines belong to this span from now on, until somebody gives the token to `leave`."""
    return _trace.set(Trace(trace, span, sampled, _project.get()))


def leave(token: Token[Trace | None]) -> None:
    """Lines belong again to what they did before."""
    _trace.reset(token)


def line(severity: Severity, kind: Kind, message: str, **fields: object) -> None:
    """A line is out. `fields`: as in `log_fields`; None leaves one out. `record` makes the line one of an operation."""
    entry: dict[str, object] = {"severity": severity, "message": message, "kind": kind}
    if record_id := fields.get("record"):
        entry[OPERATION] = {"id": record_id, "producer": PRODUCER}
    entry |= {name: value for name, value in fields.items() if value is not None}
    if (at := _trace.get()) is not None:
        entry |= {TRACE: f"projects/{at.project}/traces/{at.trace}" if at.project else at.trace, SAMPLED: at.sampled}
        entry |= {SPAN: at.span} if at.span else {}
    sys.stdout.write(msgspec.json.encode(_clean(entry)).decode() + "\n")
    sys.stdout.flush()


def transition(record: Record) -> None:
    """A line for what a record has come to: its state and, when it rests, why. Revision 0: it was ordered just now."""
    rest = record.rest
    state = name_of(record.state)
    first, last = record.revision == 0, not record.unfinished
    fields: dict[str, object] = {
        "record": record.id,
        "saga": record.kind,
        "credential": record.order.credential,
        "state": state,
        "revision": record.revision,
        OPERATION: {"id": record.id, "producer": PRODUCER, "first": first, "last": last},
    }
    if isinstance(rest, Blocked) and not record.kept:
        fields |= {"blocked_code": rest.code, "why": rest.why, "next_command": rest.next_command}
        words = f"{record.id} {state} is blocked ({rest.code}): {rest.why[0] if rest.why else ''}"
        line("ERROR", "transition", words, **fields)
    elif isinstance(rest, Wait):
        fields |= {"until": rest.until, "why": rest.why}
        line("INFO", "transition", f"{record.id} {state} waits: {rest.why[0] if rest.why else ''}", **fields)
    elif first:
        line("NOTICE", "transition", f"{record.id} was ordered: {record.order.why}", **fields)
    else:
        line("NOTICE", "transition", f"{record.id} is {state}", **fields)


def credential(seen: Gauge) -> None:
    """A line with what is watched of one credential."""
    fields = {name: getattr(seen, name) for name in seen.__struct_fields__}
    age = f"{seen.key_age_days:.0f}" if seen.key_age_days is not None else "unknown"
    words = f"{seen.credential}: key age {age} of {seen.key_max_age_days:.0f} days, {seen.blocked} blocked"
    line("INFO", "credential", words, **fields)


def login(seen: Seen) -> None:
    """A line with what is watched of a Garden's token."""
    days = None if seen.left is None else round(seen.left / timedelta(days=1), 3)
    state = "renewed" if seen.renewed else "not renewed" if seen.fault else "good"
    words = f"token of Garden {seen.garden}: {state}, {'unknown' if days is None else f'{days:.1f}'} days left of it"
    severity: Severity = "ERROR" if seen.overdue else "WARNING" if seen.fault else "NOTICE" if seen.renewed else "INFO"
    line(severity, "login", words, garden=seen.garden, token_days=days, renewed=seen.renewed, overdue=seen.overdue)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return MATERIAL.sub("…", value)
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
