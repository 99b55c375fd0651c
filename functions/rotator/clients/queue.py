"""Messages to `worker`: one per record that should be carried on. Pub/Sub over REST.

Not by google-cloud-pubsub: its publisher sends from a thread of its own, and on Cloud Run no thread runs after the answer; it
costs 200 ms of a cold start as well. A message that is lost is no loss: the next schedule finds the work again.
Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish
"""

import base64
from collections.abc import Callable, Sequence

import httpx
import msgspec

from rotator.clients import calls
from rotator.errors import Permanent, RotatorError, TokenExpired, Transient
from rotator.record import saga

MOST = 1000
"""Messages of one request, by Pub/Sub's limit."""

WAKE = "wake"
PUBSUB = "https://pubsub.googleapis.com"


class Topic:
    """One topic of Pub/Sub. Safe for threads."""

    def __init__(self, http: httpx.Client, authorize: Callable[[], str], name: str, base: str = PUBSUB) -> None:
        """`name`: projects/P/topics/T; `base`: Pub/Sub, or an emulator of it. Connects at the first message."""
        self._http = http
        self._authorize = authorize
        self._name = name
        self._url = f"{base}/v1/{name}:publish"

    def wake(self, record_ids: Sequence[str]) -> int:
        """A message is out for each record; how many. Sent twice, a message does nothing more: the record is claimed once.

        Raises: Transient, Permanent.
        """
        for start in range(0, len(record_ids), MOST):
            messages = [_message(each) for each in record_ids[start : start + MOST]]
            calls.call(lambda messages=messages: self._publish(messages), self._meaning, repeat=True)  # type: ignore[misc]
        return len(record_ids)

    def _publish(self, messages: list[dict[str, object]]) -> None:
        answer = self._http.post(
            self._url,
            content=msgspec.json.encode({"messages": messages}),
            headers={"Authorization": f"Bearer {self._authorize()}", "Content-Type": "application/json"},
        )
        answer.raise_for_status()

    def _meaning(self, fault: Exception) -> RotatorError | None:
        what = f"publishing to {self._name}"
        if isinstance(fault, RotatorError):
            return fault
        if isinstance(fault, httpx.TransportError):
            return Transient(f"{what}: {type(fault).__name__}; the next schedule finds the work again")
        if not isinstance(fault, httpx.HTTPStatusError):
            return None
        status = fault.response.status_code
        _, project, _, topic = self._name.split("/")
        grant = (
            f"gcloud pubsub topics add-iam-policy-binding {topic} --project {project}"
            " --member MEMBER --role roles/pubsub.publisher"
        )
        match status:
            case 401:
                return TokenExpired(f"{what}: our access token is not accepted any more")
            case 403:
                return Permanent(
                    f"{what}: 403: we lack pubsub.topics.publish; grant it: {grant}",
                    code="queue-permission",
                    next_command=grant,
                )
            case 404:
                return Permanent(
                    f"{what}: there is no such topic; make it, or correct ROTATOR_WORK_TOPIC",
                    code="queue-missing",
                    next_command=f"gcloud pubsub topics create {topic} --project {project}",
                )
            case 408 | 409 | 429 | 500 | 502 | 503 | 504:
                return Transient(f"{what}: {status}; the next schedule finds the work again")
            case _:
                return Permanent(f"{what}: {status}", code="google-answer")


def _message(record_id: str) -> dict[str, object]:
    """`saga` is what subscriptions filter by, where those who make keys and those who take them away are two identities."""
    data = msgspec.json.encode({"schema": "registry-key-rotator/v1", "kind": WAKE, "record": record_id})
    return {"data": base64.b64encode(data).decode("ascii"), "attributes": {"kind": WAKE, "saga": saga(record_id)}}
