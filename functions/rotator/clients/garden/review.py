"""Who we are to a Garden and what it would let us do, as it says itself: SelfSubjectReview, SelfSubjectAccessReview.

Every authenticated user may ask. Nothing is stored by it: an answer, not an object.
"""

import msgspec

from rotator.clients.garden.request import AUTHENTICATION, AUTHORIZATION, Request
from rotator.clients.garden.transport import Transport
from rotator.errors import Unreadable
from rotator.permission import GardenRight


class _Status(msgspec.Struct):
    """SubjectAccessReviewStatus, as far as it decides."""

    allowed: bool


class _Review(msgspec.Struct):
    """The answer."""

    status: _Status


class _UserInfo(msgspec.Struct):
    """authentication.k8s.io/v1 UserInfo."""

    username: str = ""


class _WhoStatus(msgspec.Struct, rename="camel"):
    """SelfSubjectReviewStatus."""

    user_info: _UserInfo


class _Who(msgspec.Struct):
    """The answer."""

    status: _WhoStatus


_DECODER = msgspec.json.Decoder(_Review)
_WHO = msgspec.json.Decoder(_Who)


def who(transport: Transport) -> str:
    """Our user name there, as RBAC knows it. Raises: Absent before Kubernetes 1.28, Unreadable, Transient, Permanent."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = transport.read(Request("create", AUTHENTICATION, "selfsubjectreviews", ""), body)
    try:
        return _WHO.decode(answer).status.user_info.username
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Unreadable(f"asking Garden {transport.garden} who we are: {fault}") from None


def may(transport: Transport, right: GardenRight, namespace: str, name: str = "") -> bool:
    """We may do this there, to the object of this name or, without one, to all. Raises: Unreadable, Transient, Permanent."""
    resource, _, part = right.resource.partition("/")
    attributes = {"namespace": namespace, "verb": right.verb, "group": right.group, "resource": resource}
    attributes |= {"subresource": part} if part else {}
    attributes |= {"name": name} if name else {}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = transport.read(Request("create", AUTHORIZATION, "selfsubjectaccessreviews", ""), body)
    try:
        return _DECODER.decode(answer).status.allowed
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Unreadable(f"asking Garden {transport.garden} what we may do: {fault}") from None
