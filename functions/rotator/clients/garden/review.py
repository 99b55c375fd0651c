"""Whether a Garden would let us do something, as its own authorizer says: SelfSubjectAccessReview.

Every authenticated user may ask. Nothing is stored by it: an answer, not an object.
"""

import msgspec

from rotator.clients.garden.request import AUTHORIZATION, Request
from rotator.clients.garden.transport import Transport
from rotator.errors import Unreadable
from rotator.permission import GardenRight


class _Status(msgspec.Struct):
    """SubjectAccessReviewStatus, as far as it decides."""

    allowed: bool


class _Review(msgspec.Struct):
    """The answer."""

    status: _Status


_DECODER = msgspec.json.Decoder(_Review)


def may(transport: Transport, right: GardenRight, namespace: str, name: str = "") -> bool:
    """We may do this there, to the object of this name or, without one, to all. Raises: Unreadable, Transient, Permanent."""
    attributes = {"namespace": namespace, "verb": right.verb, "group": right.group, "resource": right.resource}
    if name:
        attributes["name"] = name
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
