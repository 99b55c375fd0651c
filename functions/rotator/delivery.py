"""Pub/Sub as the doors need it: topics, our right to publish, and how their subscriptions push. For `rotator doctor`.

A subscription that nobody looks at fails months later: Pub/Sub deletes an idle one after 31 days, sends a slow push a second
time, and carries a message that nobody takes around for a week. Source: Pub/Sub's REST reference, projects.subscriptions.
"""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal, Protocol

import msgspec

from rotator import checkup
from rotator.checkup import Line, Status
from rotator.errors import Absent, RotatorError, Transient, Unreadable, Untold

Door = Literal["worker", "events"]

LONGEST = timedelta(seconds=600)
"""Pub/Sub's longest ack deadline."""

ROOM = timedelta(seconds=20)
"""Between the end of a budget and the ack deadline: the answer is on its way."""

ROTATE = "SECRET_ROTATE"
FILTER = f'NOT attributes:eventType OR attributes.eventType="{ROTATE}"'
"""Of what Secret Manager publishes only that a key becomes due, and everything of the other sources."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription of a topic. `endpoint` empty: it does not push; `identity`: whom a push comes from, as an address."""

    name: str
    endpoint: str = ""
    identity: str = ""
    deadline: timedelta = timedelta(seconds=10)
    dead_letter: str = ""
    expires: bool = True
    filter: str = ""


