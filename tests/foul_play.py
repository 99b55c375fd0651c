"""Mistakes that a rotation could make, made upon the world by somebody beside the real one: each must make pulls fail.

A mistake is a moment and a deed. The moment is when a rotator with that mistake would believe that it may go on; it is a pure
function of the Shoots. The deed is what that rotator would do then.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pull_scene import PAYMENTS, Scene
from sandbox.iam_key import DISABLED

NEW = "puller-acme-prod-v1"
"""The Secret that the rotation writes."""

Shoot = dict[str, Any]
Moment = Callable[[list[Shoot]], bool]
Deed = Callable[[Scene], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """When it is made, what is done, whose caches must suffer, and whose may."""

    moment: Moment
    deed: Deed
    must: frozenset[str]
    may: frozenset[str] = frozenset()
    soak: float = 0.0
    """Seconds from the moment to the deed."""
    apply_delay: float = 0.5
    """Seconds from a Shoot's Succeeded to its caches."""


def names_new(shoot: Shoot) -> bool:
    """The Shoot's spec names the new Secret."""
    return any(entry["resourceRef"]["name"] == NEW for entry in shoot["spec"].get("resources") or ())


def deleting(shoot: Shoot) -> bool:
    """The Shoot is being deleted."""
    return "deletionTimestamp" in shoot["metadata"]


def succeeded(shoot: Shoot) -> bool:
    """Some run succeeded last: maybe the one before the change."""
    return (shoot["status"].get("lastOperation") or {}).get("state") == "Succeeded"


def settled(shoot: Shoot) -> bool:
    """The run for the newest generation succeeded, and the care loop saw no fault since."""
    conditions = {each["type"]: each["status"] for each in shoot["status"].get("conditions") or ()}
    observed = shoot["status"].get("observedGeneration") == shoot["metadata"]["generation"]
    return observed and succeeded(shoot) and conditions.get("SystemComponentsHealthy") == "True"


def one_was_patched(shoots: list[Shoot]) -> bool:
    """Revoking before roll-out: the patch went through, so the work counts as done."""
    return any(names_new(shoot) for shoot in shoots)


def all_say_succeeded(shoots: list[Shoot]) -> bool:
    """Trusting Succeeded of the run before: nobody compares generations."""
    return all(names_new(shoot) and succeeded(shoot) for shoot in shoots if not deleting(shoot))


def all_but_leaving_settled(shoots: list[Shoot]) -> bool:
    """Skipping Shoots that are being deleted: they cannot be patched, so they are not looked at."""
    return all(names_new(shoot) and settled(shoot) for shoot in shoots if not deleting(shoot))


def all_settled(shoots: list[Shoot]) -> bool:
    """Taking Succeeded for rolled out: the extension does not wait for its caches. With a soak, the right moment."""
    return all(names_new(shoot) and settled(shoot) for shoot in shoots)


def take_old_key_away(scene: Scene) -> None:
    """The old key is disabled at IAM."""
    scene.cloud.google.iam.change_by_hand(scene.old.key_id, DISABLED)


def publish_wrong_key(scene: Scene) -> None:
    """Wrong key in the Secret: one Shoot is pointed at a Secret whose key IAM has taken back."""
    key_id, key_file = scene.cloud.google.make_key(scene.account, by="foul play")
    scene.cloud.google.iam.change_by_hand(key_id, DISABLED)
    scene.garden.create_secret(PAYMENTS, "puller-acme-prod-typo", password=key_file)
    scene.garden.point(PAYMENTS, "checkout", "ar", "puller-acme-prod-typo")


def publish_fresh_key(scene: Scene) -> None:
    """Using a key at once: one Shoot is pointed at a Secret whose key does not work everywhere yet."""
    scene.cloud.google.iam.works_after = 20.0
    _, key_file = scene.cloud.google.make_key(scene.account, by="foul play")
    scene.garden.create_secret(PAYMENTS, "puller-acme-prod-early", password=key_file)
    scene.garden.point(PAYMENTS, "checkout", "ar", "puller-acme-prod-early")


def _caches(*names: str) -> frozenset[str]:
    return frozenset(names)


MISTAKES = {
    "revoking before roll-out": Mistake(
        moment=one_was_patched,
        deed=take_old_key_away,
        must=_caches("ledger", "leaving"),
        may=_caches("playground", "checkout"),
    ),
    "wrong key in the Secret": Mistake(moment=one_was_patched, deed=publish_wrong_key, must=_caches("checkout")),
    "using a key at once": Mistake(moment=one_was_patched, deed=publish_fresh_key, must=_caches("checkout")),
    "trusting Succeeded of the run before": Mistake(
        moment=all_say_succeeded, deed=take_old_key_away, must=_caches("ledger", "leaving"), may=_caches("checkout")
    ),
    "skipping Shoots that are being deleted": Mistake(
        moment=all_but_leaving_settled, deed=take_old_key_away, must=_caches("leaving"), soak=2.0
    ),
    "taking Succeeded for rolled out": Mistake(
        moment=all_but_leaving_settled,
        deed=take_old_key_away,
        must=_caches("ledger", "leaving"),
        may=_caches("playground", "checkout"),
        apply_delay=5.0,
    ),
}
NO_MISTAKE = Mistake(moment=all_settled, deed=take_old_key_away, must=frozenset(), soak=4.0)
"""The same deed as that of most mistakes, when nobody needs the old key any more."""


class FoulPlay:
    """Watches the Garden from `start` on, and makes the mistake once."""

    def __init__(self, scene: Scene, mistake: Mistake) -> None:
        """Not begun."""
        self._scene = scene
        self._mistake = mistake
        self.done = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="foul play")

    def start(self) -> None:
        """Somebody is watching."""
        self._thread.start()

    def stop(self) -> None:
        """Nobody is watching any more."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            if self._mistake.moment(self._scene.shoots()):
                self._stop.wait(self._mistake.soak)
                self._mistake.deed(self._scene)
                self.done.set()
                return
