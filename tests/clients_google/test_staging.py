"""Secret Manager through the client: numbers only, a mark, and what its refusals mean."""

from typing import Any

import pytest
from google.cloud import secretmanager_v1

from google_neighbours import Neighbours, told
from rotator.clients.staging import LABEL, label_value
from rotator.errors import Absent, Permanent, Transient

BASE = "puller-acme"
NAME = f"projects/acme/secrets/registry-key-rotator-{BASE}"


@pytest.fixture
def staged(world: Neighbours) -> Neighbours:
    world.staging.prepare(BASE, "prod")
    return world


def _labels(world: Neighbours) -> dict[str, str]:
    return dict(world.google.secrets.find(NAME).message.labels)


def test_the_secret_is_made_once_with_the_installations_mark(world: Neighbours) -> None:
    for _ in range(2):
        world.staging.prepare(BASE, "prod")

    assert _labels(world) == {LABEL: "prod"}
    assert world.calls("CreateSecret") == 1


@pytest.mark.parametrize(("label", "command"), [("other", "describe"), (None, f"--update-labels {LABEL}=prod")])
def test_a_secret_of_somebody_else_is_not_used(world: Neighbours, label: str | None, command: str) -> None:
    labels = {} if label is None else {LABEL: label}
    wanted: Any = secretmanager_v1.Secret(replication={"automatic": {}}, labels=labels)
    world.google.secrets.create("projects/acme", f"registry-key-rotator-{BASE}", wanted)

    with pytest.raises(Permanent, match="we are prod") as refusal:
        world.staging.prepare(BASE, "prod")
    assert refusal.value.code == "foreign-installation"
    assert command in refusal.value.next_command


def test_a_secret_that_is_there_and_cannot_be_read_yet_is_waited_for(staged: Neighbours) -> None:
    staged.fail("GetSecret", "NOT_FOUND")
    with pytest.raises(Transient, match="cannot be read yet"):
        staged.staging.prepare(BASE, "prod")


@pytest.mark.parametrize("name", ["prod", "Prod", "prod.eu", "x" * 80, "pröd"])
def test_an_installations_name_becomes_a_label_that_tells_it_from_others(name: str) -> None:
    value = label_value(name)

    assert len(value) <= 63
    assert set(value) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    assert (value == name) == (name == "prod")


def test_what_was_added_is_read_by_its_number(staged: Neighbours) -> None:
    keys = [staged.accounts.generate() for _ in range(2)]
    numbers = [staged.staging.add(BASE, key) for key in keys]

    assert numbers == [1, 2]
    assert staged.staging.read(BASE, 1).reveal() == keys[0].reveal()
    assert staged.staging.read(BASE, 2).public_key == keys[1].public_key
    assert staged.staging.versions(BASE) == (1, 2)


def test_an_add_is_sent_once(staged: Neighbours) -> None:
    staged.fail("AddSecretVersion", "UNAVAILABLE", when="after")
    with pytest.raises(Transient, match="adding a version to secret"):
        staged.staging.add(BASE, staged.accounts.generate())

    assert staged.staging.versions(BASE) == (1,)


def test_a_destroyed_version_is_absent_and_can_be_destroyed_again(staged: Neighbours) -> None:
    number = staged.staging.add(BASE, staged.accounts.generate())
    for _ in range(2):
        staged.staging.destroy(BASE, number)

    assert staged.staging.versions(BASE) == ()
    with pytest.raises(Absent, match="it was destroyed"):
        staged.staging.read(BASE, number)


def test_what_never_was_is_absent(world: Neighbours) -> None:
    assert world.staging.versions(BASE) == ()
    world.staging.destroy(BASE, 7)
    with pytest.raises(Absent, match="reading version 7"):
        world.staging.read(BASE, 7)


def test_a_version_that_cannot_be_destroyed_now_is_tried_again(staged: Neighbours) -> None:
    number = staged.staging.add(BASE, staged.accounts.generate())
    staged.fail("DestroySecretVersion", "FAILED_PRECONDITION")
    with pytest.raises(Transient, match="does not allow that now"):
        staged.staging.destroy(BASE, number)


def test_a_disabled_version_needs_a_person(staged: Neighbours) -> None:
    number = staged.staging.add(BASE, staged.accounts.generate())
    secret, version = staged.google.secrets.find_version(f"{NAME}/versions/{number}")
    staged.google.secrets.change(secret, version, secretmanager_v1.SecretVersion.State.DISABLED, "")

    with pytest.raises(Permanent, match="gcloud secrets versions enable 1") as refusal:
        staged.staging.read(BASE, number)
    assert refusal.value.code == "staged-key-disabled"


def test_a_payload_that_is_no_key_is_not_quoted(staged: Neighbours) -> None:
    staged.google.secrets.add(staged.google.secrets.find(NAME), "geheim-ü".encode(), None)
    with pytest.raises(Permanent, match="it is no private key") as refusal:
        staged.staging.read(BASE, 1)

    assert "geheim" not in told(refusal.value)


@pytest.mark.parametrize(
    ("permission", "command"),
    [
        ("secrets.create", "gcloud projects add-iam-policy-binding acme"),
        ("secrets.get", f"gcloud secrets add-iam-policy-binding registry-key-rotator-{BASE} --project acme"),
    ],
)
def test_a_missing_permission_names_the_command(world: Neighbours, permission: str, command: str) -> None:
    world.google.access.deny(f"secretmanager.{permission}")
    with pytest.raises(Permanent, match=f"lacks secretmanager.{permission}") as refusal:
        world.staging.prepare(BASE, "prod")

    assert refusal.value.code == "staging-permission"
    assert refusal.value.next_command.startswith(command)
    assert "--member serviceAccount:rotator@" in refusal.value.next_command
