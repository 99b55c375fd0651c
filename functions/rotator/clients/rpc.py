"""Calls of Google's gRPC APIs: our token, a deadline, no retry of the driver's, and what the answers mean.

Shared by the clients of IAM, Secret Manager and Monitoring. Messages name attempt, object, answer and next step.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from google.api_core import exceptions
from grpc import StatusCode

from rotator.clients import calls
from rotator.clients.token import AccessToken
from rotator.clients.words import words
from rotator.errors import Absent, Exists, Permanent, RotatorError, TokenExpired, Transient

T = TypeVar("T")

_AGAIN = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.ABORTED,
        StatusCode.INTERNAL,
        StatusCode.CANCELLED,
        StatusCode.UNKNOWN,
        StatusCode.RESOURCE_EXHAUSTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a call is for. `grant`: the command that gives `permission`; MEMBER in it stands for whoever we are."""

    what: str
    permission: str
    grant: str
    forbidden: str
    """The stable word for a missing permission."""


Reader = Callable[[exceptions.GoogleAPICallError, Attempt], RotatorError | None]
"""Reads the refusals that one method has and others have not; None leaves a fault to `meaning`."""


class _TokenIsOverError(RotatorError):
    """The token is not accepted: nothing is repeated with it, so this is made Transient only outside the loop."""


class Caller:
    """Sends the calls of one client with one token."""

    def __init__(self, token: AccessToken, transport: object) -> None:
        """Silence the transport's own log: at DEBUG it writes whole requests and answers, private keys and tokens included."""
        self._token = token
        logging.getLogger(type(transport).__module__).disabled = True

    def call(self, send: Callable[[dict[str, Any]], T], attempt: Attempt, *, repeat: bool, read: Reader | None = None) -> T:
        """What `send` returned; it passes its argument on to the driver's method as keywords."""
        how = {"retry": None, "timeout": calls.limits().timeout, "metadata": self._token.metadata()}

        def meant(fault: Exception) -> RotatorError | None:
            if isinstance(fault, exceptions.GoogleAPICallError):
                return (read and read(fault, attempt)) or meaning(fault, attempt, self._token.member)
            return fault if isinstance(fault, RotatorError) else None

        try:
            return calls.call(lambda: send(how), meant, repeat=repeat)
        except _TokenIsOverError as fault:
            raise Transient(str(fault)) from fault


def meaning(fault: exceptions.GoogleAPICallError, attempt: Attempt, member: str) -> RotatorError:
    """What an answer of any of the APIs means."""
    code = fault.grpc_status_code
    name = code.name if code else "no status"
    match fault:
        case exceptions.NotFound():
            return Absent(f"{attempt.what}: not there")
        case exceptions.AlreadyExists():
            return Exists(f"{attempt.what}: it is there already")
        case exceptions.Unauthenticated():
            return TokenExpired(f"{attempt.what}: our access token is not accepted any more; the next activation has a new one")
        case exceptions.PermissionDenied():
            return _forbidden(fault, attempt, member)
        case _ if code in _AGAIN or code is None:
            return Transient(f"{attempt.what}: {name}; tried again later")
        case _:
            return Permanent(f"{attempt.what}: {name}: {words(fault.message)}", code="google-answer")


def _forbidden(fault: exceptions.GoogleAPICallError, attempt: Attempt, member: str) -> Permanent:
    if fault.reason == "SERVICE_DISABLED":
        where = fault.metadata or {}
        project = where.get("consumer", "").removeprefix("projects/") or "PROJECT"
        enable = f"gcloud services enable {where.get('service', 'SERVICE')} --project {project}"
        return Permanent(f"{attempt.what}: the API is not enabled; run: {enable}", code="api-disabled", next_command=enable)
    grant = attempt.grant.replace("MEMBER", member)
    return Permanent(
        f"{attempt.what}: 403: {member} lacks {attempt.permission}, or there is no such object; grant it: {grant}",
        code=attempt.forbidden,
        next_command=grant,
    )
