"""Secret Manager's own rotation schedule: what UpdateSecret takes, what it refuses, and when a rotation's time has come.

Source: resources.proto (Rotation, Topic), gcp.md 4.1. The field mask names leaves: `rotation.next_rotation_time`.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from google.cloud import secretmanager_v1 as api
from google.protobuf.field_mask_pb2 import FieldMask

from sandbox.door import Refused
from sandbox.secret_notices import Notices, topics_of

SOONEST = timedelta(seconds=300)
LATEST = timedelta(seconds=3_153_600_000)
SHORTEST_PERIOD = timedelta(seconds=3600)
MOST_TOPICS = 10
KNOWN = {"labels", "annotations", "topics", "rotation", "rotation.next_rotation_time", "rotation.rotation_period"}
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")


def updated(message: Any, wanted: Any, paths: Sequence[str]) -> Any:
    """A copy of the secret's message with these fields as wanted; those that `wanted` does not set are cleared.

    Raises: Refused INVALID_ARGUMENT, UNIMPLEMENTED.
    """
    if not paths:
        raise Refused("INVALID_ARGUMENT", "The update mask must not be empty.")
    if unknown := set(paths) - KNOWN:
        raise Refused("UNIMPLEMENTED", f"The sandbox cannot update {sorted(unknown)}.")
    after = api.Secret(message)
    FieldMask(paths=list(paths)).MergeMessage(
        api.Secret.pb(wanted), api.Secret.pb(after), replace_message_field=True, replace_repeated_field=True
    )
    return after


def check(message: Any, now: datetime, notices: Notices, *, timed: bool, topics: Sequence[str]) -> None:
    """Return only when this schedule is allowed. `timed`: its time is being set; `topics`: those that are being set.

    Raises: Refused.
    """
    if len(message.topics) > MOST_TOPICS or not all(_TOPIC.fullmatch(name) for name in topics_of(message)):
        raise Refused("INVALID_ARGUMENT", f"A secret has at most {MOST_TOPICS} topics, each projects/*/topics/*.")
    if (
        "rotation" in message
        and not message.topics
        and (message.rotation.next_rotation_time or message.rotation.rotation_period)
    ):
        raise Refused("INVALID_ARGUMENT", "Secret.topics must be set to configure rotation.")
    for topic in topics:
        if topic in notices.closed:
            agent = f"service-{message.name.split('/')[1]}@gcp-sa-secretmanager.iam.gserviceaccount.com"
            raise Refused(notices.refusal, f"{agent} does not have permission 'pubsub.topics.publish' on {topic}.")
    rotation = message.rotation
    if "rotation_period" in rotation:
        if "next_rotation_time" not in rotation:
            raise Refused("INVALID_ARGUMENT", "next_rotation_time must be set if rotation_period is set.")
        if not SHORTEST_PERIOD <= rotation.rotation_period <= LATEST:
            raise Refused("INVALID_ARGUMENT", "rotation_period must be between one hour and 100 years.")
    if timed and "next_rotation_time" in rotation and not SOONEST <= rotation.next_rotation_time - now <= LATEST:
        raise Refused("INVALID_ARGUMENT", "next_rotation_time must be between 300 s and 100 years in the future.")


def fire(message: Any, now: datetime, *, keep: bool) -> bool:
    """Whether the secret's time has come. If so it has moved on by its period; without one it is cleared, or stays as it is.

    `keep`: which of the two; not documented, so a client must do with both.
    """
    rotation = message.rotation
    if "next_rotation_time" not in rotation or rotation.next_rotation_time > now:
        return False
    if "rotation_period" in rotation:
        while rotation.next_rotation_time <= now:
            rotation.next_rotation_time += rotation.rotation_period
    elif not keep:
        rotation.next_rotation_time = None
    return True
