"""The checker is what every other suite trusts, so each mistake that it is there for is planted once, and must be found.

Histories are written entry by entry, as the sandbox's log would have them; the first one is a whole rotation without a fault.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from checker import Checker
from sandbox.operations import Operations

US = "rotator@sandbox.iam.gserviceaccount.com"
OUR_USER = "system:serviceaccount:garden-acme:rotator"
ACCOUNT = "puller@acme"
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
Facts = dict[str, Any]


@dataclass
class Log:
    """A log that is written by hand, in the words of the field."""

    operations: Operations = field(default_factory=Operations)
    generation: int = 1

    def add(self, service: str, method: str, target: str, outcome: str = "ok", **facts: Any) -> None:
        self.operations.add(at=NOW, service=service, method=method, target=target, mutating=True, outcome=outcome, facts=facts)

    def key(self, name: str, state: str = "enabled", by: str = US, account: str = ACCOUNT, *, same_as: str = "") -> None:
        facts: Facts = {
            "account": account,
            "key_id": f"id-{name}",
            "public_key": same_as or name,
            "state": state,
            "origin": "USER",
        }
        self.add("iam", "UploadServiceAccountKey", name, **facts, by=by)

    def secret(self, name: str, *keys: str, by: str = OUR_USER, method: str = "CREATE secrets", exists: bool = True) -> None:
        facts: Facts = {
            "kind": "Secret",
            "namespace": "ns",
            "name": name,
            "uid": "u",
            "public_keys": list(keys),
            "exists": exists,
        }
        self.add("garden:live", method, f"ns/{name}", **facts, terminating=False, by=by)

    def delete(self, name: str, *keys: str, by: str = OUR_USER) -> None:
        self.secret(name, *keys, by=by, method="DELETE secrets", exists=False)

    def shoot(
        self, name: str, *secrets: str, by: str = "human", exists: bool = True, method: str = "PATCH shoots", ns: str = "ns"
    ) -> None:
        self.generation += 1
        facts: Facts = {
            "kind": "Shoot",
            "namespace": ns,
            "name": name,
            "uid": name,
            "generation": self.generation,
            "exists": exists,
        }
        self.add("garden:live", method, f"{ns}/{name}", **facts, secrets=list(secrets), deleting=False, by=by)

    def move(self, name: str, *secrets: str) -> None:
        self.shoot(name, *secrets, by=OUR_USER)

    def runs(self, name: str, *keys: str) -> None:
        facts: Facts = {"namespace": "ns", "name": name, "uid": name, "public_keys": list(keys), "by": "gardenlet"}
        self.add("gardenlet:live", "ROLLOUT shoots", f"ns/{name}", **facts)

    def lived_in(self) -> "Log":
        """A hand-made key, its Secret, and two Shoots that live on it; somebody else's key beside it."""
        self.key("old", by="human")
        self.key("foreign", by="human")
        self.secret("hand-made", "old", by="human")
        for name in ("one", "two"):
            self.shoot(name, "hand-made", method="CREATE shoots")
            self.runs(name, "old")
        return self

    def rolled_out(self) -> "Log":
        """A new key has reached both Shoots."""
        self.lived_in()
        self.key("new")
        self.secret("v1", "new")
        for name in ("one", "two"):
            self.move(name, "v1")
            self.runs(name, "new")
        return self

    def burnt(self) -> "Log":
        """The old Secret is gone and the old key is disabled."""
        self.rolled_out()
        self.delete("hand-made", "old")
        self.key("old", "disabled")
        return self


def found(log: Log, **options: Any) -> list[str]:
    return Checker(**options).read(log.operations.since())


def test_a_rotation_without_a_mistake_has_no_violation() -> None:
    log = Log().burnt()
    log.key("old", "deleted")

    assert found(log, accounts=frozenset({ACCOUNT})) == []


def test_what_people_do_is_not_our_violation() -> None:
    log = Log().lived_in()
    log.key("old", "disabled", by="human")
    log.key("old", "deleted", by="human")
    log.key("foreign", "deleted", by="human")
    log.secret("hand-made", "other", by="human", method="PATCH secrets")
    log.delete("hand-made", "other", by="human")

    assert found(log) == []


def test_what_was_refused_did_not_happen() -> None:
    log = Log().lived_in()
    log.add("iam", "DisableServiceAccountKey", "old", outcome="PERMISSION_DENIED")
    log.add("garden:live", "DELETE secrets", "ns/hand-made", outcome="409 Conflict")

    assert found(log) == []


MISTAKES: dict[str, tuple[str, Callable[[Log], object]]] = {}


def mistake(invariant: str) -> Callable[[Callable[[Log], object]], Callable[[Log], object]]:
    def keep(plant: Callable[[Log], object]) -> Callable[[Log], object]:
        MISTAKES[plant.__name__] = (invariant, plant)
        return plant

    return keep


@mistake("I1")
def a_key_is_disabled_that_a_shoot_names_and_runs(log: Log) -> None:
    log.lived_in().key("old", "disabled")


@mistake("I1")
def a_key_is_disabled_that_a_shoot_still_runs_after_its_spec_moved(log: Log) -> None:
    log.lived_in().key("new")
    log.secret("v1", "new")
    log.move("one", "v1")
    log.move("two", "v1")
    log.runs("one", "new")
    log.key("old", "disabled")


@mistake("I1")
def a_key_is_disabled_that_a_new_shoot_names_before_it_runs_it(log: Log) -> None:
    log.rolled_out().shoot("three", "hand-made", method="CREATE shoots")
    log.key("old", "disabled")


@mistake("I1")
def a_key_is_disabled_that_a_second_secret_of_another_name_holds(log: Log) -> None:
    log.rolled_out().secret("copy", "old", by="human")
    log.shoot("two", "copy")
    log.key("old", "disabled")


