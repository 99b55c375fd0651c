"""Refusals, worded as the API servers word them: status code, reason, message, details."""

import json
from collections.abc import Sequence

from sandbox.garden.kind import Kind, Tree

SERVER_REJECTED = "the server rejected our request due to an error in our request"
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Refusal(Exception):
    """The request was refused and has changed nothing."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: Tree | None = None,
        metadata: Tree | None = None,
    ) -> None:
        """Take the reason from the code unless it is given; `details` None leaves the field out."""
        super().__init__(message)
        self.code = code
        self.reason = REASONS.get(code, "Unknown") if reason is None else reason
        self.details = details
        self._metadata = metadata or {}

    def body(self) -> bytes:
        """The Status object."""
        status: Tree = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self._metadata,
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
        }
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return json.dumps(status).encode()


def named(kind: Kind, name: str) -> Tree:
    """The details of a refusal about one object."""
    details: Tree = {}
    if name:
        details["name"] = name
    if kind.group:
        details["group"] = kind.group
    return {**details, "kind": kind.plural}


def bad_request(message: str) -> Refusal:
    """400."""
    return Refusal(400, message)


def not_found(kind: Kind, name: str) -> Refusal:
    """404 about one object."""
    return Refusal(404, f'{kind.resource} "{name}" not found', details=named(kind, name))


def already_exists(kind: Kind, name: str) -> Refusal:
    """409 on create."""
    return Refusal(409, f'{kind.resource} "{name}" already exists', reason="AlreadyExists", details=named(kind, name))


def forbidden(kind: Kind, name: str, why: str) -> Refusal:
    """403 by access rules or by admission: the two look the same."""
    subject = f'{kind.resource} "{name}"' if name else kind.resource
    return Refusal(403, f"{subject} is forbidden: {why}", details=named(kind, name))


def modified(kind: Kind, name: str) -> Refusal:
    """409 on an update that carries an old resourceVersion."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return Refusal(409, f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}', details=named(kind, name))


def precondition(kind: Kind, name: str, why: str) -> Refusal:
    """409 on a delete whose precondition does not hold."""
    return Refusal(
        409,
        f'Operation cannot be fulfilled on {kind.qualified_kind} "{name}": {why}',
        details={**named(kind, name), "kind": kind.kind},
    )


def invalid(kind: Kind, name: str, causes: Sequence[tuple[str, str, str]]) -> Refusal:
    """422 by validation; each cause is field, reason (FieldValueInvalid, ...), message."""
    texts = [f"{field}: {message}" for field, _, message in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Tree = (
        {"name": name, "group": kind.group, "kind": kind.kind}
        if kind.group
        else {
            "name": name,
            "kind": kind.kind,
        }
    )
    details["causes"] = [{"reason": reason, "message": message, "field": field} for field, reason, message in causes]
    return Refusal(422, f'{kind.qualified_kind} "{name}" is invalid: {text}', details=details)


def patch_failed() -> Refusal:
    """422 for every JSON Patch that cannot be applied, whatever the cause (gardener.md 11)."""
    return Refusal(422, SERVER_REJECTED, details={})


def webhook_denied(webhook: str, why: str) -> Refusal:
    """403 by a validating webhook, which names no object."""
    return Refusal(403, f'admission webhook "{webhook}" denied the request: {why}')


def webhook_down(webhook: str) -> Refusal:
    """500 because a webhook with failurePolicy Fail does not answer."""
    cause = (
        f'failed calling webhook "{webhook}": failed to call webhook: Post "https://registry-cache-admission.garden.svc'
        ':443/webhooks/registry-cache?timeout=10s": dial tcp 10.4.0.23:443: connect: connection refused'
    )
    return Refusal(500, f"Internal error occurred: {cause}", details={"causes": [{"message": cause}]})
