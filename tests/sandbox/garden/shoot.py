"""A Shoot: what it names, what state it is in, and the strategy of gardener-apiserver for creates and updates."""

from collections.abc import Iterator
from typing import Any

from sandbox.garden.kind import REFERABLE, SHOOTS, Tree
from sandbox.garden.refusal import forbidden, invalid

CACHE = "registry-cache"
CACHE_LABEL = "extensions.extensions.gardener.cloud/registry-cache"
CONFIRMATION = "confirmation.gardener.cloud/deletion"
OPERATION = "gardener.cloud/operation"
IGNORE = "shoot.gardener.cloud/ignore"


def resources(tree: Tree) -> list[Tree]:
    """The entries of `spec.resources`."""
    return tree["spec"].get("resources") or []


def secrets_named(tree: Tree) -> tuple[str, ...]:
    """Every Secret that the Shoot names, in any of the four places (gardener.md 1), sorted."""
    return tuple(sorted(set(_secrets_named(tree["spec"]))))


def _secrets_named(spec: Tree) -> Iterator[str]:
    for entry in spec.get("resources") or ():
        target = entry["resourceRef"]
        if target["kind"] == "Secret":
            yield target["name"]
    for provider in (spec.get("dns") or {}).get("providers") or ():
        target = provider.get("credentialsRef") or {}
        if target.get("kind") == "Secret":
            yield target["name"]
        if provider.get("secretName"):
            yield provider["secretName"]
    server = (spec.get("kubernetes") or {}).get("kubeAPIServer") or {}
    for plugin in server.get("admissionPlugins") or ():
        if plugin.get("kubeconfigSecretName"):
            yield plugin["kubeconfigSecretName"]
    for kubeconfig in (server.get("structuredAuthorization") or {}).get("kubeconfigs") or ():
        if kubeconfig.get("secretName"):
            yield kubeconfig["secretName"]


def cache_extension(tree: Tree) -> tuple[int, Tree] | None:
    """Position and entry of the registry-cache extension, or None."""
    for index, extension in enumerate(tree["spec"].get("extensions") or ()):
        if extension.get("type") == CACHE:
            return index, extension
    return None


def caches(tree: Tree) -> list[Tree]:
    """The caches that should run; none when the extension is absent or disabled."""
    found = cache_extension(tree)
    if found is None or found[1].get("disabled"):
        return []
    return (found[1].get("providerConfig") or {}).get("caches") or []


def confined(tree: Tree) -> bool:
    """Changes of the spec wait for the maintenance window."""
    return bool((tree["spec"].get("maintenance") or {}).get("confineSpecUpdateRollout"))


def hibernated(tree: Tree) -> bool:
    """The spec asks for hibernation."""
    return bool((tree["spec"].get("hibernation") or {}).get("enabled"))


def ignored(tree: Tree) -> bool:
    """The gardenlet must not touch it."""
    return (tree["metadata"].get("annotations") or {}).get(IGNORE) == "true"


def deleting(tree: Tree) -> bool:
    """A deletion was asked for."""
    return "deletionTimestamp" in tree["metadata"]


def last_operation(tree: Tree) -> Tree:
    """`status.lastOperation`, or {}."""
    return (tree.get("status") or {}).get("lastOperation") or {}


def facts(tree: Tree, *, exists: bool = True) -> Tree:
    """What the log says about a Shoot."""
    metadata = tree["metadata"]
    return {
        "kind": "Shoot",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "secrets": list(secrets_named(tree)),
        "generation": metadata["generation"],
        "exists": exists,
        "deleting": deleting(tree),
    }


def label(tree: Tree) -> None:
    """The ExtensionLabels plugin has set or removed the label of the extension."""
    labels = tree["metadata"].setdefault("labels", {})
    found = cache_extension(tree)
    if found is not None and not found[1].get("disabled"):
        labels[CACHE_LABEL] = "true"
    else:
        labels.pop(CACHE_LABEL, None)
    if not labels:
        del tree["metadata"]["labels"]


_ARTICLE = {"kind": "a kind", "name": "a name", "apiVersion": "an apiVersion"}


