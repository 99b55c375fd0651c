"""The documented Role on both grounds: with any verb withdrawn something fails and says so; with all of them nothing does."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import real_fleet
from real_fleet import Fleet
from rotator.permission import EVERYBODY, Identity, in_garden
from sandbox.cloud import USER
from sandbox.garden import ROTATOR
from sandbox.garden.access import Rule

if TYPE_CHECKING:
    from real_garden.landscape import Landscape

DENIED = "cannot reference a resource you are not allowed to read"
SAYS = {
    ("list", "shoots"): ("discover", "grant list on shoots in namespace {}"),
    ("get", "secrets"): ("discover", "grant get on secrets in namespace {}"),
    ("list", "secretbindings"): ("discover", "grant list on secretbindings in namespace {}"),
    ("list", "credentialsbindings"): ("discover", "grant list on credentialsbindings in namespace {}"),
    ("create", "secrets"): ("rotate", "grant create on secrets in namespace {}"),
    ("get", "shoots"): ("rotate", "grant get on shoots in namespace {}"),
    ("patch", "shoots"): ("rotate", "grant patch on shoots in namespace {}"),
    ("get", "configmaps"): ("rotate", DENIED),
    ("get", "workloadidentities"): ("rotate", DENIED),
    ("delete", "secrets"): ("retire", "grant delete on secrets in namespace {}"),
}


@pytest.fixture(params=[pytest.param("sandbox", marks=pytest.mark.slow), pytest.param("real", marks=pytest.mark.real)])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    if request.param == "sandbox":
        with real_fleet.on_sandbox(tmp_path) as built:
            yield built
    else:
        landscape: Landscape = request.getfixturevalue("landscape")
        with real_fleet.on_real(landscape, tmp_path) as built:
            yield built


def test_the_table_has_every_verb_of_the_role() -> None:
    assert set(SAYS) == {(verb, resource) for rule in ROTATOR for resource in rule.resources for verb in rule.verbs}


def test_every_verb_is_some_identitys_work_and_none_has_them_all() -> None:
    shares = [{(right.verb, right.resource) for right in in_garden(who)} for who in EVERYBODY]

    assert set.union(*shares) == set(SAYS)
    assert all(share < set(SAYS) for share in shares)
    assert {verb for verb, _ in shares[0]} == {"get", "list"}  # the reader writes nothing


def test_no_verb_is_missing(fleet: Fleet) -> None:
    assert fleet.cli("discover").code == 0
    rotated = fleet.cli("rotate", "puller")
    assert rotated.code == 2, rotated.err

    retired = fleet.retire()

    assert retired.code == 0, retired.err
    assert fleet.garden.secret(fleet.ns, "ar-credentials") is None
    assert not [pull for pull in fleet.cloud.pull_everywhere() if pull.fault]


def test_a_rotation_needs_no_verb_of_the_revoker_and_a_retirement_none_of_the_minter(fleet: Fleet) -> None:
    """The command looks before it works, so it is the reader as well."""
    only(fleet, "reader", "minter")
    rotated = fleet.cli("rotate", "puller")
    only(fleet, "reader", "revoker")
    retired = fleet.retire()

    assert (rotated.code, retired.code) == (2, 0), rotated.err + retired.err
    assert fleet.garden.secret(fleet.ns, "ar-credentials") is None


def only(fleet: Fleet, *identities: Identity) -> None:
    """The rotator has the verbs of these identities."""
    rights = sorted({(right.verb, right.resource) for who in identities for right in in_garden(who)})
    fleet.garden.forbid(USER, fleet.ns)
    fleet.garden.allow(USER, fleet.ns, [Rule((verb,), (resource,)) for verb, resource in rights])


@pytest.mark.parametrize(("verb", "resource"), SAYS, ids=[" ".join(each) for each in SAYS])
def test_a_withdrawn_verb_is_named(fleet: Fleet, verb: str, resource: str) -> None:
    command, says = SAYS[verb, resource]
    if command == "retire":
        assert fleet.cli("rotate", "puller").code == 2
    fleet.without(verb, resource)

    if command == "retire":
        ran = fleet.retire()
    elif command == "rotate":
        ran = fleet.cli("rotate", "puller", "--until-waiting")
    else:
        ran = fleet.cli("discover")

    assert ran.code != 0, ran.out
    assert says.format(fleet.ns) in ran.out + ran.err + real_fleet.blocked(fleet)
