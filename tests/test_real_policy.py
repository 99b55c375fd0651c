"""The optional admission policy of the README, on the real API servers: the rotator's patches pass, all others are refused."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from garden_neighbour import HOST, MARKED, move
from real_garden.api import MERGE_PATCH, path
from real_garden.garden import eventually
from real_ground import Answer, Ground, on_real
from rotator.shoot import Mark
from sandbox.garden.kind import SHOOTS, Kind, Tree

if TYPE_CHECKING:
    from real_garden.landscape import Landscape

pytestmark = pytest.mark.real

README = Path(__file__).resolve().parent.parent / "README.md"
GROUP = "admissionregistration.k8s.io"
KINDS = {
    kind: Kind(GROUP, "v1", kind, plural, namespaced=False)
    for kind, plural in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    )
}
OTHERS: dict[str, Tree] = {
    "another purpose": {"spec": {"purpose": "testing"}},
    "the extension's configuration": {"spec": {"extensions": []}},
    "confinement": {"spec": {"maintenance": {"confineSpecUpdateRollout": True}}},
    "hibernation": {"spec": {"hibernation": {"enabled": True}}},
    "no resources": {"spec": {"resources": None}},
    "a label": {"metadata": {"labels": {"mine": "yes"}}},
    "an operation": {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}},
    "the confirmation of a deletion taken off": {"metadata": {"annotations": {"confirmation.gardener.cloud/deletion": None}}},
}


@pytest.fixture
def narrowed(landscape: "Landscape") -> Iterator[Ground]:
    """The policy is in force for the rotator of this project; a Shoot `api` is there."""
    with on_real(landscape) as ground:
        ground.server.create_shoot(ground.ns, "api", {HOST: "ar"}, {"ar": "ar-v1"})
        ground.server.catch_up()
        made = [applied(ground, tree) for tree in yaml.safe_load_all(text())]
        # The servers take up a new policy after some seconds; until then each try is a change of its own.
        tries = itertools.count()
        eventually(lambda: patched(ground, {"metadata": {"labels": {"mine": f"try-{next(tries)}"}}}).code == 422, 60)
        ground.server.patch(SHOOTS, ground.ns, "api", {"metadata": {"labels": {"mine": None}}})
        yield ground
        for kind, name in made:
            ground.server.delete(kind, "", name)


def test_the_rotators_patches_pass(narrowed: Ground) -> None:
    before = narrowed.shoot()

    assert narrowed.client.judge(before, move(before)) == "the installed webhook accepts it"
    after = narrowed.client.move(before, move(before), MARKED)
    narrowed.client.mark(after, Mark("r-2", after.generation))

    assert (after.references[0].secret, narrowed.shoot().mark) == ("ar-v2", Mark("r-2", after.generation))


def test_all_other_changes_are_refused(narrowed: Ground) -> None:
    passed = [name for name, patch in OTHERS.items() if patched(narrowed, patch).code != 422]

    assert passed == []
    assert "ValidatingAdmissionPolicy" in patched(narrowed, OTHERS["a label"]).tree["message"]


def test_owners_are_not_touched_by_it(narrowed: Ground) -> None:
    narrowed.server.edit(narrowed.ns, "api", {"purpose": "testing"})

    assert narrowed.shoot().purpose == "testing"


def patched(ground: Ground, patch: Tree) -> Answer:
    """A merge patch by the rotator, past its client."""
    return ground.raw("PATCH", path(SHOOTS, ground.ns, "api"), patch, MERGE_PATCH)


def applied(ground: Ground, tree: Tree) -> tuple[Kind, str]:
    """The policy or its binding is there, for the rotator of this project and under a name of its own."""
    kind, name = KINDS[tree["kind"]], f"{tree['metadata']['name']}-{ground.ns}"
    tree = {**tree, "metadata": {"name": name}}
    if "policyName" in tree["spec"]:
        tree["spec"]["policyName"] = name
    else:
        whose = tree["spec"]["matchConditions"][0]
        whose["expression"] = whose["expression"].replace("system:serviceaccount:garden-acme:rotator", ground.user)
    ground.server.create(kind, tree)
    return kind, name


def text() -> str:
    """The policy as the README has it."""
    readme = README.read_text(encoding="utf-8")
    return readme.partition("<!-- policy -->\n```yaml\n")[2].partition("```")[0]
