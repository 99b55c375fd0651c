"""The entry points, nothing else. One source, four functions; each loads only what its door needs.

All four are HTTP functions, those that Pub/Sub pushes to as well: functions-framework's CloudEvent wrapper answers garbage with
a page that repeats every header, loses the subscription and the delivery attempt, and cannot take both forms of a push.
"""

from typing import Any

import functions_framework

from rotator.doors import server


@functions_framework.http
def schedule(request: Any) -> Any:
    """From Cloud Scheduler, every few minutes: what is due has begun; a message is out for each record that should wake."""
    return server.answer(request, "schedule")


@functions_framework.http
def worker(request: Any) -> Any:
    """From Pub/Sub: the record that the message names has gone on as far as the budget reaches."""
    return server.answer(request, "worker")


@functions_framework.http
def events(request: Any) -> Any:
    """From Pub/Sub: whatever some source says about a key has been looked at."""
    return server.answer(request, "events")


@functions_framework.http
def api(request: Any) -> Any:
    """From people and their programs: read, begin, retry, suspend."""
    return server.answer(request, "api")
