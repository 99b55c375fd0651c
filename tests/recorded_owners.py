"""Metadata as tools and people really leave it on an object, and whose the object is then.

What kubectl and appliers leave was recorded with kubectl 1.32 on kube-apiserver 1.36.3, before and after a patch of ours; keys
and field managers of the other tools are those of their sources (see `rotator.owner`). The fields they own are shortened.
"""

from typing import Any, NamedTuple

Tree = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MANIFEST = (
    '{"apiVersion":"core.gardener.cloud/v1beta1","kind":"Shoot","metadata":{"name":"app"},"spec":{"marker":"in-manifest"}}\n'
)


class Found(NamedTuple):
    """What is expected: the tool, its own object behind it, and a part of the evidence."""

    tool: str
    source: str
    evidence: str


def managed(manager: str, operation: str = "Update", *, owns: str = "resources", **extra: str) -> Tree:
    """One entry of managedFields."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "core.gardener.cloud/v1beta1",
        "time": "2026-10-01T08:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {f"f:{owns}": {}}},
        **extra,
    }


GARDENER = [
    managed("gardener-controller-manager"),
    managed("gardenlet"),
    managed("gardenlet", subresource="status"),
    managed("gardener-apiserver"),
]

FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
FLUX_HELM = {"helm.toolkit.fluxcd.io/name": "shoots", "helm.toolkit.fluxcd.io/namespace": "flux-system"}
HELM_LABEL = {"app.kubernetes.io/managed-by": "Helm"}
HELM = {"meta.helm.sh/release-name": "shoots", "meta.helm.sh/release-namespace": "garden-acme"}
TRACKING = "shoots:core.gardener.cloud/Shoot:garden-acme/app"

KEPT: dict[str, tuple[Tree, Found]] = {
    "kubectl apply": (
        {"annotations": {LAST_APPLIED: MANIFEST}, "managedFields": [managed("kubectl-client-side-apply")]},
        Found("kubectl apply", "", f"annotation {LAST_APPLIED}"),
    ),
    "kubectl apply, annotation stripped": (
        {"managedFields": [managed("kubectl-client-side-apply")]},
        Found("kubectl apply", "", "field manager kubectl-client-side-apply"),
    ),
    "kubectl apply --server-side": (
        {"managedFields": [managed("kubectl", "Apply")]},
        Found("kubectl apply", "", "field manager kubectl, server-side apply"),
    ),
    "kubectl apply --server-side of what was applied before": (
        {
            "annotations": {LAST_APPLIED: MANIFEST},
            "managedFields": [managed("kubectl-last-applied", "Apply"), managed("kubectl", "Apply")],
        },
        Found("kubectl apply", "", f"annotation {LAST_APPLIED}"),
    ),
    "kubectl create --save-config": (
        {"annotations": {LAST_APPLIED: MANIFEST}, "managedFields": [managed("kubectl-create")]},
        Found("kubectl apply", "", f"annotation {LAST_APPLIED}"),
    ),
    "an applier whose reference we have moved": (
        {
            "annotations": {"registry-key-rotator/mark": "puller-r1 3"},
            "managedFields": [managed("kustomize-controller", "Apply", owns="purpose"), managed("registry-key-rotator")],
        },
        Found("Flux Kustomization", "", "field manager kustomize-controller, server-side apply"),
    ),
    "server-side apply by a controller of one's own": (
        {"managedFields": [managed("infrastructure-manager", "Apply")]},
        Found("server-side apply by infrastructure-manager", "", "field manager infrastructure-manager, server-side apply"),
    ),
    "Flux Kustomization": (
        {"labels": FLUX, "managedFields": [managed("kustomize-controller", "Apply")]},
        Found("Flux Kustomization", "flux-system/apps", "label kustomize.toolkit.fluxcd.io/name=apps"),
    ),
    "Flux Kustomization, labels stripped": (
        {"managedFields": [managed("kustomize-controller", "Apply")]},
        Found("Flux Kustomization", "", "field manager kustomize-controller, server-side apply"),
    ),
    "Flux HelmRelease": (
        {"labels": FLUX_HELM | HELM_LABEL, "annotations": HELM, "managedFields": [managed("helm-controller")]},
        Found("Flux HelmRelease", "flux-system/shoots", "label helm.toolkit.fluxcd.io/name=shoots"),
    ),
    "Argo CD, tracked by annotation": (
        {
            "annotations": {"argocd.argoproj.io/tracking-id": TRACKING, LAST_APPLIED: MANIFEST},
            "managedFields": [managed("argocd-controller")],
        },
        Found("Argo CD", "shoots", f"annotation argocd.argoproj.io/tracking-id={TRACKING}"),
    ),
    "Argo CD, server-side": (
        {"labels": {"app.kubernetes.io/instance": "shoots"}, "managedFields": [managed("argocd-controller", "Apply")]},
        Found("Argo CD", "", "field manager argocd-controller, server-side apply"),
    ),
    "Argo CD of a chart that labels itself": (
        {"labels": HELM_LABEL | {"argocd.argoproj.io/instance": "shoots"}, "annotations": {LAST_APPLIED: MANIFEST}},
        Found("Argo CD", "shoots", "label argocd.argoproj.io/instance=shoots"),
    ),
    "Terraform kubernetes_manifest": (
        {"managedFields": [managed("Terraform", "Apply")]},
        Found("Terraform", "", "field manager Terraform, server-side apply"),
    ),
    "Terraform kubernetes_secret": (
        {"managedFields": [managed("HashiCorp")]},
        Found("Terraform", "", "field manager HashiCorp"),
    ),
    "Terraform helm_release": (
        {"labels": HELM_LABEL, "annotations": HELM, "managedFields": [managed("terraform-provider-helm_v3.0.2_x5")]},
        Found("Terraform", "", "field manager terraform-provider-helm_v3.0.2_x5"),
    ),
    "Helm": (
        {"labels": HELM_LABEL, "annotations": HELM, "managedFields": [managed("helm")]},
        Found("Helm", "garden-acme/shoots", "annotation meta.helm.sh/release-name=shoots"),
    ),
    "Pulumi": (
        {"labels": {"app.kubernetes.io/managed-by": "pulumi"}},
        Found("pulumi", "", "label app.kubernetes.io/managed-by=pulumi"),
    ),
    "an owner that makes it": (
        {"ownerReferences": [{"apiVersion": "seedmanagement/v1", "kind": "ManagedSeedSet", "name": "seeds", "uid": "1"}]},
        Found("ManagedSeedSet", "seeds", "ownerReference ManagedSeedSet/seeds"),
    ),
}
"""Of Secrets and Shoots alike."""

EXTERNAL = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "ar", "uid": "1", "controller": True}
SEALED = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "ar", "uid": "1", "controller": True}

KEPT_SECRETS: dict[str, tuple[Tree, Found]] = {
    "External Secrets, creationPolicy Owner": (
        {
            "labels": {"reconcile.external-secrets.io/managed": "true", "reconcile.external-secrets.io/created-by": "c0ffee"},
            "annotations": {"reconcile.external-secrets.io/data-hash": "51ad"},
            "ownerReferences": [EXTERNAL],
            "managedFields": [managed("externalsecrets.external-secrets.io/ar")],
        },
        Found("External Secrets", "ar", "ownerReference ExternalSecret/ar"),
    ),
    "External Secrets, creationPolicy Orphan": (
        {"labels": {"reconcile.external-secrets.io/managed": "true"}, "managedFields": [managed("external-secrets")]},
        Found("External Secrets", "", "label reconcile.external-secrets.io/managed=true"),
    ),
    "External Secrets, before there was a label": (
        {"managedFields": [managed("externalsecrets.external-secrets.io/ar")]},
        Found("External Secrets", "", "field manager externalsecrets.external-secrets.io/ar"),
    ),
    "Sealed Secrets": (
        {"ownerReferences": [SEALED], "managedFields": [managed("controller")]},
        Found("Sealed Secrets", "ar", "ownerReference SealedSecret/ar"),
    ),
    "Sealed Secrets that took it over": (
        {"annotations": {"sealedsecrets.bitnami.com/managed": "true"}},
        Found("Sealed Secrets", "", "annotation sealedsecrets.bitnami.com/managed=true"),
    ),
    "Argo CD, by an option for it": (
        {"annotations": {"argocd.argoproj.io/sync-options": "Prune=false"}},
        Found("Argo CD", "", "annotation argocd.argoproj.io/sync-options=Prune=false"),
    ),
}
"""What only Secrets are, or only of Secrets is read."""

NOBODYS: dict[str, Tree] = {
    "nothing written": {},
    "Gardener": {"annotations": {"gardener.cloud/created-by": "ann", "shoot.gardener.cloud/tasks": "x"}},
    "the dashboard": {"managedFields": [managed("node-fetch"), managed("gardener-dashboard")]},
    "a person with kubectl": {
        "managedFields": [managed(f"kubectl-{verb}") for verb in ("create", "edit", "patch", "annotate", "label", "replace")]
    },
    "an old kubectl that updates": {"managedFields": [managed("kubectl")]},
    "ourselves": {
        "annotations": {"registry-key-rotator/mark": "puller-r1 3"},
        "managedFields": [managed("registry-key-rotator")],
    },
    "a controller that applies the status": {"managedFields": [managed("some-operator", "Apply", subresource="status")]},
    "an instance of a chart": {"labels": {"app.kubernetes.io/instance": "x", "app.kubernetes.io/name": "y"}},
}
