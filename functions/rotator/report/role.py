"""The Role and RoleBinding that a project admin applies, from what is needed: as YAML with reasons, and as JSON.

The YAML is written here, line by line: its comments say why each rule is there, and no library writes those.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from rotator.needs import Need, PlaceNeeds
from rotator.report.form import Tree

API = "rbac.authorization.k8s.io/v1"
WIDTH = 110
"""A list of names that is longer goes one name a line."""

CREATE = "Kubernetes cannot narrow create by name: RBAC does not know the name of an object that is not there yet."


class Subject(msgspec.Struct, frozen=True):
    """Whom the Role is bound to. `namespace`: of a service account; empty for a user."""

    name: str
    namespace: str = ""

    def __str__(self) -> str:
        """As people say it."""
        return f"service account {self.namespace}/{self.name}" if self.namespace else f"user {self.name}"

    @property
    def tree(self) -> Tree:
        """As a RoleBinding has it."""
        if self.namespace:
            return {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        return {"kind": "User", "name": self.name, "apiGroup": "rbac.authorization.k8s.io"}


class Rule(msgspec.Struct, frozen=True):
    """One rule, and why it is there."""

    tree: Tree
    why: tuple[str, ...]


def rules(needs: Sequence[Need]) -> tuple[Rule, ...]:
    """The fewest rules that say exactly this: verbs of one resource with the same names share a rule."""
    found: list[list[Need]] = []
    for need in needs:
        same = next((group for group in found if _key(group[0]) == _key(need)), None)
        if same is None:
            found.append([need])
        else:
            same.append(need)
    return tuple(_rule(group) for group in found)


def role(name: str, place: PlaceNeeds) -> Tree:
    """The Role of one namespace."""
    return _head("Role", name, place) | {"rules": [rule.tree for rule in rules(place.needs)]}


def binding(name: str, place: PlaceNeeds, *subjects: Subject) -> Tree:
    """The RoleBinding beside it."""
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return _head("RoleBinding", name, place) | {"roleRef": reference, "subjects": [each.tree for each in subjects]}


def tree(name: str, places: Iterable[PlaceNeeds], *subjects: Subject) -> Tree:
    """All of them as one list that kubectl takes."""
    items = [each for place in places for each in (role(name, place), binding(name, place, *subjects))]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def lines(name: str, places: Iterable[PlaceNeeds], *subjects: Subject) -> Iterator[str]:
    """The same as YAML with comments, one document each."""
    for place in places:
        yield f"# Garden {place.place.garden}, namespace {place.place.namespace}"
        yield from _document(_head("Role", name, place))
        yield "rules:"
        for rule in rules(place.needs):
            yield from (f"# {why}" for why in rule.why)
            for number, (field, values) in enumerate(rule.tree.items()):
                yield from _list(f"{'  ' if number else '- '}{field}", values)
        yield "---"
        bound = binding(name, place, *subjects)
        yield from _document(_head("RoleBinding", name, place))
        yield f"roleRef: {json.dumps(bound['roleRef'])}"
        yield f"subjects: {json.dumps(bound['subjects'])}"
        yield "---"


def _key(need: Need) -> tuple[str, str, tuple[str, ...], bool]:
    # `create` stands alone even where nothing is narrowed, so that its comment is true.
    return need.right.group, need.right.resource, need.names, need.right.verb == "create"


def _rule(group: Sequence[Need]) -> Rule:
    first = group[0]
    tree: Tree = {
        "apiGroups": [first.right.group],
        "resources": [first.right.resource],
        "verbs": [need.right.verb for need in group],
    }
    if first.names:
        tree["resourceNames"] = list(first.names)
    why = [f"{need.right.verb}: {need.right.why}" for need in group]
    return Rule(tree, (*why, CREATE) if first.right.verb == "create" and not first.names else tuple(why))


def _head(kind: str, name: str, place: PlaceNeeds) -> Tree:
    metadata = {"name": name, "namespace": place.place.namespace}
    return {"apiVersion": API, "kind": kind, "metadata": metadata}


def _document(head: Tree) -> Iterator[str]:
    yield f"apiVersion: {head['apiVersion']}"
    yield f"kind: {head['kind']}"
    yield f"metadata: {json.dumps(head['metadata'])}"


def _list(field: str, values: Sequence[str]) -> Iterator[str]:
    line = f"{field}: {json.dumps(values)}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{field}:"
    yield from (f"  - {json.dumps(value)}" for value in values)
