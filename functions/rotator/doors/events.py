"""From Pub/Sub: what any source says about a key. Our own reading decides what comes of it.

Everything is acknowledged but what may work out later: a message that nobody understands, an account that is not ours, an event
of our own doing. Each is a line in the log.
"""

from collections.abc import Mapping

import msgspec

from rotator import logs
from rotator.doors import push
from rotator.doors.form import Asked, Said, tree
from rotator.doors.hints import understand
from rotator.errors import Invalid, Permanent, RotatorError
from rotator.hint import Ignored, Poison

SEVERITY: Mapping[str, logs.Severity] = {
    "unknown": "INFO",
    "observed": "WARNING",
    "looked": "INFO",
    "began": "NOTICE",
    "proposed": "ERROR",
}


def handle(asked: Asked, environment: Mapping[str, str]) -> Said:
    """What was understood, and what came of it; 503 when the same message should come again."""
    message = push.message(asked)
    understood = understand(message)
    if isinstance(understood, Poison | Ignored):
        kind = "poison" if isinstance(understood, Poison) else "ignored"
        severity: logs.Severity = "WARNING" if kind == "poison" else "DEBUG"
        logs.line(severity, "message", f"event {message.id} {kind}: {understood.why}", door="events", message_id=message.id)
        return tree(200, {"kind": kind, "why": understood.why})
    from rotator.doors import house

    wired = house.opened(environment)
    try:
        wired.hear()
        noticed = wired.service.notice(understood, wired.clock.now())
    except (Invalid, Permanent) as fault:
        # No redelivery mends it, and the schedule looks at everything anyway.
        logs.line("ERROR", "fault", f"event {message.id}: {fault}", door="events", message_id=message.id)
        return tree(200, {"kind": "failed", "why": str(fault)})
    # Nobody will say it again, and it was not acted upon: that is for a person to know.
    forgotten = understood.kind == "exposed" and noticed.outcome == "observed"
    logs.line(
        "ERROR" if forgotten else SEVERITY[noticed.outcome],
        "event",
        f"event {message.id} from {understood.source}: {noticed.said}",
        door="events",
        message_id=message.id,
        credential=noticed.credential or None,
        outcome=noticed.outcome,
        began=noticed.records,
    )
    try:
        wired.wake(noticed.records)
    except RotatorError as fault:
        logs.line("WARNING", "fault", str(fault), door="events")
    return tree(200, {"kind": "noticed", **msgspec.to_builtins(noticed)})
