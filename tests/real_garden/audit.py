"""What happened on the real servers, as their own audit logs tell it, in the words of the sandbox's log.

The API servers write down every change of a Secret or a Shoot: who, what, and what came of it. So the checker of our promises
(tests/checker.py) judges a history that no part of the rotator or of the tests has written.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.garden import secret as secrets
from sandbox.garden import shoot as shoots
from sandbox.garden.kind import Tree
from sandbox.operations import Operation

_FACTS = {"secrets": secrets.facts, "shoots": shoots.facts}
_GOOD = range(200, 300)


def history(parts: Iterable[Iterable[Operation]]) -> list[Operation]:
    """The operations of all parts in the order of time, numbered anew."""
    entries = sorted((entry for part in parts for entry in part), key=lambda entry: entry.at)
    return [replace(entry, number=number) for number, entry in enumerate(entries, 1)]


def operations(garden: str, logs: dict[str, Path], namespaces: Iterable[str]) -> list[Operation]:
    """All changes of Secrets and Shoots in these namespaces. Shoots are told by the server that stores them."""
    places = frozenset(namespaces)
    found: list[Operation] = []
    known: dict[tuple[str, str, str], Tree] = {}
    for server, resource in (("kube-apiserver", "secrets"), ("gardener-apiserver", "shoots")):
        for event in _events(logs[server]):
            where = event.get("objectRef") or {}
            if where.get("resource") == resource and where.get("namespace") in places:
                found.append(_operation(garden, event, known))
    return found


def _events(log: Path) -> Iterator[Tree]:
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):  # the last one may be half written
                yield json.loads(line)


def _operation(garden: str, event: Tree, known: dict[tuple[str, str, str], Tree]) -> Operation:
    where, code = event["objectRef"], event["responseStatus"].get("code", 0)
    dry_run = "dryRun=" in event["requestURI"] or bool((event.get("requestObject") or {}).get("dryRun"))
    name = where.get("name") or ((event.get("requestObject") or {}).get("metadata") or {}).get("name", "")
    part = f"/{where['subresource']}" if where.get("subresource") else ""
    changed = code in _GOOD and not dry_run
    return Operation(
        number=0,
        at=datetime.fromisoformat(event["stageTimestamp"]),
        service=f"garden:{garden}",
        method=f"{event['verb'].upper()} {where['resource']}{part}{' (dry run)' if dry_run else ''}",
        target=f"{where['namespace']}/{name}",
        mutating=not dry_run,
        outcome="ok" if code in _GOOD else f"{code} {event['responseStatus'].get('reason', '')}",
        facts=_facts(event, (where["resource"], where["namespace"], name), known) if changed else {},
    )


def _facts(event: Tree, key: tuple[str, str, str], known: dict[tuple[str, str, str], Tree]) -> dict[str, Any]:
    """The object after the change."""
    tree = event.get("responseObject") or {}
    if tree.get("kind") == "Status":  # a deletion says no more than that it is gone
        tree, exists = known.get(key, {}), False
    else:
        known[key] = tree
        metadata = tree["metadata"]
        exists = not ("deletionTimestamp" in metadata and not metadata.get("finalizers"))
    if not tree:
        return {}
    return {**_FACTS[key[0]](tree, exists=exists), "by": event["user"]["username"]}
