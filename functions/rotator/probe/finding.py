"""The questions, what our code expects, and where it rests on that. Source of the doubts: gcp.md, the facts marked [?]."""

from datetime import timedelta
from typing import Literal

import msgspec

from rotator.conditions import TOKEN_LIFE
from rotator.policy import Waits, text

Status = Literal["as expected", "differs", "unknown"]

BOUND = Waits().propagation
"""So long a change may take to be seen: what the policy waits for a new key, unless its owner changes that."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`rests`: where the code rests on the answer, and what another one would mean."""

    expected: str
    rests: str
    bound: timedelta = BOUND
    says: str = ""
    """How the server's words begin when it refuses."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `seconds`: how long it took, where that was the question."""

    question: str
    status: Status
    measured: str
    expected: str
    rests: str
    seconds: float | None = None


_WITHIN = f"within {text(BOUND)}"

QUESTIONS: dict[str, Question] = {
    "absent-key": Question(
        expected="404",
        rests="clients/rpc.py and steps/delete_key.py: only 404 counts as gone; with 403 a retirement blocks (iam-permission)",
    ),
    "upload-to-list": Question(
        expected=f"listed {_WITHIN}",
        rests="steps/mint.py: after waits.propagation a key that is not listed is uploaded again; raise waits.propagation",
    ),
    "upload-to-exchange": Question(
        expected=f"accepted {_WITHIN}, until then invalid_grant",
        says="invalid_grant",
        rests="steps/verify.py: later than waits.propagation a rotation blocks (key-not-accepted); raise it. Another refusal"
        " than invalid_grant is not waited out (clients/registry.py, exchange)",
    ),
    "upload-to-registry": Question(
        expected=f"accepted {_WITHIN}, until then 401",
        says="401",
        rests="steps/verify.py, as upload-to-exchange; clients/registry.py takes 401 and 403 for a key that may be new",
    ),
    "disable-to-exchange": Question(
        expected=f"invalid_grant {_WITHIN}",
        says="invalid_grant",
        rests="conditions.py, not_used_since_disabled: a key that authenticates long after it was disabled looks like one with"
        " an unknown user; clients/registry.py reads invalid_grant as a dead or new key",
    ),
    "disable-to-registry": Question(
        expected=f"401 {_WITHIN}",
        says="401",
        rests="clients/registry.py, _refused: 401 and 403 both read as a key that is not accepted, anything else does not;"
        " waits.quiet must be longer than this takes",
    ),
    "disable-to-get": Question(
        expected=f"shown as disabled {_WITHIN}",
        rests="conditions.py, still_disabled: a read that shows a disabled key as enabled blocks a retirement"
        " (enabled-by-somebody)",
    ),
    "enable-to-exchange": Question(
        expected=f"accepted {_WITHIN}",
        rests="steps/disable.py, reenable: the undo is promised to be quick; caches fail until it is seen",
    ),
    "delete-to-exchange": Question(
        expected=f"invalid_grant {_WITHIN}",
        says="invalid_grant",
        rests="clients/registry.py, exchange; README, Promises: a deleted key opens nothing",
    ),
    "delete-to-registry": Question(
        expected=f"401 {_WITHIN}",
        says="401",
        rests="clients/registry.py, _refused: 401 and 403 both read as a key that is not accepted, anything else does not",
    ),
    "delete-to-get": Question(
        expected=f"404 {_WITHIN}",
        says="404",
        rests="steps/delete_key.py: only 404 counts as gone, twice with waits.request between; with 403 a retirement blocks"
        " (iam-permission), a key that is shown is deleted again",
    ),
    "registry-token-life": Question(
        expected=f"at most {text(TOKEN_LIFE)}",
        bound=TOKEN_LIFE,
        rests="conditions.py, TOKEN_LIFE: use of a disabled key after that time counts as a user that nobody knew"
        " (used-while-disabled); and pulls may go on for as long, so waits.quiet must be longer",
    ),
    "duplicate-certificate": Question(
        expected="a second key",
        rests="clients/iam.py, upload, and proof.py, keys_of: a second key, the same key and ALREADY_EXISTS are all taken;"
        " nothing breaks, the sandbox's default (duplicate_upload) should follow",
    ),
    "duplicate-key": Question(
        expected="a second key",
        rests="as duplicate-certificate; this is what a repeated upload of ours sends: the same pair, another certificate",
    ),
    "rsa-4096": Question(
        expected="uploaded, and exchanged",
        rests="clients/crypto.py, BITS: our own keys have 2048; only keys made elsewhere could be larger",
    ),
    "key-limit": Question(
        expected="10 keys, then key-cap",
        rests="clients/refusal.py, CAP, and key.py, KEY_LIMIT: a refusal with another code blocks with the wrong advice",
    ),
    "disabled-key-counts": Question(
        expected="it counts",
        rests="key.py, KEY_LIMIT: all keys are counted, whatever their state; if disabled ones do not count, that is only"
        " careful",
    ),
}


def answer(question: str, *, agrees: bool | None, measured: str, seconds: float | None = None) -> Finding:
    """What was found out. `agrees` None: nothing was."""
    asked = QUESTIONS[question]
    status: Status = "unknown" if agrees is None else "as expected" if agrees else "differs"
    return Finding(
        question=question,
        status=status,
        measured=measured,
        expected=asked.expected,
        rests=asked.rests,
        seconds=None if seconds is None else round(seconds, 1),
    )
