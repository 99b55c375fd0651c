"""What `rotator doctor` makes of the expiry topic's policy: rules without a server."""

import json

import httpx
import pytest

from rotator import announcer
from rotator.checkup import Line
from rotator.clients.rest import Rest
from rotator.clients.subscription import Messaging

TOPIC = "projects/acme/topics/expiry"
AGENT = "serviceAccount:service-42@gcp-sa-secretmanager.iam.gserviceaccount.com"
GRANT = f"gcloud pubsub topics add-iam-policy-binding {TOPIC} --member {AGENT} --role roles/pubsub.publisher"


def told(number: str, *bindings: tuple[str, str], status: int = 200, base: str = "https://pubsub.googleapis.com") -> list[Line]:
    policy = {"etag": "x", "bindings": [{"role": role, "members": [member]} for role, member in bindings]}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=json.dumps(policy).encode()))
    messaging = Messaging(Rest(httpx.Client(transport=transport), lambda: "token", base))
    return list(announcer.announced(TOPIC, {"acme": number}, messaging))


@pytest.mark.parametrize(
    ("role", "member"),
    [("roles/pubsub.publisher", AGENT), ("roles/pubsub.admin", AGENT), ("roles/pubsub.publisher", "allAuthenticatedUsers")],
)
def test_an_agent_with_a_role_on_the_topic_may_publish(role: str, member: str) -> None:
    (line,) = told("42", ("roles/pubsub.viewer", "user:ann@acme.example"), (role, member))

    assert (line.status, line.why) == ("ok", role)


def test_another_projects_agent_is_not_ours() -> None:
    (line,) = told("42", ("roles/pubsub.publisher", AGENT.replace("42", "43")))

    assert (line.status, line.optional, line.mend) == ("missing", True, GRANT)
    assert "what is bound on the project or above cannot be seen here" in line.why


@pytest.mark.parametrize("role", ["projects/acme/roles/announcer", "roles/pubsub.publisher_withcond_0a1b2c"])
def test_a_role_that_we_cannot_look_into_is_said_to_be_one(role: str) -> None:
    (line,) = told("42", (role, AGENT))

    assert (line.status, line.optional) == ("unknown", True)
    assert role in line.why


def test_without_a_staging_secret_nobody_tells_which_agent_is_the_projects() -> None:
    (line,) = told("", ("roles/pubsub.publisher", AGENT))

    assert (line.status, line.optional) == ("unknown", True)
    assert AGENT in line.why


def test_without_any_agent_the_number_is_not_needed_to_see_that_ours_is_missing() -> None:
    (line,) = told("")

    assert line.status == "missing"
    assert "--member serviceAccount:service-$(gcloud projects describe acme --format 'value(projectNumber)')@gcp" in line.mend


def test_a_role_of_googles_that_does_not_publish_is_as_good_as_none() -> None:
    (line,) = told("42", ("roles/pubsub.viewer", AGENT))

    assert (line.status, line.mend) == ("missing", GRANT)


def test_a_policy_that_may_not_be_seen_is_a_quiet_line_with_the_command_to_look() -> None:
    (line,) = told("42", status=403)

    assert (line.status, line.optional) == ("unknown", True)
    assert line.why == "not looked at: we lack pubsub.topics.getIamPolicy"
    assert line.mend == "gcloud pubsub topics get-iam-policy expiry --project acme"


def test_an_emulator_does_not_tell_and_a_topic_that_is_gone_has_its_line_already() -> None:
    (line,) = told("42", status=501, base="http://127.0.0.1:8085")

    assert line.why == "the emulator does not tell"
    assert told("42", status=404) == []
