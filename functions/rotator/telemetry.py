"""What is measured, as a table, and whoever is told. Without ROTATOR_OTEL that is `SILENCE`, which loads and costs nothing.

The README shows the table. Names fit Cloud Monitoring (https://docs.cloud.google.com/stackdriver/docs/otlp-metrics/overview).
"""

from datetime import datetime
from typing import Literal, Protocol, Self

import msgspec

from rotator.gauge import Gauge
from rotator.record import Blocked, Record, Wait
from rotator.runbook import Laps
from rotator.world import World


class Metric(msgspec.Struct, frozen=True):
    """One instrument. `unit`: UCUM. `field`: of a Gauge, whose value it shows."""

    name: str
    instrument: Literal["counter", "histogram", "gauge"]
    unit: str
    meaning: str
    attributes: tuple[str, ...]
    field: str = ""


ONE = ("credential",)

STEPS = Metric("rotator.steps", "counter", "{step}", "steps that were saved", ("saga", "state", "outcome"))
STEP_DURATION = Metric("rotator.step.duration", "histogram", "s", "from its begin until it was saved", ("saga", "state"))
RECORD_DURATION = Metric(
    "rotator.record.duration", "histogram", "s", "from the order to the end of a record", ("saga", "state")
)
MOVES = Metric(
    "rotator.shoots.moved", "counter", "{shoot}", "patches that move a Shoot to another Secret", ("garden", "outcome")
)
CALLS = Metric("rotator.call.duration", "histogram", "s", "calls to Gardens and Google", ("neighbour", "method", "outcome"))
SCHEDULES = Metric("rotator.schedules", "counter", "{schedule}", "schedules that could look, and could wake what is due", ())

METRICS = (
    STEPS,
    STEP_DURATION,
    RECORD_DURATION,
    MOVES,
    CALLS,
    SCHEDULES,
    Metric("rotator.key.age", "gauge", "d", "as `key_age_days`", ONE, "key_age_days"),
    Metric("rotator.key.max_age", "gauge", "d", "as `key_max_age_days`", ONE, "key_max_age_days"),
    Metric("rotator.key.expires_in", "gauge", "d", "as `expires_in_days`", ONE, "expires_in_days"),
    Metric("rotator.keys", "gauge", "{key}", "as `keys`", ONE, "keys"),
    Metric("rotator.keys.dead", "gauge", "{key}", "as `dead`", ONE, "dead"),
    Metric("rotator.keys.orphaned", "gauge", "{key}", "as `orphaned`", ONE, "orphaned"),
    Metric("rotator.keys.unmanaged", "gauge", "{key}", "as `unmanaged`", ONE, "unmanaged"),
    Metric("rotator.records.blocked", "gauge", "{record}", "as `blocked`", ONE, "blocked"),
    Metric("rotator.rotations.unproved", "gauge", "{rotation}", "as `unproved`", ONE, "unproved"),
    Metric("rotator.shoots", "gauge", "{shoot}", "as `shoots`", ONE, "shoots"),
)

ATTRIBUTES = {
    "saga": "rotation or retirement",
    "state": "of a step, the state that it began in; of a record, the one that it ended in",
    "outcome": "of a step: moved, checkpoint, waits, blocked or again; of a call: ok, or the kind of its fault",
    "credential": "the account's address",
    "garden": "the Garden's name",
    "neighbour": "accounts, staging, gardens, registry, usage or books",
    "method": "what was asked",
    "record": "of spans only: the id",
    "shoot": "of spans only: garden/namespace/name",
}
"""Of metrics and spans; never more, never key material."""

SPANS = {
    "the state's name": "one step of a record: Staged, Minted, ...",
    "move": "one Shoot that is moved, within its step",
}


def outcome(before: Record, after: Record) -> str:
    """What a step has come to, in a word."""
    if type(before.state) is not type(after.state):
        return "moved"
    if before.state != after.state:
        return "checkpoint"
    if isinstance(after.rest, Blocked):
        return "blocked"
    return "waits" if isinstance(after.rest, Wait) else "again"


class Activation(Protocol):
    """One activation of a record, for its length a context; not for two threads."""

    def __enter__(self) -> Self:
        """It begins."""
        ...

    def __exit__(self, *fault: object) -> None:
        """It is over; a step that was not saved is no step."""
        ...

    def laps(self, inner: Laps) -> Laps:
        """The same laps; a step begins whenever they let one."""
        ...

    def saved(self, after: Record, now: datetime) -> None:
        """The step has ended with this record."""
        ...


class Telemetry(Protocol):
    """Whoever is told. Nothing here raises."""

    def around(self, world: World) -> World:
        """The same world, with its calls measured."""
        ...

    def activation(self, record: Record) -> Activation:
        """This record goes on."""
        ...

    def saw(self, gauge: Gauge) -> None:
        """A schedule saw this of a credential."""
        ...

    def looked(self) -> None:
        """A schedule has succeeded."""
        ...

    def flush(self) -> None:
        """Everything is out, or given up after some seconds."""
        ...


class _Unwatched:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        pass

    def laps(self, inner: Laps) -> Laps:
        return inner

    def saved(self, after: Record, now: datetime) -> None:
        pass


class Silence:
    """Implements Telemetry by telling nobody."""

    def around(self, world: World) -> World:
        """The very same world."""
        return world

    def activation(self, record: Record) -> Activation:  # noqa: ARG002 - of nobody's interest
        """Nobody watches."""
        return _Unwatched()

    def saw(self, gauge: Gauge) -> None:
        """Nothing."""

    def looked(self) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""


SILENCE: Telemetry = Silence()
