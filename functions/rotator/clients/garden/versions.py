"""Which versions stand behind a Garden, as far as it tells a project member.

`/version` is that of its Kubernetes API server; Gardener's own is in a ConfigMap that every authenticated user may read. The
extension's stands in its ControllerDeployment, which usually only operators may read.
Source: Gardener's documentation, "Gardener Info ConfigMap".
"""

import re
from typing import TypeVar

import msgspec

from rotator.clients.garden.request import CORE, GARDENER, Request
from rotator.clients.garden.transport import Transport
from rotator.errors import Absent, RotatorError, Unreadable

T = TypeVar("T")

INFO = Request("get", CORE, "configmaps", "gardener-system-public", "gardener-info")
REGISTRATIONS = Request("list", GARDENER, "controllerregistrations", "")
_VERSION = re.compile(r"^version:\s*[\"']?([A-Za-z0-9.+_-]{1,64})", re.MULTILINE)


class _Kubernetes(msgspec.Struct, frozen=True, rename={"version": "gitVersion"}):
    version: str


class _Info(msgspec.Struct, frozen=True):
    data: dict[str, str] = {}


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Resource(msgspec.Struct, frozen=True):
    kind: str = ""
    type: str = ""


class _Deployment(msgspec.Struct, frozen=True, rename={"refs": "deploymentRefs"}):
    refs: list[_Named] | None = None


class _Spec(msgspec.Struct, frozen=True):
    resources: list[_Resource] | None = None
    deployment: _Deployment | None = None


class _Registration(msgspec.Struct, frozen=True):
    metadata: _Named
    spec: _Spec = _Spec()


class _Registrations(msgspec.Struct, frozen=True):
    items: list[_Registration] | None = None


class _Chart(msgspec.Struct, frozen=True):
    tag: str = ""
    ref: str = ""


class _Helm(msgspec.Struct, frozen=True, rename={"chart": "ociRepository"}):
    chart: _Chart = _Chart()


class _Deployed(msgspec.Struct, frozen=True):
    helm: _Helm = _Helm()


def kubernetes(transport: Transport) -> str:
    """What its API server calls itself. Raises: RotatorError."""
    return _decoded(transport, Request("get", "", "version", ""), _Kubernetes).version


def gardener(transport: Transport) -> str:
    """What gardener-apiserver calls itself; empty where it does not tell. Raises: Transient, Permanent."""
    try:
        found = _decoded(transport, INFO, _Info)
    except (Absent, Unreadable):
        return ""
    match = _VERSION.search(found.data.get("gardenerAPIServer", ""))
    return match[1] if match else ""


def extension(transport: Transport, kind: str) -> tuple[str, str]:
    """The registration of the extension of this type, and its version; each empty where it is not told.

    Raises: Absent when there is none for certain; Transient, Permanent.
    """
    try:
        found = _decoded(transport, REGISTRATIONS, _Registrations)
    except (Absent, Unreadable):
        return "", ""
    for each in found.items or ():
        if any((one.kind, one.type) == ("Extension", kind) for one in each.spec.resources or ()):
            refs = each.spec.deployment.refs if each.spec.deployment else None
            return each.metadata.name, _deployed(transport, refs[0].name) if refs else ""
    raise Absent(f"Garden {transport.garden}: no extension serves {kind}")


def _deployed(transport: Transport, name: str) -> str:
    request = Request("get", "/apis/core.gardener.cloud/v1", "controllerdeployments", "", name)
    try:
        chart = _decoded(transport, request, _Deployed).helm.chart
    except RotatorError:
        return ""  # only operators may read it
    return chart.tag or chart.ref.rpartition(":")[2]


def _decoded(transport: Transport, request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(transport.read(request), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Unreadable(f"asking Garden {transport.garden}: {request}: {fault}") from None
