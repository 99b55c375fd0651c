"""A Garden's token in Secret Manager, which the rotator renews by itself: a login that nobody has to remember."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.cloud import secretmanager_v1 as secretmanager

import renewal_ground
from cli_runner import Cli
from door_ground import ask, behind
from renewal_ground import DAY, NS, Ground
from rotator import permission
from rotator.errors import Permanent
from rotator.renewal import LIFE, Seen
from sandbox.cloud import USER
from sandbox.faults import Fault
from sandbox.garden.access import Rule


@pytest.fixture(name="ground")
def _ground(tmp_path: Path) -> Iterator[Ground]:
    with renewal_ground.ground(tmp_path) as ground:
        yield ground


def test_the_token_in_the_secret_opens_the_garden(ground: Ground) -> None:
    assert ground.sees() == 1


def test_a_young_token_is_left_alone(ground: Ground) -> None:
    ground.cloud.advance(14 * DAY)

    seen = ground.look()

    assert (seen.renewed, seen.fault) == (False, "")
    assert ground.versions() == ["enabled"]


def test_from_half_of_its_life_on_the_next_one_is_there_and_the_program_never_stands_outside(ground: Ground) -> None:
    looks: list[Seen] = []
    for _ in range(100):
        ground.cloud.advance(DAY)
        looks.append(ground.look())
        assert ground.sees() == 1

    assert [number for number, seen in enumerate(looks, 1) if seen.renewed] == [15, 30, 45, 60, 75, 90]
    assert [seen.fault for seen in looks if seen.fault] == []
    assert ground.versions() == [*["destroyed"] * 5, "enabled", "enabled"]


def test_an_operator_who_allows_a_day_is_obeyed(ground: Ground) -> None:
    ground.garden.knobs.longest_token = DAY
    ground.cloud.advance(16 * DAY)
    assert ground.look().renewed

    ground.cloud.advance(DAY / 4)
    assert not ground.look().renewed
    ground.cloud.advance(DAY / 2)

    assert ground.look().renewed
    assert ground.sees() == 1


def test_creates_go_out_with_a_token_of_an_hour(ground: Ground) -> None:
    """A key's retirement waits for the end of that token: with one of 30 days, an exposed key would live on for weeks."""
    garden = ground.wired.gardens()["live"].activation()

    fence = garden.fence()

    assert fence is not None
    assert timedelta(minutes=59) < fence - ground.cloud.clock.now() <= timedelta(hours=1)
    assert garden.fence() == fence
    assert garden.age()[1] is not None


def test_a_token_to_which_the_garden_does_not_answer_is_not_kept(ground: Ground) -> None:
    ground.cloud.advance(16 * DAY)
    ground.cloud.faults.add(Fault(service="garden:live", method="CREATE selfsubjectreviews", answer="401", times=0))

    seen = ground.look()

    assert not seen.renewed
    assert "401" in seen.fault
    assert ground.versions() == ["enabled"]


def test_an_answer_that_is_lost_costs_one_version_and_nothing_else(ground: Ground) -> None:
    ground.cloud.advance(16 * DAY)
    ground.cloud.faults.add(Fault(method="AddSecretVersion", when="after", answer="UNAVAILABLE"))

    assert "adding a version" in ground.look().fault
    ground.cloud.advance(120)
    seen = ground.look()

    assert seen.fault == ""
    assert not seen.renewed  # the one whose answer was lost is there, and young
    assert ground.sees() == 1


@pytest.mark.parametrize("life", [-DAY, None], ids=["it ended", "none was ever put there"])
def test_without_a_good_token_the_line_says_how_to_put_one_there(ground: Ground, life: float | None) -> None:
    secret = ground.cloud.google.secrets.find(renewal_ground.SECRET)
    secret.versions.clear()
    if life is not None:
        ground.put(ground.garden.issue_token(USER, life))

    seen = ground.look()

    fill = (
        "kubectl --namespace garden-acme create token registry-key-rotator --duration 720h"
        " | gcloud secrets versions add garden-live --project acme-prod --data-file=-"
    )
    assert seen.fault.endswith(f"put one there: {fill}")
    assert seen.overdue
    with pytest.raises(Permanent, match="put one there"):
        ground.wired.gardens()["live"].shoots(NS)


@pytest.mark.parametrize(
    ("permission", "hint"),
    [
        ("secretmanager.versions.add", "lacks secretmanager.versions.add"),
        ("secretmanager.versions.access", "lacks secretmanager.versions.access"),
        ("secretmanager.versions.list", "lacks secretmanager.versions.list"),
        ("secretmanager.versions.destroy", "lacks secretmanager.versions.destroy"),
    ],
)
def test_what_google_does_not_allow_is_named(ground: Ground, permission: str, hint: str) -> None:
    ground.put(ground.garden.issue_token(USER, 30 * DAY))  # two are there, so that the next one makes one too many
    ground.cloud.advance(16 * DAY)
    ground.cloud.google.access.deny(permission)

    seen = ground.look()

    assert hint in seen.fault
    assert "gcloud secrets add-iam-policy-binding garden-live --project acme-prod" in seen.fault


@pytest.mark.parametrize("state", [secretmanager.SecretVersion.State.DISABLED, secretmanager.SecretVersion.State.DESTROYED])
def test_a_version_that_somebody_closed_is_told_as_no_token(ground: Ground, state: Any) -> None:
    secret = ground.cloud.google.secrets.find(renewal_ground.SECRET)
    ground.cloud.google.secrets.change(secret, secret.versions[-1], state, "")

    assert "no token of Garden live is in it; put one there: kubectl" in ground.look().fault


