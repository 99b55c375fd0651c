"""The use of a key is seen late, on a raster, and never as a zero."""

from datetime import timedelta

import pytest
from google.api_core import exceptions

from google_callers import METRIC, Callers
from sandbox.google import Google
from sandbox.iam_key import Account


def used(account: Account, key_id: str | None = None) -> str:
    text = f'metric.type = "{METRIC}" AND resource.labels.unique_id = "{account.unique_id}"'
    return text if key_id is None else f'{text} AND metric.labels.key_id = "{key_id}"'


def test_use_of_a_key_shows_after_the_lag_on_a_raster(google: Google, callers: Callers, account: Account) -> None:
    old, file = google.make_key(account)
    new, other = google.make_key(account)
    callers.exchange(file)
    callers.exchange(other)

    assert callers.series(used(account)) == []
    google.clock.advance(10_800 + 601)
    found = callers.series(used(account))
    assert {one.metric.labels["key_id"] for one in found} == {old, new}
    point = callers.series(used(account, old))[0].points[0]
    assert point.value.int64_value == 1
    assert int(point.interval.end_time.timestamp()) % 600 == 0
    assert callers.series(used(account, old), hours=1) == []
    google.monitoring.gap = True
    assert callers.series(used(account)) == []


def test_failed_uses_count_and_disabled_keys_may_vanish(google: Google, callers: Callers, account: Account) -> None:
    key_id, file = google.make_key(account)
    google.iam.change_by_hand(key_id, "disabled")
    callers.exchange(file)
    google.clock.advance(12_000)

    assert len(callers.series(used(account, key_id))) == 1
    google.monitoring.hides_disabled = True
    assert callers.series(used(account, key_id)) == []


def test_monitoring_refuses_what_it_cannot_read(callers: Callers) -> None:
    for wrong in ("", 'resource.labels.unique_id="1"', f'metric.type="{METRIC}" OR resource.labels.x="1"'):
        with pytest.raises(exceptions.InvalidArgument):
            callers.series(wrong)


def test_sums_over_a_period_are_one_point(google: Google, callers: Callers, account: Account) -> None:
    key_id, file = google.make_key(account)
    for _ in range(3):
        callers.exchange(file)
        google.clock.advance(700)
    google.monitoring.lag = 0
    now = google.clock.now()
    request = {
        "name": "projects/acme",
        "filter": used(account, key_id),
        "interval": {"start_time": now - timedelta(hours=2), "end_time": now},
        "aggregation": {"alignment_period": {"seconds": 7200}, "per_series_aligner": "ALIGN_SUM"},
    }

    found = list(callers.metrics.list_time_series(request, **callers.auth))
    assert [point.value.int64_value for point in found[0].points] == [3]


def test_another_projects_metrics_are_not_shown(google: Google, callers: Callers, account: Account) -> None:
    other = google.create_account("rival", "puller@rival.iam.gserviceaccount.com")
    callers.exchange(google.make_key(other)[1])
    google.clock.advance(12_000)

    assert callers.series(used(other)) == []


def test_keys_that_were_only_tried_may_count_as_used(google: Google, callers: Callers, account: Account) -> None:
    idle, _ = google.make_key(account)
    _, file = google.make_key(account)
    google.iam.counts_tried_keys = True
    callers.exchange(file)
    google.clock.advance(12_000)
    assert callers.series(used(account, idle)) == []
    callers.exchange(file, kid="wrong")
    google.clock.advance(12_000)

    assert len(callers.series(used(account, idle))) == 1
