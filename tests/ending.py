"""What must be true when nothing goes on by itself any more: I4 to I7 over books, staging and files, and a world at rest.

The checker judges every operation by the sandbox's log alone; this judges the end, where what the program believes (its books)
meets what is true (the log).
"""

import base64
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from checker import Checker
from house import EMAIL, House
from rotator import books
from rotator.key import PublicKey
from rotator.record import Blocked, Record, Wait
from rotator.states import Creating
from rotator.steps.sweep import staged_of
from rotator.wiring import Wired


@dataclass
class Ending:
    """One house at rest. `reported`: key ids that the books name as not provably ours."""

    house: House
    wired: Wired
    records: tuple[Record, ...] = ()
    reported: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records, unreadable = self.wired.service.records(EMAIL)
        self.faults += [f"I6 a record cannot be read: {line}" for line in unreadable]
        self.log = Checker()
        self.log.read(self.house.operations.since())
        self.wanted = books.wanted(self.records)

    def judge(self, *, rotations: int | None = None, worthless: bool = False) -> list[str]:
        """Everything that is wrong, a line each. `rotations`: so many were ordered, triggers that came twice counted once.

        `worthless`: staged versions may be left whose keys IAM never knew; the next rotation that mints sweeps them.
        """
        self._records_rest()
        self._keys_are_accounted_for()
        self._nothing_is_left_in_staging(worthless=worthless)
        self._no_private_key_in_files()
        self._secrets_and_shoots_agree()
        begun = [record for record, _ in books.rotations(self.records)]
        if rotations is not None and len(begun) != rotations:
            self.faults.append(f"I7 {len(begun)} rotations for {rotations} orders: {[record.id for record in begun]}")
        return self.faults

    def live(self, public_key: str) -> list[str]:
        """The ids of this key that IAM has, enabled or not."""
        return [id_ for id_, key in self.log.keys.items() if key["public_key"] == public_key and key["state"] != "deleted"]

    def works(self, public_key: str) -> bool:
        """The key is enabled under some id."""
        return any(self.log.keys[id_]["state"] == "enabled" for id_ in self.live(public_key))

    def _records_rest(self) -> None:
        for record in self.records:
            rest = record.rest
            if not record.unfinished:
                continue
            if isinstance(rest, Blocked):
                if not rest.why or not all(rest.why) or not rest.next_command or not rest.code:
                    self.faults.append(f"I6 {record.id} is blocked without reason or next command: {rest}")
            elif isinstance(rest, Wait):
                if not rest.why or not all(rest.why):
                    self.faults.append(f"I6 {record.id} waits without a reason: {rest}")
                if rest.until <= self.house.now():
                    self.faults.append(f"I6 {record.id} hangs in {type(record.state).__name__}: {rest}")
            else:
                self.faults.append(f"I6 {record.id} hangs in {type(record.state).__name__} without rest")

    def _keys_are_accounted_for(self) -> None:
        said = " ".join(fact.saw for record in self.records for entry in record.evidence for fact in entry.facts)
        said += " ".join(line for view in self.wired.service.look(self.house.now()).credentials for line in view.hindrances)
        retiring = {r.order.public_key for r in self.records if r.kind == "retirement" and r.unfinished}  # type: ignore[union-attr]
        for public_key in self.log.minted:
            for key_id in self.live(public_key):
                if self.wanted is not None and self.wanted.public_key == public_key:
                    continue
                if public_key in retiring or books.claimed(self.records, PublicKey(public_key)):
                    continue
                if self._is_reported(key_id, said):
                    self.reported.add(key_id)
                    continue
                self.faults.append(f"I4 key {key_id[:8]}, which we minted, is neither wanted nor in retirement nor reported")

    def _is_reported(self, key_id: str, said: str) -> bool:
        made_by_google = self.log.keys[key_id]["origin"] == "GOOGLE"
        blocks = " ".join(why for record in self.records if record.blocked for why in record.blocked.why)
        return made_by_google and key_id[:8] in f"{said} {blocks}" and self.log.keys[key_id]["state"] == "enabled"

    def _nothing_is_left_in_staging(self, *, worthless: bool) -> None:
        needed = {staged_of(record) for record in self.records if record.unfinished}
        for number, facts in staged(self.house).items():
            if facts["state"] == "destroyed" or number in needed:
                continue
            if facts["public_key"] in self.log.keys_ever():
                self.faults.append(f"I5 staged version {number} holds a key that IAM has or had, and nobody needs it")
            elif not worthless:
                self.faults.append(f"I5 staged version {number} is left, and no unfinished rotation needs it")

    def _no_private_key_in_files(self) -> None:
        marks = [pem.split("\n")[3].encode() for pem in self.house.google.key_files_issued()]
        marks += [base64.b64encode(b"-----BEGIN PRIVATE KEY")[:24], b"BEGIN PRIVATE KEY"]
        for path in self.house.folder.rglob("*"):
            if path.is_file() and (content := path.read_bytes()) and any(mark in content for mark in marks):
                self.faults.append(f"I5 {path.name} holds private key bytes")

    def _secrets_and_shoots_agree(self) -> None:
        for (garden, namespace, name), secret in self.log.secrets.items():
            for public_key in secret.public_keys if secret.exists else ():
                if public_key in self.log.keys_ever() and not self.live(public_key):
                    self.faults.append(f"Q2 Secret {garden}/{namespace}/{name} holds a key that is gone")
        for where, shoot in self.log.shoots.items():
            if not shoot.exists:
                continue
            for name in shoot.secrets:
                held = self.log.secrets.get((where[0], where[1], name))
                if held is None or not held.exists:
                    self.faults.append(f"Q1 {'/'.join(where)} names Secret {name}, which is gone")
                elif held.public_keys and not any(self.works(key) for key in held.public_keys):
                    self.faults.append(f"I2 {'/'.join(where)} names Secret {name}, whose key does not work")
            if shoot.runs and not any(self.works(key) for key in shoot.runs):
                self.faults.append(f"I2 {'/'.join(where)} runs a key that does not work")

    def rolled_out(self, public_key: str, idle: Collection[str] = ()) -> list[str]:
        """What is wrong with: "every Shoot names this key and runs this key, and it works". `idle`: Shoots without a cache."""
        found = [] if self.works(public_key) else [f"key {public_key[:8]} does not work"]
        for where, shoot in self.log.shoots.items():
            if not shoot.exists or where[2] in idle:
                continue
            named = {key for name in shoot.secrets for key in self.log.secrets[where[0], where[1], name].public_keys}
            if named != {public_key}:
                found.append(f"{'/'.join(where)} names {[key[:8] for key in named]}, not {public_key[:8]}")
            if shoot.runs != (public_key,):
                found.append(f"{'/'.join(where)} runs {[key[:8] for key in shoot.runs]}, not {public_key[:8]}")
        return found

    def creating(self) -> bool:
        """A rotation is stopped where a key may have been made that nobody can prove to be ours."""
        return any(isinstance(record.state, Creating) and record.blocked for record in self.records)


def staged(house: House) -> dict[int, dict[str, Any]]:
    """Every staged version as the log has it last, by number."""
    found: dict[int, dict[str, Any]] = {}
    for operation in house.operations.since():
        if operation.service == "secretmanager" and operation.outcome == "ok" and operation.facts.get("version") is not None:
            found.setdefault(operation.facts["version"], {}).update(
                {name: fact for name, fact in operation.facts.items() if fact is not None}
            )
    return {number: {"public_key": "", **facts} for number, facts in found.items()}
