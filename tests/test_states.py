"""What is stored: every state and record survives, another version's is refused, no private type gets in.

`python tests/test_states.py --write` writes the corpus of this version, one record per state. It is written once and then
only read: a release that cannot read tests/corpus/v0.1 has lost the work in progress of everybody who runs v0.1.
"""

import json
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from parts import (
    DAY,
    HOUR,
    MINUTE,
    NEW,
    NOW,
    OLD,
    PLACE,
    at,
    held,
    key,
    key_file,
    private,
    proof,
    retirement,
    rotation,
    shoot_ref,
    version,
)
from rotator import record as records
from rotator import runbook, states
from rotator.errors import Transient
from rotator.key import KeyId
from rotator.policy import Policy, Waits, Waves
from rotator.record import Blocked, Evidence, Fact, Record, Replaced, Wait, Waiver, decode, encode
from rotator.secret import Draft
from rotator.survey import Survey
from rotator.world import World

CORPUS = Path(__file__).parent / "corpus" / "v0.1"
FENCES = {"live": NOW + HOUR}
IDS = (KeyId("0123456789abcdef"),)

ROTATION_STATES: tuple[states.RotationState, ...] = (
    states.Planned(),
    states.Staged(version=3, public_key=NEW, at=NOW),
    states.Creating(before=IDS, tries=1, at=NOW),
    states.Minted(key=key(staged=3), at=NOW),
    states.Verified(key=key(staged=3), fences=FENCES, secrets=(version(1),)),
    states.Published(key=key(staged=3), secrets=(version(1),), fences=FENCES, at=NOW),
    states.Done(
        key=key(), secrets=(version(1),), fences=FENCES, moved=2, left=(states.Left("live/garden-acme/web", "sleeps"),)
    ),
    states.Superseded(
        by="puller-acme-prod-r2",
        key=key(),
        staged=3,
        public_key=NEW,
        published=True,
        secrets=(version(1),),
        fences=FENCES,
    ),
)
RETIREMENT_STATES: tuple[states.RetirementState, ...] = (
    states.Draining(since=NOW, clear_since=NOW + HOUR),
    states.DeletingSecrets(clear_since=NOW, gone_since=NOW + HOUR),
    states.Disabling(clear_since=NOW, fence=NOW + HOUR),
    states.Disabled(at=NOW, fence=NOW + HOUR, ids=IDS),
    states.DeletingKey(at=NOW, ids=IDS, absent_since=NOW + HOUR),
    states.Gone(at=NOW, ids=IDS),
    states.Withdrawn(why="wanted by puller-acme-prod-r2"),
    states.Reenabling(fence=NOW + HOUR, by="ann"),
    states.Reenabled(at=NOW),
)
# Every value said, because defaults may change and what is stored may not.
FROZEN = Policy(
    mode="automatic",
    mint="upload",
    confirm=("delete_key",),
    max_age=90 * DAY,
    lifetime=None,
    adopt=True,
    other_users=("ci",),
    probes={"europe-docker.pkg.dev": "acme-prod/images/app:latest"},
    attempts=50,
    waits=Waits(
        propagation=10 * MINUTE,
        soak=7 * DAY,
        idle=3 * DAY,
        unknown_use=14 * DAY,
        quiet=7 * DAY,
        settle=3 * DAY,
        request=MINUTE,
        poll=MINUTE / 2,
    ),
    waves=Waves(canary=1, canary_purposes=("testing",), growth=2.0, per_seed=5, limit=50, failure_budget=0),
)
EVIDENCE = Evidence(
    at=NOW, what="ordered, Planned", by="ann", facts=(Fact("why", "a test", {"shoots": 2, "part": 0.5, "k": "v"}),)
)


def sample(state: states.AnyState) -> Record:
    """A record in this state with something in every field."""
    if isinstance(state, states.RotationState):
        replaces = (Replaced(OLD, (at("hand-made"),)),)
        whole = rotation(1, state, policy=FROZEN, replaces=replaces, to=NEW, upstreams=("europe-docker.pkg.dev",))
    else:
        whole = retirement(OLD, state, policy=FROZEN, secrets=(at("hand-made"), version(1)))
    rest: Wait | Blocked = Wait(NOW + HOUR, ("2 of 5 Shoots reconciling",))
    if isinstance(state, states.Reenabled | states.Minted):
        rest = Blocked("reenabled", ("a person took it back",), "rotator retry x")
    return msgspec.structs.replace(
        whole,
        revision=7,
        attempts=2,
        rest=None if isinstance(state, states.FINAL) else rest,
        evidence=(EVIDENCE,),
        confirmed=("publish",),
        waivers=(Waiver(shoot=shoot_ref(), by="ann", why="it is dead", at=NOW),),
        seen=b"12345678",
    )


SAMPLES = {states.name_of(state): sample(state) for state in (*ROTATION_STATES, *RETIREMENT_STATES)}


def corpus_text(record: Record) -> str:
    return json.dumps(json.loads(encode(record)), indent=2) + "\n"


def test_the_samples_cover_both_unions() -> None:
    assert {type(state) for state in ROTATION_STATES} == set(get_args(states.RotationState))
    assert {type(state) for state in RETIREMENT_STATES} == set(get_args(states.RetirementState))
    assert set(get_args(states.AnyState)) == set(get_args(states.RotationState)) | set(get_args(states.RetirementState))


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_every_record_survives_the_store(record: Record) -> None:
    again = decode(encode(record))

    assert again == record
    assert type(again.state) is type(record.state)
    assert type(again.order) is type(record.order)
    assert encode(again) == encode(record)


