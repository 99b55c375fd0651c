"""`rotator doctor`: what the rotator needs from outside, asked of those who give it. Changes nothing."""

import argparse
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from rotator import checkup, needs, wiring
from rotator.checkup import Line
from rotator.cli import BLOCKED, ERROR, FINE, standing
from rotator.cli.desk import Desk
from rotator.cli.patience import Patience
from rotator.clients.garden import KubernetesGarden
from rotator.errors import Absent, Invalid, RotatorError
from rotator.neighbours import Neighbours
from rotator.permission import GARDEN
from rotator.record import Record
from rotator.report import form
from rotator.settings import GardenSettings, Settings, load

HEADERS = ("STATUS", "PART", "SUBJECT", "NEEDS")


def doctor(asked: argparse.Namespace, desk: Desk) -> int:
    """Everything that is needed was asked for, and told."""
    try:
        settings = load(asked.config, os.environ)
    except Invalid as caught:
        if not desk.json:
            raise
        faults = [fault.split("\n")[0] for fault in caught.faults]
        lines = [Line(part="config", subject="rotator.toml", what="valid", status="unknown", why=fault) for fault in faults]
        desk.tree(tree(lines))
        return ERROR
    neighbours = Neighbours(settings)
    try:
        lines = list(examined(settings, neighbours, desk.bug, Patience(desk)))
    finally:
        neighbours.close()
    if desk.json:
        desk.tree(tree(lines))
    else:
        _show(desk, lines)
    counts = Counter(line.status for line in lines if not line.optional)
    optional = Counter(line.status for line in lines if line.optional)
    desk.say(
        f"{len(lines)} things looked at: {counts['missing']} missing, {counts['unknown']} could not be asked"
        + (f"; {optional['missing']} optional not there" if optional["missing"] else "")
        + (f"; {optional['unknown']} not told" if optional["unknown"] else "")
    )
    return BLOCKED if counts["missing"] else ERROR if counts["unknown"] else FINE


def examined(
    settings: Settings, neighbours: Neighbours, caught: Callable[[Exception], None], patience: Patience
) -> Iterator[Line]:
    """Every line, part by part; a part that fails is a line. `caught` is told of faults of this program."""
    what = f"{form.counted(len(settings.garden), 'Garden')}, {form.counted(len(settings.account), 'account')}"
    yield Line(part="config", subject=str(settings.file), what="valid", status="ok", why=what)
    books, records = _books(settings, neighbours)
    yield from books
    gardens: dict[str, KubernetesGarden] = {}
    for garden in settings.garden:
        yield checkup.attempted(
            "garden", garden.name, "reachable", _Reaching(neighbours, garden, gardens, patience), _look(garden)
        )
    hosts: set[str] = set()
    yield from checkup.whole("garden", _rights(settings, neighbours, records or (), gardens, hosts), caught)
    asked = neighbours.asked()
    for garden in settings.garden:
        if garden.token_secret:
            lines = checkup.renewal(garden.name, garden.token_secret, gardens.get(garden.name), asked.review)
            yield from checkup.whole("garden", lines, caught)
    google = checkup.google(neighbours.charges, neighbours.staging, settings.installation, sorted(hosts), asked)
    yield from checkup.whole("google", google, caught)
    around = standing.examined(settings, neighbours, gardens, readable=records is not None)
    yield from checkup.whole("installation", around, caught)


def _rights(
    settings: Settings,
    neighbours: Neighbours,
    records: tuple[Record, ...],
    gardens: dict[str, KubernetesGarden],
    hosts: set[str],
) -> Iterator[Line]:
    """Each right in each namespace; meanwhile the registries that Shoots pull from come to light in `hosts`."""
    hosts |= {host for charge in neighbours.charges for host in charge.policy.probes}
    seen = needs.look(settings.installation, neighbours.charges, records, gardens, neighbours.places)
    hosts |= set(seen.upstreams)
    yield from checkup.gardens(needs.narrow(seen, ahead=1), gardens)
    silent = [place for place in neighbours.places if place.garden not in gardens]
    for one in needs.wide(silent, neighbours.charges):
        what = f"{len(one.needs)} permissions"
        why = f"not asked: Garden {one.place.garden} could not be reached"
        yield Line(part="garden", subject=str(one.place), what=what, status="unknown", why=why)


def tree(lines: list[Line]) -> form.Tree:
    """For machines."""
    return {
        "schema": form.SCHEMA,
        "kind": "doctor",
        "fine": all(line.status == "ok" or line.optional for line in lines),
        "lines": [{field: getattr(line, field) for field in line.__struct_fields__} for line in lines],
    }


class _Reaching:
    """Asks a Garden one question, and keeps its client when it answers."""

    def __init__(
        self, neighbours: Neighbours, settings: GardenSettings, reached: dict[str, KubernetesGarden], patience: Patience
    ) -> None:
        self._neighbours = neighbours
        self._settings = settings
        self._reached = reached
        self._patience = patience

    def __call__(self) -> str:
        """Who we are and how long our login is good. Raises: RotatorError."""
        garden = self._neighbours.garden(self._settings)
        with self._patience.waiting(self._settings.name):
            garden.may(GARDEN[0], self._settings.namespaces[0])
        self._reached[self._settings.name] = garden
        with contextlib.suppress(Absent):  # an old API server tells nobody who he is
            who, end = garden.who(), garden.fence()
            return f"as {who}, login good until {form.clock(end)}" if end else f"as {who}"
        return ""


def _books(settings: Settings, neighbours: Neighbours) -> tuple[list[Line], tuple[Record, ...] | None]:
    """Lines, and the records; None: they cannot be read."""
    subject = settings.deployment.firestore or str(settings.store)
    try:
        records, unreadable = wiring.written(settings, neighbours.places)
    except RotatorError as caught:
        line = checkup.fault("store", subject, "readable", caught)
        # Who can tell the command that mends it knows what is missing: the database, or our role in it.
        missing = bool(settings.deployment.firestore) and line.mend.startswith("gcloud")
        return [msgspec.structs.replace(line, status="missing") if missing else line], None
    lines = [Line(part="store", subject=subject, what="readable", status="unknown", why=fault) for fault in unreadable]
    why = form.counted(len(records), "record") if wiring.there(settings) else "not there yet"
    return lines or [Line(part="store", subject=subject, what="readable", status="ok", why=why)], records


def _look(garden: GardenSettings) -> str:
    """The command with which a person sees why a Garden does not answer."""
    if garden.kubeconfig is None:
        ca = f"--cacert {garden.ca_file} " if garden.ca_file else ""
        return f"curl -i {ca}{garden.server}/version"
    context = f" --context {garden.context}" if garden.context else ""
    return f"kubectl --kubeconfig {garden.kubeconfig}{context} auth whoami"


def _show(desk: Desk, lines: list[Line]) -> None:
    desk.table(HEADERS, [(_status(line), line.part, line.subject, _what(line)) for line in lines])
    for line in lines:
        if line.status != "ok" and not _quiet(line):
            desk.write()
            desk.title(f"{line.part} {line.subject}: {line.what}")
            desk.write(f"  {line.why}")
            if line.mend:
                desk.verbatim([f"  mend: {line.mend}"])


def _quiet(line: Line) -> bool:
    """Nothing is wrong, and nobody can do anything: its row says all."""
    return line.optional and line.status == "unknown" and not line.mend


def _status(line: Line) -> str:
    if not line.optional or line.status == "ok":
        return line.status
    return "optional" if line.status == "missing" else "not told"


def _what(line: Line) -> str:
    return f"{line.what}  ({line.why})" if line.why and (line.status == "ok" or _quiet(line)) else line.what
