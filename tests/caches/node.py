"""How containerd pulls: from the cache as its mirror, and, when that fails for whatever reason, from the upstream itself with
the pod's pull Secret. Every object is checked against its digest.
"""

import base64
import hashlib
import http.client
import json
import ssl
from dataclasses import dataclass, field

TIMEOUT = 30.0
"""Seconds; containerd waits about as long for a mirror that swallows packets."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
UNREACHABLE, REFUSED, WRONG = "unreachable", "refused", "wrong content"


class PullFailed(Exception):
    """The image did not come. `kind`: nobody answered, somebody said no, or what came was something else."""

    def __init__(self, kind: str, text: str) -> None:
        """Keep both."""
        super().__init__(f"{kind}: {text}")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Image:
    """What is pulled; `digest` is that of the manifest which was published."""

    upstream: str
    name: str
    tag: str
    digest: str


@dataclass(frozen=True, slots=True)
class PullSecret:
    """The pod's imagePullSecret: another account's key than the caches run."""

    username: str
    password: str = field(repr=False)


def from_cache(port: int, trust: ssl.SSLContext, image: Image) -> None:
    """The image was pulled through the cache at this port. Raises: PullFailed."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT, context=trust)
    _pull(connection, image, {}, f"?ns={image.upstream}")


def from_upstream(address: str, image: Image, secret: PullSecret | None) -> None:
    """The image was pulled from the upstream, which `address` plays. Raises: PullFailed."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    host = {"Host": image.upstream}
    try:
        login = {} if secret is None else {"Authorization": f"Basic {_basic(secret)}"}
        scope = f"/v2/token?service={image.upstream}&scope=repository:{image.name}:pull"
        token = json.loads(_get(connection, "GET", scope, host | login))["token"]
    except BaseException:
        connection.close()
        raise
    _pull(connection, image, host | {"Authorization": f"Bearer {token}"}, "")


def _pull(connection: http.client.HTTPConnection, image: Image, headers: dict[str, str], query: str) -> None:
    """The tag is resolved, then manifest, configuration and layers come, each by its digest."""
    base = f"/v2/{image.name}"
    accept = headers | {"Accept": f"{MANIFEST}, */*"}
    try:
        _get(connection, "HEAD", f"{base}/manifests/{image.tag}{query}", accept)
        manifest = _get(connection, "GET", f"{base}/manifests/{image.tag}{query}", accept)
        _check(image, manifest, image.digest)
        described = json.loads(manifest)
        for part in (described["config"], *described["layers"]):
            _check(image, _get(connection, "GET", f"{base}/blobs/{part['digest']}{query}", headers), part["digest"])
    finally:
        connection.close()


def _check(image: Image, content: bytes, digest: str) -> None:
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise PullFailed(WRONG, f"{image.name}:{image.tag}: something else came for {digest[:15]}")


def _get(connection: http.client.HTTPConnection, verb: str, path: str, headers: dict[str, str]) -> bytes:
    what = f"{verb} {path.partition('?')[0]}"
    try:
        connection.request(verb, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as fault:
        raise PullFailed(UNREACHABLE, f"{what}: {type(fault).__name__}") from fault
    if answer.status != http.client.OK:
        raise PullFailed(REFUSED, f"{what}: {answer.status}")
    return body


def _basic(secret: PullSecret) -> str:
    return base64.b64encode(f"{secret.username}:{secret.password}".encode()).decode()
