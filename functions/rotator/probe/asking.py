"""The questions in their order, each group on keys of its own. What fails leaves its own group unanswered, no other."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from rotator.clients import crypto
from rotator.clients.refusal import CAP
from rotator.clients.registry import ArtifactRegistry, Ticket
from rotator.errors import Absent, Exists, Permanent, RotatorError
from rotator.key import KeyFile, KeyId, PrivateKey
from rotator.policy import text
from rotator.probe.finding import QUESTIONS, Finding, answer
from rotator.probe.scratch import Scratch
from rotator.probe.watch import Ask, Seen, Watch, judged, unheard
from rotator.world import Answer

LARGE = 4096

SETTLE = (0.0, 20.0, 20.0, 20.0)
"""Seconds before each try to make one key more, before its refusal is believed."""

REGISTRY = frozenset({"upload-to-registry", "registry-token-life", "disable-to-registry", "delete-to-registry"})
LIMIT = ("key-limit", "disabled-key-counts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is asked, and by which means. `image`: host and image that the account may pull; None: no registry is asked."""

    scratch: Scratch
    registry: ArtifactRegistry
    watch: Watch
    image: tuple[str, str] | None


def asked(*, image: bool, limit: bool) -> tuple[str, ...]:
    """The questions that will be answered, in their order."""
    return tuple(name for name in QUESTIONS if (image or name not in REGISTRY) and (limit or name not in LIMIT))


def inquire(ground: Ground, *, limit: bool) -> Iterator[Finding]:
    """Every answer as soon as it is known. Whoever ends this early cleans up: see Scratch."""
    groups: list[tuple[tuple[str, ...], Callable[[Ground], Iterator[Finding]]]] = [
        (("absent-key",), _absent),
        (tuple(name for name in QUESTIONS if name.startswith(("upload", "registry", "disable-", "enable", "delete"))), _life),
        (("duplicate-certificate", "duplicate-key"), _duplicates),
        (("rsa-4096",), _large),
        (LIMIT, _full),
    ]
    wanted = asked(image=ground.image is not None, limit=limit)
    for names, group in groups:
        due = [name for name in names if name in wanted]
        if not due:
            continue
        ground.watch.say(f"asking: {', '.join(due)}")
        try:
            for finding in group(ground):
                due.remove(finding.question)
                yield finding
        except RotatorError as fault:
            yield from unheard(tuple(due), fault)


def _absent(ground: Ground) -> Iterator[Finding]:
    said = _get(ground, KeyId(secrets.token_hex(20)))()
    yield answer("absent-key", agrees=said.said == "404", measured=said.said or said.text)


def _life(ground: Ground) -> Iterator[Finding]:
    """One key: fresh, disabled, enabled again, deleted while it works."""
    scratch, watch = ground.scratch, ground.watch
    file = scratch.make()
    seen = watch.follow(
        {"upload-to-list": _listed(ground, file.id), "upload-to-exchange": _exchange(ground, file)}
        | _at_registry(ground, file, "upload-to-registry"),
        wanted=True,
    )
    yield from _judged(seen, wanted=True)
    if not seen["upload-to-exchange"].settled:
        raise Permanent("the new key never worked, so nothing can be seen of its end")
    pulls = "upload-to-registry" in seen and seen["upload-to-registry"].settled
    if ground.image and not pulls:
        yield from unheard(tuple(sorted(REGISTRY - {"upload-to-registry"})), Permanent("the registry did not take the new key"))
    ticket = ground.registry.ticket(file, *ground.image) if ground.image and pulls else None

    scratch.disable(file.id)
    yield from _ended(ground, file, "disable", {"disable-to-get": _disabled(ground, file.id)}, pulls=pulls)
    scratch.enable(file.id)
    back = watch.follow({"enable-to-exchange": _exchange(ground, file)}, wanted=True)
    yield from _judged(back, wanted=True)
    more = {"delete-to-get": _get(ground, file.id)}
    if not more["delete-to-get"]().accepted:
        more = {}
        yield from unheard(("delete-to-get",), Permanent("a get did not show the key even before it was deleted"))
    scratch.delete(file.id)
    yield from _ended(ground, file, "delete", more, pulls=pulls)
    if ticket is not None:
        yield _ticket_life(ground, ticket)


def _ended(ground: Ground, file: KeyFile, verb: str, more: dict[str, Ask], *, pulls: bool) -> Iterator[Finding]:
    """The key was disabled or deleted: who goes on to take it, and for how long."""
    registry = _at_registry(ground, file, f"{verb}-to-registry") if pulls else {}
    witnesses = {f"{verb}-to-exchange": _exchange(ground, file), **registry, **more}
    yield from _judged(ground.watch.follow(witnesses, wanted=False), wanted=False)


def _ticket_life(ground: Ground, ticket: Ticket | Answer) -> Finding:
    if isinstance(ticket, Answer):
        return answer("registry-token-life", agrees=None, measured=ticket.text)
    on = "pulls on" if ground.registry.look(ticket).accepted else "does not pull any more"
    after = f"one from before the key was disabled and deleted {on}"
    if ticket.seconds is None:
        return answer("registry-token-life", agrees=None, measured=f"the registry does not tell; {after}")
    agrees = ticket.seconds <= QUESTIONS["registry-token-life"].bound.total_seconds()
    told = f"{text(timedelta(seconds=ticket.seconds))}; {after}"
    return answer("registry-token-life", agrees=agrees, measured=told, seconds=ticket.seconds)


