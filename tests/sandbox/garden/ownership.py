"""managedFields: which manager wrote which field last.

Lists are atomic, as `spec.resources` and `spec.extensions` are in Gardener's API; objects are followed key by key, so single
annotations have owners of their own. A field has one owner here, the last writer: what updates (not applies) lead to.
"""

from collections.abc import Iterator
from typing import Any

from sandbox.garden.kind import Tree

Path = tuple[str, ...]
_ROOTS = ("spec", "data", "type", "immutable", "provider", "credentialsRef", "secretRef")
_METADATA = ("annotations", "labels", "finalizers")


def claimed(old: Tree, new: Tree, manager: str, at: str) -> list[Tree]:
    """The managedFields of `new`: `manager` owns all that differs from `old`, nobody owns what is gone.

    `old` is {} on create. `at` is an RFC 3339 time.
    """
    changed: set[Path] = set()
    gone: set[Path] = set()
    for root in _ROOTS:
        _differ((root,), old.get(root), new.get(root), changed, gone)
    old_metadata, new_metadata = old.get("metadata", {}), new["metadata"]
    for root in _METADATA:
        _differ(("metadata", root), old_metadata.get(root), new_metadata.get(root), changed, gone)
    entries: list[Tree] = []
    mine: set[Path] = set(changed)
    for entry in old_metadata.get("managedFields", ()):
        if "subresource" in entry:
            entries.append(entry)
            continue
        before = set(_paths(entry["fieldsV1"], ()))
        after = before - changed - gone
        if entry["manager"] == manager:
            mine |= after
            if not changed and after == before:
                at = entry["time"]
        elif after == before:
            entries.append(entry)
        elif after:
            entries.append({**entry, "fieldsV1": _fields(after)})
    if mine:
        entries.append(_entry(manager, new["apiVersion"], at, mine))
    return entries


def status_entry(manager: str, api_version: str, at: str) -> Tree:
    """The entry of a controller that writes the status."""
    keys = ("conditions", "lastOperation", "observedGeneration", "seedName", "technicalID", "uid")
    return {**_entry(manager, api_version, at, {("status", key) for key in keys}), "subresource": "status"}


def _entry(manager: str, api_version: str, at: str, paths: set[Path]) -> Tree:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": api_version,
        "time": at,
        "fieldsType": "FieldsV1",
        "fieldsV1": _fields(paths),
    }


def _differ(path: Path, old: Any, new: Any, changed: set[Path], gone: set[Path]) -> None:
    if old is new or old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            _differ((*path, key), old.get(key), new.get(key), changed, gone)
        return
    gone.update(_leaves(path, old))
    changed.update(_leaves(path, new))


def _leaves(path: Path, value: Any) -> Iterator[Path]:
    if value is None:
        return
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves((*path, key), child)
    else:
        yield path


def _fields(paths: set[Path]) -> Tree:
    root: Tree = {}
    for path in sorted(paths):
        here = root
        for step in path:
            here = here.setdefault(f"f:{step}", {})
    return root


def _paths(fields: Tree, prefix: Path) -> Iterator[Path]:
    for key, below in fields.items():
        path = (*prefix, key.removeprefix("f:"))
        if below:
            yield from _paths(below, path)
        else:
            yield path
