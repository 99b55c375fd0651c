"""Shoots as the client reads them over the wire."""

from datetime import timedelta

import pytest

from garden_neighbour import HOST, NS, Neighbour
from rotator.errors import Transient, Unreadable
from rotator.shoot import MARK, Cache, Mark, Reference, why_not_settled
from rotator.world import Garden as GardenProtocol
from sandbox.faults import Fault


def test_it_is_the_garden_that_steps_ask_for(garden: Neighbour) -> None:
    asked: GardenProtocol = garden.client

    assert asked.shoots(NS) == ()


def test_a_shoot_is_read_with_its_references_caches_and_state(caching: Neighbour) -> None:
    caching.clock.advance(3600)

    shoot = caching.shoot()

    assert shoot.references == (Reference(0, "ar", "ar-v1"),)
    assert shoot.caches == (Cache(HOST, "ar"),)
    assert shoot.cache_config == 0
    assert shoot.bindings == ("infrastructure",)
    assert (shoot.purpose, shoot.seed, shoot.status_seed, shoot.generation) == ("evaluation", "gcp-eu1", "gcp-eu1", 1)
    assert why_not_settled(shoot) == ""


def test_all_four_places_that_name_a_secret_are_read(garden: Neighbour) -> None:
    server = {
        "admissionPlugins": [{"name": "ImagePolicyWebhook", "kubeconfigSecretName": "plugin"}],
        "structuredAuthorization": {"configMapName": "authz", "kubeconfigs": [{"authorizerName": "a", "secretName": "authz"}]},
    }
    dns = {
        "providers": [
            {"type": "google-clouddns", "secretName": "dns-old"},
            {"type": "aws-route53", "credentialsRef": {"apiVersion": "v1", "kind": "Secret", "name": "dns-new"}},
            {"type": "azure-dns", "credentialsRef": {"apiVersion": "x/v1", "kind": "WorkloadIdentity", "name": "not-a-secret"}},
        ]
    }
    for name in ("plugin", "authz", "dns-old", "dns-new"):
        garden.server.create_secret(NS, name, "user", "word")
    spec = {"dns": dns, "kubernetes": {"kubeAPIServer": server}}
    garden.server.create_shoot(NS, "api", {}, {"ar": "ar-v1", "p": "plugin"}, extra_spec=spec)

    shoot = garden.shoot()

    assert shoot.other_secrets == ("authz", "dns-new", "dns-old", "plugin")
    assert shoot.names() == {"authz", "dns-new", "dns-old", "plugin", "ar-v1"}


def test_an_entry_of_another_kind_is_no_reference(garden: Neighbour) -> None:
    garden.server.create_config_map(NS, "policy", {})
    policy = {"name": "policy", "resourceRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "policy"}}
    garden.server.create_shoot(NS, "api", {}, {"ar": "ar-v1"}, extra_spec={"resources": [policy]})

    assert garden.shoot().references == (Reference(1, "ar", "ar-v1"),)


def test_labels_and_annotations_of_ours_are_read_leniently(garden: Neighbour) -> None:
    notes = {"registry-key-rotator/skip": "", MARK: "garbage"}
    garden.server.create_shoot(NS, "api", annotations=notes, labels={"registry-key-rotator/canary": "true"}, ignored=True)
    garden.server.create_shoot(NS, "web", annotations={"registry-key-rotator/skip": "yes", MARK: "r-7 12"})

    api, web = garden.client.shoots(NS)

    assert (api.canary, api.skip, api.ignored, api.mark) == (True, False, True, None)
    assert (web.canary, web.skip, web.ignored, web.mark) == (False, True, False, Mark("r-7", 12))


def test_confined_hibernated_and_deleting_are_seen(garden: Neighbour) -> None:
    garden.server.create_shoot(NS, "api", confined=True, hibernated=True)
    garden.server.create_shoot(NS, "web", ignored=True)
    garden.server.delete_shoot(NS, "web")
    garden.clock.advance(3600)

    api, web = garden.client.shoots(NS)

    assert (api.confined, api.hibernate, api.hibernated, api.deleting) == (True, True, True, False)
    assert web.deleting


def test_a_list_of_thousands_comes_page_by_page_and_complete(garden: Neighbour) -> None:
    for number in range(520):
        garden.server.create_shoot(NS, f"s-{number:04}")

    names = [shoot.ref.name for shoot in garden.client.shoots(NS)]

    assert names == [f"s-{number:04}" for number in range(520)]
    assert sum(each.method == "LIST shoots" for each in garden.operations.since()) == 3


def test_a_list_that_expires_starts_over(garden: Neighbour) -> None:
    for number in range(260):
        garden.server.create_shoot(NS, f"s-{number:04}")
    garden.faults.add(Fault(service="garden:*", method="LIST shoots", answer="410", nth=2))

    assert len(garden.client.shoots(NS)) == 260


def test_a_list_that_always_expires_is_transient(garden: Neighbour) -> None:
    garden.fail("LIST shoots", "410")

    with pytest.raises(Transient, match="expired 3 times"):
        garden.client.shoots(NS)


def test_a_namespace_that_cannot_be_read_names_the_right_to_grant(garden: Neighbour) -> None:
    garden.server.forbid("rotator", NS)

    with pytest.raises(Unreadable, match=f"grant list on shoots in namespace {NS}"):
        garden.client.shoots(NS)
    with pytest.raises(Unreadable, match=f"grant get on secrets in namespace {NS}"):
        garden.client.secret(NS, "ar-v1")
    with pytest.raises(Unreadable, match="grant list on secretbindings"):
        garden.client.bindings(NS)


def test_bindings_name_secrets_of_this_namespace_only(garden: Neighbour) -> None:
    garden.server.create_binding(NS, "a", "infra")
    garden.server.create_binding(NS, "b", "legacy", kind="SecretBinding")
    garden.server.create_binding(NS, "c", "elsewhere", secret_namespace="garden-other")

    assert garden.client.bindings(NS) == ("infra", "legacy")


def test_the_clock_follows_the_server(garden: Neighbour) -> None:
    garden.clock.advance(86400)
    garden.client.shoots(NS)

    assert abs(garden.heard.now() - garden.clock.now()) < timedelta(seconds=3)
