"""Jobs as Cloud Scheduler tells about them: protocol `premises.Timetable`. Only reads.

Source: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
"""

from datetime import datetime

import msgspec

from rotator.clients.rest import Rest
from rotator.premises import Job

SCHEDULER = "https://cloudscheduler.googleapis.com"

_CODES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    4: "DEADLINE_EXCEEDED: no answer in time",
    5: "NOT_FOUND: the address answers 404",
    7: "PERMISSION_DENIED: its identity may not call the function (roles/run.invoker)",
    8: "RESOURCE_EXHAUSTED",
    13: "INTERNAL: the function answers 500",
    14: "UNAVAILABLE: the function answers 503",
    16: "UNAUTHENTICATED: it calls without an identity, or for another audience",
}
"""google.rpc.Code of a failed attempt, and what it says of an HTTP target."""


class _Identity(msgspec.Struct, frozen=True, rename="camel"):
    service_account_email: str = ""


class _Target(msgspec.Struct, frozen=True, rename="camel"):
    uri: str = ""
    oidc_token: _Identity = _Identity()


class _Status(msgspec.Struct, frozen=True):
    """google.rpc.Status: no code is code 0, which is well."""

    code: int = 0


class _Job(msgspec.Struct, frozen=True, rename="camel"):
    """What Cloud Scheduler answers, as far as it decides."""

    name: str
    state: str = "STATE_UNSPECIFIED"
    http_target: _Target = _Target()
    last_attempt_time: datetime | None = None
    status: _Status = _Status()


class Timetable:
    """Asks Cloud Scheduler. Safe for threads."""

    def __init__(self, rest: Rest) -> None:
        """Ask nothing yet."""
        self._rest = rest

    def job(self, name: str) -> Job:
        """The job of this name. Raises: Absent, Unreadable, Transient, Permanent."""
        found = self._rest.get(name, _Job)
        code = found.status.code
        return Job(
            name=found.name,
            target=found.http_target.uri,
            identity=found.http_target.oidc_token.service_account_email,
            state=found.state,
            attempted=found.last_attempt_time,
            failure=_CODES.get(code, f"code {code}") if code else "",
        )
