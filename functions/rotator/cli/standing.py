"""The part of `rotator doctor` that is about an installation: asked where the deployment's facts are set."""

from collections.abc import Iterator, Mapping

from rotator import announcer, checkup, delivery, premises, staged, wiring
from rotator.checkup import Line
from rotator.clients.garden import KubernetesGarden
from rotator.errors import Absent, RotatorError
from rotator.neighbours import Neighbours
from rotator.permission import Resource
from rotator.settings import Settings

POLICIES = "only an upload tells whether an organization forbids it; a refusal blocks the rotation and names the constraint"


def examined(
    settings: Settings, neighbours: Neighbours, gardens: Mapping[str, KubernetesGarden], *, readable: bool
) -> Iterator[Line]:
    """Every line about what stands around the doors. `readable`: the books could be read."""
    facts = settings.deployment
    if not (facts.firestore or facts.work_topic or facts.expiry_topic or facts.schedule_job):
        return
    member = _member(neighbours)
    if facts.firestore:
        database = wiring.probe(neighbours)
        try:
            yield from premises.firestore(facts.firestore, database, neighbours.lifetimes(), member, readable=readable)
        finally:
            database.close()
    if facts.work_topic or facts.expiry_topic:
        yield from _topics(settings, neighbours, member)
    yield from premises.schedule(facts.schedule_job, neighbours.timetable(), member)
    for name, garden in gardens.items():
        yield from _garden(name, garden, neighbours)
    yield premises.clock(neighbours.clock.skew)
    for project in sorted({charge.project for charge in neighbours.charges if charge.policy.mode != "observe"}):
        yield premises.unasked("google", project, "organization policies", POLICIES)


def _topics(settings: Settings, neighbours: Neighbours, member: str) -> Iterator[Line]:
    facts, messaging = settings.deployment, neighbours.messaging()
    doors: tuple[tuple[str, delivery.Door], ...] = ((facts.work_topic, "worker"), (facts.expiry_topic, "events"))
    for name, door in doors:
        if name:
            asked = delivery.Topic(name=name, door=door, writes=door == "worker", budget=facts.budget, member=member)
            yield from delivery.topic(asked, messaging)
    if facts.expiry_topic:
        yield from announcer.announced(facts.expiry_topic, _numbers(neighbours), messaging)


def _numbers(neighbours: Neighbours) -> dict[str, str]:
    """Of each project with staging secrets its number, as a secret of it tells; empty: none does."""
    review, found = neighbours.asked().review, dict[str, str]()
    for charge in neighbours.charges:
        project = neighbours.staging[charge.email]
        if charge.policy.mode != "observe" and not found.get(project):
            secret = Resource("secret", staged.secret_id(charge.base), project)
            try:
                found[project] = review.number(secret)
            except RotatorError:  # the staging secret has lines of its own
                found[project] = ""
    return found


def _garden(name: str, garden: KubernetesGarden, neighbours: Neighbours) -> Iterator[Line]:
    issued, ends = garden.age()
    yield premises.login(name, issued, ends, neighbours.clock.now())
    try:
        yield premises.versions(name, *garden.versions())
    except RotatorError as caught:
        yield checkup.fault("garden", name, "version", caught)
    try:
        yield premises.extension(name, *garden.extension())
    except Absent:
        yield premises.no_extension(name)
    except RotatorError as caught:
        yield checkup.fault("garden", name, "extension", caught)


def _member(neighbours: Neighbours) -> str:
    """Who we are, for commands to paste."""
    try:
        return neighbours.access().member
    except RotatorError:
        return "MEMBER"
