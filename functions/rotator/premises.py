"""`rotator doctor` for an installation in the cloud: what stands around the doors, one line each. Nothing is changed.

Asked are Firestore, Cloud Scheduler, the clocks and the Gardens' logins; Pub/Sub has a file of its own (`delivery`). What no
server tells without an effect is a line as well, "not asked": nobody should take its absence for a yes.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from rotator import checkup
from rotator.checkup import Line, Status
from rotator.errors import Absent, RotatorError, Unreadable, Untold
from rotator.report import form

SKEW = timedelta(seconds=30)
"""A machine's clock may be off by so much: the rotator goes by the servers', TLS and logs by the machine's."""

OLD = 0.1
"""A login with less than this of its life left should have been renewed."""

BRIEF = timedelta(hours=2)
"""Logins that live shorter are renewed by whoever gives them, at the last moment."""

USER = "roles/datastore.user"

_LIVING = {"ACTIVE", "CREATING"}
"""States of a time-to-live policy that needs nothing; CREATING: documents from before it are still being looked through."""


class Database(Protocol):
    """The Firestore database that keeps the records."""

    @property
    def indexes(self) -> tuple[tuple[str, ...], ...]:
        """The composite indexes that queries need, by their fields."""
        ...

    @property
    def ttl(self) -> tuple[str, str]:
        """The collection group whose documents go at a time, and the field that holds it."""
        ...

    def indexed(self, fields: tuple[str, ...]) -> bool:
        """The query that needs this index is served. Raises: RotatorError; Untold where every query is."""
        ...

    def create_index(self, fields: tuple[str, ...]) -> str:
        """The command that makes it."""
        ...

    def writes(self) -> bool:
        """We may create, change and delete documents. Raises: RotatorError."""
        ...


