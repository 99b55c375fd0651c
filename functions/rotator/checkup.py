"""`rotator doctor`: everything the rotator needs from outside is asked for, one line each. Nothing is changed.

The servers are asked themselves: the Garden's authorizer, IAM's testIamPermissions, a read of the metric, a login page of each
registry. A part that cannot be asked is a line of its own and hides no other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import msgspec

from rotator import permission, staged
from rotator.errors import Absent, Permanent, RotatorError, Untold
from rotator.key import TOKEN_URI
from rotator.needs import Need, PlaceNeeds
from rotator.permission import GardenRight, GoogleRight, Resource
from rotator.record import Place
from rotator.view import Charge

Status = Literal["ok", "missing", "unknown"]

AT_ONCE = 4
"""Questions to one Garden at the same time."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is needed. `mend`: the command or change that mends it. `optional`: the rotator does without, slower."""

    part: str
    subject: str
    what: str
    status: Status
    why: str = ""
    mend: str = ""
    optional: bool = False


class GardenReview(Protocol):
    """A Garden's authorizer."""

    def may(self, right: GardenRight, namespace: str, name: str = "") -> bool:
        """We may do this there, to the object of this name or, without one, to all."""
        ...

    def account(self) -> tuple[str, str]:
        """Namespace and name of the ServiceAccount that we are there. Raises: Permanent for who is none."""
        ...


class GoogleReview(Protocol):
    """What Google says about us."""

    def member(self) -> str:
        """Who we are, as IAM policies name it."""
        ...

    def held(self, resource: Resource, names: Sequence[str]) -> frozenset[str]:
        """Those of the permissions that we hold on the resource; none on a staging secret that is not there."""
        ...

    def mark(self, resource: Resource) -> str:
        """The installation that the staging secret says it belongs to. Raises: Absent."""
        ...

    def number(self, resource: Resource) -> str:
        """The number of the staging secret's project. Raises: Absent, Permanent."""
        ...

    def tokens(self) -> None:
        """Google's token endpoint answers."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """All of Google. `usage` reads a project's metric of key use, `registry` a host's login page; both raise what is wrong."""

    review: GoogleReview
    usage: Callable[[str], None]
    registry: Callable[[str], None]


def fault(part: str, subject: str, what: str, caught: RotatorError) -> Line:
    """What could not be asked, and how to go on where that is known; what an emulator does not tell is no fault."""
    if isinstance(caught, Untold):
        return untold(part, subject, what)
    mend = caught.next_command if isinstance(caught, Permanent) and "retry" not in caught.next_command else ""
    why = str(caught).replace("; tried again later", "")  # not by us
    return Line(part=part, subject=subject, what=what, status="unknown", why=why, mend=mend)


def untold(part: str, subject: str, what: str, of: str = "") -> Line:
    """An emulator was asked, which does not tell this; `of`: what, where `what` does not say it."""
    why = f"the emulator does not tell {of}".rstrip()
    return Line(part=part, subject=subject, what=what, status="unknown", why=why, optional=True)


def whole(part: str, lines: Iterator[Line], caught: Callable[[Exception], None]) -> Iterator[Line]:
    """The lines; a fault of this program ends them with a line of its own, and `caught` is told."""
    try:
        yield from lines
    except Exception as bug:  # noqa: BLE001 - no part may hide another
        caught(bug)
        why = f"a fault of this program ({type(bug).__name__}); for a bug report: rotator doctor --debug"
        yield Line(part=part, subject="the rest", what="to be asked", status="unknown", why=why)


def attempted(part: str, subject: str, what: str, ask: Callable[[], str], mend: str = "") -> Line:
    """`ask` told something good, or could not be asked. `mend`: how a person sees more, where the fault itself does not say."""
    try:
        return Line(part=part, subject=subject, what=what, status="ok", why=ask())
    except RotatorError as caught:
        line = fault(part, subject, what, caught)
        return msgspec.structs.replace(line, mend=line.mend or mend)


# --- Gardens ---


def gardens(needed: Iterable[PlaceNeeds], reviews: Mapping[str, GardenReview]) -> Iterator[Line]:
    """Each right in each namespace. A right that is narrowed by name is missing when one name is."""
    with ThreadPoolExecutor(AT_ONCE, "doctor") as pool:
        for place in needed:
            ask = partial(_right, place.place, reviews[place.place.garden])
            lines = list(pool.map(ask, place.needs))
            yield from lines
            if place.unread and all(line.status == "ok" for line in lines):
                yield Line(
                    part="garden", subject=str(place.place), what="readable", status="unknown", why="; ".join(place.unread)
                )


def _right(place: Place, review: GardenReview, need: Need) -> Line:
    what = str(need.right)
    try:
        if review.may(need.right, place.namespace):
            return Line(part="garden", subject=str(place), what=what, status="ok")
        refused = [name for name in need.names if not review.may(need.right, place.namespace, name)]
    except RotatorError as caught:
        return fault("garden", str(place), what, caught)
    if need.names and not refused:
        return Line(part="garden", subject=str(place), what=what, status="ok", why=f"by name ({len(need.names)})")
    return Line(
        part="garden",
        subject=str(place),
        what=what,
        status="missing",
        why=f"{_of(refused)}: needed to {need.right.why}" if refused else f"needed to {need.right.why}",
        mend=permission.mend(place.garden, place.namespace),
    )


def renewal(garden: str, secret: str, login: GardenReview | None, review: GoogleReview) -> Iterator[Line]:
    """A token that is ours to renew: we may ask for the next one (`login` None: the Garden does not answer), and keep it."""
    if login is not None:
        try:
            namespace, name = login.account()
        except RotatorError as caught:
            yield fault("garden", garden, str(permission.RENEW), caught)
        else:
            yield _right(Place(garden, namespace), login, Need(permission.RENEW, (name,)))
    _, project, _, short = secret.split("/")
    try:
        member = review.member()
    except RotatorError as caught:
        yield fault("garden", secret, "permissions", caught)
        return
    yield from _held("garden", secret, Resource("secret", short, project), permission.KEPT, member, review)


def _of(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "of " + ", ".join(names[:most]) + more


# --- Google ---


def google(
    charges: Sequence[Charge], staging: dict[str, str], installation: str, hosts: Iterable[str], asked: Asked
) -> Iterator[Line]:
    """Every permission on every account, staging secret and project; the registries; the token endpoint.

    `staging`: the staging project of each account.
    """
    review = asked.review
    who = attempted("google", "identity", "access token", review.member)
    yield who
    if who.status == "ok":
        for charge in charges:
            yield from _account(charge, who.why, review)
        writers = [charge for charge in charges if charge.policy.mode != "observe"]
        for charge in writers:
            yield from _staging(charge, staging[charge.email], installation, who.why, review)
        for project in sorted({charge.project for charge in writers}):
            yield _usage(project, asked.usage)
    yield from _reached(hosts, asked)


def _reached(hosts: Iterable[str], asked: Asked) -> Iterator[Line]:
    """Hosts that answer without knowing us; at once, because one that does not answer takes its time."""

    def line(part: str, subject: str, url: str, ask: Callable[[], None]) -> Line:
        return attempted(part, subject, "reachable", partial(_silent, ask), f"curl -i {url}")

    with ThreadPoolExecutor(AT_ONCE, "doctor") as pool:
        coming = [pool.submit(line, "google", "token endpoint", TOKEN_URI, asked.review.tokens)]
        coming += [pool.submit(line, "registry", host, f"https://{host}/v2/", partial(asked.registry, host)) for host in hosts]
        yield from (each.result() for each in coming)


def _account(charge: Charge, member: str, review: GoogleReview) -> Iterator[Line]:
    rights = [r for r in permission.on_resource("account") if charge.policy.mode != "observe" or not r.writes]
    yield from _held("account", charge.email, Resource("account", charge.email, charge.project), rights, member, review)


def _staging(charge: Charge, project: str, installation: str, member: str, review: GoogleReview) -> Iterator[Line]:
    """The secret's own permissions; while it is not there, those of its project, and the one to make it."""
    secret = Resource("secret", staged.secret_id(charge.base), project)
    above = Resource("project", project, project)
    rights = permission.on_resource("secret")
    create = permission.google("secretmanager.secrets.create")
    subject = f"{project}/{secret.name}"
    there = True
    try:
        yield _marked(subject, review.mark(secret), staged.label_value(installation), secret)
    except Absent:
        there = False
    except RotatorError as caught:
        if not isinstance(caught, Permanent) or caught.code != "staging-permission":
            yield fault("staging", subject, "readable", caught)
            return
        # Nobody is told whether it is there; who holds nothing at all on it needs what one without it needs.
        there = any(line.status != "missing" for line in _held("staging", subject, secret, rights, member, review))
    if there:
        yield from _held("staging", subject, secret, rights, member, review)
    else:
        yield from _held("staging", subject, above, (create, *rights), member, review)


