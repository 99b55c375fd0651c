"""One JSON object per line on stdout, as Cloud Logging reads it: severity, message, the record's operation, a request's trace.

No library and no background thread: on Cloud Run nothing runs after the answer. What looks like key material is cut out of
every text, though nothing that is logged should hold any. Source of the field names:
https://cloud.google.com/logging/docs/structured-logging
"""

import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Literal

import msgspec

from rotator.health import Health
from rotator.health import line as words
from rotator.record import Blocked, Record, Wait
from rotator.states import FINAL as FINALS
from rotator.states import name_of

FIELDS = {
    "kind": "credential, schedule or transition; other lines have none",
    "door": "schedule, worker, events or api",
    "record": "id of the rotation or retirement; also the line's operation in Cloud Logging",
    "saga": "rotation or retirement",
    "credential": "address of the service account",
    "state": "of the record, as `rotator explain` tells them",
    "revision": "of the record: rises with each saved step",
    "until": "when a waiting record goes on",
    "why": "what is waited for, what blocks, or the reason that a person gave",
    "blocked_code": "why a person is needed, as `rotator explain` tells the codes",
    "next_command": "what goes on from there",
    "mode": "of the credential's policy",
    "keys": "user-managed keys of the account, whoever made them",
    "orphaned": "keys of ours that nothing wants",
    "blocked": "records of the credential that need a person",
    "key_age_days": "of the oldest key that works and that Shoots or a record are about",
    "over_age": "that key is older than the policy's max_age",
    "expires_in_days": "until the first key in use ends; null: none ends",
    "safe_until": "when that is",
    "began": "ids of records that began",
    "woken": "how many records were woken",
    "message_id": "of the Pub/Sub message",
    "outcome": "what came of an event",
    "action": "what a person did through the api",
    "by": "who",
    "subject": "a credential, or * for everything",
}
"""What a line may carry beside severity and message, for metrics and alerts. A test holds it to the code and to infra/."""

Severity = Literal["DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"]

FINAL = frozenset(each.__name__ for each in FINALS)
PRODUCER = "registry-key-rotator"
MATERIAL = re.compile(r"-----BEGIN.*?(-----END[^-]*-----|$)|ya29\.\S+|eyJ[\w.-]{20,}|[A-Za-z0-9+/=_-]{80,}", re.DOTALL)
"""Keys, tokens and long blobs: names and addresses are shorter."""

_trace: ContextVar[Mapping[str, object] | None] = ContextVar("trace", default=None)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]))?")


def request(headers: Mapping[str, str], project: str = "") -> None:
    """Lines of this request carry its trace and span, if it came with one. `headers` by lower-case names."""
    trace = span = flags = ""
    if found := _TRACEPARENT.fullmatch(headers.get("traceparent", "")):
        trace, span, flags = found[1], found[2], found[3]
    elif found := _CLOUD_TRACE.fullmatch(headers.get("x-cloud-trace-context", "")):
        trace, span, flags = found[1], f"{int(found[2] or 0):016x}"[-16:], found[3] or "0"
    fields: dict[str, object] = {}
    if trace:
        fields["logging.googleapis.com/trace"] = f"projects/{project}/traces/{trace}" if project else trace
        fields["logging.googleapis.com/trace_sampled"] = bool(int(flags, 16) & 1)
    if span.strip("0"):
        fields["logging.googleapis.com/spanId"] = span
    _trace.set(fields)


def line(severity: Severity, message: str, **fields: object) -> None:
    """A line is out. `fields`: small values by names that a log-based metric may use; `record` makes it one of an operation."""
    entry: dict[str, object] = {"severity": severity, "message": message, **fields, **(_trace.get() or {})}
    if record_id := fields.get("record"):
        # Cloud Logging groups by it; the last line of a record that has ended closes the group.
        end = {"last": True} if fields.get("state") in FINAL else {}
        entry["logging.googleapis.com/operation"] = {"id": record_id, "producer": PRODUCER, **end}
    sys.stdout.write(msgspec.json.encode(_clean(entry)).decode() + "\n")
    sys.stdout.flush()


def transition(record: Record) -> None:
    """A line for what a record has come to: its state and, when it rests, why."""
    rest = record.rest
    state = name_of(record.state)
    fields: dict[str, object] = {
        "kind": "transition",
        "record": record.id,
        "saga": record.kind,
        "credential": record.order.credential,
        "state": state,
        "revision": record.revision,
    }
    if isinstance(rest, Blocked):
        fields |= {"blocked_code": rest.code, "why": rest.why, "next_command": rest.next_command}
        line("ERROR", f"{record.id} {state} is blocked ({rest.code}): {rest.why[0] if rest.why else ''}", **fields)
    elif isinstance(rest, Wait):
        fields |= {"until": rest.until, "why": rest.why}
        line("INFO", f"{record.id} {state} waits: {rest.why[0] if rest.why else ''}", **fields)
    else:
        line("NOTICE", f"{record.id} is {state}", **fields)


def health(found: Health) -> None:
    """A line that alarms are set on."""
    line("INFO", words(found), kind="credential", **msgspec.structs.asdict(found))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return MATERIAL.sub("…", value)
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
