"""Cloud Scheduler's REST v1, one method of it: a job as it stands. Tests write the jobs; nothing here runs them.

Source: cloudscheduler v1, projects.locations.jobs.get; permission cloudscheduler.jobs.get.
"""

from typing import Any

from sandbox.access import Access
from sandbox.door import Note, Refused
from sandbox.google_http import Answer, Request, as_json


class Scheduler:
    """The jobs that a test has put here, by their full names."""

    name = "scheduler"

    def __init__(self, access: Access) -> None:
        """No job yet."""
        self._access = access
        self.jobs: dict[str, dict[str, Any]] = {}

    def target(self, request: Request) -> str:
        """The resource name."""
        return request.path.removeprefix("/v1/")

    def answer(self, request: Request, _note: Note) -> Answer:
        """The job, for who may see it."""
        name = self.target(request)
        self._access.require(self._access.caller(request.headers.get("authorization")), "cloudscheduler.jobs.get", name)
        if request.verb != "GET" or name not in self.jobs:
            raise Refused("NOT_FOUND", "Requested entity was not found.")
        return as_json(200, {"name": name, **self.jobs[name]})
