"""The Garden of the sandbox: Secrets and Shoots with Gardener's rules, and gardenlets that reconcile in sandbox time."""

from sandbox.garden.access import ADMIN, EVERYWHERE, ROTATOR, Rule
from sandbox.garden.garden import Garden
from sandbox.garden.gardenlet import Behaviour, Credentials
from sandbox.garden.refusal import Refusal
from sandbox.garden.state import Knobs

__all__ = ["ADMIN", "EVERYWHERE", "ROTATOR", "Behaviour", "Credentials", "Garden", "Knobs", "Refusal", "Rule"]
