"""Topics and subscriptions as Pub/Sub tells about them: protocols `delivery.Messaging`, `announcer.Policies`. Only reads.

Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
"""

from datetime import timedelta

import msgspec

from rotator.announcer import Binding
from rotator.clients.rest import Rest
from rotator.delivery import Subscription

PAGE = "100"


class _Names(msgspec.Struct, frozen=True, rename="camel"):
    """A page of projects.topics.subscriptions.list."""

    subscriptions: tuple[str, ...] = ()
    next_page_token: str = ""


class _Identity(msgspec.Struct, frozen=True, rename="camel"):
    service_account_email: str = ""


class _Push(msgspec.Struct, frozen=True, rename="camel"):
    push_endpoint: str = ""
    oidc_token: _Identity = _Identity()


class _Expiration(msgspec.Struct, frozen=True):
    """There without a ttl: never. Not there: Pub/Sub's default of 31 days."""

    ttl: str = ""


class _DeadLetter(msgspec.Struct, frozen=True, rename="camel"):
    dead_letter_topic: str = ""


class _Subscription(msgspec.Struct, frozen=True, rename="camel"):
    """What Pub/Sub answers, as far as it decides."""

    name: str
    push_config: _Push = _Push()
    ack_deadline_seconds: int = 10
    dead_letter_policy: _DeadLetter = _DeadLetter()
    expiration_policy: _Expiration | None = None
    filter: str = ""


class _Policy(msgspec.Struct, frozen=True):
    """Of topics.getIamPolicy in version 1, which is what is answered unless one asks for another: no binding, no field."""

    bindings: tuple[Binding, ...] = ()


class Messaging:
    """Asks Pub/Sub. Safe for threads."""

    def __init__(self, rest: Rest) -> None:
        """Ask nothing yet."""
        self._rest = rest

    def publishes(self, topic: str) -> bool:
        """We may publish on it; no message is sent to find out. Raises: Absent, Unreadable, Transient, Permanent."""
        return bool(self._rest.held(topic, ["pubsub.topics.publish"]))

    def look(self, topic: str) -> None:
        """It is there. Raises: as above."""
        self._rest.get(topic, dict)

    def bindings(self, topic: str) -> tuple[Binding, ...]:
        """Who has which role on the topic itself. Raises: as above."""
        return self._rest.get(f"{topic}:getIamPolicy", _Policy).bindings

    def subscriptions(self, topic: str) -> tuple[Subscription, ...]:
        """All that hang on it, in the order of their names. Raises: as above."""
        names: list[str] = []
        query = {"pageSize": PAGE}
        while True:
            page = self._rest.get(f"{topic}/subscriptions", _Names, **query)
            names += page.subscriptions
            if not page.next_page_token:
                break
            query["pageToken"] = page.next_page_token
        return tuple(_read(self._rest.get(name, _Subscription)) for name in sorted(names))


def _read(found: _Subscription) -> Subscription:
    return Subscription(
        name=found.name,
        endpoint=found.push_config.push_endpoint,
        identity=found.push_config.oidc_token.service_account_email,
        deadline=timedelta(seconds=found.ack_deadline_seconds),
        dead_letter=found.dead_letter_policy.dead_letter_topic,
        expires=found.expiration_policy is None or bool(found.expiration_policy.ttl),
        filter=found.filter,
    )
