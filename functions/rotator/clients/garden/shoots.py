"""Shoots out of what came over the wire."""

from rotator.clients.garden import caches, owners, traces
from rotator.clients.garden.wire import Annotations, Condition, Item, Labels, LastOperation, Spec, instant
from rotator.shoot import Mark, Operation, Reference, Shoot, ShootRef

_RESOURCES = {"ConfigMap": "configmaps", "WorkloadIdentity": "workloadidentities"}
_NO_LABELS, _NO_ANNOTATIONS = Labels(), Annotations()
_YES = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_NO = frozenset({"", "0", "false", "no"})


def read(item: Item, garden: str) -> Shoot:
    """The Shoot as the rest of the program knows it; nothing of the page it came in is kept."""
    metadata, spec, status = item.metadata, item.spec, item.status
    labels, annotations = metadata.labels or _NO_LABELS, metadata.annotations or _NO_ANNOTATIONS
    cache_config, cached = caches.find(spec.extensions)
    found = Shoot(
        ref=ShootRef(garden, metadata.namespace, metadata.name, metadata.uid),
        generation=metadata.generation,
        references=_references(spec),
        other_secrets=_other_secrets(spec),
        companions=_companions(spec),
        bindings=tuple(name for name in (spec.secret_binding_name, spec.credentials_binding_name) if name),
        caches=cached,
        cache_config=cache_config,
        purpose=spec.purpose or "",
        seed=spec.seed_name or "",
        status_seed=status.seed_name or "",
        canary=_said(labels.canary) or _said(annotations.canary),
        skip=_said(annotations.skip),
        deleting=metadata.deletion_timestamp is not None,
        ignored=annotations.ignore in _YES,
        confined=bool(spec.maintenance and spec.maintenance.confine_spec_update_rollout),
        hibernate=bool(spec.hibernation and spec.hibernation.enabled),
        hibernated=bool(status.hibernated),
        observed_generation=status.observed_generation,
        operation=_operation(status.last_operation),
        unhealthy=_unhealthy(status.conditions),
        frozen_resources=_frozen(status.constraints),
        mark=_mark(annotations.mark),
        annotated=metadata.annotations is not None,
        owners=owners.of_shoot(metadata),
    )
    return traces.added(found, metadata.managed_fields or (), annotations.seen) if found.mark else found


def _references(spec: Spec) -> tuple[Reference, ...]:
    found = []
    for index, entry in enumerate(spec.resources or ()):
        if entry.resource_ref.kind == "Secret":
            found.append(Reference(index, entry.name, entry.resource_ref.name))
    return tuple(found)


def _companions(spec: Spec) -> tuple[tuple[str, str], ...]:
    targets = [entry.resource_ref for entry in spec.resources or ()]
    return tuple((_RESOURCES[each.kind], each.name) for each in targets if each.kind in _RESOURCES)


def _other_secrets(spec: Spec) -> tuple[str, ...]:
    names: set[str | None] = set()
    for provider in (spec.dns.providers if spec.dns else None) or ():
        names.add(provider.secret_name)
        if provider.credentials_ref and provider.credentials_ref.kind == "Secret":
            names.add(provider.credentials_ref.name)
    if server := spec.kubernetes.api_server if spec.kubernetes else None:
        for plugin in server.admission_plugins or ():
            names.add(plugin.kubeconfig_secret_name)
        if authorization := server.structured_authorization:
            names |= {each.secret_name for each in authorization.kubeconfigs or ()}
    return tuple(sorted(name for name in names if name))


def _operation(last: LastOperation | None) -> Operation | None:
    if last is None:
        return None
    return Operation(last.type, last.state, last.progress, last.description, instant(last.last_update_time))


def _unhealthy(conditions: list[Condition] | None) -> str:
    """Empty only when it is said to be healthy: gardenlet's care loop may not have looked yet."""
    for each in conditions or ():
        if each.type == "SystemComponentsHealthy":
            return "" if each.status == "True" else each.status or "Unknown"
    return "not reported yet"


def _frozen(constraints: list[Condition] | None) -> bool:
    return any(each.type == "HasIgnoredManagedResources" and each.status != "True" for each in constraints or ())


def _mark(text: str | None) -> Mark | None:
    """`<rotation> <generation>`; whatever else somebody wrote there is no mark of ours."""
    rotation, _, generation = (text or "").partition(" ")
    if not rotation or not (generation.isascii() and generation.isdecimal() and len(generation) < 19):  # noqa: PLR2004 - int64
        return None
    return Mark(rotation, int(generation))


def _said(value: str | None) -> bool:
    return value is not None and value.strip().lower() not in _NO
