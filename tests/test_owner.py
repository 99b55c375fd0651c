"""Whose a Secret or a Shoot is, from metadata as the tools write it, through the decoders that read a Garden's answers."""

import json

import msgspec
import pytest

from parts import at, held, retirement_order
from recorded_owners import GARDENER, KEPT, KEPT_SECRETS, LAST_APPLIED, MANIFEST, NOBODYS, Found, Tree, managed
from rotator import owner
from rotator.clients.garden import secrets, shoots
from rotator.clients.garden.wire import Item
from rotator.owner import Manager, Owner, Traces
from rotator.proof import why_untouchable

NAMED = {"name": "app", "namespace": "garden-acme", "uid": "1", "resourceVersion": "1", "generation": 1}


def of_shoot(metadata: Tree) -> tuple[Owner, ...]:
    """As a list of Shoots is read, with what Gardener itself writes on every Shoot."""
    fields = [*GARDENER, *metadata.get("managedFields", [])]
    body = {"metadata": {**NAMED, **metadata, "managedFields": fields}, "spec": {}, "status": {}}
    return shoots.read(msgspec.json.decode(json.dumps(body), type=Item), "live").owners


def of_secret(metadata: Tree) -> tuple[Owner, ...]:
    body = {"metadata": {**NAMED, **metadata}, "data": {}}
    return secrets.read(msgspec.json.decode(json.dumps(body), type=secrets.Held), "live").owners


@pytest.mark.parametrize("name", KEPT)
def test_a_tool_is_known_by_what_it_writes_on_a_shoot(name: str) -> None:
    metadata, found = KEPT[name]

    assert [Found(*msgspec.structs.astuple(each)) for each in of_shoot(metadata)] == [found]


@pytest.mark.parametrize("name", KEPT | KEPT_SECRETS)
def test_a_tool_is_known_by_what_it_writes_on_a_secret(name: str) -> None:
    metadata, found = (KEPT | KEPT_SECRETS)[name]

    assert [Found(*msgspec.structs.astuple(each)) for each in of_secret(metadata)] == [found]


@pytest.mark.parametrize("name", NOBODYS)
def test_what_people_and_gardener_write_makes_nobody_an_owner(name: str) -> None:
    assert of_shoot(NOBODYS[name]) == ()
    assert of_secret(NOBODYS[name]) == ()


def test_an_owner_reads_as_its_owner_calls_it() -> None:
    (found,) = of_shoot(KEPT["Flux Kustomization"][0])

    assert str(found) == "Flux Kustomization flux-system/apps (label kustomize.toolkit.fluxcd.io/name=apps)"


def test_two_tools_on_one_object_are_both_told() -> None:
    both = {"labels": KEPT["Flux Kustomization"][0]["labels"], "managedFields": [managed("Terraform", "Apply")]}

    assert [each.tool for each in of_shoot(both)] == ["Flux Kustomization", "Terraform"]
    assert owner.named(of_shoot(both)).count("; ") == 0


def test_the_manifest_in_an_annotation_is_never_told() -> None:
    """Of a Secret it is the Secret's own data."""
    for found in (of_secret, of_shoot):
        assert "in-manifest" not in owner.named(found({"annotations": {LAST_APPLIED: MANIFEST}}))


def test_a_long_value_is_cut() -> None:
    (found,) = of_secret({"annotations": {"argocd.argoproj.io/tracking-id": "app:" + "x" * 500}})

    assert len(found.evidence) == owner.SHOWN


def test_the_pure_rules_need_no_wire() -> None:
    found = owner.owners(Traces(managers=(Manager("gardenlet"), Manager("kustomize-controller", applies=True))))

    assert [each.tool for each in found] == ["Flux Kustomization"]


@pytest.mark.parametrize("installation", ["acme", ""])
def test_a_secret_that_a_tool_keeps_is_untouchable_whoever_wrote_it(installation: str) -> None:
    kept = held(ref=at("ar"), installation=installation, owners=of_secret(KEPT["Argo CD, tracked by annotation"][0]))

    why = why_untouchable(kept, retirement_order())

    assert why.startswith("Secret live/garden-acme/ar belongs to Argo CD shoots (annotation argocd.argoproj.io/tracking-id=")
    assert why.endswith("which would re-create it: remove it at the source")