def _gvk(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    return f"{group}/{version}, Kind={kind}"


def validate(tree: Tree) -> None:
    """The lists of the spec are well-formed. Raises: Refusal 422."""
    causes: list[tuple[str, str, str]] = []
    names: set[str] = set()
    for index, entry in enumerate(resources(tree)):
        field = f"spec.resources[{index}]"
        target = entry.get("resourceRef") or {}
        name = entry.get("name")
        if not name:
            causes.append((f"{field}.name", "FieldValueRequired", "Required value: field must not be empty"))
        elif name in names:
            causes.append((f"{field}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"'))
        names.add(name or "")
        causes += [
            (f"{field}.resourceRef.{part}", "FieldValueRequired", f"Required value: must provide {_ARTICLE[part]}")
            for part in ("kind", "name", "apiVersion")
            if not target.get(part)
        ]
        if all(target.get(part) for part in ("kind", "apiVersion")):
            referred = (target["apiVersion"], target["kind"])
            if referred not in REFERABLE:
                supported = ", ".join(f'"{_gvk(*each)}"' for each in REFERABLE)
                text = f'Unsupported value: "{_gvk(*referred)}": supported values: {supported}'
                causes.append((f"{field}.resourceRef", "FieldValueNotSupported", text))
    causes += _unlisted_kubeconfigs(tree)
    types: set[str] = set()
    for index, extension in enumerate(tree["spec"].get("extensions") or ()):
        field = f"spec.extensions[{index}].type"
        if not extension.get("type"):
            causes.append((field, "FieldValueRequired", "Required value: field must not be empty"))
        elif extension["type"] in types:
            causes.append((field, "FieldValueDuplicate", f'Duplicate value: "{extension["type"]}"'))
        types.add(extension.get("type", ""))
    if causes:
        raise invalid(SHOOTS, tree["metadata"]["name"], causes)


def _unlisted_kubeconfigs(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """A kubeconfig of an admission plugin has to be listed in `spec.resources`, too."""
    listed = {entry["resourceRef"].get("name") for entry in resources(tree) if entry.get("resourceRef")}
    server = (tree["spec"].get("kubernetes") or {}).get("kubeAPIServer") or {}
    for index, plugin in enumerate(server.get("admissionPlugins") or ()):
        name = plugin.get("kubeconfigSecretName")
        if name and name not in listed:
            text = f'Invalid value: "{name}": secret should be referenced in shoot .spec.resources'
            field = f"spec.kubernetes.kubeAPIServer.admissionPlugins[{index}].kubeconfigSecretName"
            yield field, "FieldValueInvalid", text


def check_update(old: Tree, new: Tree) -> None:
    """ShootValidator and the update validation let the change pass. Raises: Refusal."""
    name = new["metadata"]["name"]
    finalizers = "gardener" in (old["metadata"].get("finalizers") or ())
    operation = last_operation(old)
    gone = deleting(old) and (operation.get("type"), operation.get("state")) == ("Delete", "Succeeded")
    if finalizers and not gone and "gardener" not in (new["metadata"].get("finalizers") or ()):
        why = 'finalizer "gardener" cannot be removed because shoot deletion has not completed successfully yet'
        raise forbidden(SHOOTS, name, why)
    if new["spec"] == old["spec"]:
        return
    status_seed = (old.get("status") or {}).get("seedName")
    kind, state = operation.get("type"), operation.get("state")
    if kind == "Migrate" or (kind == "Restore" and state != "Succeeded"):
        raise forbidden(SHOOTS, name, f"cannot change shoot spec during {kind} operation that is in state {state}")
    if status_seed and old["spec"].get("seedName") != status_seed:
        why = "shoot spec cannot be changed because shoot has been rescheduled to a new seed"
        raise forbidden(SHOOTS, name, why)
    if deleting(old):
        changes = ", ".join(_changes("", old["spec"], new["spec"]))
        text = f"Forbidden: cannot update shoot spec if deletion timestamp is set. Requested changes: {changes}"
        raise invalid(SHOOTS, name, [("spec", "FieldValueForbidden", text)])
    validate(new)


def _changes(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _changes(f"{path}.{key[0].upper()}{key[1:]}".lstrip("."), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _changes(f"{path}.slice[{index}]", before, after)
    elif old != new:
        yield f"{path}: {new} != {old}"


def settle_generation(old: Tree, new: Tree) -> None:
    """Generation and consumed operation annotation of `new` are as gardener-apiserver would leave them (gardener.md 4)."""
    grows = hibernated(new) != hibernated(old) if confined(new) else new["spec"] != old["spec"]
    annotations = new["metadata"].get("annotations") or {}
    asked = annotations.get(OPERATION)
    state = last_operation(old).get("state")
    consumed = asked == ("retry" if state == "Failed" else "reconcile") and state is not None
    if consumed:
        del annotations[OPERATION]
    if grows or consumed or (deleting(new) and not deleting(old)):
        new["metadata"]["generation"] = old["metadata"]["generation"] + 1


def check_deletion(tree: Tree) -> None:
    """The deletion is confirmed. Raises: Refusal 403."""
    if (tree["metadata"].get("annotations") or {}).get(CONFIRMATION) != "true":
        why = f'must have a "{CONFIRMATION}" annotation to delete'
        raise forbidden(SHOOTS, tree["metadata"]["name"], why)
