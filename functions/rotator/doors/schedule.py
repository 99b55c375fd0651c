"""From Cloud Scheduler, every few minutes: look what is out there, begin what is due, wake what should go on.

Called twice, late, or by two schedules at once it does nothing more: what is due has a computed id, and a record is claimed
once. What is lost or fails here is found again by the next call.
"""

import dataclasses
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator import gauge, logs
from rotator.doors import going, house
from rotator.doors.form import Asked, Said, problem, tree
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from rotator.wiring import Wired

MOST = 20
"""So many records begin in one call, the others in the next: a fleet that was just taken over does not move all at once."""


def handle(asked: Asked, environment: Mapping[str, str]) -> Said:
    """What began, how many were woken, and a line for each thing that could not be read. 503 when nothing could be done."""
    if asked.method != "POST":
        return dataclasses.replace(problem(405, f"{asked.method} schedule: it is asked by POST"), headers={"Allow": "POST"})
    since, wired = time.monotonic(), house.opened(environment)
    wired.hear()
    began: list[str] = []
    faults = _renew(wired)
    try:
        begun, found = wired.service.tick(wired.clock.now(), most=MOST)
        began = [record.id for record in begun]
        faults += found.unread
        for seen in filter(None, (gauge.read(view, found.at) for view in found.credentials)):
            logs.credential(seen)
            wired.telemetry.saw(seen)
    except RotatorError as fault:
        faults.append(str(fault))
        looked = False
    else:
        looked = True
    due, woken, served = _wake(wired, since, faults)
    for line in faults:
        logs.line("WARNING", "fault", line, door="schedule")
    if not looked and not served:
        return problem(503, "; ".join(faults))
    if looked and served:  # an alarm goes off when there is no such line for some hours
        counts = {"due": len(due), "woken": woken, "faults": len(faults)}
        words = f"schedule: {len(began)} began, {woken} of {len(due)} woken"
        wired.telemetry.looked()
        logs.line("INFO", "schedule", words, door="schedule", began=began, **counts)
    return tree(200, {"kind": "schedule", "began": began, "due": len(due), "woken": woken, "faults": faults})


def _renew(wired: "Wired") -> list[str]:
    """Gardens' tokens that are ours to renew were looked at, each with a line; what went wrong."""
    seen = wired.renew_logins()
    for each in seen:
        logs.login(each)
    return [each.fault for each in seen if each.fault]


def _wake(wired: "Wired", since: float, faults: list[str]) -> tuple[tuple[str, ...], int, bool]:
    """The ids that are due, how many of them were woken or carried on, and whether the books and the queue could be used."""
    try:
        due = wired.service.due(wired.clock.now())
        if wired.settings.deployment.work_topic:
            return due, wired.wake(due), True
    except RotatorError as fault:
        faults.append(str(fault))
        return (), 0, False
    return due, _carry_on(wired, due, since, faults), True


def _carry_on(wired: "Wired", due: tuple[str, ...], since: float, faults: list[str]) -> int:
    """Without a topic the schedule does the work itself, one record after the other, as far as its budget reaches."""
    done = 0
    for record_id in due:
        left = going.left(wired, since)
        if left <= timedelta(0):
            break
        try:
            going.carry_on(wired, wired.service.record(record_id), left)
            done += 1
        except RotatorError as fault:
            faults.append(f"{record_id}: {fault}")
    return done
