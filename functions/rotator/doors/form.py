"""A request and its answer as the doors see them, whatever server carries them; and faults as problem+json (RFC 9457).

A problem says what was attempted, what was answered and what to do next; it never repeats a header or a body.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

SCHEMA = "registry-key-rotator/v1"
JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Names of headers are in lower case; `query` has the first value of each name. Never logged as a whole."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request cannot be served: the caller's fault, in one line."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        """`status`: 4xx. `more`: members of the problem beside title, status and detail."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more


TITLES = {
    400: "Bad request",
    401: "Who asks?",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Body too large",
    415: "Unsupported content type",
    422: "Refused",
    500: "A fault of this program",
    503: "Not now",
}


def tree(status: int, content: Mapping[str, Any], **headers: str) -> Said:
    """An answer in JSON, with the schema's version in it."""
    return Said(status, msgspec.json.encode({"schema": SCHEMA, **content}), JSON, headers)


def problem(status: int, detail: str, **more: Any) -> Said:
    """A fault. `more` as in Refused."""
    content = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail, "schema": SCHEMA, **more}
    return Said(status, msgspec.json.encode(content), PROBLEM)


def shown(path: str) -> str:
    """The path for a message: short, in ASCII, without anything that a terminal obeys."""
    found = path[:80].encode("unicode_escape").decode()
    return f"{found}…" if len(path) > 80 else found  # noqa: PLR2004 - as above