def _marked(subject: str, found: str, ours: str, secret: Resource) -> Line:
    if found == ours:
        return Line(part="staging", subject=subject, what="our mark", status="ok", why=found)
    update = f"gcloud secrets update {secret.name} --project {secret.project} --update-labels {staged.LABEL}={ours}"
    why = f"it belongs to installation {found}, we are {ours}" if found else f"it has no label {staged.LABEL}"
    return Line(part="staging", subject=subject, what="our mark", status="missing", why=why, mend="" if found else update)


def _held(
    part: str, subject: str, where: Resource, rights: Sequence[GoogleRight], member: str, review: GoogleReview
) -> Iterator[Line]:
    try:
        held = review.held(where, [right.name for right in rights])
    except RotatorError as caught:
        yield fault(part, subject, f"{len(rights)} permissions", caught)
        return
    for right in rights:
        if right.name in held:
            yield Line(part=part, subject=subject, what=right.name, status="ok", optional=right.optional)
        else:
            mend = where.bind(right.role, member)
            why = f"needed to {right.why}" if right.writes else f"needed for: {right.why}"
            line = Line(part=part, subject=subject, what=right.name, status="missing", why=why, mend=mend)
            yield msgspec.structs.replace(line, optional=right.optional)


def _usage(project: str, usage: Callable[[str], None]) -> Line:
    right = permission.google("monitoring.timeSeries.list")
    try:
        usage(project)
    except RotatorError as caught:
        line = fault("monitoring", project, right.name, caught)
        refused = isinstance(caught, Permanent) and caught.code == "usage-permission"
        return msgspec.structs.replace(line, status="missing" if refused else "unknown", optional=right.optional)
    return Line(part="monitoring", subject=project, what=right.name, status="ok", optional=right.optional)


def _silent(ask: Callable[[], None]) -> str:
    ask()
    return ""
