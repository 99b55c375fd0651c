"""The OpenAPI 3.1 document: paths from the route table, bodies and queries from their forms, answers from the shapes below.

A test asks every path in it and holds every answer to it, so neither can go stale.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

import rotator
from rotator.doors.form import JSON, PROBLEM, SCHEMA

if TYPE_CHECKING:
    from rotator.doors.routes import Route

Shape = dict[str, Any]

TEXT: Shape = {"type": "string"}
WORD: Shape = {"type": ["string", "null"]}
TIME: Shape = {"type": "string", "format": "date-time"}
WHEN: Shape = {"type": ["string", "null"], "format": "date-time"}
FLAG: Shape = {"type": "boolean"}
TREE: Shape = {"type": "object"}
TREES: Shape = {"type": "array", "items": TREE}
TEXTS: Shape = {"type": "array", "items": TEXT}

REFUSALS = {
    401: "Nobody in the request whom we know.",
    403: "Only callers on this machine are served.",
    404: "No such record, credential or key.",
    409: "The books or the world do not allow it; `detail` says why, `next_command` what to do.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The query, the body or the caller's name is wrong; `faults` has a line for each, with its place.",
    503: "Configuration, store, a Garden or Google cannot be used now; ask again later.",
}
OPEN = (422, 503)
READING = (401, 403, 422, 503)


def _object(**properties: Shape) -> Shape:
    """An object that has all of these; more may come in time."""
    return {"type": "object", "required": sorted(properties), "properties": properties}


def _tree(kind: str, **properties: Shape) -> Shape:
    return _object(schema={"const": SCHEMA}, kind={"const": kind}, **properties)


def _list(**properties: Shape) -> Shape:
    return {"type": "array", "items": _object(**properties)}


_ROW: Mapping[str, Shape] = {
    "id": TEXT,
    "record": {"enum": ["rotation", "retirement"]},
    "credential": TEXT,
    "phase": TEXT,
    "status": {"enum": ["Blocked", "Suspended", "Waiting", "Running", "Kept", "Done"]},
    "public_key": WORD,
    "ordered": _object(at=TIME, by=TEXT, why=TEXT),
    "next_step": WORD,
    "not_before": WHEN,
    "waits_for": TEXTS,
    "waits_at_most_until": WHEN,
    "looks_again": WHEN,
    "blocked": {"anyOf": [{"type": "null"}, _object(code=TEXT, why=TEXTS, next_command=TEXT)]},
    "kept": {"anyOf": [{"type": "null"}, _object(by=TEXT, at=TIME, why=TEXT, to_retire=TEXT)]},
    "milestones": _list(name=TEXT, done_at=WHEN, earliest=WHEN, note=TEXT),
}
_STOPS = _list(subject=TEXT, by=TEXT, why=TEXT, at=TIME)

SCHEMAS: Mapping[str, Shape] = {
    "Index": _tree("index", doors=_list(method=TEXT, path=TEXT, says=TEXT)),
    "Health": _tree("health", ok=FLAG),
    "Version": _tree("version", version=TEXT, revision=WORD),
    "Document": _object(openapi=TEXT, info=TREE, paths=TREE),
    "Status": _tree(
        "status",
        at=TIME,
        credentials=_list(
            credential=TEXT,
            live={"anyOf": [{"type": "null"}, _object(public_key=TEXT, rotation=TEXT, since=WHEN, secrets=TEXTS)]},
            replacing=TEXTS,
            records=_list(**_ROW),
        ),
        accounts=_list(credential=TEXT, base=TEXT, mode={"enum": ["observe", "manual", "automatic"]}),
        suspensions=_STOPS,
        unreadable=TEXTS,
    ),
    "Inventory": _tree(
        "inventory",
        at=TIME,
        credentials=_list(
            credential=TEXT, mode=WORD, upstreams=TEXTS, wanted=WORD, rotation_begins=WHEN,
            keys=TREES, secrets=TREES, shoots=TREES, in_the_way=TEXTS,
        ),
        shoots_without_credential={"type": "integer"},
        unread=TEXTS,
    ),
    "Records": _tree("records", at=TIME, records=_list(**_ROW), next=WORD, unreadable=TEXTS),
    "Record": _tree(
        "record", at=TIME, **_ROW,
        order=TREE, state=TREE, confirmed=TEXTS, waivers=TREES, evidence=_list(at=TIME, what=TEXT, by=TEXT),
        history=_list(at=TIME, by=TEXT, state=TEXT),
    ),
    "Suspension": _tree("suspension", subject=TEXT, suspended=FLAG, suspensions=_STOPS),
    "Problem": {
        **_object(type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT, schema={"const": SCHEMA}),
        "description": "RFC 9457. It never repeats a header or a body.",
    },
}  # fmt: skip


def document(routes: "Sequence[Route]") -> Shape:
    """The whole document."""
    paths: Shape = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "registry-key-rotator",
            "version": rotator.VERSION,
            "description": (
                "On Cloud Run the caller is whom the platform has verified. Elsewhere only this machine is served, or whoever"
                " has the token of ROTATOR_API_TOKEN_FILE; the header X-Rotator-By then says who asks."
            ),
        },
        "paths": paths,
        "security": [{"bearer": []}],
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {**SCHEMAS, **{form.__name__: _plain(form) for form in _bodies(routes)}},
            "responses": {str(status): _refusal(status, says) for status, says in REFUSALS.items()},
        },
    }


def _bodies(routes: "Sequence[Route]") -> list[type[msgspec.Struct]]:
    return list(dict.fromkeys(route.body for route in routes if route.body))


def _operation(route: "Route") -> Shape:
    found: Shape = {
        "operationId": f"{route.method.lower()}{''.join(part.strip('{}').title() for part in route.path.split('/'))}",
        "summary": route.says,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route),
    }
    if route.open:
        found["security"] = []
    if route.body:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": _ref("schemas", route.body.__name__)}}}
    return found


def _responses(route: "Route") -> Shape:
    answer = {"content": {JSON: {"schema": _ref("schemas", route.answer)}}}
    found: Shape = {"200": {"description": "As it is now.", **answer}}
    if route.fresh:
        location = {"Location": {"required": True, "schema": TEXT}}
        found["201"] = {"description": "It is in the books now.", "headers": location, **answer}
    refusals: tuple[int, ...] = OPEN if route.open else READING
    refusals += (404,) if route.names or route.body or _query_parameters(route) else ()
    refusals += (409, 413, 415) if route.body else ()
    return found | {str(status): _ref("responses", str(status)) for status in sorted(set(refusals))}


def _path_parameters(route: "Route") -> list[Shape]:
    from rotator.doors.routes import NAMES

    return [
        {"name": name, "in": "path", "required": True, "schema": {**TEXT, "pattern": f"^{NAMES[name]}$"}}
        for name in route.names
    ]


def _query_parameters(route: "Route") -> list[Shape]:
    form = _plain(route.query)
    return [
        {"name": name, "in": "query", "required": name in form.get("required", ()), "schema": schema}
        for name, schema in form["properties"].items()
    ]


def _refusal(status: int, says: str) -> Shape:
    # A path with a line break never comes to us: the framework says 404 to it with a page of its own.
    page: Shape = {"text/html": {"schema": TEXT}} if status == 404 else {}  # noqa: PLR2004
    return {"description": says, "content": {PROBLEM: {"schema": _ref("schemas", "Problem")}, **page}}


def _plain(form: type[msgspec.Struct]) -> Shape:
    """The schema of a form that names no other."""
    found: Shape = msgspec.json.schema(form)["$defs"][form.__name__]
    return found


def _ref(kind: str, name: str) -> Shape:
    return {"$ref": f"#/components/{kind}/{name}"}
