"""What people and machines read of records, inventories and plans."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
import pytest

from parts import (
    BASE,
    DAY,
    EMAIL,
    HOUR,
    MINUTE,
    NEW,
    NOW,
    OLD,
    POLICY,
    account_key,
    key,
    published,
    retirement,
    rotation,
    shoot,
    version,
)
from rotator.cli import FINE, PENDING, UNVERIFIED, progress
from rotator.cli.telling import code_of
from rotator.history import Line
from rotator.hold import why_held
from rotator.record import PROPOSED, Blocked, Evidence, Fact, Record, Replaced, Wait
from rotator.report import form, history, milestone, plan, records, rollout
from rotator.shoot import Reference, Shoot, why_not_movable, why_not_settled
from rotator.states import DeletingSecrets, Disabled, Done, Draining, Gone, Published, Reenabled, Withdrawn
from rotator.store import Suspension
from rotator.view import Charge, CredentialView, KeyView, SecretView, ShootView

CLEAR = NOW - 2 * DAY


def moved(record: Record, *entries: tuple[datetime, str, tuple[Fact, ...]]) -> Record:
    evidence = tuple(Evidence(at=at, what=what, by="rotator", facts=facts) for at, what, facts in entries)
    return msgspec.structs.replace(record, evidence=evidence)


@pytest.mark.parametrize(
    ("span", "text"),
    [(timedelta(0), "0s"), (90 * timedelta(seconds=1), "90s"), (5 * MINUTE, "5m"), (3 * HOUR, "3h"), (76 * DAY, "76d"),
     (36 * HOUR, "36h")],
    ids=str,
)  # fmt: skip
def test_an_age_has_one_unit_as_in_kubectl(span: timedelta, text: str) -> None:
    assert form.age(NOW - span, NOW) == text


def test_times_for_machines_are_rfc_3339_in_utc() -> None:
    assert form.stamp(NOW) == "2026-11-02T12:00:00Z"
    assert form.stamp(None) is None


def test_a_draining_key_says_when_each_next_step_may_happen() -> None:
    found = milestone.milestones(retirement(OLD, Draining(since=CLEAR, clear_since=CLEAR)), NOW)

    assert [one.earliest for one in found] == [
        CLEAR + POLICY.waits.soak,
        CLEAR + POLICY.waits.soak + POLICY.waits.request,
        CLEAR + POLICY.waits.soak + POLICY.waits.request + POLICY.waits.quiet,
    ]
    assert form.clock(CLEAR + POLICY.waits.unknown_use) in found[1].note


def test_the_soak_of_a_key_in_use_has_not_begun() -> None:
    found = milestone.milestones(retirement(OLD, Draining(since=CLEAR)), NOW)

    assert found[0].earliest == NOW + POLICY.waits.soak
    assert "after the last Shoot has left it" in found[0].note


def test_a_wait_that_is_longer_than_the_plan_is_believed() -> None:
    until = NOW + 5 * HOUR
    state = DeletingSecrets(clear_since=NOW - 8 * DAY, gone_since=NOW - HOUR)
    record = msgspec.structs.replace(retirement(OLD, state), rest=Wait(until, ("its use is unknown",)))

    assert records.not_before(record, NOW) == until
    assert records.next_step(record) == "disables key"


def test_a_step_that_is_weeks_away_is_not_dated_by_the_next_look() -> None:
    """The column said `disables key ... in 1h` above `its use is unknown; waiting 14d`."""
    ends = NOW + 6 * DAY
    state = DeletingSecrets(clear_since=NOW - 8 * DAY, gone_since=NOW - HOUR)
    record = msgspec.structs.replace(retirement(OLD, state), rest=Wait(NOW + HOUR, ("its use is unknown",), ends=ends))

    assert records.not_before(record, NOW) == ends
    assert records.looks_again(record, NOW) == "2026-11-02 13:00 (in 1h)"
    assert records.tree(record, NOW)["looks_again"] == form.stamp(NOW + HOUR)


def test_a_disabled_key_is_deleted_after_the_quiet() -> None:
    at = NOW - DAY
    record = moved(
        retirement(OLD, Disabled(at=at, fence=at, ids=())),
        (at - HOUR, "DeletingSecrets -> DeletingSecrets", (Fact("secrets_gone", "404"),)),
        (at, "Disabling -> Disabled", ()),
    )
    secrets, disabled, deleted = milestone.milestones(record, NOW)

    assert (secrets.done_at, secrets.earliest) == (at - HOUR, None)
    assert (disabled.done_at, disabled.earliest) == (at, None)
    assert (deleted.done_at, deleted.earliest) == (None, at + POLICY.waits.quiet)


@pytest.mark.parametrize("state", [Gone(at=NOW, ids=()), Withdrawn(why="wanted again")], ids=["gone", "withdrawn"])
def test_what_has_ended_promises_nothing(state: Gone | Withdrawn) -> None:
    record = retirement(OLD, state)

    assert records.not_before(record, NOW) is None
    assert records.status_of(record) == "Done"
    assert records.why(record) == ()


def test_a_blocked_record_says_code_reason_and_next_command() -> None:
    block = Blocked("cannot-pull", ("403 at europe-docker.pkg.dev",), f"rotator retry {BASE}-r1")
    tree = records.tree(msgspec.structs.replace(rotation(1), rest=block), NOW)

    assert tree["status"] == "Blocked"
    assert tree["not_before"] is None
    assert tree["blocked"] == {"code": block.code, "why": list(block.why), "next_command": block.next_command}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("gcloud x", ("gcloud x", f"rotator retry {BASE}-r1")),
        ("rotator retry", (f"rotator retry {BASE}-r1",)),
        (f"gcloud x && rotator retry {BASE}-r1", (f"gcloud x && rotator retry {BASE}-r1",)),
        ("rotator rotate puller --new", ("rotator rotate puller --new",)),
    ],
)
def test_what_mends_a_block_is_followed_by_what_lets_it_go_on(command: str, told: tuple[str, ...]) -> None:
    record = msgspec.structs.replace(rotation(1), rest=Blocked("x", ("y",), command))

    assert records.next_commands(record) == told
    assert progress.line(record).endswith("next: " + ", then ".join(told))


def kept() -> Record:
    block = Blocked("reenabled", ("it stays",), f"rotator retry {BASE}-kaaaaaaaa-1")
    acts = (NOW - HOUR, "Disabled -> Reenabling", (Fact("why", "the farm needs it"),)), (NOW, "blocked: reenabled", ())
    return moved(msgspec.structs.replace(retirement(OLD, Reenabled(at=NOW)), rest=block), *acts)


def test_a_key_that_was_taken_back_is_kept_and_needs_nobody() -> None:
    tree = records.tree(kept(), NOW)

    assert (tree["status"], tree["blocked"], tree["not_before"]) == ("Kept", None, None)
    assert tree["kept"]["why"] == "the farm needs it"
    assert tree["kept"]["to_retire"] == f"rotator retry {kept().id}"
    assert code_of([kept()]) == FINE
    assert history.status_tree([kept()], [], [], NOW)["credentials"][0]["replacing"] == []
    assert "is kept, taken back by rotator at 2026-11-02 11:00 UTC: the farm needs it" in progress.line(kept())


def test_keeping_one_key_hides_no_other_trouble() -> None:
    block = Blocked("cannot-pull", ("403",), f"rotator retry {BASE}-r1")

    assert code_of([kept(), rotation(1)]) == PENDING
    assert code_of([kept(), msgspec.structs.replace(rotation(1), rest=block)]) == UNVERIFIED


@pytest.mark.parametrize(
    ("delivery", "step", "note"),
    [("direct", "moves Shoots", "in waves"), ("handover", "owners move Shoots", "by their owners")],
)
def test_who_moves_the_shoots_is_said(delivery: Literal["direct", "handover"], step: str, note: str) -> None:
    record = rotation(1, published(), policy=msgspec.structs.replace(POLICY, delivery=delivery))

    assert records.next_step(record) == step
    assert milestone.milestones(record, NOW)[3].note.startswith(note)


def test_a_suspension_is_the_first_reason() -> None:
    stop = Suspension(subject=EMAIL, by="ann", why="holidays", at=NOW)
    record = msgspec.structs.replace(rotation(1), rest=Wait(NOW + HOUR, ("propagation",)))

    assert records.status_of(record, [stop]) == "Suspended"
    assert records.why(record, [stop])[0].startswith("suspended by ann")


def test_a_suspension_is_told_once_and_gone_when_it_is_over() -> None:
    """The record has not looked since, so its own wait still speaks of the suspension."""
    stop = Suspension(subject=EMAIL, by="ann", why="holidays", at=NOW)
    record = msgspec.structs.replace(rotation(1), rest=Wait(NOW + MINUTE, (why_held([stop], EMAIL),)))

    assert records.why(record, [stop]) == ("suspended by ann at 2026-11-02 12:00 UTC: holidays",)
    assert records.resumes(stop) == f"rotator resume {EMAIL}"
    assert records.why(record) == ("its automation was resumed: it goes on at the next look",)
    assert records.tree(record, NOW)["waits_for"] == []


def test_status_tells_what_is_live_and_what_is_being_replaced() -> None:
    published = moved(
        rotation(1, Done(key=key(), secrets=(version(1),), fences={}, moved=2, left=())),
        (NOW - DAY, "Verified -> Published", ()),
        (NOW - HOUR, "Published -> Done", ()),
    )
    tree = history.status_tree([published, retirement(OLD, Draining(since=NOW))], ["record x: unreadable"], [], NOW)
    (found,) = tree["credentials"]

    assert tree["schema"] == "registry-key-rotator/v1"
    assert (found["live"]["public_key"], found["live"]["since"]) == (NEW, form.stamp(NOW - DAY))
    assert found["replacing"] == [OLD]
    assert tree["unreadable"] == ["record x: unreadable"]


def test_the_key_that_shoots_still_run_on_is_named_while_they_move() -> None:
    record = rotation(1, published(), replaces=(Replaced(OLD, (version(7),)),))

    assert history.status_tree([record], [], [], NOW)["credentials"][0]["replacing"] == [OLD]


def test_a_rotation_whose_shoots_have_all_moved_says_until_when_it_waits_at_most() -> None:
    ends = NOW + 3 * DAY
    why = f"1 of 8 moved Shoots to settle, at most until {form.clock(ends)}"
    record = msgspec.structs.replace(rotation(1, published()), rest=Wait(NOW + MINUTE, (why,), ends=ends))

    assert records.row(record, NOW)[4:] == ("Shoots settle", "at most 2026-11-05 12:00 (in 3d)")
    assert records.tree(record, NOW)["waits_at_most_until"] == form.stamp(ends)
    assert "Ctrl-C is fine" in progress.calm(ends)


def test_status_shows_the_newest_ended_record_only_unless_asked_for_all() -> None:
    ended = [rotation(number, Done(key=key(), secrets=(), fences={}, moved=0, left=())) for number in (1, 2)]

    assert [one.id for one in history.standings(ended, [])[0].shown] == [ended[1].id]
    assert len(history.standings(ended, [], whole=True)[0].shown) == 2


def test_a_history_says_how_much_of_it_is_shown() -> None:
    lines = [Line(at=NOW, by="rotator:7", state="Planned", what=f"act {number}") for number in range(history.NEWEST + 1)]

    assert history.lately(lines)[0] == ("2026-11-02 12:00:00", "Planned", "rotator", "act 1")
    assert "12 of 13 lines" in history.earlier(lines, rotation(1))
    assert history.earlier(lines[1:], rotation(1)) == ""


@pytest.mark.parametrize(
    ("state", "phase"),
    [(Done(key=key(), secrets=(), fences={}, moved=1, left=()), "Done"), (published(), "Published, Running")],
    ids=["done", "published"],
)
def test_a_phase_is_not_said_twice(state: Done | Published, phase: str) -> None:
    assert dict(history.about(rotation(1, state), NOW))["Phase"] == phase


def test_a_record_in_full_is_json_without_any_help() -> None:
    record = moved(rotation(1), (NOW, "ordered, Planned", (Fact("why", "a test", {"tries": 3}),)))
    text = msgspec.json.encode(history.described(record, NOW)).decode()

    assert '"tries":3' in text
    assert history.history(record)[0][1] == (("why", "a test"),)


def view(*shoots: Shoot) -> CredentialView:
    known = account_key(OLD, made_at=NOW - 80 * DAY)
    return CredentialView(
        email=EMAIL,
        charge=Charge(email=EMAIL, project="acme-prod", base=BASE, policy=POLICY),
        keys=(KeyView(key=known, role="in use", secrets=(), shoots=1, starts_at=POLICY.starts_at(known.made_at)),),
        secrets=(SecretView(ref=version(7), public_key=OLD, ours=True, remarks=(), shoots=()),),
        shoots=tuple(
            ShootView(
                shoot=one, secrets=tuple(r.secret for r in one.references), keys=(OLD,),
                not_movable=why_not_movable(one), not_settled=why_not_settled(one),
            )
            for one in shoots
        ),
        upstreams=(), in_use=(OLD,), wanted=None, hindrances=(),
    )  # fmt: skip


def test_a_plan_names_the_next_free_secret_and_counts_every_shoot() -> None:
    many = [shoot(f"shoot-{number}", purpose="production") for number in range(4)]
    made = plan.make(view(*many, shoot("asleep", skip=True), shoot("window", confined=True)), [], NOW)

    assert made is not None
    assert [ref.name for ref in made.secrets] == [f"{BASE}-v8"]
    assert (made.count("moves"), made.count("waits"), made.count("skipped")) == (4, 1, 1)
    assert made.waves > 1


def test_the_latest_dates_end_where_max_age_ends() -> None:
    made = plan.make(view(shoot("one")), [], NOW)
    assert made is not None
    dates = {one.step: one for one in made.dates}

    assert dates["old key disabled"].latest == NOW - 80 * DAY + POLICY.max_age
    assert dates["rotation begins"].latest == made.due_at
    assert sorted(one.latest for one in made.dates) == [one.latest for one in made.dates]
    assert sorted(one.earliest for one in made.dates) == [one.earliest for one in made.dates]


def test_an_account_that_the_configuration_does_not_name_has_no_plan() -> None:
    assert plan.make(msgspec.structs.replace(view(), charge=None), [], NOW) is None


def test_a_roll_out_is_told_shoot_by_shoot() -> None:
    old, new = shoot("old", references=(Reference(0, "ar", "ar-credentials"),)), shoot("new")
    late = shoot("late", generation=9)
    order = rotation(1, Published(key=key(), secrets=(version(1),), fences={}, at=NOW))
    found = {one.shoot.rpartition("/")[2]: one for one in rollout.stands(view(old, new, late), order)}

    assert {name: one.word for name, one in found.items()} == {"old": "waits", "new": "settled", "late": "moved"}
    assert found["late"].why
    assert rollout.counted(tuple(found.values())) == "1 settled, 1 moved, 1 waits"


def test_a_rotation_that_is_only_proposed_is_planned_in_full() -> None:
    record = msgspec.structs.replace(rotation(1), rest=Blocked(PROPOSED, ("its key is dead",), "rotator retry x"))
    made = plan.make(view(shoot("one")), [record], NOW)

    assert made is not None
    assert (made.unfinished, made.remaining, made.count("moves")) == (record.id, (), 1)


def test_a_plan_tells_what_the_rotation_under_way_still_does() -> None:
    record = msgspec.structs.replace(rotation(1, published()), rest=Wait(NOW + MINUTE, ("0 of 1 moved Shoots settled",)))
    made = plan.make(view(shoot("old", references=(Reference(0, "ar", "hand-made"),))), [record], NOW)

    assert made is not None
    assert made.unfinished == record.id
    assert made.remaining[-3:] == (
        "Shoots: 1 waits",
        f"{shoot('old').ref} waits for its wave",
        "waits: 0 of 1 moved Shoots settled",
    )
