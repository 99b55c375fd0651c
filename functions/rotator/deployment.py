"""Where this installation runs and what is around it: facts of the deployment, from the environment.

All of them may be missing: then it is a terminal or a container with the embedded store, which carries its own records on.
"""

import re
from collections.abc import Mapping
from datetime import timedelta

import msgspec

from rotator import toml
from rotator.policy import text

CLOUD_RUN = ("K_SERVICE", "CLOUD_RUN_JOB")
DATABASE = r"projects/[a-z0-9.:-]+/databases/(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])"
TOPIC = r"projects/[a-z0-9.:-]+/topics/[A-Za-z][A-Za-z0-9._~+%-]{2,254}"
JOB = r"projects/[a-z0-9.:-]+/locations/[a-z0-9-]+/jobs/[A-Za-z0-9_-]{1,500}"
OTEL = "otlp|gcp"
ADDRESS = r"(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}"

MARGIN = timedelta(seconds=20)
"""Left of a request's time when an activation ends: its last step must still get its answers and be saved."""

LONGEST = timedelta(minutes=9)
"""More than any push subscription waits for its answer, less than any claim lasts."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of the deployment; empty: not there.

    firestore: the database that keeps the records (projects/P/databases/D); without it the embedded store does.
    work_topic: fan-out to `worker`; expiry_topic: where Secret Manager announces that a key becomes due (projects/P/topics/T).
    schedule_job: what calls `schedule` (projects/P/locations/L/jobs/J); nobody but `rotator doctor` asks.
    otel: where traces and metrics go; empty: nowhere.
    budget: how long one activation of a door may go on. firestore_emulator, pubsub_emulator: host:port, with a sandbox only.
    """

    cloud_run: str = ""
    firestore: str = ""
    work_topic: str = ""
    expiry_topic: str = ""
    schedule_job: str = ""
    budget: timedelta = timedelta(seconds=40)
    otel: str = ""
    firestore_emulator: str = ""
    pubsub_emulator: str = ""


def read(environment: Mapping[str, str], *, sandbox: bool) -> tuple[Deployment, tuple[str, ...]]:
    """The facts, and a line for each that cannot be used. `sandbox`: Google is played by one on this machine."""
    faults: list[str] = []

    def form(variable: str, pattern: str, words: str) -> str:
        found = environment.get(variable, "")
        if found and not re.fullmatch(pattern, found):
            faults.append(f"{variable}: {toml.shown(found)} is not {words}")
        return found

    found = Deployment(
        cloud_run=next((name for name in CLOUD_RUN if environment.get(name)), ""),
        firestore=form("ROTATOR_FIRESTORE", DATABASE, "a database; write projects/PROJECT/databases/DATABASE"),
        work_topic=form("ROTATOR_WORK_TOPIC", TOPIC, "a topic; write projects/PROJECT/topics/TOPIC"),
        expiry_topic=form("ROTATOR_EXPIRY_TOPIC", TOPIC, "a topic; write projects/PROJECT/topics/TOPIC"),
        schedule_job=form(
            "ROTATOR_SCHEDULE_JOB", JOB, "a job of Cloud Scheduler; write projects/PROJECT/locations/LOCATION/jobs/JOB"
        ),
        budget=_budget(environment, faults),
        otel=form("ROTATOR_OTEL", OTEL, "a way; write otlp or gcp, or leave it out"),
        firestore_emulator=form("FIRESTORE_EMULATOR_HOST", ADDRESS, 'an address on this machine, like "127.0.0.1:8080"'),
        pubsub_emulator=form("PUBSUB_EMULATOR_HOST", ADDRESS, 'an address on this machine, like "127.0.0.1:8085"'),
    )
    _consistent(found, faults, sandbox=sandbox)
    return found, tuple(faults)


def _budget(environment: Mapping[str, str], faults: list[str]) -> timedelta:
    """ROTATOR_BUDGET, or what the platform's timeout leaves."""
    said = environment.get("ROTATOR_BUDGET", "")
    timeout = environment.get("CLOUD_RUN_TIMEOUT_SECONDS", "")
    lasts = timedelta(seconds=int(timeout)) if re.fullmatch("[0-9]{1,6}", timeout) else None
    if said:
        found = toml.span(said)
        if found is None or not timedelta(seconds=1) <= found <= LONGEST:
            faults.append(f'ROTATOR_BUDGET: {toml.shown(said)} is not a span from 1s to {text(LONGEST)}; write it like "40s"')
        elif lasts is not None and found >= lasts:
            faults.append(f"ROTATOR_BUDGET: {text(found)} is not less than a request lasts ({text(lasts)}); leave it out")
        return found or Deployment().budget
    left = lasts - MARGIN if lasts is not None else Deployment().budget
    return min(max(left, timedelta(seconds=1)), LONGEST)


def _consistent(found: Deployment, faults: list[str], *, sandbox: bool) -> None:
    emulators = {"FIRESTORE_EMULATOR_HOST": found.firestore_emulator, "PUBSUB_EMULATOR_HOST": found.pubsub_emulator}
    for variable in (name for name, address in emulators.items() if address):
        if found.cloud_run:
            faults.append(f"{variable}: is refused on Cloud Run ({found.cloud_run} is set); it is for one machine only")
        elif not sandbox:
            faults.append(f"{variable}: is set, but rotator.toml has no [sandbox]; an emulator keeps no real keys")
    if sandbox and found.firestore and not found.firestore_emulator:
        faults.append("ROTATOR_FIRESTORE: is set beside [sandbox], but FIRESTORE_EMULATOR_HOST is not; never mix the two")
    if sandbox and found.work_topic and not found.pubsub_emulator:
        faults.append("ROTATOR_WORK_TOPIC: is set beside [sandbox], but PUBSUB_EMULATOR_HOST is not; never mix the two")
    if sandbox and found.otel == "gcp":
        faults.append('ROTATOR_OTEL: "gcp" is set beside [sandbox]; write otlp, never mix the two')
    if found.cloud_run and not found.firestore:
        faults.append("ROTATOR_FIRESTORE: is missing; on Cloud Run the embedded store would be gone with its instance")
