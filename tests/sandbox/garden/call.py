"""One request as the API understands it: verb, kind, object, and who asks."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.garden.kind import BY_PATH, NAMESPACES, SHOOTS, TOKEN_REQUESTS, Kind, Tree
from sandbox.garden.refusal import Refusal, bad_request

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?P<status>/status)?)?/?"
)
_NAMESPACE = re.compile(r"/api/v1/namespaces(?:/(?P<name>[^/]+))?/?")
_TOKEN = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/serviceaccounts/(?P<name>[^/]+)/token/?")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
MUTATING = frozenset(_VERBS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked. `namespace` is empty at cluster scope, `name` for lists and creates (whose body names the object)."""

    verb: str
    kind: Kind
    namespace: str = ""
    name: str = ""
    status: bool = False
    """The subresource is meant: all but the status stays as it is."""
    user: str = ""
    manager: str = "sandbox"
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    body: bytes = b""

    @property
    def dry_run(self) -> bool:
        """Nothing is stored."""
        return "dryRun" in self.query or (self.verb == "delete" and bool(self.document().get("dryRun")))

    @property
    def resource(self) -> str:
        """What rules of roles call it: `shoots`, `shoots/status`."""
        return f"{self.kind.plural}/status" if self.status else self.kind.plural

    @property
    def method(self) -> str:
        """How faults and the log name the call: `PATCH shoots`, `PATCH shoots (dry run)`, `LIST secrets`."""
        return f"{self.verb.upper()} {self.resource}{' (dry run)' if self.dry_run else ''}"

    @property
    def target(self) -> str:
        """Namespace and name; a list ends with the slash."""
        return f"{self.namespace}/{self.name or self._named_in_body()}"

    def document(self) -> Tree:
        """The body as JSON object, {} when there is none. Raises: Refusal 400."""
        if not self.body:
            return {}
        try:
            document: Any = json.loads(self.body)
        except ValueError:
            raise bad_request("the object provided is unrecognized (must be of type Object): invalid JSON") from None
        if not isinstance(document, dict):
            raise bad_request("the object provided is unrecognized (must be of type Object)")
        return document

    def _named_in_body(self) -> str:
        if self.verb != "create":
            return ""
        try:
            return str((self.document().get("metadata") or {}).get("name", ""))
        except (Refusal, AttributeError):
            return ""


def understood(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Call | None:
    """The call that a request makes, or None for a path that names no kind. Header names are lower case.

    Raises: Refusal 405, 422.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    path = unquote(parts.path)
    if match := _NAMESPACE.fullmatch(path):
        kind, namespace, name, status = NAMESPACES, "", match["name"] or "", False
    elif match := _TOKEN.fullmatch(path):
        kind, namespace, name, status = TOKEN_REQUESTS, match["namespace"], match["name"], False
    elif (match := _PATH.fullmatch(path)) and (match["core"] or match["group"], match["plural"]) in BY_PATH:
        kind = BY_PATH[match["core"] or match["group"], match["plural"]]
        namespace, name, status = match["namespace"] or "", match["name"] or "", bool(match["status"])
    else:
        return None
    if status and kind is not SHOOTS:
        return None
    verb = _VERBS.get(method, "get" if name else "list")
    if (
        verb not in kind.verbs
        or (verb in ("update", "patch", "delete") and not name)
        or (status and verb == "delete")
        or query.get("watch") in ("1", "true")
    ):
        raise Refusal(405, "the server does not allow this method on the requested resource", details={})
    dry_run = query.get("dryRun")
    if dry_run not in (None, "All"):
        raise Refusal(422, f'dryRun: Unsupported value: "{dry_run}": supported values: "All"', details={})
    content_type = headers.get("content-type", "application/json").partition(";")[0].strip()
    if content_type.endswith("protobuf"):
        raise Refusal(415, "the body of the request was in an unknown format - accepted media types include: application/json")
    agent = headers.get("user-agent", "unknown").partition("/")[0]
    return Call(
        verb=verb,
        kind=kind,
        namespace=namespace,
        name=name,
        status=status,
        query=query,
        manager=query.get("fieldManager") or agent,
        content_type=content_type,
        body=body,
    )
