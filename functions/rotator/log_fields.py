"""Every field that a log line may carry: what log-based metrics, alerts and queries may name. The README shows this table.

A field has one name, one type and one meaning, whatever line it is on. Fields that have no value are left out, never null.
"""

from typing import Literal

import msgspec

Kind = Literal["transition", "credential", "login", "schedule", "event", "message", "act", "fault"]
Form = Literal["text", "texts", "time", "count", "days", "object", "yes or no"]

KINDS: dict[Kind, str] = {
    "transition": "a record was ordered, came to a state, or found another reason to rest; by a step, or by a person",
    "credential": "what a schedule saw of one credential that rotator.toml names",
    "login": "what a schedule saw of a Garden's token that it renews",
    "schedule": "a schedule that could look, and could wake what is due, has ended",
    "event": "what came of an event about a key",
    "message": "a message that was acknowledged, and nothing came of it",
    "act": "what a person ordered through the api",
    "fault": "something failed, or could not be read; nothing is half-done",
}
"""The kinds of lines, and when one is written."""


class Field(msgspec.Struct, frozen=True):
    """`kinds`: the lines that may carry it; empty: all. time: RFC 3339, UTC. days: a number with a fraction."""

    name: str
    form: Form
    meaning: str
    kinds: tuple[Kind, ...] = ()


TRACE = "logging.googleapis.com/trace"
SPAN = "logging.googleapis.com/spanId"
SAMPLED = "logging.googleapis.com/trace_sampled"
OPERATION = "logging.googleapis.com/operation"

FIELDS = (
    Field("severity", "text", "as Cloud Logging has them; ERROR and above: a person should look"),
    Field("message", "text", "the whole in one line, for people"),
    Field("kind", "text", "which of the kinds above"),
    Field(TRACE, "text", "of the request, if it came with one"),
    Field(SPAN, "text", "of the request, if it came with one"),
    Field(SAMPLED, "yes or no", "the caller records this trace"),
    Field(
        OPERATION,
        "object",
        "of a record: its id, and whether this transition is its first or its last",
        ("transition", "fault"),
    ),
    Field("door", "text", "the function", ("schedule", "event", "message", "fault")),
    Field("record", "text", "the id of a rotation or retirement", ("transition", "fault")),
    Field("credential", "text", "the account's address", ("transition", "credential", "event")),
    Field("saga", "text", "rotation or retirement", ("transition",)),
    Field("state", "text", "the state that the record is in now", ("transition",)),
    Field("revision", "count", "how often the record was written", ("transition",)),
    Field("blocked_code", "text", "a person is needed: the stable word for why", ("transition",)),
    Field("next_command", "text", "a person is needed: exactly what goes on from here", ("transition",)),
    Field("until", "time", "the record waits: when it looks again", ("transition",)),
    Field("why", "texts", "the reasons to wait, or to need a person", ("transition",)),
    Field("key_age_days", "days", "age of the wanted key; before the first rotation, of the oldest in use", ("credential",)),
    Field("key_max_age_days", "days", "the policy's max_age", ("credential",)),
    Field("over_age", "yes or no", "a key that ought to work no more, by max_age, still works", ("credential",)),
    Field("expires_in_days", "days", "until the first key in use expires; absent when none ever does", ("credential",)),
    Field("safe_until", "time", "when that is: nothing breaks before, even if nobody comes", ("credential",)),
    Field(
        "keys", "count", "user-managed keys at IAM, of ten; absent, with all about keys, when IAM did not say", ("credential",)
    ),
    Field("dead", "count", "keys in use that IAM refuses: disabled or expired", ("credential",)),
    Field("orphaned", "count", "keys of ours that nothing wants", ("credential",)),
    Field("unmanaged", "count", "keys that are somebody else's", ("credential",)),
    Field("blocked", "count", "records that need a person", ("credential",)),
    Field("unproved", "count", "rotations whose new key was tried and is not accepted yet", ("credential",)),
    Field("shoots", "count", "Shoots that use the credential", ("credential",)),
    Field("garden", "text", "the Garden's name in rotator.toml", ("login",)),
    Field("token_days", "days", "until the token that was read ends; absent when it was not to be had", ("login",)),
    Field("renewed", "yes or no", "there is a later one from now on", ("login",)),
    Field("overdue", "yes or no", "none is good, or three quarters of its life are over: a person should look", ("login",)),
    Field("began", "texts", "ids of the records that began", ("schedule", "event")),
    Field("due", "count", "records that could go on", ("schedule",)),
    Field("woken", "count", "of these, woken or carried on", ("schedule",)),
    Field("faults", "count", "things that could not be read or sent; each has a line of its own", ("schedule",)),
    Field("message_id", "text", "of Pub/Sub", ("event", "message", "fault")),
    Field("outcome", "text", "unknown, observed, looked, began or proposed", ("event",)),
    Field("action", "text", "what was ordered", ("act",)),
    Field("by", "text", "who ordered it", ("act",)),
    Field("subject", "text", "the record, credential or * that it is about", ("act",)),
    Field("reason", "text", "why, in that person's words", ("act",)),
)
"""All of them. A test lives through every kind of line and demands each."""

BY_NAME = {field.name: field for field in FIELDS}