class Messaging(Protocol):
    """Pub/Sub, asked; nothing is changed. All raise: Absent for a topic that is not there, Unreadable, Transient, Permanent."""

    def publishes(self, topic: str) -> bool:
        """We may publish on it."""
        ...

    def look(self, topic: str) -> None:
        """It is there."""
        ...

    def subscriptions(self, topic: str) -> tuple[Subscription, ...]:
        """All that hang on it."""
        ...


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of one topic. `writes`: we publish on it; `budget`: how long its door may go on; `member`: who we are."""

    name: str
    door: Door
    writes: bool
    budget: timedelta
    member: str

    @property
    def project(self) -> str:
        """Whose it is."""
        return self.name.split("/")[1]

    @property
    def short(self) -> str:
        """Its name in its project."""
        return self.name.split("/")[3]

    @property
    def deadline(self) -> timedelta:
        """A good ack deadline for its subscription."""
        return min(self.budget + ROOM, LONGEST)

    @property
    def create(self) -> str:
        """The command that makes it."""
        return f"gcloud pubsub topics create {self.short} --project {self.project}"

    @property
    def create_dead(self) -> str:
        """The command that makes the topic of its dead letters."""
        return f"gcloud pubsub topics create {self.short}-dead --project {self.project}"

    @property
    def dead_letter(self) -> str:
        """Options of a dead letter policy."""
        return f"--dead-letter-topic projects/{self.project}/topics/{self.short}-dead --max-delivery-attempts 20"

    def subscribe(self, name: str = "", endpoint: str = "") -> str:
        """The command that makes its subscription; the topic of dead letters is there."""
        filtered = f" --message-filter '{FILTER}'" if self.door == "events" else ""
        return (
            f"gcloud pubsub subscriptions create {name or f'{self.short}-{self.door}'} --project {self.project}"
            f" --topic {self.short} --push-endpoint {endpoint or f'{self.door.upper()}_URL'}"
            f" --push-auth-service-account INVOKER --ack-deadline {_seconds(self.deadline)}"
            f" --expiration-period never {self.dead_letter}{filtered}"
        )


def topic(asked: Topic, messaging: Messaging) -> Iterator[Line]:
    """The topic is there, we may publish, and its subscriptions are as its door needs them."""
    try:
        known = _known(asked, messaging)
    except Absent:
        yield _line(asked, "topic", "missing", f"there is no such topic: {_purpose(asked)}", asked.create)
        return
    except RotatorError as caught:
        yield _unread(asked, "topic", caught)
        if isinstance(caught, Transient) or not asked.writes:
            return  # the next question would be answered alike
    else:
        yield from known
    yield from _subscriptions(asked, messaging)


def _known(asked: Topic, messaging: Messaging) -> list[Line]:
    if not asked.writes:
        messaging.look(asked.name)
        return [_line(asked, "topic", "ok")]
    try:
        publishes = messaging.publishes(asked.name)
    except Untold:
        messaging.look(asked.name)
        return [_line(asked, "topic", "ok"), checkup.untold("pubsub", asked.name, "pubsub.topics.publish", "permissions")]
    if publishes:
        return [_line(asked, "topic", "ok"), _line(asked, "pubsub.topics.publish", "ok")]
    with contextlib.suppress(Unreadable):
        messaging.look(asked.name)  # testIamPermissions may say "none" of a topic that is not there
    grant = (
        f"gcloud pubsub topics add-iam-policy-binding {asked.short} --project {asked.project}"
        f" --member {asked.member} --role roles/pubsub.publisher"
    )
    return [_line(asked, "pubsub.topics.publish", "missing", "needed to wake workers", grant)]


def _subscriptions(asked: Topic, messaging: Messaging) -> Iterator[Line]:
    try:
        found = messaging.subscriptions(asked.name)
    except RotatorError as caught:
        yield _unread(asked, "subscriptions", caught)
        return
    pushing = [each for each in found if each.endpoint]
    for each in pushing:
        yield from _pushing(asked, each)
    if pushing:
        return  # subscriptions that do not push beside it are somebody else's
    if not found:
        mend = f"{asked.create_dead} && {asked.subscribe()}"
        yield _line(asked, "subscription", "missing", f"nobody hears it: {_purpose(asked)}", mend)
    for each in found:
        mend = (
            f"gcloud pubsub subscriptions modify-push-config {_short(each)} --project {_project(each)}"
            f" --push-endpoint {asked.door.upper()}_URL --push-auth-service-account INVOKER"
        )
        yield _fault(each, "push endpoint", f"it does not push: {_purpose(asked)}", mend)


def _pushing(asked: Topic, found: Subscription) -> Iterator[Line]:
    update = f"gcloud pubsub subscriptions update {_short(found)} --project {_project(found)}"
    yield _ok(found, "push endpoint", found.endpoint)
    if found.endpoint.startswith("https:") and not found.identity:
        mend = f"{update} --push-endpoint {found.endpoint} --push-auth-service-account INVOKER"
        yield _fault(found, "push identity", "it pushes in nobody's name: Cloud Run refuses that", mend)
    elif found.identity:
        yield _ok(found, "push identity", found.identity)
    if found.deadline > asked.budget:
        yield _ok(found, "ack deadline", f"{_seconds(found.deadline)} s")
    else:
        why = f"{_seconds(found.deadline)} s, and an activation may take {_seconds(asked.budget)} s: each would come twice"
        yield _fault(found, "ack deadline", why, f"{update} --ack-deadline {_seconds(asked.deadline)}")
    if found.dead_letter and found.dead_letter != "_deleted-topic_":
        yield _ok(found, "dead letter policy", found.dead_letter)
    else:
        why = "what no door takes comes again for a week, and nobody sees it"
        yield _fault(found, "dead letter policy", why, f"{asked.create_dead} && {update} {asked.dead_letter}")
    if found.expires:
        why = "Pub/Sub deletes it once it was idle for so long; rotations are months apart"
        yield _fault(found, "expires never", why, f"{update} --expiration-period never")
    else:
        yield _ok(found, "expires never")
    if asked.door == "events":
        yield _filtered(asked, found)


def _filtered(asked: Topic, found: Subscription) -> Line:
    """Without a filter the door ignores what is not for it: a waste. One that keeps the event away is a fault."""
    if ROTATE in found.filter:
        return _ok(found, "filter", found.filter)
    delete = f"gcloud pubsub subscriptions delete {_short(found)} --project {_project(found)}"
    mend = f"{delete} && {asked.subscribe(_short(found), found.endpoint)}"  # a filter can never be changed
    if found.filter:
        return _fault(found, "filter", f"{ROTATE} does not pass {found.filter}: no key is announced", mend)
    line = _fault(found, "filter", "every write to a staging secret wakes the door, our own too", mend)
    return msgspec.structs.replace(line, optional=True)


def _unread(asked: Topic, what: str, caught: RotatorError) -> Line:
    line = checkup.fault("pubsub", asked.name, what, caught)
    if not isinstance(caught, Unreadable):
        return line
    look = f"gcloud projects add-iam-policy-binding {asked.project} --member {asked.member} --role roles/pubsub.viewer"
    return msgspec.structs.replace(line, mend=f"{look} --condition None")


def _purpose(asked: Topic) -> str:
    return "no worker is woken" if asked.door == "worker" else "no event about a key arrives"


def _line(asked: Topic, what: str, status: Status, why: str = "", mend: str = "") -> Line:
    return Line(part="pubsub", subject=asked.name, what=what, status=status, why=why, mend=mend)


def _ok(found: Subscription, what: str, why: str = "") -> Line:
    return Line(part="pubsub", subject=found.name, what=what, status="ok", why=why)


def _fault(found: Subscription, what: str, why: str, mend: str) -> Line:
    return Line(part="pubsub", subject=found.name, what=what, status="missing", why=why, mend=mend)


def _short(found: Subscription) -> str:
    return found.name.rpartition("/")[2]


def _project(found: Subscription) -> str:
    return found.name.split("/")[1]


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
