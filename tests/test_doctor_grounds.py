"""`rotator rbac` and `rotator doctor` on both grounds: the sandbox's authorizer, and Kubernetes' own."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import real_fleet
from real_fleet import Fleet
from real_garden.garden import RealGarden, eventually
from real_garden.member import ROLE_BINDINGS, ROLES
from rotator import permission
from sandbox.cloud import USER
from sandbox.garden.access import Rule

if TYPE_CHECKING:
    from real_garden.landscape import Landscape


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    if request.param == "sandbox":
        with real_fleet.on_sandbox(tmp_path) as built:
            yield built
    else:
        landscape: Landscape = request.getfixturevalue("landscape")
        with real_fleet.on_real(landscape, tmp_path) as built:
            yield built


def apply(fleet: Fleet, items: list[dict[str, Any]]) -> None:
    """The rotator has what these documents grant, and nothing else."""
    garden = fleet.garden
    garden.forbid(USER, fleet.ns)
    if isinstance(garden, RealGarden):
        for item in items:
            garden.create(ROLES if item["kind"] == "Role" else ROLE_BINDINGS, item)
        eventually(lambda: garden.may(USER, fleet.ns, "list", "shoots"))
        return
    rules = [rule for item in items if item["kind"] == "Role" for rule in item["rules"]]
    garden.allow(
        USER,
        fleet.ns,
        [
            Rule(tuple(r["verbs"]), tuple(r["resources"]), tuple(r.get("resourceNames", ())), tuple(r["apiGroups"]))
            for r in rules
        ],
    )


def named(fleet: Fleet) -> tuple[int, list[tuple[str, str, str]]]:
    """The exit code, and what is not ok."""
    ran = fleet.cli("doctor", "-o", "json")
    lines = ran.tree["lines"]
    return ran.code, [(line["subject"], line["what"], line["status"]) for line in lines if line["status"] != "ok"]


def test_with_exactly_the_printed_role_everything_runs_and_all_is_well(fleet: Fleet) -> None:
    printed = fleet.cli("rbac", "live", "-o", "json")
    assert printed.code == 0, printed.err
    apply(fleet, printed.tree["items"])

    assert named(fleet) == (0, [])
    rotated = fleet.cli("rotate", "puller")
    assert rotated.code == 2, rotated.err
    retired = fleet.retire()
    assert retired.code == 0, retired.err
    assert fleet.garden.secret(fleet.ns, "ar-credentials") is None
    assert named(fleet) == (0, [])


def test_with_each_verb_withdrawn_in_turn_the_doctor_names_exactly_that_one(fleet: Fleet) -> None:
    found = {}
    for right in permission.GARDEN:
        fleet.without(right.verb, right.resource)
        found[str(right)] = named(fleet)

    assert found == {str(right): (3, [(f"live/{fleet.ns}", str(right), "missing")]) for right in permission.GARDEN}


def test_the_doctor_of_an_installation_knows_who_answers_and_how_long(fleet: Fleet) -> None:
    """Versions as each server tells them; a fact of the deployment is set, or nobody asks."""
    lines = fleet.cli("doctor", "-o", "json", ROTATOR_SCHEDULE_JOB="projects/p/locations/l/jobs/j").tree["lines"]
    said = {line["what"]: line for line in lines if line["subject"] == "live"}

    assert re.search(r"Kubernetes v1\.[0-9]+\.[0-9]+", said["version"]["why"])
    assert "registry-cache" in said["extension"]["why"]
    assert said["token"]["status"] == "ok"
