"""What gardenlet's reconciler and its care loop write into a Shoot's status, as merge patches (gardener.md 3 and 4)."""

from datetime import UTC, datetime, timedelta

from gardenlet.seed import Tree

CONDITIONS = {
    "APIServerAvailable": "HealthzRequestSucceeded",
    "ControlPlaneHealthy": "ControlPlaneRunning",
    "ObservabilityComponentsHealthy": "ObservabilityComponentsRunning",
    "EveryNodeReady": "EveryNodeReady",
    "SystemComponentsHealthy": "SystemComponentsRunning",
}
THRESHOLD = timedelta(minutes=1)
"""Gardener's chart, shootCare.conditionThresholds."""

GARDENER = {"id": "5d9c7b8f0a11", "name": "gardenlet-outside", "version": "v1.149.3"}


def kind_of_run(shoot: Tree) -> str:
    """The type of the operation that begins: an unfinished Create or Restore goes on as what it was."""
    if "deletionTimestamp" in shoot["metadata"]:
        return "Delete"
    last = (shoot.get("status") or {}).get("lastOperation") or {}
    if not last:
        return "Create"
    unfinished = last["type"] in ("Create", "Restore") and last["state"] != "Succeeded"
    return str(last["type"]) if unfinished else "Reconcile"


def started(shoot: Tree, kind: str, at: datetime) -> Tree:
    """An operation has begun, and the generation it works on is observed: *started with*, not *done* (gardener.md 4)."""
    return {
        "gardener": GARDENER,
        "observedGeneration": shoot["metadata"]["generation"],
        "seedName": shoot["spec"]["seedName"],
        "lastOperation": _operation(kind, "Processing", 0, f"{kind} of Shoot cluster initialized.", at),
    }


def halfway(kind: str, at: datetime) -> Tree:
    """The flow has made progress."""
    return {"lastOperation": _operation(kind, "Processing", 52, "Deploying extensions after kube-apiserver", at)}


def failed(kind: str, why: str, at: datetime) -> Tree:
    """The operation ended with an error and will be tried again by itself."""
    error = {"description": why, "taskID": "Deploying referenced resources", "lastUpdateTime": stamp(at)}
    return {"lastOperation": _operation(kind, "Error", 21, why, at), "lastErrors": [error]}


def succeeded(kind: str, at: datetime, *, hibernated: bool) -> Tree:
    """The operation succeeded; no care loop has looked yet, so conditions are Progressing."""
    return {
        "hibernated": hibernated,
        "lastOperation": _operation(kind, "Succeeded", 100, "Shoot cluster has been successfully reconciled.", at),
        "lastErrors": None,
        "conditions": [
            _condition(name, "Progressing", "ConditionReset", "Reset after the reconcile.", at) for name in CONDITIONS
        ],
    }


def deleted(at: datetime) -> Tree:
    """The cluster is gone."""
    return {"lastOperation": _operation("Delete", "Succeeded", 100, "Shoot cluster has been successfully deleted.", at)}


def cared(found: Tree, at: datetime, *, healthy: bool) -> Tree:
    """The care loop has looked at a Shoot whose status is `found`; a hibernated cluster is not looked at."""
    conditions: list[Tree] = []
    before = {each["type"]: each for each in found.get("conditions") or ()}
    for name, reason in CONDITIONS.items():
        old = before.get(name, {})
        if found.get("hibernated"):
            new = _condition(name, "True", "ConditionNotChecked", "Shoot cluster has been hibernated.", at)
        elif name == "SystemComponentsHealthy" and not healthy:
            text = "A StatefulSet of kube-system has not enough ready replicas (0/1)."
            new = _condition(name, _failing(old, found["lastOperation"], at), "StatefulSetUnhealthy", text, at)
        else:
            new = _condition(name, "True", reason, "All is well.", at)
        if old.get("status") == new["status"]:
            new["lastTransitionTime"] = old["lastTransitionTime"]
        conditions.append(new)
    text = "No problematic webhook."
    constraints = [_condition("HibernationPossible", "True", "NoProblematicWebhooks", text, at)]
    return {"conditions": conditions, "constraints": constraints}


def _failing(old: Tree, operation: Tree, at: datetime) -> str:
    """Progressing before False, until the threshold is over (FailedCondition in pkg/api/core/v1beta1/helper)."""
    just_succeeded = operation["state"] == "Succeeded" and at - _read(operation["lastUpdateTime"]) <= THRESHOLD
    match old.get("status"):
        case "True":
            return "Progressing"
        case "Progressing" if just_succeeded or at - _read(old["lastTransitionTime"]) <= THRESHOLD:
            return "Progressing"
        case "False" if just_succeeded:
            return "Progressing"
        case _:
            return "False"


def stamp(at: datetime) -> str:
    """The time as metav1.Time writes it: whole seconds, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(time: str) -> datetime:
    return datetime.fromisoformat(time)


def _operation(kind: str, state: str, progress: int, description: str, at: datetime) -> Tree:
    return {
        "type": kind,
        "state": state,
        "progress": progress,
        "description": description,
        "lastUpdateTime": stamp(at),
    }


def _condition(name: str, status: str, reason: str, message: str, at: datetime) -> Tree:
    time = stamp(at)
    return {
        "type": name,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": time,
        "lastUpdateTime": time,
    }