@mistake("I1")
def one_id_of_a_key_is_disabled_while_a_shoot_lives_on_another_id_of_it(log: Log) -> None:
    log.lived_in().key("twin", by="human", same_as="old")
    log.key("twin", "disabled", same_as="old")


@mistake("I1")
def a_key_is_deleted_without_having_been_disabled(log: Log) -> None:
    log.rolled_out().delete("hand-made", "old")
    log.key("old", "deleted")


@mistake("I1")
def a_key_is_deleted_that_somebody_came_back_to(log: Log) -> None:
    log.burnt().secret("again", "old", by="human")
    log.shoot("one", "again")
    log.key("old", "deleted")


@mistake("I2")
def a_shoot_is_moved_to_a_secret_whose_key_is_dead(log: Log) -> None:
    log.burnt().secret("v2", "old")
    log.move("one", "v2")


@mistake("I2")
def a_shoot_is_moved_to_a_secret_that_is_not_there(log: Log) -> None:
    log.lived_in().move("one", "v9")


@mistake("I2")
def a_shoot_is_moved_to_a_key_that_google_disabled(log: Log) -> None:
    log.lived_in().key("new")
    log.secret("v1", "new")
    log.key("new", "disabled", by="google")
    log.move("one", "v1")


@mistake("I2")
def a_late_roll_out_brings_a_key_that_we_took_away(log: Log) -> None:
    log.burnt().runs("two", "old")


@mistake("I3")
def a_tenth_key_is_minted(log: Log) -> None:
    log.lived_in()
    for number in range(7):
        log.key(f"other-{number}", by="human")
    log.key("new")


@mistake("I4")
def a_foreign_key_is_disabled(log: Log) -> None:
    log.rolled_out().key("foreign", "disabled")


@mistake("I4")
def a_foreign_key_is_enabled_again(log: Log) -> None:
    log.rolled_out().key("foreign", "disabled", by="google")
    log.key("foreign", "enabled")


@mistake("I4")
def a_foreign_key_that_somebody_disabled_is_deleted(log: Log) -> None:
    log.rolled_out().key("foreign", "disabled", by="human")
    log.key("foreign", "deleted")


@mistake("I4")
def a_key_of_a_secret_that_no_shoot_names_is_disabled(log: Log) -> None:
    log.rolled_out().secret("notes", "foreign", by="human")
    log.key("foreign", "disabled")


@mistake("I4")
def a_key_of_an_account_that_is_not_ours_to_touch_is_disabled(log: Log) -> None:
    log.rolled_out().key("theirs", by="human", account="somebody@else")
    log.secret("theirs", "theirs", by="human")
    log.shoot("one", "theirs")
    log.shoot("one", "v1")
    log.runs("one", "new")
    log.key("theirs", "disabled", account="somebody@else")


@mistake("I8")
def the_content_of_a_secret_changes(log: Log) -> None:
    log.lived_in().secret("hand-made", "new", method="PATCH secrets")


@mistake("I8")
def the_content_of_a_secret_is_emptied(log: Log) -> None:
    log.lived_in().secret("hand-made", method="PATCH secrets")


@mistake("I8")
def a_name_is_used_again_for_other_content(log: Log) -> None:
    log.rolled_out().delete("hand-made", "old")
    log.secret("hand-made", "new")


@mistake("I8")
def a_secret_is_deleted_that_a_shoot_names(log: Log) -> None:
    log.lived_in().delete("hand-made", "old")


@mistake("I8")
def a_secret_is_asked_to_go_while_a_shoot_names_it_and_lingers(log: Log) -> None:
    log.lived_in().secret("hand-made", "old", method="DELETE secrets")


@mistake("I8")
def a_secret_is_deleted_that_no_reference_ever_named(log: Log) -> None:
    log.rolled_out().secret("notes", "old", by="human")
    log.delete("notes", "old")


@mistake("I8")
def a_shoot_is_deleted_by_us(log: Log) -> None:
    log.lived_in().shoot("one", by=OUR_USER, method="DELETE shoots", exists=False)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found(name: str) -> None:
    invariant, plant = MISTAKES[name]
    log = Log()
    plant(log)
    violations = found(log, accounts=frozenset({ACCOUNT}))

    assert violations
    assert {line.split()[0] for line in violations} >= {invariant}


def test_a_waiver_excuses_the_shoot_that_it_names_and_no_other() -> None:
    log = Log().lived_in()
    log.key("new")
    log.secret("v1", "new")
    log.move("one", "v1")
    log.runs("one", "new")
    log.move("two", "v1")
    log.key("old", "disabled")

    assert found(log, waived=frozenset({"live/ns/two"})) == []
    assert found(log, waived=frozenset({"live/ns/one"})) != []


def test_a_shoot_that_is_gone_needs_no_key() -> None:
    log = Log().lived_in()
    for name in ("one", "two"):
        log.shoot(name, exists=False, method="DELETE shoots")
    log.delete("hand-made", "old")
    log.key("old", "disabled")

    assert found(log) == []


def test_a_shoot_of_another_namespace_with_a_secret_of_that_name_is_another_matter() -> None:
    log = Log().rolled_out()
    log.shoot("elsewhere", "hand-made", ns="other")
    log.delete("hand-made", "old")
    log.key("old", "disabled")

    assert found(log) == []


def test_the_nine_keys_of_others_do_not_count_when_they_are_gone() -> None:
    log = Log().lived_in()
    for number in range(7):
        log.key(f"other-{number}", by="human")
    log.key("other-0", "deleted", by="human")
    log.key("new")

    assert found(log) == []
