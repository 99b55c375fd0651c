"""Every call that changes something, and what it does when it comes an hour late: the table of the README.

`outcomes` are what the late-call tests may find; an outcome that is not here fails them, so that no line goes stale. `proof`
names a test.
"""

from dataclasses import dataclass

LANDS = "landed"
TOKEN = "refused: its token has expired"
ABSENT = "refused: there is no such object"
TAKEN = "refused: the name is taken"
STATE = "refused: not in that state any more"
TEST = "refused: a test of the patch"
PRECONDITION = "refused: precondition (uid, resourceVersion)"

STATES = "test_late_calls.py::test_a_call_that_arrives_in_any_later_state_does_no_harm"
SAVES = "test_late_calls.py::test_a_save_that_arrives_late_is_refused_or_harmless"
CLAIMS = "test_zombie.py::test_what_a_paused_worker_writes_into_the_store_is_lost"


@dataclass(frozen=True, slots=True)
class Late:
    """One call. `late`: what it does then; `outcomes`: what the servers may answer, for calls that go out."""

    call: str
    late: str
    proof: str = STATES
    outcomes: tuple[str, ...] = ()


TABLE = (
    Late(
        "staging.prepare", "the name is taken; or an empty secret, which the next rotation uses", outcomes=(LANDS, TAKEN, TOKEN)
    ),
    Late("staging.add", "a version that no record names and IAM never saw; destroyed by number", outcomes=(LANDS, TOKEN)),
    Late("staging.destroy", "that number is destroyed already, or nobody needs it", outcomes=(LANDS, STATE, ABSENT, TOKEN)),
    Late(
        "staging.schedule",
        "carries the etag of its read: refused once anybody wrote, else it sets the day that is right",
        outcomes=(LANDS, STATE, TOKEN),
    ),
    Late(
        "accounts.upload",
        "a key whose private half nobody keeps; found by its public half and retired",
        outcomes=(LANDS, TOKEN),
    ),
    Late("accounts.create", "a key that we cannot prove to be ours; reported, never touched", outcomes=(LANDS, TOKEN)),
    Late(
        "accounts.disable",
        "not after the fence, when its token has expired; until then `reenable` asserts again and again",
        outcomes=(LANDS, ABSENT, TOKEN),
    ),
    Late(
        "accounts.enable",
        "the key works again: its retirement says so and blocks; nothing is deleted",
        outcomes=(LANDS, ABSENT, TOKEN),
    ),
    Late("accounts.delete", "there is no way back from its state: the key was to go", outcomes=(LANDS, ABSENT, TOKEN)),
    Late(
        "gardens.create_secret",
        "the name is taken; the key's retirement passes no gate before the saved fence, so it cannot bring a dead key back",
        outcomes=(LANDS, TAKEN, TOKEN),
    ),
    Late(
        "gardens.move",
        "tests uid, generation, entry and old Secret: refused, or it moves a Shoot that nobody moved meanwhile",
        outcomes=(LANDS, TEST, TOKEN),
    ),
    Late(
        "gardens.mark",
        "tests uid and generation: refused, or the Shoot waits for one more reconcile",
        "test_late_calls.py::test_a_mark_that_arrives_late_does_no_harm",
        (LANDS, TEST, TOKEN),
    ),
    Late("gardens.judge", "a dry run: nothing is stored", "test_late_calls.py::test_every_mutating_call_is_in_the_table"),
    Late(
        "gardens.delete_secret",
        "uid and resourceVersion: refused, or that very Secret, which was to go",
        outcomes=(LANDS, ABSENT, PRECONDITION, TOKEN),
    ),
    Late("books.withdraw", "compare-and-set: lost", SAVES),
    Late("store.create", "its id is computed from the order: taken, or the order is given late, once", SAVES),
    Late("store.save", "lost once anybody went on with the record, else it is the next checkpoint", SAVES),
    Late("store.replace", "lost once anybody went on with the record: the person is told to look again", SAVES),
    Late("store.claim", "refused, or over before it begins: anybody takes over", CLAIMS),
    Late("store.extend", "its name is this activation's alone: refused", CLAIMS),
    Late("store.release", "its name is this activation's alone: frees nobody else's claim", CLAIMS),
    Late("store.reserve", "a write slot passes unused", CLAIMS),
    Late("store.suspend", "automation stops until somebody resumes", CLAIMS),
    Late(
        "store.resume",
        "lifts a suspension that was set meanwhile: after a `resume` that hung, look at `rotator status`",
        CLAIMS,
    ),
    Late(
        "queue.publish",
        "one more wake-up: nothing is due, or the claim refuses",
        "test_zombie.py::test_a_wake_up_too_many_is_refused",
    ),
)

BY_CALL = {row.call: row for row in TABLE}


def unforeseen(call: str, outcome: str) -> str:
    """Empty, or that the table does not know this outcome of the call."""
    row = BY_CALL[call]
    return "" if outcome in row.outcomes else f"zombie_table.py does not foresee: {call} {outcome}"


def markdown() -> str:
    """The table as the README shows it."""
    lines = ["| call | sent an hour late | proved by |", "| --- | --- | --- |"]
    lines += [f"| `{row.call}` | {row.late} | `{row.proof.rpartition('::')[2]}` |" for row in TABLE]
    return "\n".join(lines)
