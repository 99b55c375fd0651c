"""Where the sandbox's Garden once said something else than the real API servers: what was found by the contract, and mended.

Each line names the contract's case that found it and holds it now: a test of `test_garden_contract.py`, or a case of
`garden_answers.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What the sandbox said and what is so; `case` is where it shows."""

    case: str
    sandbox: str
    real: str


FIXED: tuple[Disagreement, ...] = ()
"""The sandbox was changed to what is so."""

KEPT: tuple[Disagreement, ...] = ()
"""The sandbox still differs: no client can decide anything on it."""
