"""The door of people and their programs: it reads the books and puts orders into them. See `routes` for what it serves."""

from collections.abc import Mapping

from rotator.doors import form, strict
from rotator.doors.caller import caller
from rotator.doors.form import Asked, Refused, Said
from rotator.doors.reading import Call
from rotator.doors.routes import ROUTES, Route
from rotator.errors import Permanent

LONGEST_PATH = 1000


def handle(asked: Asked, environment: Mapping[str, str]) -> Said:
    """The answer of the route that method and path name. HEAD is GET; whoever sends the answer leaves its body out.

    Raises: Refused, RotatorError.
    """
    here = _here(asked.path)
    if not here:
        raise Refused(404, f"{asked.method} {form.shown(asked.path)}: there is nothing here; what there is: GET /")
    allowed = ", ".join(sorted({route.method for route in here} | {"OPTIONS"} | ({"HEAD"} if _reads(here) else set())))
    if asked.method == "OPTIONS":
        return Said(204, headers={"Allow": allowed})
    method = "GET" if asked.method == "HEAD" else asked.method
    route = next((route for route in here if route.method == method), None)
    if route is None:
        refusal = form.problem(405, f"{asked.path} serves {allowed}")
        return Said(405, refusal.body, refusal.content_type, {"Allow": allowed})
    try:
        by = "" if route.open else caller(asked, environment)
    except Refused as fault:
        if fault.status != 401:  # noqa: PLR2004 - the one status that must say how to log in
            raise
        refusal = form.problem(401, fault.detail)
        return Said(401, refusal.body, refusal.content_type, {"WWW-Authenticate": "Bearer"})
    call = Call(
        by=by,
        environment=environment,
        names=route.match(asked.path) or {},
        query=strict.query(asked, route.query),
        body=strict.body(asked, route.body) if route.body else None,
    )
    try:
        return route.act(call)
    except Permanent as fault:
        if route.body:
            raise
        # Who only reads is in nobody's way: a person is needed, but the conflict is not with this request.
        raise Refused(503, str(fault), code=fault.code, next_command=fault.next_command) from fault


def _here(path: str) -> list[Route]:
    if len(path) > LONGEST_PATH:
        return []
    return [route for route in ROUTES if route.match(path) is not None]


def _reads(routes: list[Route]) -> bool:
    return any(route.method == "GET" for route in routes)
