"""Commands that ask the Gardens and Google, and change nothing: discover, plan."""

import argparse
from datetime import datetime

import msgspec

from rotator.cli import ERROR, FINE, PENDING
from rotator.cli.desk import Desk
from rotator.cli.patience import Patience
from rotator.report import fleet, form, outline
from rotator.report import plan as plans
from rotator.view import CredentialView, Inventory
from rotator.wiring import Wired


def discover(asked: argparse.Namespace, desk: Desk) -> int:
    """What is out there was shown."""
    with desk.opened() as wired:
        wired.telemetry = Patience(desk)
        found = _look(wired, asked.credential)
    _say_faults(desk, found)
    if desk.json:
        desk.tree(fleet.tree(found))
    else:
        _show(desk, found, detailed=asked.credential is not None)
    return ERROR if found.faults else FINE


def plan(asked: argparse.Namespace, desk: Desk) -> int:
    """What rotations would do was shown; nothing changed."""
    with desk.opened() as wired:
        wired.telemetry = Patience(desk)
        found = _look(wired, asked.credential)
        records, unreadable = wired.service.records()
    made = [one for view in found.credentials if (one := plans.make(view, records, found.at)) is not None]
    _say_faults(desk, found)
    if desk.json:
        desk.tree(plans.tree(made, found))
    else:
        _warn(desk, found)
        for number, one in enumerate(made):
            if number:
                desk.write()
            _show_plan(desk, one, found.at)
    for line in unreadable:
        desk.say(line)
    due = [one for one in made if one.unfinished or (one.due_at is not None and one.due_at <= found.at)]
    if found.faults:
        return ERROR
    if not desk.json and not due:
        desk.say("nothing is due")
    return PENDING if due else FINE


def _look(wired: Wired, word: str | None) -> Inventory:
    service = wired.service
    found = service.look(wired.clock.now(), service.credential(word) if word else None)
    return msgspec.structs.replace(found, at=wired.clock.now())  # by now servers were heard


def _say_faults(desk: Desk, found: Inventory) -> None:
    for line in found.faults:
        desk.say(line.replace("; tried again later", ""))  # not by us


def _warn(desk: Desk, found: Inventory) -> None:
    """The answer begins with it: whoever reads a table from a file has not seen what was said beside it."""
    if not found.unread:
        return
    desk.write(
        "INCOMPLETE: not all Gardens and namespaces could be read. Shoots there may use these keys, too; n+ is n or more."
    )
    desk.write()


def _show(desk: Desk, found: Inventory, *, detailed: bool) -> None:
    _warn(desk, found)
    desk.table(fleet.CREDENTIALS, fleet.credential_rows(found))
    for view in found.credentials:
        desk.write()
        desk.title(f"{view.email}  pulls from {', '.join(view.upstreams) or 'nowhere'}")
        desk.table(fleet.KEYS, fleet.key_rows(view, found.at), indent=2)
        desk.write()
        desk.table(fleet.SECRETS, fleet.secret_rows(view), indent=2)
        _show_hindrances(desk, view, detailed=detailed)
    if found.idle_shoots:
        desk.write()
        desk.write(f"{form.counted(found.idle_shoots, 'Shoot')} without a credential of a registry cache")


def _show_hindrances(desk: Desk, view: CredentialView, *, detailed: bool) -> None:
    if not view.hindrances:
        return
    limit = len(view.hindrances) if detailed else 8
    desk.write()
    desk.write("  worth knowing:")
    for line in view.hindrances[:limit]:
        desk.write(f"  - {line}")
    if view.hindrances[limit:]:
        desk.write(f"  - and {len(view.hindrances) - limit} more: rotator discover {view.email}")


def _show_plan(desk: Desk, one: plans.Plan, now: datetime) -> None:
    desk.title(f"{one.credential}  (mode {one.mode})")
    if one.unfinished and not one.remaining:
        desk.write(f"A rotation is proposed, and waits for a person: rotator status {one.credential}")
    elif one.unfinished:
        desk.write(f"A rotation is under way: {one.unfinished}. The next one is planned when it has ended.")
        for line in one.remaining:
            desk.write(f"  {line}")
        desk.write(f"All of it: rotator describe {one.unfinished}")
        return
    if one.due_at is None:
        desk.write(outline.not_due(one))
        return
    begins = form.since(one.due_at, now)
    sooner = ", or sooner" if one.partial and one.due_at > now else ""
    desk.write(f"A rotation is {begins if one.due_at <= now else 'due ' + begins}{sooner}. It would be {one.rotation}, and it")
    for line in outline.summary(one):
        desk.write(f"  {line}")
    if one.mode == "observe":
        desk.write('Nothing begins in mode "observe"; set mode = "manual" or "automatic" to change that.')
    desk.write()
    desk.table(outline.FATES, outline.fate_rows(one), indent=2)
    desk.write()
    desk.table(outline.DATES, outline.date_rows(one), indent=2)
