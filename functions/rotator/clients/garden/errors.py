"""What the answers of a Garden's API servers mean for a rotation. Translated once, here.

RBAC and admission both say 403; only RBAC says `cannot <verb> resource`. A failed JSON Patch test, a wrong index and an
absent path all say the same 422 without details (gardener.md section 11). 403 is never taken for "gone".
"""

import errno
from http import HTTPStatus

import msgspec
import urllib3.exceptions
from kubernetes.client.exceptions import ApiException

from rotator import permission
from rotator.clients.garden.request import Request
from rotator.clients.words import words
from rotator.errors import Absent, Conflict, Denied, Exists, Permanent, RotatorError, Transient, Unreadable

REJECTED = "the server rejected our request due to an error in our request"
UNREADABLE = "cannot reference a resource you are not allowed to read"
"""How ResourceReferenceManager says that an entry of spec.resources is forbidden to us; it does not say which."""

_ADMISSION = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY})


class Cause(msgspec.Struct):
    """One fault of an invalid object."""

    message: str = ""


class Details(msgspec.Struct):
    """metav1.StatusDetails, as far as it decides something."""

    causes: list[Cause] | None = None


class Status(msgspec.Struct):
    """metav1.Status, as far as it decides something."""

    message: str = ""
    reason: str = ""
    details: Details | None = None


class AnswerError(Exception):
    """The server answered something else than success."""

    def __init__(self, code: int, status: Status) -> None:
        """Keep what decides; the body stays behind."""
        super().__init__(f"{code} {status.reason}")
        self.code = code
        self.status = status


class ExpiredError(RotatorError):
    """The continue token of a list is too old (410): the list starts over."""


class UnauthorizedError(RotatorError):
    """The server does not accept our token (401). Not repeated with the same token."""


def answered(code: int, body: bytes) -> AnswerError:
    """The exception for this answer; a body that is no Status (a proxy's page) is not looked at."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = Status()
    return AnswerError(code, status)


def meaning(fault: Exception, request: Request, garden: str, address: str) -> RotatorError | None:
    """What this exception of the driver means for this request; None for a programming error. `address`: of the server."""
    attempt = f"{request} in Garden {garden}"
    match fault:
        case AnswerError():
            return _answer(fault, request, garden, attempt)
        case ApiException():  # the package raises it by itself only for TLS
            return Permanent(
                f"{attempt}: no trusted connection; check the server's certificate and the CA file",
                code="garden-tls",
                next_command="rotator retry",
            )
        case urllib3.exceptions.LocationValueError():
            return None
        case urllib3.exceptions.HTTPError():
            return Transient(f"{attempt}: no answer from {address}: {silence(fault)}")
        case msgspec.DecodeError():
            return Unreadable(f"{attempt}: its answer cannot be read: {words(str(fault))}")
        case _:
            return None


def silence(fault: urllib3.exceptions.HTTPError) -> str:
    """Why a server has not answered, in the words of people who look after networks."""
    match fault:
        case urllib3.exceptions.MaxRetryError(reason=urllib3.exceptions.HTTPError() as reason):
            return silence(reason)
        case urllib3.exceptions.NameResolutionError():
            return "its name cannot be resolved"
        case urllib3.exceptions.NewConnectionError():
            return _unconnected(fault.__cause__)
        case urllib3.exceptions.ConnectTimeoutError():
            return "no connection in time"
        case urllib3.exceptions.TimeoutError():
            return "connected, but nothing came in time"
        case urllib3.exceptions.ProxyError():
            return "the proxy does not let us through"
        case urllib3.exceptions.SSLError():
            return "TLS failed"
        case urllib3.exceptions.ProtocolError():
            return "the connection broke off"
        case _:
            return type(fault).__name__


def _unconnected(cause: BaseException | None) -> str:
    match cause:
        case ConnectionRefusedError():
            return "connection refused"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            return "no route to it"
        case OSError(strerror=str(said)):
            return said.lower()
        case _:
            return "no connection"


def _answer(fault: AnswerError, request: Request, garden: str, attempt: str) -> RotatorError:
    text = words(fault.status.message)
    match fault.code:
        case HTTPStatus.UNAUTHORIZED:
            return UnauthorizedError(
                f"garden-token: {attempt}: 401, the token of Garden {garden} has expired or was revoked; renew it"
            )
        case HTTPStatus.NOT_FOUND:
            return Absent(f"{attempt}: 404, not there")
        case HTTPStatus.GONE:
            return ExpiredError(f"{attempt}: 410, the list is too old to be continued")
        case HTTPStatus.CONFLICT if fault.status.reason == "AlreadyExists":
            return Exists(f"{attempt}: 409, the name is taken")
        case HTTPStatus.CONFLICT:
            return Conflict(f"{attempt}: 409, it has changed since it was read; read again")
        case HTTPStatus.FORBIDDEN if request.verb in {"get", "list"}:
            return Unreadable(f"{attempt}: 403; {_grant(request, garden)}")
        case HTTPStatus.FORBIDDEN if _is_rbac(fault.status.message, request) or request.verb == "delete":
            return Permanent(
                f"{attempt}: 403; {_grant(request, garden)}",
                code="garden-access",
                next_command=permission.mend(garden, request.namespace),
            )
        case HTTPStatus.UNPROCESSABLE_ENTITY if _is_failed_test(fault.status):
            return Conflict(f"{attempt}: 422, a test of the patch failed: the object has changed since it was read; read again")
        case code if code in _ADMISSION:
            which = "; which one: rotator doctor" if UNREADABLE in fault.status.message else ""
            return Denied(f"{attempt}: {code}: {text}{which}")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Transient(f"{attempt}: 429, the server asks for fewer requests")
        case code if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Transient(f"{attempt}: {code}: {text}")
        case code:
            return Permanent(f"{attempt}: unexpected answer {code} {fault.status.reason}: {text}", code="garden-answer")


def _grant(request: Request, garden: str) -> str:
    return permission.grant(request.verb, request.resource, garden, request.namespace)


def _is_rbac(message: str, request: Request) -> bool:
    return f'cannot {request.verb} resource "{request.resource}"' in message


def _is_failed_test(status: Status) -> bool:
    return status.message == REJECTED and not (status.details and status.details.causes)
