"""Resource Manager's REST v1, one method of it: which permissions the caller holds on a project.

Asking needs no permission. Source: cloudresourcemanager v1, projects.testIamPermissions; nothing held is an empty object.
"""

import json
import re

from sandbox.access import Access
from sandbox.door import Note, Refused
from sandbox.google_http import Answer, Request, as_json

_PATH = re.compile(r"/v1/(projects/[^/:]+):testIamPermissions")


class Projects:
    """Any project is there."""

    name = "projects"

    def __init__(self, access: Access) -> None:
        """Tell about these permissions."""
        self._access = access

    def target(self, request: Request) -> str:
        """The resource name."""
        return request.path.removeprefix("/v1/").partition(":")[0]

    def answer(self, request: Request, _note: Note) -> Answer:
        """Those of the asked permissions that the caller holds on the project."""
        match = _PATH.fullmatch(request.path)
        if match is None or request.verb != "POST":
            raise Refused("NOT_FOUND", "The sandbox serves testIamPermissions of projects, nothing else.")
        caller = self._access.caller(request.headers.get("authorization"))
        asked = json.loads(request.body).get("permissions", [])
        held = [one for one in asked if self._access.holds(caller, one, match.group(1))]
        return as_json(200, {"permissions": held} if held else {})
