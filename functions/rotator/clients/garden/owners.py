"""Tools that would re-create a Secret after it was deleted, read off its metadata.

What one of them keeps must be removed at its source; deleting it in the Garden only starts a fight.
"""

from collections.abc import Iterator

import msgspec

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HELM = "app.kubernetes.io/managed-by"

_BY_PREFIX = (
    ("kustomize.toolkit.fluxcd.io/", "Flux Kustomization"),
    ("helm.toolkit.fluxcd.io/", "Flux HelmRelease"),
    ("argocd.argoproj.io/", "Argo CD"),
    ("reconcile.external-secrets.io/", "External Secrets"),
    ("meta.helm.sh/", "Helm"),
)
# Source: the field managers these tools call themselves by; compared in lower case.
_BY_MANAGER = (
    ("kustomize-controller", "Flux Kustomization"),
    ("helm-controller", "Flux HelmRelease"),
    ("argocd", "Argo CD"),
    ("external-secrets", "External Secrets"),
    ("externalsecrets", "External Secrets"),
    ("terraform", "Terraform"),
    ("hashicorp", "Terraform"),
    ("opentofu", "Terraform"),
    ("helm", "Helm"),
)


class Owner(msgspec.Struct):
    """One ownerReference."""

    kind: str
    name: str


class Manager(msgspec.Struct):
    """One entry of managedFields: only who."""

    manager: str = ""


class Metadata(msgspec.Struct, rename="camel"):
    """metadata of a Secret."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    deletion_timestamp: str | None = None
    owner_references: list[Owner] | None = None
    managed_fields: list[Manager] | None = None


def of(metadata: Metadata) -> tuple[str, ...]:
    """Each tool once, with what tells so, in the words an owner knows it by."""
    found: dict[str, str] = {}
    for tool, evidence in _signs(metadata):
        found.setdefault(tool, evidence)
    return tuple(f"{tool} ({evidence})" for tool, evidence in found.items())


def _signs(metadata: Metadata) -> Iterator[tuple[str, str]]:
    for owner in metadata.owner_references or ():
        yield owner.kind, f"ownerReference {owner.name}"
    marks = {**(metadata.annotations or {}), **(metadata.labels or {})}
    for key, value in sorted(marks.items()):
        for prefix, tool in _BY_PREFIX:
            if key.startswith(prefix):
                yield tool, f"{key}: {value}"[:120]
        if key == HELM:
            yield value or "Helm", key
        if key == LAST_APPLIED:
            yield "kubectl apply", "last-applied-configuration"
    for entry in metadata.managed_fields or ():
        for prefix, tool in _BY_MANAGER:
            if entry.manager.lower().startswith(prefix):
                yield tool, f"field manager {entry.manager}"
                break