def test_what_is_no_text_is_told_as_no_token_and_never_shown(ground: Ground) -> None:
    secrets = ground.cloud.google.secrets
    secrets.add(secrets.find(renewal_ground.SECRET), b"\xff\xfegeheim", None)

    fault = ground.look().fault

    assert "no token of Garden live is in it" in fault
    assert "geheim" not in fault


def test_a_token_without_an_end_is_nobodys_to_renew(ground: Ground) -> None:
    ground.put("of-another-kind")

    assert (ground.look().left, ground.look().fault) == (None, "")


def test_before_kubernetes_1_28_a_404_is_an_answer(ground: Ground) -> None:
    ground.cloud.advance(16 * DAY)
    ground.cloud.faults.add(Fault(service="garden:live", method="CREATE selfsubjectreviews", answer="404", times=0))

    assert ground.look().renewed


def test_an_answer_that_holds_no_token_keeps_the_present_one(ground: Ground) -> None:
    ground.cloud.advance(16 * DAY)
    ground.cloud.faults.add(Fault(service="garden:live", method="CREATE serviceaccounts/token", answer="200", times=0))

    assert "asking Garden live for a token: its answer is none" in ground.look().fault
    assert ground.versions() == ["enabled"]


def test_a_garden_that_gives_no_token_is_told_and_the_schedule_goes_on(ground: Ground) -> None:
    ground.cloud.advance(16 * DAY)
    ground.garden.withdraw(USER, "create", "serviceaccounts/token")
    with behind(ground.wired):
        answer = ask("schedule")

    assert answer.status == 200
    (line,) = answer.of("login")
    assert (line["severity"], line["garden"], line["renewed"], line["overdue"]) == ("WARNING", "live", False, False)
    assert line["token_days"] == pytest.approx(14, abs=0.01)
    (fault,) = answer.tree["faults"]
    assert "grant create on serviceaccounts/token" in fault


def test_what_fails_for_a_week_is_an_error_a_week_before_it_hurts(ground: Ground) -> None:
    ground.garden.withdraw(USER, "create", "serviceaccounts/token")
    ground.cloud.advance(22 * DAY)
    before = ground.look()
    ground.cloud.advance(DAY)
    after = ground.look()

    assert (before.overdue, after.overdue) == (False, True)
    assert ground.sees() == 1


def test_the_doctor_says_what_renewing_needs(ground: Ground) -> None:
    doctor = Cli(ground.folder / "rotator.toml", ground.folder / "state.db")
    withdrawals = [lambda: ground.garden.withdraw(USER, "create", "serviceaccounts/token")]
    for each in permission.KEPT:
        withdrawals.append(partial(ground.cloud.google.access.deny, each.name, f"*{renewal_ground.SECRET}"))
    names = [str(permission.RENEW), *(each.name for each in permission.KEPT)]
    told: list[list[str]] = []
    for withdraw in withdrawals:
        withdraw()
        lines = doctor("doctor", "-o", "json").tree["lines"]
        told.append([line["what"] for line in lines if line["part"] == "garden" and line["status"] == "missing"])
        ground.garden.restore(USER)
        ground.cloud.google.access.restore()
    lines = doctor("doctor", "-o", "json").tree["lines"]

    assert told == [[name] for name in names]
    assert set(names) <= {line["what"] for line in lines if line["status"] == "ok"}


def test_the_printed_role_lets_the_service_account_renew_its_own_token_and_no_other(ground: Ground) -> None:
    command = Cli(ground.folder / "rotator.toml", ground.folder / "state.db")

    items = command("rbac", "live", "-o", "json").tree["items"]
    alone = command("rbac", "live/garden", "-o", "json").tree["items"]

    roles = {each["metadata"]["namespace"]: each for each in items if each["kind"] == "Role"}
    rule = {
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "verbs": ["create"],
        "resourceNames": ["registry-key-rotator"],
    }
    assert roles["garden"]["rules"] == [rule]
    assert rule not in roles[NS]["rules"]
    assert [each["metadata"]["namespace"] for each in alone] == ["garden", "garden"]


def test_the_roles_at_google_name_the_tokens_secret(ground: Ground) -> None:
    command = Cli(ground.folder / "rotator.toml", ground.folder / "state.db")
    wide = "secretmanager.versions.access,secretmanager.versions.add,secretmanager.versions.list,secretmanager.versions.destroy"

    said = {who: command("rbac", "--google", "--for", who).out for who in ("reader", "minter")}

    assert "roles create registryKeyRotatorGardenTokenReader --project acme-prod " in said["reader"]
    assert f" --stage GA --permissions {wide}\n" in said["reader"]
    assert "--permissions secretmanager.versions.access\n" in said["minter"]
    assert "gcloud secrets add-iam-policy-binding garden-live --project acme-prod" in said["reader"]


def test_rotator_run_renews_as_the_schedule_does(ground: Ground) -> None:
    ground.cloud.advance(16 * DAY)

    said = Cli(ground.folder / "rotator.toml", ground.folder / "state.db")("run", "--once")

    assert "the token of Garden live was renewed" in said.err
    assert ground.versions() == ["enabled", "enabled"]


def test_a_token_of_a_person_cannot_be_renewed(ground: Ground) -> None:
    ground.garden.allow("jane@acme.example", NS, [Rule(("list",), ("shoots",))])
    ground.put(ground.garden.issue_token("jane@acme.example", 10 * DAY))
    ground.cloud.advance(6 * DAY)

    assert "it is that of jane@acme.example, no ServiceAccount" in ground.look().fault


def test_what_is_asked_for_is_thirty_days(ground: Ground) -> None:
    ground.cloud.advance(16 * DAY)
    ground.look()

    issued, ends = ground.wired.gardens()["live"].activation().age()

    assert issued is not None
    assert ends is not None
    assert ends - issued == LIFE
