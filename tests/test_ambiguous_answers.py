"""The effect happened and the client heard nothing: for every mutating request, and for worlds that answer late or oddly."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

import tally
from crashes import Trap
from house import POLICY, house
from late import WIRE
from sandbox.faults import Fault
from test_crash_matrix import NARROW, SCENARIOS, Mint, Scenario, help_out, judged

pytestmark = pytest.mark.timeout(1200)

LOST: dict[str, tuple[str, Mint]] = {
    "staging.prepare": ("rotation", "upload"),
    "staging.add": ("rotation", "upload"),
    "staging.destroy": ("rotation", "upload"),
    "staging.schedule": ("rotation", "upload"),
    "accounts.upload": ("rotation", "upload"),
    "accounts.create": ("rotation", "create"),
    "gardens.create_secret": ("rotation", "upload"),
    "gardens.move": ("rotation", "upload"),
    "gardens.delete_secret": ("retirement", "upload"),
    "accounts.disable": ("retirement", "upload"),
    "accounts.delete": ("retirement", "upload"),
}
"""Where the first request of each kind is; `enable` and `mark` are below, they need a person and a confined Shoot."""

WORLDS: dict[str, dict[str, Any]] = {
    "prompt": {},
    "stale lists": {"stale": 120.0},
    "slow to work": {"works_after": 60.0},
    "slow to stop": {"stops_after": 60.0},
    "stale and slow": {"stale": 60.0, "works_after": 60.0, "stops_after": 60.0},
    "already exists": {"duplicate_upload": "already exists"},
    "already exists, stale": {"duplicate_upload": "already exists", "stale": 120.0},
    "same key": {"duplicate_upload": "same key"},
    "second key, stale": {"duplicate_upload": "second key", "stale": 120.0},
}
"""Knobs of the sandbox's IAM: how late it shows and obeys, and what a second upload of one key gives."""


def history(name: str, mint: Mint, faults: Sequence[Fault], world: dict[str, Any]) -> tuple[int, list[str]]:
    """How many answers were lost, and what is wrong in the end."""
    scenario: Scenario = SCENARIOS[name]
    with house(policy=msgspec.structs.replace(POLICY, mint=mint)) as lived_in:
        lived_in.populate(2)
        foreign, _ = lived_in.hand_made_key()
        for knob, value in world.items():
            setattr(lived_in.google.iam, knob, value)
        wired = lived_in.wire()
        for act in scenario.before:
            act(lived_in, wired)
        past = len(lived_in.operations.since())
        for fault in faults:
            lived_in.faults.add(fault)
        for act in scenario.under:
            act(lived_in, wired)
        lived_in.whole(wired)
        help_out(lived_in, wired)
        lost = [o for o in lived_in.operations.since(past) if not o.answered and o.mutating]
        return len(lost), judged(lived_in, wired, scenario, mint, foreign)


def lost(call: str, *, times: int = 1) -> Fault:
    service, method = WIRE[call]
    return Fault(service=service, method=method, when="after", answer="lost", times=times)


def check(part: str, name: str, mint: Mint, faults: Sequence[Fault], world: str, *, least: int = 1) -> None:
    answers, wrong = history(name, mint, faults, WORLDS[world])
    tally.add("lost_answers", part, answers, unit="answers")
    tally.add("lost_answer_violations", part, len(wrong), unit="faults", goal=0)
    assert answers >= least
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("call", LOST)
def test_a_lost_answer_is_found_out_by_reading(call: str) -> None:
    check(f"{call} prompt", *LOST[call], [lost(call)], "prompt")


@pytest.mark.slow
@pytest.mark.parametrize("world", [world for world in WORLDS if world != "prompt"])
@pytest.mark.parametrize("call", [call for call in LOST if call.startswith(("accounts", "staging.add"))])
def test_a_lost_answer_is_found_out_in_a_slow_world(call: str, world: str) -> None:
    check(f"{call} {world}", *LOST[call], [lost(call)], world)


@pytest.mark.parametrize("name", NARROW)
def test_every_first_answer_is_lost(name: str) -> None:
    """Each kind of request loses its first answer, all in one history."""
    check(f"all {name}", name, "upload", [lost(call) for call in WIRE], "prompt")


@pytest.mark.slow
@pytest.mark.parametrize("name", NARROW)
def test_every_first_two_answers_are_lost(name: str) -> None:
    check(f"all twice {name}", name, "upload", [lost(call, times=2) for call in WIRE], "prompt")


@pytest.mark.slow
@pytest.mark.parametrize("world", [world for world in WORLDS if world != "prompt"])
@pytest.mark.parametrize(("name", "mint"), [("rotation", "upload"), ("rotation", "create"), ("way back", "upload")])
def test_slow_worlds_alone_change_nothing(name: str, mint: Mint, world: str) -> None:
    check(f"none {name} {mint} {world}", name, mint, [], world, least=0)


@pytest.mark.parametrize("mint", ["upload", "create"])
@pytest.mark.parametrize("error", ["FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"])
def test_an_account_that_fills_up_meanwhile_blocks_and_goes_on_after_retry(error: Any, mint: Mint) -> None:
    """IAM's own cap is met between our look and our call; both shapes of its answer say the same to a person."""
    with house(policy=msgspec.structs.replace(POLICY, mint=mint)) as lived_in:
        lived_in.populate(2)
        foreign, _ = lived_in.hand_made_key()
        lived_in.google.iam.limit_error = error
        others: list[str] = []

        def fill(name: str, _: tuple[Any, ...], send: Callable[[], Any]) -> Any:
            if name in {"accounts.upload", "accounts.create"} and not others:
                others.extend(lived_in.hand_made_key()[0] for _ in range(8))
            return send()

        wired = Trap(lived_in, meddle=fill).wire()
        blocked = lived_in.rotate(wired)
        for key_id in others:
            lived_in.google.iam.change_by_hand(key_id, "deleted")
        wired.service.retry(blocked.id, lived_in.now(), by="test", why="there is room now")
        lived_in.whole(wired)

        assert blocked.blocked is not None
        assert blocked.blocked.code == "key-cap"
        assert judged(lived_in, wired, SCENARIOS["rotation"], mint, foreign) == []
