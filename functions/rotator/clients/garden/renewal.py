"""The next token of the ServiceAccount that we are in a Garden, asked for with the one we have: TokenRequest.

A ServiceAccount may be allowed to ask for its own tokens, by name. Garden operators cap how long they live; what counts is what
the token itself says. No token is ever taken back: one that nobody keeps ends by itself.
Source: gardener.md section 7; https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

import re
from datetime import timedelta
from typing import Protocol, Self

import msgspec

from rotator.clients.garden import login
from rotator.clients.garden.request import AUTHENTICATION, CORE, Request
from rotator.errors import Absent, Permanent, Unreadable

BRIEF = timedelta(hours=1)
"""A token for creates: its end is the fence that the retirement of a key waits for (design.md section 4)."""

ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")


class Api(Protocol):
    """The API server of a Garden."""

    garden: str

    @property
    def tokens(self) -> login.Tokens:
        """Who we are there."""
        ...

    def read(self, request: Request, body: object = None) -> bytes:
        """The answer to what changes nothing."""
        ...

    def speaking(self, token: str) -> Self:
        """The same server, asked with this token."""
        ...


class _Status(msgspec.Struct):
    """TokenRequestStatus. Decoded and left at once: its repr would show the token."""

    token: str


class _Answer(msgspec.Struct):
    status: _Status


_DECODER = msgspec.json.Decoder(_Answer)


def account(api: Api) -> tuple[str, str]:
    """Namespace and name of the ServiceAccount that we are. Raises: Permanent when the token is somebody else's."""
    who = login.subject(api.tokens.reading())
    found = ACCOUNT.fullmatch(who)
    if found is None:
        why = f"it is that of {who}, no ServiceAccount" if who else "it does not tell whose it is"
        raise Permanent(
            f"renewing the token of Garden {api.garden}: {why}; only a ServiceAccount can renew its own",
            code="garden-token",
            next_command="rotator doctor",
        )
    return found[1], found[2]


def another(api: Api, life: timedelta) -> str:
    """A token of the same ServiceAccount; the server may have given it less life.

    Again: one more token; all of them are good until their end. Raises: Permanent, Transient, Absent.
    """
    namespace, name = account(api)
    spec = {"expirationSeconds": int(life.total_seconds())}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = api.read(Request("create", CORE, "serviceaccounts/token", namespace, name), body)
    try:
        return _DECODER.decode(answer).status.token
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Without a cause: a decoding error may quote what it could not read.
        raise Unreadable(f"asking Garden {api.garden} for a token: its answer is none") from None


def proved(api: Api, token: str) -> str:
    """The token, once the server has answered to it. Raises: RotatorError when it does not."""
    try:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        api.speaking(token).read(Request("create", AUTHENTICATION, "selfsubjectreviews", ""), body)
    except Absent:
        pass  # before Kubernetes 1.28; a token that is not known is told 401 before that
    return token
