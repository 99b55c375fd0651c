"""JSON Patch (RFC 6902, as evanphx/json-patch applies it) and JSON merge patch (RFC 7386)."""

import json
from typing import Any

from sandbox.garden.kind import Tree
from sandbox.garden.refusal import Refusal, bad_request, patch_failed

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


def apply(content_type: str, body: bytes, tree: Tree) -> Tree:
    """`tree` with the patch applied; the argument may be changed on the way. Raises: Refusal."""
    if content_type not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH):
        raise Refusal(415, "415: Unsupported Media Type", details={})
    try:
        document = json.loads(body)
    except ValueError as fault:
        raise bad_request(f"error decoding patch: {fault}") from None
    if content_type == JSON_PATCH:
        if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
            message = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
            raise bad_request(f"error decoding patch: {message}")
        return json_patch(document, tree)
    if not isinstance(document, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    merged: Tree = merge(tree, document)
    return merged


def merge(tree: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, all else (lists too) replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(tree) if isinstance(tree, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def json_patch(operations: list[Tree], tree: Tree) -> Tree:
    """The tree after all operations. Raises: Refusal 422 for any that fails; it does not say which."""
    root: Any = tree
    for operation in operations:
        path = operation.get("path")
        verb = operation.get("op")
        if not isinstance(path, str):
            raise patch_failed()
        if verb == "test":
            if not same(_find(root, path), operation.get("value")):
                raise patch_failed()
            continue
        if verb in ("move", "copy"):
            value = json.loads(json.dumps(_find(root, str(operation.get("from", "")), must=True)))
            if verb == "move":
                _change(root, str(operation["from"]), "remove", None)
            root = _change(root, path, "add", value)
        elif verb in ("add", "replace", "remove"):
            if verb != "remove" and "value" not in operation:
                raise patch_failed()
            root = _change(root, path, verb, operation.get("value"))
        else:
            raise patch_failed()
    if not isinstance(root, dict):
        raise patch_failed()
    return root


def same(left: Any, right: Any) -> bool:
    """Equal as JSON: `true` is not 1."""
    return left == right and json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise patch_failed()
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _index(parent: list[Any], step: str, *, beyond: bool = False) -> int:
    if not step.isdigit() or int(step) >= len(parent) + beyond:
        raise patch_failed()
    return int(step)


def _find(root: Any, path: str, *, must: bool = False) -> Any:
    """What lies at `path`. An absent last key is null, because a `test` against null passes then (gardener.md 11)."""
    here = root
    steps = _steps(path)
    for depth, step in enumerate(steps):
        if isinstance(here, list):
            here = here[_index(here, step)]
        elif isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, dict) and depth == len(steps) - 1 and not must:
            return None
        else:
            raise patch_failed()
    return here


def _change(root: Any, path: str, verb: str, value: Any) -> Any:
    steps = _steps(path)
    if not steps:
        return value
    parent = root
    for step in steps[:-1]:
        parent = parent[_index(parent, step)] if isinstance(parent, list) else _child(parent, step)
    last = steps[-1]
    if isinstance(parent, list):
        _change_list(parent, last, verb, value)
    elif isinstance(parent, dict):
        if verb != "add" and last not in parent:
            raise patch_failed()
        if verb == "remove":
            del parent[last]
        else:
            parent[last] = value
    else:
        raise patch_failed()
    return root


def _child(parent: Any, step: str) -> Any:
    if not isinstance(parent, dict) or step not in parent:
        raise patch_failed()
    return parent[step]


def _change_list(parent: list[Any], step: str, verb: str, value: Any) -> None:
    if verb == "add":
        parent.insert(len(parent) if step == "-" else _index(parent, step, beyond=True), value)
    elif verb == "replace":
        parent[_index(parent, step)] = value
    else:
        del parent[_index(parent, step)]
