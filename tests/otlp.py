"""An end of OTLP/HTTP on loopback: what arrives is decoded by OpenTelemetry's own protocol buffers. And the README's tables."""

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from log_lines import table
from rotator.telemetry import ATTRIBUTES, METRICS, SPANS


@dataclass
class Collector:
    """What arrived. `status` is what it answers; `address` a base URL."""

    address: str = ""
    status: int = 200
    spans: list[Any] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    resources: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def take(self, path: str, body: bytes) -> None:
        """Spans are added; of a metric the newest numbers stay, as they are sums since the begin."""
        self.raw.append(body)
        if path == "/v1/traces":
            for found in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(attributes(found.resource.attributes))
                self.spans += [span for scope in found.scope_spans for span in scope.spans]
            return
        assert path == "/v1/metrics"
        for found in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            self.resources.append(attributes(found.resource.attributes))
            for scope in found.scope_metrics:
                self.metrics |= {metric.name: metric for metric in scope.metrics}

    def points(self, name: str) -> list[tuple[dict[str, Any], float]]:
        """Each point of this metric: its attributes, and its number (of a histogram, how many there were)."""
        metric = self.metrics[name]
        data = getattr(metric, metric.WhichOneof("data"))
        if metric.HasField("histogram"):
            return [(attributes(point.attributes), point.count) for point in data.data_points]
        return [(attributes(point.attributes), point.as_int or point.as_double) for point in data.data_points]


def attributes(found: Any) -> dict[str, Any]:
    """As a dict."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in found}


@contextmanager
def collector() -> Iterator[Collector]:
    """It listens."""
    heard = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.headers.append(dict(self.headers.items()))
            heard.take(self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(heard.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    heard.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def markdown() -> str:
    """Metrics, spans and attributes as the README shows them."""
    metrics = (
        (f"`{each.name}`", each.instrument, f"`{each.unit}`", each.meaning, ", ".join(each.attributes)) for each in METRICS
    )
    return "\n".join(
        [
            *table(("metric", "instrument", "unit", "meaning", "attributes"), metrics),
            "",
            *table(("span", "meaning"), SPANS.items()),
            "",
            *table(("attribute", "meaning"), ((f"`{name}`", meaning) for name, meaning in ATTRIBUTES.items())),
        ]
    )
