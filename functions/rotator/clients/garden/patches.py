"""JSON Patches: everything that we change in a Shoot, each with tests of what was read.

uid, generation, and each entry's name, kind and old Secret are tested, so a patch that comes late or meets a moved list
changes nothing (gardener.md section 12). resourceVersion is not tested: a running reconcile changes it all the time.
"""

from collections.abc import Sequence

from rotator.clients.garden import traces
from rotator.clients.garden.caches import NEWEST, RegistryConfig
from rotator.clients.garden.wire import SEEN
from rotator.shoot import MARK, Mark, Reference, Shoot
from rotator.world import Move

Operation = dict[str, object]
Patch = list[Operation]


def move(shoot: Shoot, moves: Sequence[Move], mark: Mark) -> Patch:
    """The entries name their new Secrets and the Shoot is marked."""
    after = _moved(shoot, moves)
    return [*_identity(shoot), *_entries(moves), *_marks(after, mark)]


def mark(shoot: Shoot, mark: Mark) -> Patch:
    """The Shoot is marked, nothing else."""
    return [*_identity(shoot), *_marks(shoot, mark)]


def judge(shoot: Shoot, moves: Sequence[Move], config: RegistryConfig) -> Patch:
    """The moves, nudged: the cache's RegistryConfig differs too, or the webhook would not look at the Secret.

    Empty when no cache takes its credential from any of the entries, or its config is of a version without the nudge's field.
    """
    entries = {move.entry for move in moves}
    if config.api_version != NEWEST:
        return []
    for index, cache in enumerate(config.caches or ()):
        if cache.secret_reference_name in entries:
            enabled = bool(cache.high_availability and cache.high_availability.enabled)
            path = f"/spec/extensions/{shoot.cache_config}/providerConfig/caches/{index}"
            return [
                *_identity(shoot),
                *_entries(moves),
                _test(f"{path}/secretReferenceName", cache.secret_reference_name),
                {"op": "add", "path": f"{path}/highAvailability", "value": {"enabled": not enabled}},
            ]
    return []


def pointer(key: str) -> str:
    """The key as one step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _moved(shoot: Shoot, moves: Sequence[Move]) -> Shoot:
    from msgspec.structs import replace

    targets = {move.index: move.new for move in moves}
    references = [Reference(each.index, each.entry, targets.get(each.index, each.secret)) for each in shoot.references]
    return replace(shoot, references=tuple(references))


def _test(path: str, value: object) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _identity(shoot: Shoot) -> Patch:
    return [_test("/metadata/uid", shoot.ref.uid), _test("/metadata/generation", shoot.generation)]


def _entries(moves: Sequence[Move]) -> Patch:
    patch: Patch = []
    for move in moves:
        entry = f"/spec/resources/{move.index}"
        patch += [
            _test(f"{entry}/name", move.entry),
            _test(f"{entry}/resourceRef/kind", "Secret"),
            _test(f"{entry}/resourceRef/name", move.old),
            {"op": "replace", "path": f"{entry}/resourceRef/name", "value": move.new},
        ]
    return patch


def _marks(shoot: Shoot, mark: Mark) -> Patch:
    root = "/metadata/annotations"
    patch: Patch = []
    if not shoot.annotated:
        # `add` would replace a map that somebody made meanwhile: the test refuses then. The other way round, a map that went
        # meanwhile is an absent path below: refused as well.
        patch = [_test(root, None), {"op": "add", "path": root, "value": {}}]
    return [
        *patch,
        {"op": "add", "path": f"{root}/{pointer(MARK)}", "value": str(mark)},
        {"op": "add", "path": f"{root}/{pointer(SEEN)}", "value": traces.seen(shoot)},
    ]
