"""Whose an object is: the tools that write it from a source of their own and would write it again, read off its metadata.

What such a tool keeps must be changed at its source: a change in the Garden lasts until the tool's next run, and a deleted
object comes back. Nothing here decides; the answer is a name, the source as the tool calls it, and the marker that tells so.

Sources, for what the tools really write:
  kubectl       pkg/cmd/apply: field managers kubectl-client-side-apply and, server-side, kubectl; last-applied-configuration
  Flux          kustomize-controller and helm-controller: field managers of these names, labels name and namespace
  Argo CD       common.go: field manager argocd-controller (client-side, too), annotation tracking-id `app:group/kind:ns/name`
  Terraform     kubernetes provider: field manager Terraform of kubernetes_manifest; else the user agent, HashiCorp/1.0
  Helm          pkg/action/validate.go: label managed-by, annotations release-name, release-namespace; field manager helm
  ESO           externalsecret_types.go: labels managed, created-by; field manager externalsecrets.external-secrets.io/NAME
  SealedSecrets sealedsecret_types.go: a controlling ownerReference, or annotation managed
Any other manager whose operation is Apply keeps the object by server-side apply, whatever it is called.
"""

from collections.abc import Iterator, Mapping

import msgspec

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MANAGED_BY = "app.kubernetes.io/managed-by"
APPLY = "kubectl apply"
SHOWN = 120


class Owner(msgspec.Struct, frozen=True, gc=False):
    """A tool that keeps an object. `source`: what the tool calls its own object behind it; `evidence`: the marker."""

    tool: str
    source: str
    evidence: str

    def __str__(self) -> str:
        """As people read it: Flux Kustomization flux-system/apps (label kustomize.toolkit.fluxcd.io/name=apps)."""
        return f"{self.tool}{' ' if self.source else ''}{self.source} ({self.evidence})"


class Manager(msgspec.Struct, frozen=True, gc=False):
    """One entry of managedFields. `applies`: its operation is Apply, server-side apply, and not Update."""

    name: str
    applies: bool = False


class Traces(msgspec.Struct, frozen=True, kw_only=True):
    """What an object's metadata says of who writes it. `references`: kind and name of each ownerReference."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    references: tuple[tuple[str, str], ...] = ()
    managers: tuple[Manager, ...] = ()


class _Key(msgspec.Struct, frozen=True):
    """A label or annotation of a tool. `names`: its value is the source; `beside`: the key of the namespace it lives in."""

    key: str
    tool: str
    names: bool = True
    beside: str = ""


_LABELS = (
    _Key("kustomize.toolkit.fluxcd.io/name", "Flux Kustomization", beside="kustomize.toolkit.fluxcd.io/namespace"),
    _Key("helm.toolkit.fluxcd.io/name", "Flux HelmRelease", beside="helm.toolkit.fluxcd.io/namespace"),
    _Key("argocd.argoproj.io/instance", "Argo CD"),
    _Key("reconcile.external-secrets.io/created-by", "External Secrets", names=False),
    _Key("reconcile.external-secrets.io/managed", "External Secrets", names=False),
)
_ANNOTATIONS = (
    _Key("argocd.argoproj.io/tracking-id", "Argo CD"),
    _Key("meta.helm.sh/release-name", "Helm", beside="meta.helm.sh/release-namespace"),
    _Key("reconcile.external-secrets.io/data-hash", "External Secrets", names=False),
    _Key("sealedsecrets.bitnami.com/managed", "Sealed Secrets", names=False),
)
# A key of these tools that is none of the above says less, and enough: it is written for the tool, so the tool is near.
_PREFIXES = {
    "kustomize.toolkit.fluxcd.io/": "Flux Kustomization",
    "helm.toolkit.fluxcd.io/": "Flux HelmRelease",
    "argocd.argoproj.io/": "Argo CD",
    "reconcile.external-secrets.io/": "External Secrets",
}
# Kinds that make the objects they own; a kind that is not here is called by its own name.
_KINDS = {"ExternalSecret": "External Secrets", "SealedSecret": "Sealed Secrets"}
# Compared in lower case, with the beginning: versions and names follow.
_MANAGERS = (
    ("kustomize-controller", "Flux Kustomization"),
    ("helm-controller", "Flux HelmRelease"),
    ("argocd", "Argo CD"),
    ("external-secrets", "External Secrets"),
    ("externalsecrets.external-secrets.io", "External Secrets"),
    ("terraform", "Terraform"),
    ("hashicorp", "Terraform"),
    ("opentofu", "Terraform"),
    ("pulumi", "Pulumi"),
    ("helm", "Helm"),
    ("kubectl-client-side-apply", APPLY),
    ("kubectl-last-applied", APPLY),
)
# The hands of others: beside another tool they are its means, and beside the first of them the second is.
_HANDS = ("Helm", APPLY)


def owners(traces: Traces) -> tuple[Owner, ...]:
    """Each tool once, by its first and most telling marker; none for what only people and Gardener write."""
    found: dict[str, Owner] = {}
    for owner in _signs(traces):
        found.setdefault(owner.tool, owner)
    heads = [owner for tool, owner in found.items() if tool not in _HANDS]
    return tuple(heads or [found[hand] for hand in _HANDS if hand in found][:1])


def named(several: tuple[Owner, ...]) -> str:
    """All of them in one line; empty when there are none."""
    return ", ".join(map(str, several))


def _signs(traces: Traces) -> Iterator[Owner]:
    for kind, name in traces.references:
        yield Owner(_KINDS.get(kind, kind), name, f"ownerReference {kind}/{name}")
    yield from _keys("label", traces.labels, _LABELS)
    yield from _keys("annotation", traces.annotations, _ANNOTATIONS)
    if by := traces.labels.get(MANAGED_BY):
        yield Owner(by, "", f"label {MANAGED_BY}={by}"[:SHOWN])
    if LAST_APPLIED in traces.annotations:
        yield Owner(APPLY, "", f"annotation {LAST_APPLIED}")  # its value is the whole object, a Secret's data too
    for manager in traces.managers:
        if owner := _sign_of(manager):
            yield owner


def _keys(word: str, found: Mapping[str, str], known: tuple[_Key, ...]) -> Iterator[Owner]:
    for each in known:
        if (value := found.get(each.key)) is not None:
            source = value.partition(":")[0] if each.names else ""
            namespace = found.get(each.beside, "")
            yield Owner(each.tool, f"{namespace}/{source}" if namespace else source, f"{word} {each.key}={value}"[:SHOWN])
    for key in sorted(found):
        tool = next((tool for prefix, tool in _PREFIXES.items() if key.startswith(prefix)), "")
        if tool:
            yield Owner(tool, "", f"{word} {key}={found[key]}"[:SHOWN])


def _sign_of(manager: Manager) -> Owner | None:
    name = manager.name.lower()
    evidence = f"field manager {manager.name}{', server-side apply' if manager.applies else ''}"
    for start, tool in _MANAGERS:
        if name.startswith(start):
            return Owner(tool, "", evidence)
    if not manager.applies:
        return None
    return Owner(APPLY if name == "kubectl" else f"server-side apply by {manager.name}", "", evidence)
