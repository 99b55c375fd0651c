"""What Google saw of a key's use, from Cloud Monitoring, for protocol `world.Usage`.

No series is *unknown*, never idle: the metric lags, loses disabled keys, and is empty where it is broken or forbidden. It is
believed only as far as other keys of the account show use in the same answer (gcp.md, section 2). So nothing here raises
because Monitoring does not answer: that is an answer, too.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.cloud import monitoring_v3 as monitoring
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport

from rotator import permission
from rotator.clients.rpc import Attempt, Caller
from rotator.clients.token import AccessToken
from rotator.errors import RotatorError
from rotator.key import Account, KeyId, short
from rotator.world import Use

HOST = "monitoring.googleapis.com"
"""What the channel leads to."""

METRIC = "iam.googleapis.com/service_account/key/authn_events_count"
_RESOURCE = "iam_service_account"
PROBED = timedelta(minutes=10)
"""How much of the past a probe asks for: it wants an answer, not data."""

_FULL = monitoring.ListTimeSeriesRequest.TimeSeriesView.FULL


class MonitoringUsage:
    """Asks for all keys of an account at once. Safe for threads."""

    def __init__(self, channel: grpc.Channel, token: AccessToken) -> None:
        """Connect nothing yet."""
        transport = MetricServiceGrpcTransport(channel=channel)
        self._metrics: Any = monitoring.MetricServiceClient(transport=transport)
        self._caller = Caller(token, transport)

    def use(self, account: Account, keys: Sequence[KeyId], control: Sequence[KeyId], since: datetime, until: datetime) -> Use:
        """The last use of any of `keys`, and of `control` as `seen_until`; each as the end of the ten minutes it fell into."""
        try:
            used = self._used(account, {*keys, *control}, since, until)
        except RotatorError as fault:
            return Use(unknown=str(fault))
        last = max((used[key] for key in keys if key in used), default=None)
        seen_until = max((used[key] for key in control if key in used), default=None)
        return Use(last=last, seen_until=seen_until, unknown=_why_unknown(control, seen_until))

    def probe(self, project: str, now: datetime) -> None:
        """The metric can be read in this project. Raises: Permanent with what is missing, Transient."""
        request = {
            "name": f"projects/{project}",
            "filter": f'metric.type = "{METRIC}" AND resource.type = "{_RESOURCE}"',
            "interval": {"start_time": now - PROBED, "end_time": now},
            "view": monitoring.ListTimeSeriesRequest.TimeSeriesView.HEADERS,
            "page_size": 1,
        }
        attempt = _attempt("asking Monitoring whether it may be asked", project)
        self._caller.call(lambda how: self._metrics.list_time_series(request=request, **how), attempt, repeat=True)

    def _used(self, account: Account, keys: set[KeyId], since: datetime, until: datetime) -> dict[KeyId, datetime]:
        """The end of the last point with events, of every key that has one."""
        one_of = ", ".join(f'"{key}"' for key in sorted(keys))
        request = {
            "name": f"projects/{account.project}",
            "filter": f'metric.type = "{METRIC}" AND resource.type = "{_RESOURCE}"'
            f' AND resource.labels.unique_id = "{account.unique_id}" AND metric.labels.key_id = one_of({one_of})',
            "interval": {"start_time": since, "end_time": until},
            "view": _FULL,
        }
        what = f"asking Monitoring for the use of {len(keys)} keys of {account.email}"
        attempt = _attempt(what, account.project)

        def send(how: dict[str, Any]) -> list[Any]:
            return list(self._metrics.list_time_series(request=request, **how))

        used: dict[KeyId, datetime] = {}
        for series in self._caller.call(send, attempt, repeat=True):
            key = KeyId(series.metric.labels.get("key_id", ""))
            for point in series.points:
                at = datetime.fromtimestamp(point.interval.end_time.timestamp(), UTC)
                if point.value.int64_value > 0 and (key not in used or used[key] < at):
                    used[key] = at
        return used


def _attempt(what: str, project: str) -> Attempt:
    right = permission.google("monitoring.timeSeries.list")
    grant = permission.Resource(right.on, project, project).bind(right.role, "MEMBER")
    return Attempt(what=what, permission=right.name, grant=grant, forbidden="usage-permission")


def _why_unknown(control: Sequence[KeyId], seen_until: datetime | None) -> str:
    if not control:
        return "the account has no other key whose use would show that the metric works"
    if seen_until is None:
        others = ", ".join(short(key) for key in control)
        return f"the metric shows no use of any other key ({others}), so it may show nothing at all"
    return ""
