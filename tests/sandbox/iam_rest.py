"""IAM's REST v1 read of keys: the only place that says why a key is disabled (gcp.md 1.1)."""

import re
from typing import Any
from urllib.parse import unquote

from sandbox import iam_key
from sandbox.access import Access
from sandbox.door import Note, Refused
from sandbox.google_http import Answer, Request, as_json
from sandbox.iam import Iam
from sandbox.iam_key import Key

_PATH = re.compile(r"/v1/(projects/[^/]+/serviceAccounts/[^/]+)/keys(?:/([^/]+))?")


class IamRest:
    """GET of one key, or of all."""

    name = "iamrest"

    def __init__(self, iam: Iam, access: Access) -> None:
        """Read this state."""
        self._iam = iam
        self._access = access

    def target(self, request: Request) -> str:
        """The resource name."""
        return unquote(request.path).removeprefix("/v1/")

    def answer(self, request: Request, _note: Note) -> Answer:
        """The key in REST's own JSON: false and unset members are absent."""
        match = _PATH.fullmatch(unquote(request.path))
        if match is None or request.verb != "GET":
            raise Refused("NOT_FOUND", "The sandbox serves GET of keys over REST, nothing else.")
        caller = self._access.caller(request.headers.get("authorization"))
        verb = "get" if match.group(2) else "list"
        account, _ = self._iam.resolve(match.group(1), f"iam.serviceAccountKeys.{verb}")
        self._access.require(caller, f"iam.serviceAccountKeys.{verb}", account.name)
        if not match.group(2):
            return as_json(200, {"keys": [_shown(key, state) for key, state in self._iam.listed(account)]})
        name = f"{match.group(1)}/keys/{match.group(2)}"
        key = self._iam.key(name, "iam.serviceAccountKeys.get", stale=True)
        return as_json(200, _shown(key, self._iam.seen(key)))


def _shown(key: Key, state: str) -> dict[str, Any]:
    system = key.origin == iam_key.SYSTEM
    shown: dict[str, Any] = {
        "name": key.name,
        "validAfterTime": f"{key.valid_after:%Y-%m-%dT%H:%M:%SZ}",
        "validBeforeTime": f"{key.valid_before:%Y-%m-%dT%H:%M:%SZ}",
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "USER_PROVIDED" if key.origin == iam_key.USER else "GOOGLE_PROVIDED",
        "keyType": "SYSTEM_MANAGED" if system else "USER_MANAGED",
    }
    if state == iam_key.DISABLED:
        shown["disabled"] = True
        if key.disable_reason is not None:
            shown["disableReason"] = key.disable_reason
    if key.extended_status:
        shown["extendedStatus"] = [{"key": name, "value": value} for name, value in key.extended_status.items()]
    return shown
