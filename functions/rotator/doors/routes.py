"""What the api serves: one line per method and path. The index, the OpenAPI document and `api.handle` are read from here."""

import re
from collections.abc import Callable

import msgspec

from rotator.doors import acting, reading
from rotator.doors.acting import Rotation, Signed, Stop, Waiver
from rotator.doors.form import Said
from rotator.doors.reading import Call, Filter, Nothing

RECORD_ID = "[a-z0-9][a-z0-9-]{0,254}"
NAMES = {
    "id": RECORD_ID,
    "credential": r"[a-z0-9][a-z0-9@.-]{0,253}",
    "key": "[0-9a-f]{8,64}",
}
"""Names in a path, and what they look like; another one is a 404. Eight characters or more name a key: fewer are a guess."""


class Route(msgspec.Struct, frozen=True):
    """One method of one path. `answer`: the schema of what it gives; `fresh`: it may answer 201."""

    method: str
    path: str
    act: Callable[[Call], Said]
    says: str
    answer: str
    query: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] | None = None
    open: bool = False
    fresh: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    def match(self, path: str) -> dict[str, str] | None:
        """The names that this path has; None for a path that is another's. Most are told by their begin, without a pattern."""
        begin, name, _ = self.path.partition("{")
        if not name:
            return {} if path == self.path else None
        if not path.startswith(begin):
            return None
        found = re.fullmatch(re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>{NAMES[name[1]]})", self.path), path)
        return found.groupdict() if found else None


def index(_: Call) -> Said:
    """What there is to ask for."""
    from rotator.doors import form

    doors = [{"method": route.method, "path": route.path, "says": route.says} for route in ROUTES]
    return form.tree(200, {"kind": "index", "doors": doors})


def document(_: Call) -> Said:
    """The OpenAPI document."""
    from rotator.doors import form, openapi

    return Said(200, msgspec.json.encode(openapi.document(ROUTES)), form.JSON)


ROUTES = (
    Route("GET", "/", index, "this list", "Index"),
    Route("GET", "/credentials", reading.credentials, "what is live and what is being replaced, by the books", "Status"),
    Route("GET", "/credentials/{credential}", reading.credential, "its keys, Secrets and Shoots, asked now", "Inventory"),
    Route("GET", "/records", reading.records, "rotations and retirements, oldest first", "Records", query=Filter),
    Route("GET", "/records/{id}", reading.record, "one record with evidence and history", "Record"),
    Route("POST", "/rotations", acting.rotate, "order a rotation", "Record", body=Rotation, fresh=True),
    Route("POST", "/records/{id}/retry", acting.retry, "let it go on; confirm what waits for a person", "Record", body=Signed),
    Route("POST", "/records/{id}/waive", acting.waive, "take responsibility for one Shoot", "Record", body=Waiver),
    Route("POST", "/keys/{key}/reenable", acting.reenable, "take a key back that is disabled", "Record", body=Signed),
    Route("POST", "/suspend", acting.suspend, "stop automation before its next write", "Suspension", body=Stop),
    Route("POST", "/resume", acting.resume, "let automation go on", "Suspension", body=Stop),
    Route("GET", "/version", reading.version, "the version", "Version", open=True),
    Route("GET", "/openapi.json", document, "these doors in OpenAPI 3.1", "Document", open=True),
    Route("GET", "/healthz", reading.health, "this process answers", "Health", open=True),
    Route("GET", "/readyz", reading.ready, "configuration and store can be used", "Health", open=True),
    # Cloud Run's front end keeps some paths that end with z for itself; from outside these are the ones that arrive.
    Route("GET", "/health", reading.health, "as /healthz", "Health", open=True),
    Route("GET", "/ready", reading.ready, "as /readyz", "Health", open=True),
)
