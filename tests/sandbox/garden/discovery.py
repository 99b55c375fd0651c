"""What the API server says about itself: enough for kubectl get and for generic clients."""

from sandbox.garden.kind import KINDS, Kind, Tree

_VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2026-08-01T00:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def document(path: str, address: str) -> Tree | None:
    """The document at a path, or None."""
    path = path.rstrip("/")
    if path == "/version":
        return _VERSION
    if path == "/api":
        server = {"clientCIDR": "0.0.0.0/0", "serverAddress": address.removeprefix("http://")}
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [server]}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(group) for group in _groups()]}
    if path == "/api/v1":
        return _resources("v1")
    if path.startswith("/apis/"):
        name = path.removeprefix("/apis/")
        if name in _groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}
        if name in {kind.api_version for kind in KINDS}:
            return _resources(name)
    return None


def _groups() -> list[str]:
    return sorted({kind.group for kind in KINDS if kind.group})


def _group(group: str) -> Tree:
    versions = sorted({kind.version for kind in KINDS if kind.group == group})
    named = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": named, "preferredVersion": named[0]}


def _resources(api_version: str) -> Tree:
    kinds = [kind for kind in KINDS if kind.api_version == api_version]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": [_resource(kind) for kind in kinds],
    }


def _resource(kind: Kind) -> Tree:
    return {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
