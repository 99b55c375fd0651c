"""The invariants that the README publishes, checked over the sandbox's log and nothing else.

One checker for every suite. It replays the log, rebuilds who names and who runs which key, and judges each operation that takes
something away against the world of that very moment. It knows nothing of the rotator's own books.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.operations import Operation

KEY_LIMIT = 9

OUR_WRITES = frozenset({"CREATE secrets", "DELETE secrets", "PATCH shoots"})
"""All that the program may ever write to a Garden."""


@dataclass
class _Secret:
    public_keys: tuple[str, ...] = ()
    exists: bool = False
    ever: set[str] = field(default_factory=set)
    ours: bool = False
    named: bool = False


@dataclass
class _Shoot:
    secrets: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    exists: bool = False
    generation: int = 0


@dataclass
class Checker:
    """The world as the log tells it. `waived`: "garden/namespace/name" of Shoots that a person took responsibility for.

    Keys that a Shoot once named may be taken away, and keys that the program made; `may_touch`: others, by public key.
    `accounts`: only keys of these may be touched at all; None when the test has no opinion.
    """

    waived: frozenset[str] = frozenset()
    may_touch: frozenset[str] = frozenset()
    accounts: frozenset[str] | None = None
    secrets: dict[tuple[str, str, str], _Secret] = field(default_factory=dict)
    shoots: dict[tuple[str, str, str], _Shoot] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    moved: set[tuple[str, str, str]] = field(default_factory=set)
    minted: dict[str, str] = field(default_factory=dict)
    served: set[str] = field(default_factory=set)

    def read(self, operations: Iterable[Operation]) -> list[str]:
        """All violations found so far, these operations included."""
        for operation in operations:
            if operation.outcome != "ok" or not operation.facts:
                continue
            service, _, garden = operation.service.partition(":")
            if service == "garden" and self._ours(operation) and operation.method not in OUR_WRITES:
                self._say("I8", operation, "the program never writes this")
            if service == "iam" and "state" in operation.facts:
                self._key(operation)
            elif service == "garden" and operation.facts.get("kind") == "Secret":
                self._secret(garden, operation)
            elif service == "garden" and operation.facts.get("kind") == "Shoot":
                self._shoot(garden, operation)
            elif service == "gardenlet":
                self._rolled_out(garden, operation)
        return self.violations

    # --- what happened ---

    def _key(self, operation: Operation) -> None:
        facts = operation.facts
        key_id, by_us = facts["key_id"], str(facts.get("by", "")).startswith("rotator")
        known = self.keys.get(key_id)
        self.keys[key_id] = dict(facts)
        public_key = facts["public_key"]
        if known is None:
            if by_us:
                self.minted[public_key] = key_id
                live = [k for k in self.keys.values() if k["account"] == facts["account"] and k["state"] != "deleted"]
                if len(live) > KEY_LIMIT:
                    self._say("I3", operation, f"{len(live)} user-managed keys on {facts['account']}")
            return
        if not by_us:
            return
        foreign = self.accounts is not None and facts["account"] not in self.accounts
        if foreign or public_key not in self.minted.keys() | self.served | self.may_touch:
            self._say("I4", operation, f"key {key_id[:8]} is not ours and was {facts['state']}")
        if facts["state"] == "enabled" or known["state"] == facts["state"]:
            return
        for where in self.users(public_key):
            self._say("I1", operation, f"key {key_id[:8]} was {facts['state']} while {where}")
        if facts["state"] == "deleted" and known["state"] != "disabled":
            self._say("I1", operation, f"key {key_id[:8]} was deleted without having been disabled")
        self._everybody_has_a_key(operation)

    def _secret(self, garden: str, operation: Operation) -> None:
        facts = operation.facts
        where = (garden, facts["namespace"], facts["name"])
        secret = self.secrets.setdefault(where, _Secret())
        held = tuple(facts.get("public_keys", ()))
        if self._ours(operation):
            if operation.method.startswith("CREATE"):
                secret.ours = True
                if secret.ever and set(held) != secret.ever:
                    self._say("I8", operation, "the name of a Secret was used again for other content")
            elif secret.exists and held != secret.public_keys:
                self._say("I8", operation, "a Secret's content changed")
            if operation.method.startswith("DELETE"):
                if not secret.ours and not secret.named:
                    self._say("I8", operation, "a Secret was deleted that no Shoot ever named and that is not ours")
                for shoot, seen in self.shoots.items():
                    if (
                        seen.exists
                        and shoot[:2] == where[:2]
                        and where[2] in seen.secrets
                        and str("/".join(shoot)) not in self.waived
                    ):
                        self._say("I8", operation, f"a Secret was deleted that {'/'.join(shoot)} names")
        secret.exists = bool(facts.get("exists", True))
        secret.public_keys = held
        secret.ever.update(held)
        self._serve(where)

    def _shoot(self, garden: str, operation: Operation) -> None:
        facts = operation.facts
        where = (garden, facts["namespace"], facts["name"])
        shoot = self.shoots.setdefault(where, _Shoot())
        before = shoot.secrets
        shoot.exists = bool(facts.get("exists", True))
        shoot.secrets = tuple(facts.get("secrets", ()))
        shoot.generation = int(facts.get("generation", 0))
        for name in shoot.secrets:
            self._serve((garden, facts["namespace"], name))
        if self._ours(operation) and before != shoot.secrets:
            self.moved.add(where)
            for name in set(shoot.secrets) - set(before):
                target = self.secrets.get((garden, facts["namespace"], name), _Secret())
                if not any(self._enabled(public_key) for public_key in target.public_keys):
                    self._say("I2", operation, f"{'/'.join(where)} was moved to a Secret without a working key")

    def _rolled_out(self, garden: str, operation: Operation) -> None:
        facts = operation.facts
        where = (garden, facts["namespace"], facts["name"])
        self.shoots.setdefault(where, _Shoot(exists=True)).runs = tuple(facts.get("public_keys", ()))
        self._everybody_has_a_key(operation)

    def _serve(self, where: tuple[str, str, str]) -> None:
        """A Shoot names this Secret, so its keys serve: a rotation may replace them."""
        if any(shoot.exists and key[:2] == where[:2] and where[2] in shoot.secrets for key, shoot in self.shoots.items()):
            secret = self.secrets.setdefault(where, _Secret())
            secret.named = True
            self.served.update(secret.public_keys)

    def keys_ever(self) -> frozenset[str]:
        """Every public key that IAM ever had."""
        return frozenset(key["public_key"] for key in self.keys.values())

    # --- what must hold ---

    def users(self, public_key: str) -> list[str]:
        """Every live Shoot that names a Secret which holds this key, or may still run it."""
        found: list[str] = []
        for where, shoot in self.shoots.items():
            name = "/".join(where)
            if not shoot.exists or name in self.waived:
                continue
            if public_key in shoot.runs:
                found.append(f"{name} runs it")
            for secret_name in shoot.secrets:
                secret = self.secrets.get((where[0], where[1], secret_name))
                if secret is not None and secret.exists and public_key in secret.public_keys:
                    found.append(f"{name} names {secret_name}, which holds it")
        return found

    def _everybody_has_a_key(self, operation: Operation) -> None:
        for where, shoot in self.shoots.items():
            name = "/".join(where)
            dead_by_us = [k for k in shoot.runs if self._taken_by_us(k)]
            if shoot.exists and dead_by_us and name not in self.waived:
                self._say("I2", operation, f"{name} runs key {dead_by_us[0][:8]}, which does not work")

    def _enabled(self, public_key: str) -> bool:
        return any(k["public_key"] == public_key and k["state"] == "enabled" for k in self.keys.values())

    def _taken_by_us(self, public_key: str) -> bool:
        states = [k for k in self.keys.values() if k["public_key"] == public_key]
        return (
            bool(states)
            and all(k["state"] != "enabled" for k in states)
            and any(str(k.get("by", "")).startswith("rotator") for k in states)
        )

    @staticmethod
    def _ours(operation: Operation) -> bool:
        return "rotator" in str(operation.facts.get("by", ""))

    def _say(self, invariant: str, operation: Operation, what: str) -> None:
        self.violations.append(f"{invariant} at operation {operation.number} ({operation.method} {operation.target}): {what}")