class Lifetimes(Protocol):
    """Firestore's time-to-live policies."""

    def state(self, database: str, group: str, field: str) -> str:
        """Of this field's policy, in Firestore's word; empty: it has none. Raises: Untold, Unreadable, Transient, Permanent."""
        ...


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job of Cloud Scheduler. `attempted` None: it has never run. `failure`: of its last attempt; empty: it went well."""

    name: str
    target: str
    identity: str
    state: str
    attempted: datetime | None
    failure: str


class Timetable(Protocol):
    """Cloud Scheduler."""

    def job(self, name: str) -> Job:
        """The job of this name. Raises: Absent, Unreadable, Transient, Permanent."""
        ...


# --- Firestore ---


def firestore(name: str, database: Database, lifetimes: Lifetimes, member: str, *, readable: bool) -> Iterator[Line]:
    """Records can be written, each query has its index, and old history goes. `readable`: if not, only the first is asked."""
    grant = f"gcloud projects add-iam-policy-binding {name.split('/')[1]} --member {member} --role {USER} --condition None"
    try:
        writes = database.writes()
    except RotatorError as caught:
        if readable:  # what ails reading as well is told already
            yield checkup.fault("firestore", name, "writable", caught)
    else:
        line = Line(part="firestore", subject=name, what="writable", status="ok")
        why = "we lack datastore.entities.create, update or delete: needed to keep records"
        yield line if writes else msgspec.structs.replace(line, status="missing", why=why, mend=grant)
    if readable:
        yield from (_index(name, database, fields) for fields in database.indexes)
        yield _lifetime(name, database, lifetimes, grant)


def _index(name: str, database: Database, fields: tuple[str, ...]) -> Line:
    what = f"index {', '.join(fields)}"
    try:
        if database.indexed(fields):
            return Line(part="firestore", subject=name, what=what, status="ok")
    except Untold:
        return checkup.untold("firestore", name, what, "whether it is there: it answers without one")
    except RotatorError as caught:
        return checkup.fault("firestore", name, what, caught)
    why = "it is missing, or still being built: queries that need it fail; terraform apply makes it, or gcloud"
    return Line(part="firestore", subject=name, what=what, status="missing", why=why, mend=database.create_index(fields))


def _lifetime(name: str, database: Database, lifetimes: Lifetimes, grant: str) -> Line:
    """History says itself when it may go; without the policy nothing takes it away. Rotations do not care."""
    group, field = database.ttl
    line = Line(part="firestore", subject=name, what=f"time to live of {group}/{field}", status="ok", optional=True)
    try:
        state = lifetimes.state(name, group, field)
    except Unreadable:
        why = "not looked at: we lack datastore.indexes.list"
        return msgspec.structs.replace(line, status="unknown", why=why, mend=grant)
    except RotatorError as caught:
        return checkup.fault("firestore", name, line.what, caught)
    if state in _LIVING:
        return msgspec.structs.replace(line, why=state.lower())
    why = f"its policy is {state}" if state else "there is no such policy"
    why += ": old history stays and is paid for; terraform apply makes it, or gcloud"
    _, project, _, short = name.split("/")
    mend = (
        f"gcloud firestore fields ttls update {field} --collection-group={group} --enable-ttl"
        f" --database={short} --project {project}"
    )
    return msgspec.structs.replace(line, status="missing", why=why, mend=mend)


# --- Cloud Scheduler ---


def schedule(name: str, timetable: Timetable, member: str) -> Iterator[Line]:
    """The job that calls `schedule` is there, enabled, calls by HTTP, and its last attempt went well."""
    if not name:
        yield unasked("scheduler", "schedule", "job", "no fact names it: ROTATOR_SCHEDULE_JOB=projects/P/locations/L/jobs/J")
        return
    _, project, _, location, _, short = name.split("/")
    place = f"{short} --project {project} --location {location}"
    try:
        found = timetable.job(name)
    except Absent:
        why = "there is no such job: nothing begins by itself"
        target = "--schedule '*/5 * * * *' --http-method POST --uri SCHEDULE_URL --oidc-service-account-email INVOKER"
        yield _job(name, "job", "missing", why, f"gcloud scheduler jobs create http {place} {target}")
        return
    except RotatorError as caught:
        line = checkup.fault("scheduler", name, "job", caught)
        look = f"gcloud projects add-iam-policy-binding {project} --member {member} --role roles/cloudscheduler.viewer"
        yield msgspec.structs.replace(line, mend=f"{look} --condition None") if isinstance(caught, Unreadable) else line
        return
    yield from _running(found, place)


def _running(found: Job, place: str) -> Iterator[Line]:
    if found.target:
        yield _job(found.name, "job", "ok", found.target)
    else:
        mend = f"gcloud scheduler jobs delete {place}"
        yield _job(found.name, "job", "missing", "it calls nobody by HTTP: delete it, and make one that does", mend)
    if found.identity:
        yield _job(found.name, "identity", "ok", found.identity)
    elif found.target.startswith("https:"):
        mend = f"gcloud scheduler jobs update http {place} --oidc-service-account-email INVOKER"
        yield _job(found.name, "identity", "missing", "it calls in nobody's name: Cloud Run refuses that", mend)
    if found.state != "ENABLED":
        yield _job(found.name, "enabled", "missing", f"it is {found.state}", f"gcloud scheduler jobs resume {place}")
        return  # what a paused one did last is past
    yield _job(found.name, "enabled", "ok")
    run = f"gcloud scheduler jobs run {place}"
    if found.attempted is None:
        yield _job(found.name, "last attempt", "missing", "it has never run", run)
    elif found.failure:
        why = f"at {form.clock(found.attempted)} it failed: {found.failure}; the log of `schedule` says why, if it came so far"
        yield _job(found.name, "last attempt", "missing", why, run)
    else:
        yield _job(found.name, "last attempt", "ok", f"at {form.clock(found.attempted)}")


def _job(name: str, what: str, status: Status, why: str = "", mend: str = "") -> Line:
    return Line(part="scheduler", subject=name, what=what, status=status, why=why, mend=mend)


# --- clocks, logins, and what nobody tells ---


def clock(skew: timedelta) -> Line:
    """This machine's clock and the servers' agree. `skew`: how much the servers are ahead."""
    seconds = skew.total_seconds()
    why = f"the servers are {abs(seconds):.0f} s {'ahead' if seconds >= 0 else 'behind'}"
    line = Line(part="clock", subject="this machine", what="servers' time", status="ok", why=why, optional=True)
    if abs(skew) <= SKEW:
        return line
    why += "; gates go by the servers' time, certificates and logs by this one"
    return msgspec.structs.replace(line, status="missing", why=why, mend="timedatectl set-ntp true")


def versions(garden: str, gardener: str, kubernetes: str) -> Line:
    """Which versions the Garden says it is. `gardener` empty: it does not tell us."""
    line = Line(part="garden", subject=garden, what="version", status="ok", why=f"Gardener {gardener}, Kubernetes {kubernetes}")
    if gardener:
        return line
    return msgspec.structs.replace(line, why=f"Kubernetes {kubernetes}; Gardener's own is not told to us")


def extension(garden: str, registration: str, version: str) -> Line:
    """As whom the extension is registered, and its version; empty: not told."""
    if registration and version:
        return Line(part="garden", subject=garden, what="extension", status="ok", why=f"{registration} {version}")
    why = f"the version of {registration}" if registration else "the registry cache's registration"
    return unasked("garden", garden, "extension", f"{why} is for operators to read")


def no_extension(garden: str) -> Line:
    """Nobody in the Garden serves registry caches."""
    why = "no ControllerRegistration serves registry-cache: no Shoot can have a cache"
    look = "kubectl get controllerregistrations; its operators install gardener-extension-registry-cache"
    return Line(part="garden", subject=garden, what="extension", status="missing", why=why, mend=look)


def login(garden: str, issued: datetime | None, ends: datetime | None, now: datetime) -> Line:
    """The Garden's token has more than a tenth of its life before it. `issued`, `ends`: None when it does not tell."""
    line = Line(part="garden", subject=garden, what="token", status="ok", why="it does not tell its age")
    if ends is None:
        return line
    age = f"{form.span(now - issued)} old, " if issued else ""
    line = msgspec.structs.replace(line, why=f"{age}good for {form.span(ends - now)}")
    life = ends - issued if issued else timedelta(0)
    if life < BRIEF or ends - now > life * OLD:
        return line
    why = f"{line.why}: nobody has renewed it, and then this Garden is closed to us"
    return msgspec.structs.replace(line, status="missing", why=why, mend=f"renew the login of garden {garden}, by who gave it")


def unasked(part: str, subject: str, what: str, why: str) -> Line:
    """Nobody was asked, because nobody would tell without an effect."""
    return Line(part=part, subject=subject, what=what, status="unknown", why=f"not asked: {why}", optional=True)
