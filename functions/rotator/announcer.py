"""Whether Secret Manager may publish on the expiry topic, as the topic's own policy tells it. For `rotator doctor`.

Nobody tells what another identity may do in the end: a binding on the project, a folder or the organisation lets it publish as
well and cannot be seen here. So an agent that is not bound on the topic is told, and is no error: without events the schedule
finds the keys that are due.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

from rotator import checkup, staged
from rotator.checkup import Line
from rotator.errors import Absent, RotatorError, Unreadable

WHAT = "Secret Manager may publish"

PUBLISHING = frozenset({"roles/pubsub.publisher", "roles/pubsub.editor", "roles/pubsub.admin", "roles/editor", "roles/owner"})
"""Google's own roles with pubsub.topics.publish."""

EVERYBODY = frozenset({"allUsers", "allAuthenticatedUsers"})

_CONDITION = "_withcond_"
"""In the name of a role that is bound under a condition."""

_AGENT = re.compile(r"serviceAccount:service-\d+@gcp-sa-secretmanager\.iam\.gserviceaccount\.com")


class Binding(msgspec.Struct, frozen=True):
    """Members of a policy that have this role; a role under a condition has a name of its own."""

    role: str
    members: tuple[str, ...] = ()


class Policies(Protocol):
    """Who may do what on topics."""

    def bindings(self, topic: str) -> tuple[Binding, ...]:
        """Those on the topic itself. Raises: Absent, Untold, Unreadable, Transient, Permanent."""
        ...


def announced(topic: str, numbers: Mapping[str, str], policies: Policies) -> Iterator[Line]:
    """A line for each project with staging secrets. `numbers`: of these projects; empty: nobody tells it to us."""
    try:
        bindings = policies.bindings(topic)
    except Absent:
        return  # it is told already
    except Unreadable:
        _, project, _, short = topic.split("/")
        look = f"gcloud pubsub topics get-iam-policy {short} --project {project}"
        yield _quiet(topic, WHAT, "not looked at: we lack pubsub.topics.getIamPolicy", look)
        return
    except RotatorError as caught:
        yield checkup.fault("pubsub", topic, WHAT, caught)
        return
    for project, number in sorted(numbers.items()):
        yield _judged(topic, project, number, bindings) if number else _nameless(topic, project, bindings)


def _judged(topic: str, project: str, number: str, bindings: tuple[Binding, ...]) -> Line:
    what, agent = f"{WHAT}, {project}", f"serviceAccount:{staged.agent(number)}"
    roles = {each.role for each in bindings if not {agent, *EVERYBODY}.isdisjoint(each.members)}
    if found := sorted(roles & PUBLISHING):
        return Line(part="pubsub", subject=topic, what=what, status="ok", why=found[0], optional=True)
    if closed := sorted(role for role in roles if not role.startswith("roles/") or _CONDITION in role):
        why = f"not told: whether {', '.join(closed)} lets it, a role of yours or under a condition"
        return _quiet(topic, what, why, staged.publishing(topic, number))
    return _missing(topic, what, staged.publishing(topic, number))


def _nameless(topic: str, project: str, bindings: tuple[Binding, ...]) -> Line:
    """No staging secret tells the project's number, so which agent is the project's is not known."""
    what = f"{WHAT}, {project}"
    able = {member for each in bindings if each.role in PUBLISHING for member in each.members}
    agents = sorted(member for member in able if member in EVERYBODY or _AGENT.fullmatch(member))
    grant = staged.publishing(topic, staged.number(project))
    if not agents:
        return _missing(topic, what, grant)
    why = f"not told: whose {', '.join(agents)} is; no staging secret tells us the number of {project}"
    return _quiet(topic, what, why, grant)


def _missing(topic: str, what: str, mend: str) -> Line:
    why = (
        "its agent is not bound on the topic (what is bound on the project or above cannot be seen here): unless it is there,"
        " no event tells that a key becomes due, and the schedule has to find it"
    )
    return Line(part="pubsub", subject=topic, what=what, status="missing", why=why, mend=mend, optional=True)


def _quiet(topic: str, what: str, why: str, mend: str) -> Line:
    return Line(part="pubsub", subject=topic, what=what, status="unknown", why=why, mend=mend, optional=True)
