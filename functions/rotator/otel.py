"""Spans and metrics by OpenTelemetry over OTLP/HTTP. The only module that knows it; loaded when ROTATOR_OTEL asks for it.

No thread of its own: on Cloud Run nothing runs after the answer, so all of it is sent by `flush`, before the answer. An end
that does not answer costs a few seconds, never a step. Variables: https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
"""

import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import Token
from datetime import datetime
from typing import Any, Self

import requests
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from rotator import VERSION, guard, logs
from rotator.errors import Invalid
from rotator.gauge import Gauge
from rotator.record import Record
from rotator.runbook import Laps
from rotator.states import name_of
from rotator.telemetry import CALLS, METRICS, MOVES, RECORD_DURATION, SCHEDULES, STEP_DURATION, STEPS, Activation, outcome
from rotator.world import World

GOOGLE = "https://telemetry.googleapis.com"
PATIENCE = 3.0
"""Seconds for one export, unless OTEL_EXPORTER_OTLP_TIMEOUT says so: they are part of a request."""

MOVE = "move"

BATCH = 512
"""Spans of one request, as the library's own processors send them."""

MOST = 10_000
"""Ended spans that are kept for the next flush; a thousand Shoots are a thousand spans."""


def opened(way: str, environment: Mapping[str, str], authorize: Callable[[], str], google: str = GOOGLE) -> "Otel":
    """Telemetry to where `way` says: otlp, by the standard variables; gcp, to `google`, with our own token. Raises: Invalid."""
    said = any(environment.get(f"OTEL_EXPORTER_OTLP{signal}TIMEOUT") for signal in ("_", "_TRACES_", "_METRICS_"))
    options: dict[str, Any] = {"timeout": None if said else PATIENCE}
    attributes = {
        "service.name": "registry-key-rotator",
        "service.version": VERSION,
        "service.instance.id": secrets.token_hex(8),
    }
    attributes |= {"faas.name": name} if (name := environment.get("K_SERVICE")) else {}
    places = {"traces": {}, "metrics": {}}  # type: dict[str, dict[str, Any]]
    if way == "gcp":
        project = environment.get("GOOGLE_CLOUD_PROJECT", "")
        if not project:
            raise Invalid(('ROTATOR_OTEL: "gcp" needs GOOGLE_CLOUD_PROJECT, the project that keeps traces and metrics',))
        attributes["gcp.project_id"] = project
        for signal in places:
            session = requests.Session()
            session.auth = _Bearer(authorize)
            places[signal] = {"endpoint": f"{google}/v1/{signal}", "session": session}
    sampler = None if environment.get("OTEL_TRACES_SAMPLER") else ALWAYS_ON
    return Otel(
        Resource.create(attributes),
        OTLPSpanExporter(**options, **places["traces"]),
        OTLPMetricExporter(**options, **places["metrics"]),
        sampler,
    )


class _Bearer(requests.auth.AuthBase):
    """A fresh token for each request; it stands in no header that is kept."""

    def __init__(self, authorize: Callable[[], str]) -> None:
        self._authorize = authorize

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._authorize()}"
        return request


