"""Builders of the objects that owners would write: Secrets and Shoots of realistic shape and size."""

import base64
from collections.abc import Mapping
from typing import Any

from sandbox.garden import shoot as shoots
from sandbox.garden.kind import SECRETS, SHOOTS, Tree

CACHE_CONFIG = "registry.extensions.gardener.cloud/v1alpha3"


def secret(
    namespace: str,
    name: str,
    entries: Mapping[str, str],
    *,
    immutable: bool,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    owner_references: list[Tree],
) -> Tree:
    """A Secret as `kubectl create secret generic` would send it."""
    metadata: Tree = {"name": name, "namespace": namespace}
    for key, value in (("labels", dict(labels)), ("annotations", dict(annotations)), ("ownerReferences", owner_references)):
        if value:
            metadata[key] = value
    tree: Tree = {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": metadata,
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in entries.items()},
    }
    if immutable:
        tree["immutable"] = True
    return tree


def shoot(
    namespace: str,
    name: str,
    *,
    caches: Mapping[str, str | None],
    resources: Mapping[str, str],
    purpose: str,
    seed: str | None,
    confined: bool,
    hibernated: bool,
    ignored: bool,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    extra_spec: Mapping[str, Any],
) -> Tree:
    """A Shoot with two worker groups, the caches given (upstream to entry) and the entries (to Secret) they use."""
    metadata: Tree = {"name": name, "namespace": namespace}
    notes = {shoots.CONFIRMATION: "true", **annotations} | ({shoots.IGNORE: "true"} if ignored else {})
    metadata["annotations"] = notes
    if labels:
        metadata["labels"] = dict(labels)
    spec = {
        **_spec(f"{name}.{namespace.removeprefix('garden-')}", purpose, confined=confined, hibernated=hibernated),
        **extra_spec,
    }
    if seed:
        spec["seedName"] = seed
    entries = [_entry(entry, target) for entry, target in resources.items()]
    if entries:
        spec["resources"] = [*spec.get("resources", []), *entries]
    if caches:
        config = {"apiVersion": CACHE_CONFIG, "kind": "RegistryConfig", "caches": [_cache(*pair) for pair in caches.items()]}
        spec["extensions"] = [*spec.get("extensions", []), {"type": shoots.CACHE, "providerConfig": config}]
    return {"apiVersion": SHOOTS.api_version, "kind": SHOOTS.kind, "metadata": metadata, "spec": spec}


def _entry(name: str, secret_name: str) -> Tree:
    return {"name": name, "resourceRef": {"apiVersion": "v1", "kind": "Secret", "name": secret_name}}


def _cache(upstream: str, entry: str | None) -> Tree:
    cache: Tree = {"upstream": upstream, "volume": {"size": "100Gi"}, "garbageCollection": {"ttl": "168h"}}
    if entry is not None:
        cache["secretReferenceName"] = entry
    return cache


def _spec(host: str, purpose: str, *, confined: bool, hibernated: bool) -> Tree:
    spec: Tree = {
        "cloudProfile": {"kind": "CloudProfile", "name": "gcp"},
        "credentialsBindingName": "infrastructure",
        "dns": {"domain": f"{host}.dev.example.org"},
        "kubernetes": {
            "kubeProxy": {"enabled": True, "mode": "IPVS"},
            "kubelet": {"failSwapOn": True, "serializeImagePulls": False},
            "verticalPodAutoscaler": {"enabled": True},
            "version": "1.34.2",
        },
        "maintenance": {
            "autoUpdate": {"kubernetesVersion": True, "machineImageVersion": True},
            "timeWindow": {"begin": "220000+0000", "end": "230000+0000"},
        },
        "networking": {"nodes": "10.250.0.0/16", "pods": "100.64.0.0/12", "services": "100.104.0.0/13", "type": "calico"},
        "provider": {
            "type": "gcp",
            "infrastructureConfig": {
                "apiVersion": "gcp.provider.extensions.gardener.cloud/v1alpha1",
                "kind": "InfrastructureConfig",
                "networks": {"workers": "10.250.0.0/16"},
            },
            "controlPlaneConfig": {
                "apiVersion": "gcp.provider.extensions.gardener.cloud/v1alpha1",
                "kind": "ControlPlaneConfig",
                "zone": "europe-west3-a",
            },
            "workers": [_worker("system", 2), _worker("builds", 10)],
            "workersSettings": {"sshAccess": {"enabled": False}},
        },
        "purpose": purpose,
        "region": "europe-west3",
    }
    if confined:
        spec["maintenance"]["confineSpecUpdateRollout"] = True
    if hibernated:
        spec["hibernation"] = {"enabled": True}
    return spec


def _worker(name: str, maximum: int) -> Tree:
    return {
        "name": name,
        "cri": {"name": "containerd"},
        "machine": {
            "architecture": "amd64",
            "image": {"name": "gardenlinux", "version": "1877.3.0"},
            "type": "n2-standard-8",
        },
        "maximum": maximum,
        "maxSurge": 1,
        "maxUnavailable": 0,
        "minimum": 1,
        "systemComponents": {"allow": True},
        "updateStrategy": "AutoRollingUpdate",
        "volume": {"size": "50Gi", "type": "pd-balanced"},
        "zones": ["europe-west3-a", "europe-west3-b", "europe-west3-c"],
    }