@pytest.mark.parametrize("state", [*ROTATION_STATES, *RETIREMENT_STATES], ids=states.name_of)
def test_a_state_with_an_unknown_field_is_refused(state: states.AnyState) -> None:
    body = {**msgspec.to_builtins(state), "of_another_version": 1}

    with pytest.raises(msgspec.ValidationError, match="of_another_version"):
        msgspec.convert(body, type(state))


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_a_state_with_an_unknown_tag_is_refused(record: Record) -> None:
    body = json.loads(encode(record))
    body["state"]["type"] = "Pondering"

    with pytest.raises(msgspec.ValidationError, match="Pondering"):
        decode(json.dumps(body).encode())


@pytest.mark.parametrize("where", ["state", "order", "rest"])
def test_a_record_without_a_tag_is_refused(where: str) -> None:
    body = json.loads(encode(SAMPLES["Draining"]))
    del body[where]["type"]

    with pytest.raises(msgspec.ValidationError):
        decode(json.dumps(body).encode())


def test_a_tag_is_the_name_of_its_state_and_no_two_share_one() -> None:
    tags = [msgspec.to_builtins(record.state)["type"] for record in SAMPLES.values()]

    assert tags == list(SAMPLES)
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(private(), id="PrivateKey"),
        pytest.param(key_file(), id="KeyFile"),
        pytest.param(held().keys[0], id="HeldKey"),
        pytest.param(held(), id="HeldSecret"),
        pytest.param(Draft(ref=version(1), installation="acme", key_file=key_file()), id="Draft"),
        pytest.param(Survey((), {version(1): held()}, ()), id="Survey"),
        pytest.param(proof(secrets=(held(),)), id="Proof"),
    ],
)
def test_no_private_type_can_be_put_into_a_record(thing: object) -> None:
    """Not even by a careless hand that the type checker did not see."""
    stowaway = msgspec.structs.replace(SAMPLES["Draining"], rest=thing)

    for encoder in (encode, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            encoder(stowaway)  # type: ignore[operator]  # four encoders, one argument each


def test_no_type_that_is_stored_has_a_field_for_private_material() -> None:
    kinds = [kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    kinds += get_args(states.AnyState)

    words = {word for kind in kinds for word in str(kind.__annotations__).replace("[", " ").replace("]", " ").split()}
    assert not {word for word in words if "PrivateKey" in word or "KeyFile" in word or "Held" in word}


@pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)
def test_every_unfinished_state_has_a_step(record: Record) -> None:
    """Without a World a step falls over its first question: whoever does so was reached."""
    nowhere = World(accounts=None, staging=None, gardens={}, registry=None, usage=None, books=None)  # type: ignore[arg-type]
    try:
        outcome: Any = runbook.step(record, nowhere, NOW)
    except AttributeError:
        outcome = "a step"

    assert (outcome is None) == isinstance(record.state, states.FINAL)
    assert record.unfinished == (not isinstance(record.state, states.FINAL))


def test_a_rotation_never_runs_a_step_of_a_retirement() -> None:
    nowhere = World(accounts=None, staging=None, gardens={}, registry=None, usage=None, books=None)  # type: ignore[arg-type]
    mixed = [msgspec.structs.replace(SAMPLES["Planned"], state=state) for state in RETIREMENT_STATES]
    mixed += [msgspec.structs.replace(SAMPLES["Draining"], state=state) for state in ROTATION_STATES]

    assert [runbook.step(record, nowhere, NOW) for record in mixed] == [None] * len(mixed)


def test_a_checkpoint_within_a_state_does_not_forget_the_attempts() -> None:
    """Story: a worker that saved its token's expiry and then failed began at attempt one each time, for ever."""
    record = msgspec.structs.replace(SAMPLES["Disabling"], attempts=7)

    assert record.moved(states.Disabling(clear_since=NOW, fence=NOW + DAY), NOW, by="x").attempts == 7
    assert record.moved(states.Disabled(at=NOW, fence=NOW, ids=()), NOW, by="x").attempts == 0


def test_the_backoff_of_many_attempts_is_the_longest_one() -> None:
    """Story: from the 45th attempt on the doubling overflowed a timedelta, and the worker died of it."""
    patient = rotation(1, policy=Policy(attempts=1000))

    for attempts in (1, 2, 44, 45, 999):
        rest = runbook.tried_in_vain(msgspec.structs.replace(patient, attempts=attempts), Transient("503"), NOW)
        assert isinstance(rest, Wait)
        assert rest.until - NOW == min(runbook.BACKOFF * 2 ** min(attempts - 1, 20), runbook.LONGEST_BACKOFF)


@pytest.mark.parametrize("name", SAMPLES)
def test_this_version_reads_what_version_0_1_stored(name: str) -> None:
    stored = (CORPUS / f"{name}.json").read_text(encoding="utf-8")

    assert decode(stored.encode()) == SAMPLES[name]


def test_the_corpus_has_a_record_of_every_state() -> None:
    assert {path.stem for path in CORPUS.glob("*.json")} == set(SAMPLES)
    assert (PLACE.garden, PLACE.namespace) == ("live", "garden-acme")  # the corpus says so: parts.py must not drift


def write() -> None:
    """Only for a version that was not released yet: a stored corpus is never rewritten."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, record in SAMPLES.items():
        (CORPUS / f"{name}.json").write_text(corpus_text(record), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_states.py --write")
    write()
