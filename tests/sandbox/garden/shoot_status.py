"""The status of a Shoot as gardenlet writes it; every function returns a new tree and leaves its argument alone."""

from datetime import datetime

from sandbox.garden import ownership
from sandbox.garden import shoot as shoots
from sandbox.garden.kind import SHOOTS, Tree
from sandbox.garden.store import new_uid, stamp

HEALTHY = {
    "APIServerAvailable": ("HealthzRequestSucceeded", "API server /healthz endpoint responded with success status code."),
    "ControlPlaneHealthy": ("ControlPlaneRunning", "All control plane components are healthy."),
    "ObservabilityComponentsHealthy": ("ObservabilityComponentsRunning", "All observability components are healthy."),
    "EveryNodeReady": ("EveryNodeReady", "All nodes are ready."),
    "SystemComponentsHealthy": ("SystemComponentsRunning", "All system components are healthy."),
}
_GARDENER = {"id": "d0b2c3a4e5f6", "name": "gardenlet-6d5d9c7b8f-x2x4v", "version": "v1.149.3"}


def fresh(tree: Tree) -> Tree:
    """The status of a Shoot that no gardenlet has seen: no operation, no condition."""
    metadata = tree["metadata"]
    project = metadata["namespace"].removeprefix("garden-")
    return {
        "gardener": {"id": "", "name": "", "version": ""},
        "hibernated": False,
        "technicalID": f"shoot--{project}--{metadata['name']}",
        "uid": new_uid(),
    }


def started(tree: Tree, kind: str, at: datetime) -> Tree:
    """An operation has begun; the generation counts as observed from now on."""
    status = {
        **tree["status"],
        "gardener": _GARDENER,
        "observedGeneration": tree["metadata"]["generation"],
        "lastOperation": _operation(kind, "Processing", 0, f"{kind} operation started.", at),
    }
    status.setdefault("seedName", tree["spec"]["seedName"])
    return _with(tree, status, at)


def failed(tree: Tree, state: str, why: str, at: datetime) -> Tree:
    """The operation ended with Error or Failed."""
    kind = shoots.last_operation(tree)["type"]
    error = {"description": why, "taskID": "Deploying referenced resources", "lastUpdateTime": stamp(at)}
    status = {
        **tree["status"],
        "lastOperation": _operation(kind, state, 21, why, at),
        "lastErrors": [error],
    }
    return _with(tree, status, at)


def succeeded(tree: Tree, at: datetime, *, hibernated: bool) -> Tree:
    """The operation succeeded; the care loop has not looked yet, so conditions are Progressing."""
    kind = shoots.last_operation(tree)["type"]
    status = {
        **tree["status"],
        "hibernated": hibernated,
        "lastOperation": _operation(kind, "Succeeded", 100, "Shoot cluster has been successfully reconciled.", at),
        "seedName": tree["spec"]["seedName"],
        "clusterIdentity": f"{tree['status']['technicalID']}-{tree['status']['uid']}-sandbox",
        "advertisedAddresses": [
            {"name": "external", "url": f"https://api.{tree['metadata']['name']}.dev.example.org"},
            {"name": "internal", "url": f"https://api.{tree['metadata']['name']}.dev.internal.example.org"},
        ],
    }
    status.pop("lastErrors", None)
    status["conditions"] = [
        _condition(kind, "Progressing", "ConditionReset", "Shoot was reconciled; the condition was reset.", at)
        for kind in HEALTHY
    ]
    return _with(tree, status, at)


def cared(tree: Tree, at: datetime, *, healthy: bool, frozen: bool) -> Tree:
    """The care loop has looked: conditions are True, or SystemComponentsHealthy is False; constraints are listed."""
    conditions = []
    for kind, (reason, message) in HEALTHY.items():
        if shoots.hibernated(tree):
            text = "Shoot cluster has been hibernated."
            conditions.append(_condition(kind, "True", "ConditionNotChecked", text, at))
        elif kind == "SystemComponentsHealthy" and not healthy:
            text = 'StatefulSet "kube-system/registry-europe-docker-pkg-dev" is unhealthy: not enough ready replicas (0/1)'
            conditions.append(_condition(kind, "False", "StatefulSetUnhealthy", text, at))
        else:
            conditions.append(_condition(kind, "True", reason, message, at))
    constraints = [
        _condition("HibernationPossible", "True", "NoProblematicWebhooks", "All webhooks are properly configured.", at),
        _condition(
            "MaintenancePreconditionsSatisfied", "True", "NoProblematicWebhooks", "All webhooks are properly configured.", at
        ),
    ]
    if frozen:
        text = "Found ignored ManagedResources: extension-registry-cache"
        constraints.append(_condition("HasIgnoredManagedResources", "False", "IgnoredManagedResourcesPresent", text, at))
    return _with(tree, {**tree["status"], "conditions": conditions, "constraints": constraints}, at)


def written(tree: Tree, status: Tree, manager: str, at: datetime) -> Tree:
    """A controller outside has written the status; nothing else of what it sent counts."""
    return _with(tree, status, at, manager)


def migrating(tree: Tree, seed: str, at: datetime) -> Tree:
    """The binding names another seed, and the old one has begun to let go."""
    operation = _operation("Migrate", "Processing", 12, "Migrate operation started.", at)
    moved = {**tree, "spec": {**tree["spec"], "seedName": seed}}
    moved["metadata"] = {**tree["metadata"], "generation": tree["metadata"]["generation"] + 1}
    return _with(moved, {**tree["status"], "lastOperation": operation}, at)


def arrived(tree: Tree, at: datetime) -> Tree:
    """The old seed has let go; the new one will restore."""
    operation = _operation("Restore", "Pending", 0, "Control plane is migrated, restore is pending.", at)
    return _with(tree, {**tree["status"], "seedName": tree["spec"]["seedName"], "lastOperation": operation}, at)


def _operation(kind: str, state: str, progress: int, description: str, at: datetime) -> Tree:
    return {
        "description": description,
        "lastUpdateTime": stamp(at),
        "progress": progress,
        "state": state,
        "type": kind,
    }


def _condition(kind: str, status: str, reason: str, message: str, at: datetime) -> Tree:
    time = stamp(at)
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": time,
        "lastUpdateTime": time,
        "reason": reason,
        "message": message,
    }


def _with(tree: Tree, status: Tree, at: datetime, manager: str = "gardenlet") -> Tree:
    metadata = tree["metadata"]
    others = [entry for entry in metadata.get("managedFields", ()) if entry.get("subresource") != "status"]
    entry = ownership.status_entry(manager, SHOOTS.api_version, stamp(at))
    return {**tree, "metadata": {**metadata, "managedFields": [*others, entry]}, "status": status}
