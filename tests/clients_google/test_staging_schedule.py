"""The day on which Secret Manager announces, through the client: asked first, changed only where it differs."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from google.cloud import secretmanager_v1

from google_neighbours import TOPIC, Neighbours
from rotator.clients.staging import LABEL, SecretManagerStaging
from rotator.errors import Absent, Permanent, Transient

BASE = "puller-acme"
NAME = f"projects/acme/secrets/registry-key-rotator-{BASE}"


@pytest.fixture
def staged(world: Neighbours) -> Neighbours:
    world.staging.prepare(BASE, "prod")
    return world


def day(world: Neighbours, days: float = 30) -> datetime:
    found: datetime = world.now
    return found.replace(microsecond=0) + timedelta(days=days)


def message(world: Neighbours) -> Any:
    return world.google.secrets.find(NAME).message


def write(world: Neighbours, paths: list[str], **fields: Any) -> None:
    """Somebody else's update."""
    wanted: Any = secretmanager_v1.Secret(**fields)
    world.google.secrets.update(world.google.secrets.find(NAME), wanted, paths)


def test_time_and_topic_are_set_once(staged: Neighbours) -> None:
    at = day(staged)
    for _ in range(2):
        staged.staging.schedule(BASE, "prod", at)

    assert message(staged).rotation.next_rotation_time == at
    assert [topic.name for topic in message(staged).topics] == [TOPIC]
    assert dict(message(staged).labels) == {LABEL: "prod"}
    assert staged.calls("UpdateSecret") == 1


def test_another_time_is_one_more_update_that_configures_no_topic(staged: Neighbours) -> None:
    staged.staging.schedule(BASE, "prod", day(staged))
    staged.staging.schedule(BASE, "prod", day(staged, 60))

    assert message(staged).rotation.next_rotation_time == day(staged, 60)
    assert len(staged.google.notices.of("TOPIC_CONFIGURED")) == 1


def test_topics_and_period_of_a_person_stay(staged: Neighbours) -> None:
    rotation = {"next_rotation_time": day(staged, 1), "rotation_period": timedelta(days=7)}
    write(staged, ["topics", "rotation"], topics=[{"name": f"{TOPIC}-of-ann"}], rotation=rotation)
    staged.staging.schedule(BASE, "prod", day(staged))

    assert [topic.name for topic in message(staged).topics] == [f"{TOPIC}-of-ann", TOPIC]
    assert message(staged).rotation.rotation_period == timedelta(days=7)
    assert message(staged).rotation.next_rotation_time == day(staged)


@pytest.mark.parametrize("stays", [False, True])
def test_after_its_time_has_come_it_is_set_again(staged: Neighbours, stays: bool) -> None:
    staged.google.secrets.keeps_times = stays
    staged.staging.schedule(BASE, "prod", day(staged, 0.01))
    staged.google.clock.advance(3000)
    at = day(staged)
    staged.staging.schedule(BASE, "prod", at)

    assert len(staged.google.notices.of("SECRET_ROTATE")) == 1
    assert message(staged).rotation.next_rotation_time == at


def test_a_lost_answer_is_found_out_by_reading(staged: Neighbours) -> None:
    staged.fail("UpdateSecret", "UNAVAILABLE", when="after", times=1)
    with pytest.raises(Transient, match="setting the next rotation time of"):
        staged.staging.schedule(BASE, "prod", day(staged))
    staged.staging.schedule(BASE, "prod", message(staged).rotation.next_rotation_time)

    assert staged.calls("UpdateSecret") == 1


def test_who_comes_late_overwrites_nobody(staged: Neighbours) -> None:
    """Parked at the door with the etag of its own read; meanwhile a newer rotation sets its own day."""
    staged.fail("UpdateSecret", "park", times=1)
    with pytest.raises(Transient):
        staged.staging.schedule(BASE, "prod", day(staged))
    newer = day(staged, 60)
    staged.staging.schedule(BASE, "prod", newer)
    assert staged.google.faults.release() == 1

    assert message(staged).rotation.next_rotation_time == newer
    assert staged.google.operations.since()[-1].outcome == "FAILED_PRECONDITION"


def test_a_write_between_read_and_update_is_looked_at_again(staged: Neighbours) -> None:
    staged.fail("UpdateSecret", "FAILED_PRECONDITION", text="The etag does not match.", times=1)
    with pytest.raises(Transient, match="changed it meanwhile"):
        staged.staging.schedule(BASE, "prod", day(staged))


@pytest.mark.parametrize("status", ["PERMISSION_DENIED", "FAILED_PRECONDITION", "NOT_FOUND"])
def test_a_topic_that_secret_manager_may_not_use_names_the_command(staged: Neighbours, status: str) -> None:
    staged.google.notices.closed, staged.google.notices.refusal = [TOPIC], status
    with pytest.raises(Permanent, match="may not publish there") as refusal:
        staged.staging.schedule(BASE, "prod", day(staged))

    number = message(staged).name.split("/")[1]
    assert refusal.value.code == "staging-permission"
    assert refusal.value.next_command == (
        f"gcloud pubsub topics add-iam-policy-binding {TOPIC}"
        f" --member serviceAccount:service-{number}@gcp-sa-secretmanager.iam.gserviceaccount.com --role roles/pubsub.publisher"
    )


def test_a_missing_permission_of_our_own_names_the_command(staged: Neighbours) -> None:
    staged.google.access.deny("secretmanager.secrets.update")
    with pytest.raises(Permanent, match=r"lacks secretmanager\.secrets\.update") as refusal:
        staged.staging.schedule(BASE, "prod", day(staged))

    assert refusal.value.code == "staging-permission"


def test_a_full_list_of_topics_is_said(staged: Neighbours) -> None:
    write(staged, ["topics"], topics=[{"name": f"{TOPIC}-{number}"} for number in range(10)])
    with pytest.raises(Permanent, match="at most 10 topics"):
        staged.staging.schedule(BASE, "prod", day(staged))


def test_the_secret_of_another_installation_is_left_alone(staged: Neighbours) -> None:
    with pytest.raises(Permanent, match="we are other"):
        staged.staging.schedule(BASE, "other", day(staged))
    assert staged.calls("UpdateSecret") == 0


def test_without_a_secret_there_is_nothing_to_set(world: Neighbours) -> None:
    with pytest.raises(Absent, match="reading secret"):
        world.staging.schedule(BASE, "prod", day(world))


def test_the_topic_is_what_it_was_told(world: Neighbours) -> None:
    silent = SecretManagerStaging(world.route.channel("secretmanager.googleapis.com"), world.token, "acme")

    assert world.staging.topic() == TOPIC
    assert silent.topic() == ""
