"""Messages to `worker`: one per record that should be carried on. Pub/Sub over REST.

Not by google-cloud-pubsub: its publisher sends from a thread of its own, and on Cloud Run no thread runs after the answer; it
costs 200 ms of a cold start as well. A message that is lost is no loss: the next schedule finds the work again.
Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish
"""

import base64
from collections.abc import Sequence

import msgspec

from rotator.clients.rest import Rest
from rotator.errors import Absent, Permanent, TokenExpired, Transient, Unreadable
from rotator.record import saga

MOST = 1000
"""Messages of one request, by Pub/Sub's limit."""

WAKE = "wake"
PUBSUB = "https://pubsub.googleapis.com"


class Topic:
    """One topic of Pub/Sub. Safe for threads."""

    def __init__(self, rest: Rest, name: str) -> None:
        """`rest`: Pub/Sub, or an emulator of it; `name`: projects/P/topics/T. Connects at the first message."""
        self._rest = rest
        self._name = name

    def wake(self, record_ids: Sequence[str]) -> int:
        """A message is out for each record; how many. Sent twice, a message does nothing more: the record is claimed once.

        Raises: Transient, Permanent.
        """
        for start in range(0, len(record_ids), MOST):
            self._publish([_message(each) for each in record_ids[start : start + MOST]])
        return len(record_ids)

    def _publish(self, messages: list[dict[str, object]]) -> None:
        what = f"publishing to {self._name}"
        _, project, _, topic = self._name.split("/")
        try:
            self._rest.post(f"{self._name}:publish", {"messages": messages}, what)
        except Unreadable:
            grant = (
                f"gcloud pubsub topics add-iam-policy-binding {topic} --project {project}"
                " --member MEMBER --role roles/pubsub.publisher"
            )
            raise Permanent(
                f"{what}: 403: we lack pubsub.topics.publish; grant it: {grant}", code="queue-permission", next_command=grant
            ) from None
        except Absent:
            raise Permanent(
                f"{what}: there is no such topic; make it, or correct ROTATOR_WORK_TOPIC",
                code="queue-missing",
                next_command=f"gcloud pubsub topics create {topic} --project {project}",
            ) from None
        except TokenExpired:
            raise
        except Transient as fault:
            raise Transient(f"{fault}; the next schedule finds the work again") from None


def _message(record_id: str) -> dict[str, object]:
    """`saga` is what subscriptions filter by, where those who make keys and those who take them away are two identities."""
    data = msgspec.json.encode({"schema": "registry-key-rotator/v1", "kind": WAKE, "record": record_id})
    return {"data": base64.b64encode(data).decode("ascii"), "attributes": {"kind": WAKE, "saga": saga(record_id)}}
