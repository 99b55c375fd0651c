"""Who asks: the name that goes into the evidence of whatever the caller orders. Nobody chooses a name on Cloud Run.

On Cloud Run (K_SERVICE) the platform lets nobody in without `roles/run.invoker`, and has verified the token that shows it; we
read the address in that token. Its signature cannot be checked again (the platform takes it off), so what we trust is that the
service is not open to `allUsers`; a request without a token shows that it is, and is refused. When both headers come, the
platform has looked at X-Serverless-Authorization only: then Authorization is the caller's own invention and is not read.
Behind Identity-Aware Proxy every token is the proxy's; ROTATOR_IAP=1 takes the proxy's header instead, which is safe as long as
the proxy is the only invoker.

Anywhere else only this machine is served, unless ROTATOR_API_TOKEN_FILE names a file with a bearer token. Loopback alone is no
proof: a page in a browser on this machine can be made to send (DNS rebinding), and a proxy on it sends for others. So the
request must name this machine as its Host, and no proxy may have passed it on. Here X-Rotator-By is believed: whoever has the
token or the machine could as well write into the books directly.
"""

import base64
import hmac
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rotator.doors.form import Asked, Refused

NAME = re.compile(r"[!-~]([ -~]{0,98}[!-~])?")
SHORTEST_TOKEN = 16
LOCAL = {"localhost", "127.0.0.1", "[::1]"}
PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
IAP = "accounts.google.com:"


class _Claims(msgspec.Struct, frozen=True):
    """What we read of a token's payload."""

    email: str = ""
    email_verified: bool = False
    sub: str = ""


def caller(asked: Asked, environment: Mapping[str, str]) -> str:
    """The name of whoever asks. Raises: Refused (401, 403; 422 for a name that is none; 503 for a token file that is none)."""
    if environment.get("K_SERVICE"):
        return _verified(asked, iap=environment.get("ROTATOR_IAP") == "1")
    if environment.get("ROTATOR_API_TOKEN_FILE"):
        _check(asked, Path(environment["ROTATOR_API_TOKEN_FILE"]))
    else:
        _check_local(asked)
    name = asked.headers.get("x-rotator-by", "api")
    if not NAME.fullmatch(name):
        raise Refused(422, "X-Rotator-By: not a name of at most 100 printable ASCII characters")
    return name


def _verified(asked: Asked, *, iap: bool) -> str:
    if iap:
        kind, _, address = asked.headers.get("x-goog-authenticated-user-email", "").partition(":")
        if f"{kind}:" == IAP and NAME.fullmatch(address):
            return address
        raise Refused(401, "no user in this request: ROTATOR_IAP is 1, but Identity-Aware Proxy did not pass it on")
    header = asked.headers.get("x-serverless-authorization", asked.headers.get("authorization", ""))
    claims = _claims(_bearer(header))
    name = claims.email if claims.email_verified else f"account {claims.sub}" if claims.sub else ""
    if not NAME.fullmatch(name):
        raise Refused(
            401, "no identity token in this request; call with one, and see that allUsers may not invoke this service"
        )
    return name


def _claims(token: str) -> _Claims:
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        return _Claims()
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=_Claims)
    except (ValueError, RecursionError):
        return _Claims()


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check(asked: Asked, file: Path) -> None:
    try:
        wanted = file.read_bytes().strip()
    except OSError as fault:
        raise Refused(503, f"reading the file that ROTATOR_API_TOKEN_FILE names: {fault.strerror}") from None
    if len(wanted) < SHORTEST_TOKEN:
        raise Refused(503, f"the file that ROTATOR_API_TOKEN_FILE names has a token of less than {SHORTEST_TOKEN} bytes")
    if not hmac.compare_digest(_bearer(asked.headers.get("authorization", "")).encode(), wanted):
        raise Refused(401, "a bearer token is needed: that of the file that ROTATOR_API_TOKEN_FILE names")


def _check_local(asked: Asked) -> None:
    host = re.sub(r":[0-9]*$", "", asked.headers.get("host", "")).lower()
    if not _loopback(asked.remote) or host not in LOCAL or any(name in asked.headers for name in PASSED_ON):
        raise Refused(403, "only this machine is served, by its own name; for others, set ROTATOR_API_TOKEN_FILE")


def _loopback(remote: str) -> bool:
    try:
        return ipaddress.ip_address(remote).is_loopback
    except ValueError:
        return False
