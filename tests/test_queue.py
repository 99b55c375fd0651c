"""Messages to `worker` over the wire, and what Pub/Sub's refusals mean to the door that sent them."""

import base64
import json

import httpx
import pytest

from rotator.clients.queue import MOST, Topic
from rotator.clients.rest import Rest
from rotator.errors import Permanent, RotatorError, TokenExpired, Transient

WORK = "projects/acme/topics/work"


class PubSub:
    """Answers in turn; the last answer stays."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []
        rest = Rest(httpx.Client(transport=httpx.MockTransport(self._answer)), lambda: "token", "https://pubsub.googleapis.com")
        self.topic = Topic(rest, WORK)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return httpx.Response(status, json={"messageIds": ["1"]} if status == 200 else {"error": {"message": "secret"}})


def test_each_record_has_its_message_in_as_few_requests_as_pubsub_takes() -> None:
    pubsub = PubSub(200)
    ids = [f"puller-acme-prod-r{number}" for number in range(MOST + 1)]

    assert pubsub.topic.wake(ids) == MOST + 1
    assert [str(request.url) for request in pubsub.requests] == [f"https://pubsub.googleapis.com/v1/{WORK}:publish"] * 2
    bodies = [json.loads(request.content)["messages"] for request in pubsub.requests]
    assert [len(messages) for messages in bodies] == [MOST, 1]
    assert json.loads(base64.b64decode(bodies[1][0]["data"]))["record"] == ids[-1]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_a_hiccup_of_pubsub_is_tried_again(status: int) -> None:
    pubsub = PubSub(status, 200)

    assert pubsub.topic.wake(["puller-acme-prod-r1"]) == 1
    assert len(pubsub.requests) == 2


@pytest.mark.parametrize(
    ("status", "meaning", "code", "command"),
    [
        (400, Permanent, "google-answer", ""),
        (401, TokenExpired, "", ""),
        (
            403,
            Permanent,
            "queue-permission",
            "gcloud pubsub topics add-iam-policy-binding work --project acme --member MEMBER --role roles/pubsub.publisher",
        ),
        (404, Permanent, "queue-missing", "gcloud pubsub topics create work --project acme"),
    ],
)
def test_each_refusal_says_what_was_attempted_and_what_to_do(
    status: int, meaning: type[RotatorError], code: str, command: str
) -> None:
    with pytest.raises(meaning, match=f"^publishing to {WORK}: ") as caught:
        PubSub(status).topic.wake(["puller-acme-prod-r1"])

    assert (getattr(caught.value, "code", ""), getattr(caught.value, "next_command", "")) == (code, command)
    assert "secret" not in str(caught.value)


def test_no_answer_costs_nothing_but_time() -> None:
    def dead(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    rest = Rest(httpx.Client(transport=httpx.MockTransport(dead)), lambda: "token", "https://pubsub.googleapis.com")
    with pytest.raises(Transient, match="the next schedule finds the work again"):
        Topic(rest, WORK).wake(["puller-acme-prod-r1"])
