"""`rotator doctor` for an installation: with each resource and permission around the doors withdrawn it names exactly that one.

Firestore and Pub/Sub are Google's emulators, the rest is the sandbox.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import figures
from emulators import Emulator
from installation_ground import Installation, Named, installation
from rotator.stores.firestore_layout import INDEXES
from sandbox import landscape
from sandbox.cloud import Cloud

pytestmark = pytest.mark.emulator

Withdrawal = tuple[Callable[[], object], Named]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with landscape.cloud() as running:
        yield running


@pytest.fixture
def here(cloud: Cloud, firestore_emulator: Emulator, pubsub_emulator: Emulator, tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, cloud, firestore=firestore_emulator.address, pubsub=pubsub_emulator.address) as standing:
        yield standing
        standing.mend()


QUIET = ("not asked", "the emulator does not tell")


def bad(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["status"] != "ok" and not line["why"].startswith(QUIET)]


def named(lines: list[dict[str, Any]]) -> Named:
    return {(line["subject"], line["what"], line["status"]) for line in bad(lines)}


def test_with_everything_there_every_line_is_ok_and_nothing_was_changed(here: Installation, cloud: Cloud) -> None:
    before = len(cloud.operations.since())
    ran = here.doctor("-o", "json")
    lines = ran.tree["lines"]

    assert (ran.code, bad(lines)) == (0, [])
    assert {line["part"] for line in lines} >= {"firestore", "pubsub", "scheduler", "clock"}
    assert {(line["subject"], line["what"]) for line in lines if line["why"].startswith("not asked")} == {
        ("live", "extension"), ("canary", "extension"),
        ("acme-prod", "organization policies"), ("acme-ci", "organization policies"),
    }  # fmt: skip
    assert {line["what"] for line in lines if line["why"].startswith("the emulator does not tell")} == {
        f"index {', '.join(fields)}" for fields in INDEXES
    }
    assert {line["why"] for line in lines if line["what"] == "extension"} == {
        "not asked: the version of extension-registry-cache is for operators to read"
    }
    assert {line["why"] for line in lines if line["what"] == "version"} == {"Gardener v1.149.3, Kubernetes v1.36.3"}
    assert not [one for one in cloud.operations.since(before) if one.mutating]
    assert here.firestore.seen["commit"] == 1
    assert here.pubsub.seen["publish"] == 0


def test_with_each_thing_withdrawn_it_names_exactly_that_one(here: Installation) -> None:
    found, told = 0, []
    all_of_them = withdrawals(here)
    for what, (withdraw, wanted) in all_of_them.items():
        here.mend()
        withdraw()
        ran = here.doctor("-o", "json")
        lines = bad(ran.tree["lines"])
        optional = all(line["optional"] for line in lines)
        code = 0 if optional else 3 if any(line["status"] == "missing" for line in lines) else 1
        mended = all(line["why"] and line["mend"] for line in lines)
        if (named(lines), ran.code, mended) == (wanted, code, True) and len(lines) == len(wanted):
            found += 1
        else:
            told.append(f"{what}: code {ran.code}, {[(line['subject'], line['what'], line['status']) for line in lines]}")
    figures.put("cloud_withdrawn", value=len(all_of_them), unit="resources and permissions", met=True)
    figures.put("cloud_named", value=found, unit="resources and permissions", met=found == len(all_of_them))

    assert not told
    assert found == len(all_of_them)


def withdrawals(here: Installation) -> dict[str, Withdrawal]:
    """What is taken away, how, and the lines that must say so."""
    return {**of_firestore(here), **of_pubsub(here), **of_scheduler(here), **of_gardens(here)}


def of_firestore(here: Installation) -> dict[str, Withdrawal]:
    missing, lifetime = "missing", "time to live of history/expires_at"
    return {
        "time to live": (here.admin_forgets, {(here.database, lifetime, missing)}),
        "time to live in repair": (lambda: here.admin_forgets("NEEDS_REPAIR"), {(here.database, lifetime, missing)}),
        "datastore.indexes.list": (here.deny_admin, {(here.database, lifetime, "unknown")}),
        "datastore.entities.list": (
            lambda: here.deny_firestore("runQuery", "batchGet", "GET"),
            {(here.database, "readable", missing)},
        ),
        "datastore.entities.update": (lambda: here.deny_firestore("commit"), {(here.database, "writable", missing)}),
        "database": (here.drop_database, {(here.database, "readable", missing)}),
        **{
            f"index {fields}": (
                lambda fields=fields: here.drop_index(fields),  # type: ignore[misc]
                {(here.database, f"index {', '.join(fields)}", missing)},
            )
            for fields in INDEXES
        },
    }


def of_pubsub(here: Installation) -> dict[str, Withdrawal]:
    missing, worker, events = "missing", here.subscription("worker"), here.subscription("events")
    work, expiry = here.topic("worker"), here.topic("events")
    push = {"pushEndpoint": "https://door.example/"}
    found: dict[str, Withdrawal] = {
        "pubsub.topics.publish": (
            lambda: here.deny_pubsub("pubsub.topics.publish"),
            {(work, "pubsub.topics.publish", missing)},
        ),
        "pubsub.topics.get": (
            lambda: here.deny_pubsub("pubsub.topics.get"),
            {(work, "subscriptions", "unknown"), (expiry, "topic", "unknown")},
        ),
        "pubsub.subscriptions.get": (
            lambda: here.deny_pubsub("pubsub.subscriptions.get"),
            {(work, "subscriptions", "unknown"), (expiry, "subscriptions", "unknown")},
        ),
        "agent of one project": (
            lambda: here.bind("acme-ci"),
            {(expiry, "Secret Manager may publish, acme-prod", missing)},
        ),
        "agent's role": (
            lambda: here.bind("acme-prod", "acme-ci", role="roles/pubsub.viewer"),
            {(expiry, f"Secret Manager may publish, {project}", missing) for project in ("acme-prod", "acme-ci")},
        ),
        "agent's role, told": (
            lambda: here.bind("acme-prod", "acme-ci", role="projects/acme-prod/roles/announcer"),
            {(expiry, f"Secret Manager may publish, {project}", "unknown") for project in ("acme-prod", "acme-ci")},
        ),
        "pubsub.topics.getIamPolicy": (
            lambda: here.deny_pubsub("pubsub.topics.getIamPolicy"),
            {(expiry, "Secret Manager may publish", "unknown")},
        ),
        "filter": (lambda: here.subscribe("events", filter=None), {(events, "filter", missing)}),
        "filter that passes": (
            lambda: here.subscribe("events", filter='attributes.eventType="SECRET_CREATE"'),
            {(events, "filter", missing)},
        ),
    }
    for door, name, topic in (("worker", worker, work), ("events", events, expiry)):
        changes: dict[str, dict[str, Any]] = {
            "push endpoint": {"pushConfig": {}},
            "push identity": {"pushConfig": push},
            "ack deadline": {"ackDeadlineSeconds": 30},
            "dead letter policy": {"deadLetterPolicy": None},
            "expires never": {"expirationPolicy": None},
        }
        for what, change in changes.items():
            found[f"{door} {what}"] = (
                lambda door=door, change=change: here.subscribe(door, **change),  # type: ignore[misc]
                {(name, what, missing)},
            )
        found[f"{door} topic"] = (
            lambda topic=topic: here.send("DELETE", topic),  # type: ignore[misc]
            {(topic, "topic", missing)},
        )
        found[f"{door} subscription"] = (
            lambda name=name: here.send("DELETE", name),  # type: ignore[misc]
            {(topic, "subscription", missing)},
        )
    return found


def of_scheduler(here: Installation) -> dict[str, Withdrawal]:
    missing, jobs = "missing", here.cloud.google.scheduler.jobs
    return {
        "job": (lambda: jobs.pop(here.job), {(here.job, "job", missing)}),
        "job's target": (lambda: jobs[here.job].pop("httpTarget"), {(here.job, "job", missing)}),
        "job's identity": (lambda: jobs[here.job]["httpTarget"].pop("oidcToken"), {(here.job, "identity", missing)}),
        "job enabled": (lambda: jobs[here.job].update(state="PAUSED"), {(here.job, "enabled", missing)}),
        "job run": (lambda: jobs[here.job].pop("lastAttemptTime"), {(here.job, "last attempt", missing)}),
        "job well": (lambda: jobs[here.job].update(status={"code": 7}), {(here.job, "last attempt", missing)}),
        "cloudscheduler.jobs.get": (
            lambda: here.cloud.google.access.deny("cloudscheduler.jobs.get"),
            {(here.job, "job", "unknown")},
        ),
    }


def of_gardens(here: Installation) -> dict[str, Withdrawal]:
    live = here.cloud.gardens["live"]
    return {
        "fresh login": (lambda: here.stale_login("live"), {("live", "token", "missing")}),
        "extension": (
            lambda: live.register_extension("extension-registry-cache", "registry-mirror"),
            {("live", "extension", "missing")},
        ),
    }


def test_a_clock_that_is_wrong_is_told_and_no_error(
    firestore_emulator: Emulator, pubsub_emulator: Emulator, tmp_path: Path
) -> None:
    """Gates go by the servers' time: the rotator does with a wrong clock."""
    with (
        landscape.cloud() as cloud,
        installation(tmp_path, cloud, firestore=firestore_emulator.address, pubsub=pubsub_emulator.address) as here,
    ):
        cloud.clock.advance(60)
        ran = here.doctor("-o", "json")

        assert named(ran.tree["lines"]) == {("this machine", "servers' time", "missing")}
        assert ran.code == 0


def test_the_commands_that_mend_carry_the_names_to_paste(here: Installation) -> None:
    here.subscribe("events", deadLetterPolicy=None)
    here.drop_index(INDEXES[0])
    ran = here.doctor()

    assert ran.code == 3
    assert (
        f"mend: gcloud pubsub topics create expiry-dead --project {here.project} && "
        f"gcloud pubsub subscriptions update expiry-events --project {here.project} "
        f"--dead-letter-topic projects/{here.project}/topics/expiry-dead --max-delivery-attempts 20"
    ) in ran.out
    assert (
        f"mend: gcloud firestore indexes composite create --database=(default) --project {here.project} "
        "--collection-group records --field-config field-path=unfinished,order=ascending "
    ) in ran.out
    assert "2 missing, 0 could not be asked; 5 not told" in ran.err