class _Kept(SpanProcessor):
    """Ended spans, until somebody flushes. The library's own processors send each span at once, or from a thread."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter
        self._ended: list[Any] = []
        self._lock = threading.Lock()

    def on_end(self, span: Any) -> None:
        with self._lock:
            if span.context.trace_flags.sampled and len(self._ended) < MOST:
                self._ended.append(span)

    def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002 - the exporter has its own
        with self._lock:
            ended, self._ended = self._ended, []
        for begin in range(0, len(ended), BATCH):
            if self._exporter.export(ended[begin : begin + BATCH]) is not SpanExportResult.SUCCESS:
                logs.line("WARNING", "fault", f"{len(ended) - begin} spans could not be sent; they are lost")
                return False
        return True


class Otel:
    """Implements Telemetry. Safe for threads."""

    def __init__(self, resource: Any, spans: Any, metrics: Any, sampler: Any) -> None:
        """Connect nothing yet."""
        tracers = TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
        self._kept = _Kept(spans)
        tracers.add_span_processor(self._kept)
        self.tracer = tracers.get_tracer("rotator", VERSION)
        self._reader = PeriodicExportingMetricReader(metrics, export_interval_millis=math.inf)
        self._meters = MeterProvider([self._reader], resource, shutdown_on_exit=False)
        meter = self._meters.get_meter("rotator", VERSION)
        make: dict[str, Callable[..., Any]] = {
            "counter": meter.create_counter,
            "histogram": meter.create_histogram,
            "gauge": meter.create_gauge,
        }
        self._made = {each.name: make[each.instrument](each.name, each.unit, each.meaning) for each in METRICS}
        self.add = {each.name: self._made[each.name].add for each in METRICS if each.instrument == "counter"}
        self.record = {each.name: self._made[each.name].record for each in METRICS if each.instrument == "histogram"}

    def around(self, world: World) -> World:
        """The same world: each call has a duration, and each Shoot that is moved a span."""
        return guard.around(world, self._call)

    def activation(self, record: Record) -> Activation:
        """Each step of this record is a span, within the request's trace if it came with one."""
        return _Watched(self, record)

    def saw(self, gauge: Gauge) -> None:
        """The numbers of this credential are those that are sent next; what is not known is not sent."""
        for each in METRICS:
            value = getattr(gauge, each.field) if each.field else None
            if value is not None:
                self._made[each.name].set(value, {"credential": gauge.credential})

    def looked(self) -> None:
        """One schedule more."""
        self.add[SCHEDULES.name](1)

    def flush(self) -> None:
        """Everything is out, or given up: spans are lost then, and sums come with the next flush."""
        self._kept.force_flush()
        self._meters.force_flush()

    def _call(self, sending: guard.Sending, call: Callable[[], Any]) -> Any:
        if (sending.neighbour, sending.method) != ("gardens", MOVE):
            return self._measured(sending, call)
        names = {"garden": sending.garden, "shoot": str(sending.arguments[0].ref)}
        with self.tracer.start_as_current_span(MOVE, attributes=names, record_exception=False, set_status_on_exception=False):
            return self._measured(sending, call)

    def _measured(self, sending: guard.Sending, call: Callable[[], Any]) -> Any:
        since, said = time.monotonic(), "ok"
        try:
            return call()
        except Exception as fault:
            said = type(fault).__name__
            raise
        finally:
            names = {"neighbour": sending.neighbour, "method": sending.method, "outcome": said}
            self.record[CALLS.name](time.monotonic() - since, names)
            if sending.method == MOVE:
                self.add[MOVES.name](1, {"garden": sending.garden, "outcome": said})
                trace.get_current_span().set_attribute("outcome", said)


class _Watched:
    """Implements Activation."""

    def __init__(self, otel: Otel, record: Record) -> None:
        self._otel = otel
        self._record = record
        self._span: Any = None
        self._since = 0.0
        self._tokens: tuple[Token[Any], Token[Any]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        if self._span is not None and isinstance(fault[1], BaseException):
            self._span.set_attribute("outcome", type(fault[1]).__name__)
            self._span.end()
        self._out()  # without a fault another worker has the record: what was begun is no step

    def laps(self, inner: Laps) -> Laps:
        return _Laps(inner, self)

    def begin(self) -> None:
        """A step begins: what is called from now on, and logged, is within it."""
        self._out()
        parent = context.get_current()
        if (found := logs.traced()) is not None:
            # A span must have some parent to be in a trace; without one that we know, it is one that nobody recorded.
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            remote = trace.SpanContext(int(found.trace, 16), int(found.span or "1", 16), is_remote=True, trace_flags=flags)
            parent = trace.set_span_in_context(trace.NonRecordingSpan(remote))
        record = self._record
        names = {
            "record": record.id,
            "saga": record.kind,
            "credential": record.order.credential,
            "state": name_of(record.state),
        }
        self._span = self._otel.tracer.start_span(name_of(record.state), context=parent, attributes=names)
        self._since = time.monotonic()
        own = self._span.get_span_context()
        inside = logs.within(f"{own.trace_id:032x}", f"{own.span_id:016x}", sampled=own.trace_flags.sampled)
        self._tokens = (context.attach(trace.set_span_in_context(self._span, parent)), inside)

    def saved(self, after: Record, now: datetime) -> None:
        if self._span is None:
            return
        before, said = self._record, outcome(self._record, after)
        state = {"saga": before.kind, "state": name_of(before.state)}
        self._otel.add[STEPS.name](1, {**state, "outcome": said})
        self._otel.record[STEP_DURATION.name](time.monotonic() - self._since, state)
        if not after.unfinished:
            lasted = (now - after.order.at).total_seconds()
            self._otel.record[RECORD_DURATION.name](lasted, {"saga": after.kind, "state": name_of(after.state)})
        self._span.set_attribute("outcome", said)
        self._span.end()
        self._record = after
        self._out()

    def _out(self) -> None:
        if self._tokens is not None:
            context.detach(self._tokens[0])
            logs.leave(self._tokens[1])
        self._span, self._tokens = None, None


class _Laps:
    """The same laps; whenever they let a step begin, one has begun."""

    def __init__(self, inner: Laps, watched: _Watched) -> None:
        self._inner = inner
        self._watched = watched

    def next(self, after: datetime | None) -> datetime | None:
        """As the inner one."""
        now = self._inner.next(after)
        if now is not None:
            self._watched.begin()
        return now
