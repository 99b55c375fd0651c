"""The printed Role on Kubernetes' own authorizer: `kubectl apply` takes it, and the doctor reads from it what is missing.

Needs etcd and kube-apiserver only: for RBAC, Gardener's resources are names.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from real_garden import build, member
from real_garden.control_plane import ControlPlane
from real_garden.garden import eventually
from rotator import checkup
from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden, Login
from rotator.errors import Permanent
from rotator.needs import Need, PlaceNeeds
from rotator.permission import EVERYBODY, GARDEN, RENEW, GardenRight, Identity, in_garden
from rotator.record import Place
from rotator.renewal import LIFE
from rotator.report import role
from sandbox.garden.kind import NAMESPACES

pytestmark = pytest.mark.real

NAMESPACE = "garden-acme"
USER = "system:serviceaccount:garden-acme:rotator"
NAMES = {"secrets": ("ar-credentials", "puller-v1"), "configmaps": ("audit-policy",), "workloadidentities": ("deployer",)}
NAME = "registry-key-rotator-acme"


class Kubernetes(ControlPlane):
    """Without Gardener's API server."""

    def _start_gardener_apiserver(self, etcd: str) -> None:
        """None."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    paths = {name: build.folder() / name for name in build.ASSETS}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        why = f"real API servers: {', '.join(missing)} not built yet: make real-garden"
        if os.environ.get("ROTATOR_REQUIRE_REAL") == "1":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    running = Kubernetes(tmp_path_factory.mktemp("kubernetes"), paths)
    try:
        running.admin.ensure(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        yield running
    finally:
        running.stop()


@pytest.fixture
def client(plane: Kubernetes) -> Iterator[KubernetesGarden]:
    token = member.token(plane.admin, USER, 3600)
    made = KubernetesGarden("live", Login.server(plane.server, plane.files.authority.certificate, lambda: token), ServerClock())
    yield made
    made.close()


def place(rights: Sequence[GardenRight], *, names: bool = True) -> PlaceNeeds:
    needs = tuple(Need(right, NAMES[right.resource] if names and right.by_name else ()) for right in rights)
    return PlaceNeeds(place=Place("live", NAMESPACE), needs=needs)


def apply(plane: Kubernetes, granted: PlaceNeeds, account: str = "rotator") -> None:
    """As the README says: the YAML, with comments and all, into `kubectl apply -f -`."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on this machine")
    text = "\n".join(role.lines(f"{NAME}-{account}", [granted], role.Subject(account, NAMESPACE)))
    command = [kubectl, "--kubeconfig", str(plane.kubeconfig()), "apply", "-f", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def missing(client: KubernetesGarden) -> list[tuple[str, str]]:
    lines = checkup.gardens([place(GARDEN)], {"live": client})
    return [(line.what, line.status) for line in lines if line.status != "ok"]


@pytest.mark.parametrize("names", [True, False], ids=["by name", "any name"])
def test_kubernetes_grants_exactly_what_is_printed(plane: Kubernetes, client: KubernetesGarden, names: bool) -> None:
    apply(plane, place(GARDEN, names=names))
    eventually(lambda: not missing(client))

    assert client.who() == USER
    secrets = {right.verb: right for right in GARDEN if right.resource == "secrets"}
    assert client.may(secrets["get"], NAMESPACE, "another") is not names
    assert client.may(secrets["delete"], NAMESPACE, "another") is not names
    assert client.may(secrets["create"], NAMESPACE)
    assert not client.may(secrets["get"], "kube-system", "ar-credentials")


@pytest.mark.parametrize("who", EVERYBODY)
def test_an_identity_is_granted_its_own_verbs_and_no_other(plane: Kubernetes, client: KubernetesGarden, who: Identity) -> None:
    apply(plane, place(in_garden(who)))

    others = [(str(right), "missing") for right in GARDEN if who not in right.who]
    eventually(lambda: missing(client) == others)


def test_with_each_verb_withdrawn_in_turn_exactly_that_one_is_missing(plane: Kubernetes, client: KubernetesGarden) -> None:
    for right in GARDEN:
        apply(plane, place([each for each in GARDEN if each is not right]))
        eventually(lambda right=right: missing(client) == [(str(right), "missing")])


def test_a_name_that_is_not_in_the_role_is_told(plane: Kubernetes, client: KubernetesGarden) -> None:
    apply(plane, place(GARDEN))
    eventually(lambda: not missing(client))
    get = next(right for right in GARDEN if (right.verb, right.resource) == ("get", "secrets"))
    asked = PlaceNeeds(place=Place("live", NAMESPACE), needs=(Need(get, ("ar-credentials", "of-a-new-shoot")),))

    (line,) = checkup.gardens([asked], {"live": client})

    assert (line.status, line.what) == ("missing", "get secrets")
    assert line.why.startswith("of of-a-new-shoot: ")


def test_a_review_of_a_create_that_names_an_object_is_told_yes_by_a_rule_for_that_name(
    plane: Kubernetes, client: KubernetesGarden
) -> None:
    """The object of a real create has no name yet, so such a rule is worth nothing: the doctor asks without a name."""
    create = next(right for right in GARDEN if right.verb == "create")
    apply(plane, PlaceNeeds(place=Place("live", NAMESPACE), needs=(Need(create, ("puller-v1",)),)))
    eventually(lambda: client.may(create, NAMESPACE, "puller-v1"))

    assert not client.may(create, NAMESPACE, "another")
    assert not client.may(create, NAMESPACE)


def test_a_service_account_asks_for_its_own_next_token_and_for_nobody_elses(plane: Kubernetes) -> None:
    """As `token_secret` renews: a token for 30 days, tried, and one of an hour for creates, which is their fence."""
    account = "system:serviceaccount:garden-acme:renewing"
    member.ensure(plane.admin, "system:serviceaccount:garden-acme:other")
    present = [member.token(plane.admin, account, 3600)]
    login = Login.server(plane.server, plane.files.authority.certificate, lambda: present[0], renews=True)
    garden = KubernetesGarden("live", login, ServerClock())
    with pytest.raises(Permanent, match="grant create on serviceaccounts/token in namespace garden-acme") as refused:
        garden.another_token(LIFE)
    own = Need(RENEW, ("renewing",))
    apply(plane, PlaceNeeds(place=Place("live", NAMESPACE), needs=(own,)), "renewing")
    eventually(lambda: garden.may(RENEW, NAMESPACE, "renewing"))

    present[0] = garden.another_token(LIFE)
    later = garden.activation()
    issued, ends = later.age()
    fence = later.fence()

    assert refused.value.code == "garden-access"
    assert later.who() == account
    assert issued is not None
    assert ends is not None
    assert fence is not None
    assert ends - issued == LIFE
    assert timedelta(minutes=59) < fence - issued < timedelta(minutes=62)
    assert not garden.may(RENEW, NAMESPACE, "other")
    garden.close()
