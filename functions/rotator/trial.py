"""Trying a key the way a registry cache uses it."""

from collections.abc import Iterable

from rotator.key import KeyFile, short
from rotator.record import Order
from rotator.world import Answer, World

IN_A_ROW = 3
"""Exchanges that must succeed one after the other: IAM's frontends learn of a key at different times."""


def try_key(key_file: KeyFile, upstreams: Iterable[str], order: Order, world: World) -> Answer:
    """Several exchanges in a row, then the registry at every upstream; the first refusal, or one sentence about all."""
    for _ in range(IN_A_ROW):
        answer = world.registry.exchange(key_file)
        if not answer.accepted:
            return answer
    tried: list[str] = []
    for upstream in upstreams:
        image = order.policy.probes.get(upstream)
        answer = world.registry.pull(key_file, upstream, image)
        if not answer.accepted:
            return answer
        tried.append(f"{upstream} ({image})" if image else f"{upstream} (login only, no probe image)")
    by = f"; accepted by {', '.join(tried)}" if tried else ""
    return Answer(True, f"key {short(key_file.private.public_key)}: {IN_A_ROW} token exchanges in a row{by}")
