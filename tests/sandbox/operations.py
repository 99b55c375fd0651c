"""The ordered log of all that happened in the sandbox: what callers did, and what Gardener did by itself.

The invariant checker (tests/checker.py) rebuilds the world from this log alone, so every change of the world is one entry
whose `facts` carry the state *after* the change. No entry ever carries key bytes: a key is named by `public_key`, the
lower-case hex SHA-256 of its SubjectPublicKeyInfo (DER).

Facts by kind (`outcome == "ok"` only; a refused call has no facts but changes nothing either):

    iam              account, key_id, public_key, state (enabled | disabled | deleted), origin (GOOGLE | USER), by (caller)
    secretmanager    secret, version, state (enabled | disabled | destroyed), public_key (or null)
    garden:<name>    Secrets: kind "Secret", namespace, name, uid, public_keys (list), exists, terminating
                     Shoots:  kind "Shoot", namespace, name, uid, secrets (every Secret it names), generation, exists, deleting
    gardenlet:<name> namespace, name, uid, public_keys (what its caches run from now on; empty: no cache runs)
    registry         host, repository, public_key (or null), caller
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that happened. `answered` is false when the effect took place but the caller never heard of it."""

    number: int
    at: datetime
    service: str
    method: str
    target: str
    mutating: bool
    outcome: str
    answered: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry as the control endpoint shows it."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "service": self.service,
            "method": self.method,
            "target": self.target,
            "mutating": self.mutating,
            "outcome": self.outcome,
            "answered": self.answered,
            "facts": dict(self.facts),
        }


class Operations:
    """An append-only list that many server threads write to."""

    def __init__(self) -> None:
        """Begin empty; numbers start at 1."""
        self._lock = threading.Lock()
        self._entries: list[Operation] = []

    def add(
        self,
        *,
        at: datetime,
        service: str,
        method: str,
        target: str,
        mutating: bool,
        outcome: str = "ok",
        answered: bool = True,
        facts: Mapping[str, Any] | None = None,
    ) -> Operation:
        """The entry is last in the log."""
        with self._lock:
            entry = Operation(
                len(self._entries) + 1, at, service, method, target, mutating, outcome, answered, dict(facts or {})
            )
            self._entries.append(entry)
            return entry

    def since(self, number: int = 0) -> tuple[Operation, ...]:
        """All entries after `number`, oldest first."""
        with self._lock:
            return tuple(self._entries[number:])
