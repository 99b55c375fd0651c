"""Cloud Monitoring's one metric that says which key was used, with its delay, its raster and its gaps (gcp.md 2).

No events means no series, never a zero: a client that reads "no data" as "not used" is wrong here as it is there.
"""

import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from google.cloud import monitoring_v3 as api

from sandbox import iam_key
from sandbox.access import Access
from sandbox.door import Door, Note, Refused
from sandbox.grpc_door import Rpc
from sandbox.iam import Authentication, Iam

METRIC = "iam.googleapis.com/service_account/key/authn_events_count"
_STEP = timedelta(seconds=600)
_TERM = re.compile(
    r"(metric\.type|resource\.type|resource\.labels?\.\w+|metric\.labels?\.\w+)\s*"
    r"(?:=\s*(?:one_of\((?P<many>[^)]*)\)|\"(?P<one>[^\"]*)\"))"
)
_JOIN = re.compile(r"[\s()]*(?:AND[\s()]*)?")
_SUMS = (api.Aggregation.Aligner.ALIGN_SUM, api.Aggregation.Aligner.ALIGN_DELTA)


class Monitoring:
    """The series of key use, made from what IAM recorded. The public attributes are knobs."""

    def __init__(self, iam: Iam, access: Access, door: Door) -> None:
        """Begin with the documented delay and without gaps."""
        self.lag = 10_800.0
        """Seconds after its end before a point can be seen."""
        self.gap = False
        """No series at all, for nobody: the metric is broken, or its permission is missing upstream."""
        self.hides_disabled = False
        """Disabled and deleted keys vanish from the metric, with all their past."""
        self._iam = iam
        self._access = access
        self._door = door

    def rpcs(self) -> dict[str, Rpc]:
        """The table of methods for the gRPC door."""
        return {
            "ListTimeSeries": Rpc(
                request=api.ListTimeSeriesRequest,
                response=api.ListTimeSeriesResponse,
                target=lambda request: str(request.name),
                run=self.list_time_series,
            )
        }

    def list_time_series(self, request: Any, caller: str, _note: Note) -> Any:
        """One series per key that was used within the interval and long enough ago."""
        self._access.require(caller, "monitoring.timeSeries.list", request.name)
        wanted = _parse(request.filter)
        start, end = _interval(request)
        period = _period(request)
        horizon = min(end, self._door.clock.now() - timedelta(seconds=self.lag))
        series: dict[tuple[str, str, str], Counter[datetime]] = {}
        for event in [] if self.gap else self._iam.authentications:
            closes = _raster(event.at)
            labels = _labels(event)
            if not start < closes <= horizon or not all(labels.get(key) in values for key, values in wanted.items()):
                continue
            if event.project != request.name.removeprefix("projects/") or self._hidden(event):
                continue
            at = closes if period is None else end - (end - closes) // period * period
            series.setdefault((event.project, event.unique_id, event.key_id), Counter())[at] += 1
        width = period or _STEP
        headers = request.view == api.ListTimeSeriesRequest.TimeSeriesView.HEADERS
        answer = [_series(key, {} if headers else dict(points), width) for key, points in sorted(series.items())]
        return api.ListTimeSeriesResponse(time_series=answer)

    def _hidden(self, event: Authentication) -> bool:
        account = self._iam.account(event.unique_id)
        key = account.keys.get(event.key_id) if account else None
        return self.hides_disabled and (key is None or key.state != iam_key.ENABLED)


def _raster(at: datetime) -> datetime:
    """The end of the ten minutes that an event falls into."""
    return datetime.fromtimestamp((at.timestamp() // 600 + 1) * 600, tz=at.tzinfo)


def _labels(event: Authentication) -> dict[str, str]:
    return {
        "metric.type": METRIC,
        "resource.type": "iam_service_account",
        "resource.project_id": event.project,
        "resource.location": "global",
        "resource.unique_id": event.unique_id,
        "metric.key_id": event.key_id,
    }


def _parse(text: str) -> dict[str, set[str]]:
    """The terms of a filter, joined by AND. Refuses what the sandbox does not understand rather than ignoring it."""
    wanted: dict[str, set[str]] = {}
    place = _JOIN.match(text).end()  # type: ignore[union-attr]  # the pattern matches the empty string
    while place < len(text):
        term = _TERM.match(text, place)
        if term is None:
            raise Refused("INVALID_ARGUMENT", f"Field filter had an invalid value: {text[place:][:80]!r}.")
        name = re.sub(r"\.labels?\.", ".", term.group(1))
        many = re.findall(r"\"([^\"]*)\"", term.group("many") or "")
        wanted[name] = set(many) if many else {term.group("one") or ""}
        place = _JOIN.match(text, term.end()).end()  # type: ignore[union-attr]  # the same
    if "metric.type" not in wanted:
        raise Refused("INVALID_ARGUMENT", "Field filter must specify a single metric type.")
    return wanted


def _interval(request: Any) -> tuple[datetime, datetime]:
    if "end_time" not in request.interval:
        raise Refused("INVALID_ARGUMENT", "Field interval.end_time is required.")
    end = request.interval.end_time
    start = request.interval.start_time if "start_time" in request.interval else end
    if start > end:
        raise Refused("INVALID_ARGUMENT", "Field interval.start_time must not be later than end_time.")
    return start - timedelta(microseconds=start == end), end


def _period(request: Any) -> timedelta | None:
    aligner = request.aggregation.per_series_aligner
    if not aligner:
        return None
    period = request.aggregation.alignment_period
    if aligner not in _SUMS or period < timedelta(seconds=60) or request.aggregation.cross_series_reducer:
        raise Refused("INVALID_ARGUMENT", "The sandbox aligns by ALIGN_SUM or ALIGN_DELTA over 60 s or more, only.")
    return timedelta(seconds=period.total_seconds())


def _series(key: tuple[str, str, str], points: dict[datetime, int], width: timedelta) -> Any:
    project, unique_id, key_id = key
    return api.TimeSeries(
        metric={"type": METRIC, "labels": {"key_id": key_id}},
        resource={
            "type": "iam_service_account",
            "labels": {"project_id": project, "location": "global", "unique_id": unique_id},
        },
        metric_kind="DELTA",
        value_type="INT64",
        points=[
            {"interval": {"start_time": at - width, "end_time": at}, "value": {"int64_value": points[at]}}
            for at in sorted(points, reverse=True)
        ],
    )
