"""`rotator doctor`: all is well when all is there, and with each permission withdrawn it names exactly that one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import figures
from rotator import checkup, permission
from rotator.cli import main
from sandbox import landscape
from sandbox.cloud import USER, Cloud
from sandbox.faults import Fault
from sandbox.garden.access import ROTATOR, Rule
from sandbox.google import ROTATOR as MEMBER

PLACES = {"live/garden-payments", "live/garden-search", "canary/garden-lab"}
WRITERS = {"puller-acme-prod": "acme-prod", "builds-acme-ci": "acme-ci"}


@dataclass
class Doctor:
    """The command, in this process."""

    config: Path
    store: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def table(self) -> tuple[int, str, str]:
        self.monkeypatch.setenv("ROTATOR_STATE", str(self.store))
        code = main(["doctor", "--config", str(self.config)])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def __call__(self) -> tuple[int, list[dict[str, Any]]]:
        self.monkeypatch.setenv("ROTATOR_STATE", str(self.store))
        code = main(["doctor", "-o", "json", "--config", str(self.config)])
        tree = json.loads(self.capsys.readouterr().out)
        assert (tree["schema"], tree["kind"]) == ("registry-key-rotator/v1", "doctor")
        assert tree["fine"] == (code == 0)
        return code, tree["lines"]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """The landscape; two Shoots that are going to move also name a ConfigMap and a WorkloadIdentity."""
    with landscape.cloud() as running:
        for garden, namespace, name in (("live", landscape.PAYMENTS, "ledger"), ("canary", landscape.LAB, "playground")):
            running.gardens[garden].add_companions(namespace, name)
        yield running


@pytest.fixture
def doctor(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Doctor]:
    yield Doctor(cloud.write_config(tmp_path / "etc"), tmp_path / "state.db", capsys, monkeypatch)
    for garden in cloud.gardens.values():
        garden.restore(USER)
    cloud.google.access.restore()


def bad(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["status"] != "ok"]


def test_with_everything_there_every_line_is_ok_and_nothing_was_changed(doctor: Doctor, cloud: Cloud) -> None:
    before = len(cloud.operations.since())
    code, lines = doctor()

    assert (code, bad(lines)) == (0, [])
    assert {line["part"] for line in lines} == {
        "config", "store", "garden", "google", "account", "staging", "monitoring", "registry",
    }  # fmt: skip
    assert not [one for one in cloud.operations.since(before) if one.mutating]
    assert not doctor.store.exists()
    assert {line["subject"] for line in lines if line["part"] == "registry"} == {
        landscape.EUROPE, landscape.FRANKFURT, landscape.AMERICA,
    }  # fmt: skip


def test_with_each_permission_withdrawn_it_names_exactly_that_one(doctor: Doctor, cloud: Cloud) -> None:
    """The figure counts permissions; each must be named in every place where it is needed, and nothing else."""
    named, told = 0, []
    for right in permission.GARDEN:
        for garden in cloud.gardens.values():
            garden.withdraw(USER, right.verb, right.resource)
        code, lines = doctor()
        for garden in cloud.gardens.values():
            garden.restore(USER)
        companion = right.resource in {"configmaps", "workloadidentities"}
        places = {"live/garden-payments", "canary/garden-lab"} if companion else PLACES
        named += expected(told, str(right), code, bad(lines), {(place, str(right)) for place in places}, 3)
        assert all(line["mend"] == f"rotator rbac {line['subject']} | kubectl apply -f -" for line in bad(lines))
    for there in (False, True):
        if there:
            make_staging(cloud)
        for each in permission.GOOGLE:
            if there == (each.on != "secret"):
                continue  # the other half of the table is asked with the staging secret there, or not there
            cloud.google.access.deny(each.name)
            code, lines = doctor()
            cloud.google.access.allow(each.name)
            wanted = 0 if each.optional else 3
            named += expected(told, each.name, code, bad(lines), {(s, each.name) for s in subjects(each)}, wanted)
            assert all(f"--role {each.role}" in line["mend"] and MEMBER in line["mend"] for line in bad(lines))
            assert all(line["optional"] == each.optional for line in bad(lines))
    withdrawn = len(permission.GARDEN) + len(permission.GOOGLE)
    figures.put("doctor_withdrawn", value=withdrawn, unit="permissions", met=True)
    figures.put("doctor_named", value=named, unit="permissions", met=named == withdrawn)

    assert not told
    assert named == withdrawn


def expected(
    told: list[str], what: str, code: int, lines: list[dict[str, Any]], wanted: set[tuple[str, str]], exit_code: int
) -> int:
    """1 when the doctor said just this."""
    found = {(line["subject"], line["what"]) for line in lines}
    if (found, code, {line["status"] for line in lines}) == (wanted, exit_code, {"missing"}) and len(lines) == len(wanted):
        return 1
    told.append(f"{what}: code {code}, {[(line['subject'], line['what'], line['status']) for line in lines]}")
    return 0


def subjects(right: permission.GoogleRight) -> set[str]:
    accounts = {landscape.PULLER, landscape.BUILDS, *(() if right.writes else (landscape.MIRROR,))}
    staging = {f"{project}/registry-key-rotator-{base}" for base, project in WRITERS.items()}
    if right.on == "account":
        return accounts
    return set(WRITERS.values()) if right.on == "project" and right.optional else staging


def make_staging(cloud: Cloud) -> None:
    label = {"registry-key-rotator-installation": "acme-caches"}
    for base, project in WRITERS.items():
        wanted = {"replication": {"automatic": {}}, "labels": label}
        cloud.google.make_secret(project, f"registry-key-rotator-{base}", wanted)


# --- more than permissions ---


def test_a_broken_part_hides_no_other(doctor: Doctor, cloud: Cloud, tmp_path: Path) -> None:
    doctor.store.write_text("this is no database, but a text that somebody put there by mistake" * 20)
    (doctor.config.parent / "kubeconfig-canary.yaml").unlink()
    cloud.gardens["live"].withdraw(USER, "delete", "secrets")
    cloud.google.access.deny("iam.serviceAccountKeys.disable")
    code, lines = doctor()

    assert code == 3
    assert {(line["part"], line["what"], line["status"]) for line in bad(lines)} == {
        ("store", "readable", "unknown"),
        ("garden", "reachable", "unknown"),
        ("garden", f"{len(permission.GARDEN)} permissions", "unknown"),
        ("garden", "delete secrets", "missing"),
        ("account", "iam.serviceAccountKeys.disable", "missing"),
    }
    assert all(line["why"] for line in bad(lines))
    (gone,) = (line for line in bad(lines) if line["what"] == "reachable")
    assert gone["subject"] == "canary"
    assert gone["mend"].startswith("kubectl --kubeconfig")


@pytest.mark.parametrize("text", ["{", "just text", "", "clusters: 3"])
def test_a_file_that_is_no_kubeconfig_is_one_line(doctor: Doctor, text: str) -> None:
    (doctor.config.parent / "kubeconfig-canary.yaml").write_text(text)
    code, lines = doctor()

    assert code == 1
    assert [(line["subject"], line["what"], line["status"]) for line in bad(lines)] == [
        ("canary", "reachable", "unknown"),
        ("canary/garden-lab", f"{len(permission.GARDEN)} permissions", "unknown"),
    ]
    assert "not asked" in bad(lines)[1]["why"]
    assert "reading kubeconfig" in bad(lines)[0]["why"]


def test_a_fault_of_the_program_in_one_part_hides_no_other() -> None:
    def faulty() -> Iterator[checkup.Line]:
        yield checkup.Line(part="garden", subject="live", what="reachable", status="ok")
        raise ZeroDivisionError

    told: list[Exception] = []
    lines = list(checkup.whole("garden", faulty(), told.append))

    assert [line.status for line in lines] == ["ok", "unknown"]
    assert "ZeroDivisionError" in lines[1].why
    assert len(told) == 1


def test_what_cannot_be_asked_is_unknown_and_an_error(doctor: Doctor, cloud: Cloud) -> None:
    cloud.google.metadata.reuses_tokens = False
    cloud.google.door.before.append(cloud.google.access.revoke)
    code, lines = doctor()
    cloud.google.door.before.remove(cloud.google.access.revoke)

    assert code == 1
    assert {line["status"] for line in bad(lines)} == {"unknown"}
    assert {line["part"] for line in bad(lines)} == {"account", "staging", "monitoring"}


def test_an_account_that_is_not_there_is_told_in_one_line(doctor: Doctor) -> None:
    doctor.config.write_text(doctor.config.read_text().replace(landscape.MIRROR, "mirrror@acme-shared.iam.gserviceaccount.com"))
    code, lines = doctor()

    assert code == 1
    assert [(line["part"], line["subject"], line["status"]) for line in bad(lines)] == [
        ("account", "mirrror@acme-shared.iam.gserviceaccount.com", "unknown")
    ]
    assert "lacks the right to ask about it, or there is no such object" in bad(lines)[0]["why"]


def test_a_project_that_does_not_tell_is_unknown_with_the_command_that_enables_its_api(doctor: Doctor, cloud: Cloud) -> None:
    doctor.config.write_text('staging_project = "acme-vault"\n' + doctor.config.read_text())
    number = cloud.faults.add(Fault(service="projects", answer="403", times=0))
    code, lines = doctor()
    cloud.faults.remove(number)

    assert code == 1
    assert {line["subject"] for line in bad(lines)} == {f"acme-vault/registry-key-rotator-{base}" for base in WRITERS}
    assert {line["mend"] for line in bad(lines)} == {
        "gcloud services enable cloudresourcemanager.googleapis.com --project acme-vault"
    }


def test_a_staging_secret_of_another_installation_is_told(doctor: Doctor, cloud: Cloud) -> None:
    config = doctor.config.read_text().replace('"acme-caches"', '"somebody-else"')
    doctor.config.write_text(config)
    make_staging(cloud)
    code, lines = doctor()

    assert {line["what"] for line in bad(lines)} == {"our mark"}
    assert code == 3
    assert "belongs to installation acme-caches" in bad(lines)[0]["why"]


def test_a_secret_that_is_not_in_a_narrow_role_is_told_by_name(doctor: Doctor, cloud: Cloud) -> None:
    live = cloud.gardens["live"]
    live.forbid(USER, landscape.PAYMENTS)
    names = tuple(f"{base}-v1" for base in WRITERS)
    narrow = [Rule(("get", "delete"), ("secrets",), names), Rule(("create",), ("secrets",))]
    live.allow(USER, landscape.PAYMENTS, [*narrow, *(rule for rule in ROTATOR if "secrets" not in rule.resources)])
    code, lines = doctor()
    live.forbid(USER, landscape.PAYMENTS)
    live.allow(USER, landscape.PAYMENTS, ROTATOR)

    assert code == 3
    assert [(line["what"], line["subject"]) for line in bad(lines)] == [("get secrets", "live/garden-payments")]
    assert "of ar-credentials:" in bad(lines)[0]["why"]


def test_the_table_shows_what_is_missing_with_the_command_that_mends_it(doctor: Doctor, cloud: Cloud) -> None:
    cloud.google.access.deny("monitoring.timeSeries.list")
    cloud.google.access.deny("iam.serviceAccountKeys.delete")
    code, out, err = doctor.table()

    assert code == 3
    assert "missing   account" in out
    assert "optional  monitoring" in out
    mend = f"mend: gcloud iam service-accounts add-iam-policy-binding {landscape.PULLER} --project acme-prod --member"
    assert mend in out
    assert "2 missing, 0 could not be asked; 2 optional not there" in err


def test_a_broken_configuration_is_one_fault_a_line(doctor: Doctor) -> None:
    doctor.config.write_text(doctor.config.read_text().replace('"manual"', '"manuel"'))
    code, lines = doctor()

    assert code == 1
    assert [line["part"] for line in lines] == ["config"]
    assert "manuel" in lines[0]["why"]
    assert doctor.table()[0] == 1
