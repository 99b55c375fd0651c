"""The lines of the runbook, one function each: it takes one state and gives the next, or a wait, or a block.

A step does one kind of effect and saves nothing: its return value is the checkpoint. It knows no clock, does not sleep, log or
retry. *Again* in its docstring says what a second call finds, because every step may be run twice by crash or by event.
The signatures are the edges of the state diagram; a test draws the README's diagram from them.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from rotator.record import Fact, Replaced
from rotator.states import State

S_co = TypeVar("S_co", bound=State, covariant=True)


@dataclass(frozen=True, slots=True)
class Next(Generic[S_co]):
    """The next state, what was seen on the way to it, and Secrets with old keys that the books did not know."""

    state: S_co
    facts: tuple[Fact, ...] = ()
    met: tuple[Replaced, ...] = ()