def _duplicates(ground: Ground) -> Iterator[Finding]:
    """The same certificate twice, then another one of the same pair. The key is listed first, so that IAM can know it."""
    scratch, private = ground.scratch, crypto.generate()
    certificate = scratch.certificate(private)
    first = scratch.upload(private, certificate)
    ground.watch.follow({"upload-to-list": _listed(ground, first)}, wanted=True)
    ids = {first}
    for name, sent in (("duplicate-certificate", certificate), ("duplicate-key", scratch.certificate(private))):
        outcome, key_id = _again(scratch, private, sent, ids)
        ids |= {key_id} if key_id else set()
        yield answer(name, agrees=outcome == QUESTIONS[name].expected, measured=outcome)
    for key_id in ids:
        scratch.delete(key_id)


def _again(scratch: Scratch, private: PrivateKey, certificate: bytes, ids: set[KeyId]) -> tuple[str, KeyId | None]:
    try:
        key_id = scratch.upload(private, certificate)
    except Exists:
        return "refused with ALREADY_EXISTS", None
    except Permanent as fault:
        return f"refused ({fault.code}): {fault}", None
    return ("the same key" if key_id in ids else "a second key"), key_id


def _large(ground: Ground) -> Iterator[Finding]:
    scratch, private = ground.scratch, crypto.generate(LARGE)
    try:
        key_id = scratch.upload(private)
    except Permanent as fault:
        yield answer("rsa-4096", agrees=False, measured=f"refused ({fault.code}): {fault}")
        return
    file = KeyFile(private, scratch.account, key_id)
    seen = ground.watch.follow({"rsa-4096": _exchange(ground, file)}, wanted=True)
    found = judged("rsa-4096", seen["rsa-4096"], wanted=True)
    agrees = None if found.status == "unknown" else found.status == "as expected"
    yield answer("rsa-4096", agrees=agrees, measured=f"uploaded, exchanged: {found.measured}")
    scratch.delete(key_id)


def _full(ground: Ground) -> Iterator[Finding]:
    """Ten keys, one more, one of the ten disabled, one more again. Keys of questions before must not be counted."""
    scratch, watch = ground.scratch, ground.watch
    scratch.clean(watch.sleep)
    mine: list[KeyId] = []
    refusal: Permanent | None = None
    while refusal is None and len(mine) <= CAP:
        refusal = _one_more(ground, mine)
    if refusal is None:
        yield answer("key-limit", agrees=False, measured=f"{len(mine)} keys, and no refusal")
        raise Permanent("no limit was met")
    agrees = (len(mine), refusal.code) == (CAP, "key-cap")
    yield answer("key-limit", agrees=agrees, measured=f"{len(mine)} keys, then {refusal.code}: {refusal}")
    if not mine:
        raise refusal
    scratch.disable(mine[0])
    watch.follow({"disable-to-get": _disabled(ground, mine[0])}, wanted=False)
    counts = _one_more(ground, mine) is not None
    yield answer("disabled-key-counts", agrees=counts, measured="it counts" if counts else "it does not count")


def _one_more(ground: Ground, mine: list[KeyId]) -> Permanent | None:
    """Another key is there, or a refusal that has lasted: who counts keys may not know yet what was deleted or disabled."""
    refusal = None
    for pause in SETTLE:
        ground.watch.sleep(pause)
        try:
            mine.append(ground.scratch.make().id)
        except Permanent as fault:
            refusal = fault
        else:
            return None
    return refusal


# --- witnesses ---


def _judged(seen: dict[str, Seen], *, wanted: bool) -> list[Finding]:
    return [judged(name, one, wanted=wanted) for name, one in seen.items()]


def _exchange(ground: Ground, file: KeyFile) -> Ask:
    return lambda: ground.registry.exchange(file)


def _at_registry(ground: Ground, file: KeyFile, name: str) -> dict[str, Ask]:
    if ground.image is None:
        return {}
    host, image = ground.image
    return {name: lambda: ground.registry.pull(file, host, image)}


def _listed(ground: Ground, key_id: KeyId) -> Ask:
    def ask() -> Answer:
        there = any(key.id == key_id for key in ground.scratch.connect().keys(ground.scratch.account))
        return Answer(there, "listed" if there else "not listed", propagating=True)

    return ask


def _disabled(ground: Ground, key_id: KeyId) -> Ask:
    def ask() -> Answer:
        try:
            disabled = ground.scratch.connect().key(ground.scratch.account, key_id).disabled
        except Absent:
            return Answer(True, "not shown at all")
        return Answer(not disabled, "disabled" if disabled else "enabled")

    return ask


def _get(ground: Ground, key_id: KeyId) -> Ask:
    """What a get says; only 404 reads as gone."""

    def ask() -> Answer:
        try:
            found = ground.scratch.connect().key(ground.scratch.account, key_id)
        except Absent:
            return Answer(False, "404: not there", said="404")
        except Permanent as fault:
            if fault.code != "iam-permission":
                raise
            return Answer(False, "403: forbidden, or not there", said="403")
        return Answer(True, f"there, {'disabled' if found.disabled else 'enabled'}")

    return ask
