"""kubectl and appliers on the real Gardener API server: who they are to us, and what they make of our move."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pytest

from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden, Login
from rotator.shoot import Mark, Shoot
from rotator.world import Move
from sandbox.garden import landscape as builders

if TYPE_CHECKING:
    from real_garden.landscape import Landscape

pytestmark = [
    pytest.mark.real,
    # Until the landscape's own client closes its sockets: they are found in whichever test runs then.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(
        shutil.which("kubectl") is None, reason="no kubectl on the PATH: https://kubernetes.io/docs/tasks/tools"
    ),
]

NAMESPACE = "garden-owners"
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
FORCED = ("apply", "--server-side", "--force-conflicts")
CONFLICT = 'conflict with "registry-key-rotator" using core.gardener.cloud/v1beta1: .spec.resources'


class Applier(NamedTuple):
    """How one of them writes a Shoot, who it is to us, and whether it takes our move back (or fails with a conflict)."""

    command: tuple[str, ...]
    owner: str
    takes_back: bool
    labels: Mapping[str, str] = MappingProxyType({})


APPLIERS = {
    "kubectl": Applier(
        ("apply",), "kubectl apply (annotation kubectl.kubernetes.io/last-applied-configuration)", takes_back=True
    ),
    "ssa": Applier(("apply", "--server-side"), "kubectl apply (field manager kubectl, server-side apply)", takes_back=False),
    "flux": Applier(
        (*FORCED, "--field-manager=kustomize-controller"),
        "Flux Kustomization flux-system/apps (label kustomize.toolkit.fluxcd.io/name=apps)",
        takes_back=True,
        labels=FLUX,
    ),
    "argo": Applier(
        ("apply", "--field-manager=argocd-controller"), "Argo CD (field manager argocd-controller)", takes_back=True
    ),
    "terraform": Applier(
        ("apply", "--server-side", "--field-manager=Terraform"),
        "Terraform (field manager Terraform, server-side apply)",
        takes_back=False,
    ),
}

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", name="kubectl")
def _kubectl(landscape: "Landscape", tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    from real_garden import base

    base.project(landscape.plane.admin, NAMESPACE)
    folder = tmp_path_factory.mktemp("kubectl")

    def run(*words: str, tree: object = None) -> subprocess.CompletedProcess[str]:
        head = ["kubectl", "--kubeconfig", str(landscape.plane.kubeconfig()), "--cache-dir", str(folder), "-n", NAMESPACE]
        said = None if tree is None else json.dumps(tree)
        return subprocess.run([*head, *words], input=said, capture_output=True, text=True, check=False, timeout=60)

    for name in ("old", "new"):
        run("create", "secret", "generic", name, "--from-literal=username=a", "--from-literal=password=b")
    return run


@pytest.fixture(name="garden")
def _garden(landscape: "Landscape", kubectl: Kubectl) -> Iterator[KubernetesGarden]:
    client = KubernetesGarden("live", Login.kubeconfig(Path(landscape.plane.kubeconfig())), ServerClock())
    yield client
    client.close()


def shoot(garden: KubernetesGarden, name: str) -> Shoot:
    return next(each for each in garden.shoots(NAMESPACE) if each.ref.name == name)


def moved(garden: KubernetesGarden, name: str) -> Shoot:
    """We have pointed it at the new Secret."""
    found = shoot(garden, name)
    moves = [Move(each.index, each.entry, each.secret, "new") for each in found.references if each.secret == "old"]
    return garden.move(found, moves, Mark("r1", found.generation))


def manifest(name: str, secret: str, labels: Mapping[str, str] = MappingProxyType({})) -> object:
    """What the owner's source says."""
    options = {"confined": False, "hibernated": False, "ignored": False, "annotations": {}, "extra_spec": {}}
    return builders.shoot(
        NAMESPACE, name, caches={}, resources={"ar": secret}, purpose="testing", seed=None, labels=labels, **options
    )


@pytest.mark.parametrize("name", APPLIERS)
def test_an_applier_is_known_before_and_after_our_move_and_goes_on_when_its_source_follows(
    kubectl: Kubectl, garden: KubernetesGarden, name: str
) -> None:
    applier = APPLIERS[name]
    command = (*applier.command, "--validate=false", "-f", "-")
    assert kubectl(*command, tree=manifest(name, "old", applier.labels)).returncode == 0
    assert [str(each) for each in shoot(garden, name).owners] == [applier.owner]

    after = moved(garden, name)
    assert [str(each) for each in after.owners] == [applier.owner]

    again = kubectl(*command, tree=manifest(name, "old", applier.labels))
    found = shoot(garden, name)
    assert found.mark == after.mark
    if applier.takes_back:
        assert (again.returncode, found.references[0].secret) == (0, "old")
    else:
        assert (again.returncode, found.references[0].secret, CONFLICT in again.stderr) == (1, "new", True)

    assert kubectl(*command, tree=manifest(name, "new", applier.labels)).returncode == 0
    assert shoot(garden, name).references[0].secret == "new"


def test_who_replaces_the_whole_shoot_takes_our_mark_away_with_the_move(kubectl: Kubectl, garden: KubernetesGarden) -> None:
    """Why marks are remembered (`memory`), too."""
    kubectl("create", "--validate=false", "-f", "-", tree=manifest("whole", "old"))
    assert moved(garden, "whole").mark is not None

    kubectl("replace", "--validate=false", "-f", "-", tree=manifest("whole", "old"))

    found = shoot(garden, "whole")
    assert (found.references[0].secret, found.mark, found.owners) == ("old", None, ())
