"""Where the sandbox's Garden once said something else than the real API servers: what was found by the contract, and mended.

Each line names what holds it now: a test of `test_garden_contract.py`, or a case of `garden_answers.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What the sandbox said and what is so; `case` is where it shows."""

    case: str
    sandbox: str
    real: str


FIXED = (
    Disagreement(
        "test_a_plugins_kubeconfig_has_to_be_listed_in_the_resources",
        "a kubeconfig of an admission plugin may be any Secret",
        "422 unless spec.resources lists it, too",
    ),
    Disagreement(
        "flip to the empty name",
        '403 secrets "" not found',
        "422 Required value: must provide a name; only then are references resolved",
    ),
    Disagreement(
        "another kind of reference", "names the kind as v1/Pod", "names it as /v1, Kind=Pod and lists the supported kinds"
    ),
    Disagreement("no patch at all", "jsonpatch.Patch", "[]handlers.jsonPatchOp"),
    Disagreement("a patch of a kind nobody knows", "lists accepted media types", "415: Unsupported Media Type"),
    Disagreement("create of a Secret with a wrong name", "half of the rule for names", "the whole rule with its pattern"),
    Disagreement("create of a Secret with a wrong entry", "half of the rule for entries", "the whole rule with its pattern"),
    Disagreement("Gardener's finalizer taken off a Shoot in deletion", "other words", "shoot deletion has not completed ..."),
    Disagreement("webhook: an empty password", "invalid character", "unexpected end of JSON input"),
    Disagreement("webhook: broken JSON", "invalid character", "unexpected end of JSON input"),
    Disagreement("webhook: a number in the key file", "does not say what it found", "cannot unmarshal number"),
    Disagreement("webhook: an upstream with a scheme", "words of its own", "the whole rule with its pattern"),
    Disagreement(
        "test_two_shoots_of_one_name_in_two_projects",
        "its builder of Shoots gave equal domains to Shoots of equal name",
        "403 spec.dns.domain: Duplicate value, over all projects",
    ),
)
"""The sandbox was changed to what is so."""

KEPT: tuple[Disagreement, ...] = ()
"""The sandbox still differs in the words of an answer, not in its code or reason."""
