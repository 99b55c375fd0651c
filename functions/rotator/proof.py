"""Gathers what gates look at: all the reading, none of the deciding.

One look at the scope (joined with today's configuration), the wanted key tried with the bytes of its Secret, IAM's list, the
provider's metric. A gate never reads for itself, so all gates of one decision speak of the same moment.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from rotator import books, owner
from rotator.conditions import Proof, Unsettled
from rotator.key import Account, AccountKey, KeyFile, KeyId, PublicKey
from rotator.memory import Memory
from rotator.record import PLACE, Place, Record, RetirementOrder
from rotator.secret import HeldSecret, SecretRef
from rotator.shoot import Shoot, why_not_settled
from rotator.states import DeletingSecrets, Disabled, Disabling, Draining
from rotator.survey import Survey, look
from rotator.trial import try_key
from rotator.world import Answer, Use, World


def gather(record: Record, order: RetirementOrder, world: World, now: datetime) -> tuple[Proof, Survey]:
    """The proof for this retirement at `now`, and the look it rests on.

    Again: only reads. Raises: Transient for what may be readable soon; what is forbidden is in the proof as unread.
    """
    records = world.books.records(order.credential)
    known = books.secrets_of(records, order.public_key)
    wanted = books.wanted(records)
    # The wanted key is tried with the bytes of its Secret, which nobody may name yet.
    also = sorted({*known, *(wanted.secrets if wanted else ())})
    given_up = {word.removeprefix(PLACE) for word in record.confirmed if word.startswith(PLACE)}
    places = {*books.scope(order.scope, world.books.scope()), *(Place(ref.garden, ref.namespace) for ref in known)}
    survey = look((place for place in places if str(place) not in given_up), world, also=also)
    memory = Memory.of(record.seen)
    waived = {waiver.shoot: waiver for waiver in record.waivers}
    unsettled = tuple(
        Unsettled(shoot.ref, why)
        for shoot in survey.shoots
        if (why := why_could_run(shoot, order.base, memory)) and shoot.ref not in waived
    )
    account = world.accounts.account(order.credential, order.project)
    holding = survey.holding(order.public_key)
    state = record.state
    return Proof(
        at=now,
        public_key=order.public_key,
        retirement=record.id,
        unread=survey.unread,
        looked_at=len(survey.shoots),
        references=references(survey, order.public_key, frozenset(known)),
        unsettled=unsettled,
        waived=tuple(f"{w.shoot} by {w.by}" for w in record.waivers if any(s.ref == w.shoot for s in survey.shoots)),
        secrets=holding,
        untouchable=tuple(why for held in holding if (why := why_untouchable(held, order))),
        to_delete=tuple(deletion(h) for h in holding if why_untouchable(h, order) and not h.owners and not h.installation),
        still_wanted=still_wanted(records, order.public_key),
        wanted_works=try_wanted(wanted, survey, account, world, order),
        creating_until=books.creating_until(records, order.public_key),
        confirmed=record.confirmed,
        clear_since=state.clear_since if isinstance(state, Draining | DeletingSecrets | Disabling) else None,
        gone_since=state.gone_since if isinstance(state, DeletingSecrets) else None,
        disabled_at=state.at if isinstance(state, Disabled) else None,
        use=Use(unknown="not asked yet"),
        seen=memory.after(survey.shoots, wanted.rotation if wanted else "", whole=not survey.unread),
    ), survey


def why_could_run(shoot: Shoot, base: str, memory: Memory) -> str:
    """Empty when the Shoot surely does not run a key that its spec does not name; else why it might.

    A settled Shoot runs what it names. So does an ignored one that had settled before, unless this credential's rotation has
    moved it; a patch of another credential's rotation that is still to come changes nothing about this one.
    """
    why = memory.why_not_settled(shoot)
    mark = shoot.mark
    if not why or not shoot.ignored or (mark is not None and mark.rotation.startswith(f"{base}-r")):
        return why
    before = msgspec.structs.replace(shoot, ignored=False, mark=None)
    if mark is not None and shoot.generation == mark.generation + 1:
        before = msgspec.structs.replace(before, generation=mark.generation)
    return why if why_not_settled(before) else ""


def references(survey: Survey, public_key: PublicKey, known: frozenset[SecretRef]) -> tuple[str, ...]:
    """Every place in scope that names a Secret which holds the key, or once held it by our books."""
    found: list[str] = []
    for shoot in survey.shoots:
        named = [(f"spec.resources[{r.index}] ({r.entry})", r.secret) for r in shoot.references]
        named += [("another field of its spec", other) for other in shoot.other_secrets]
        for where, name in named:
            held = survey.secret(shoot, name)
            ref = SecretRef(shoot.ref.garden, shoot.ref.namespace, name)
            if (held is not None and held.holds(public_key)) or ref in known:
                found.append(f"{shoot.ref} names {name} in {where}")
    found += [f"a binding names {held.ref}" for held in survey.holding(public_key) if held.ref in survey.bound]
    return tuple(found)


def why_untouchable(held: HeldSecret, order: RetirementOrder) -> str:
    """Empty when we may delete this Secret; else why not and what its owner should do."""
    if held.owners:
        return f"Secret {held.ref} belongs to {owner.named(held.owners)}, which would re-create it: remove it at the source"
    if held.installation == order.installation or (not held.installation and order.policy.adopt):
        return ""
    if held.installation:
        return f"Secret {held.ref} carries the mark of installation {held.installation}: delete it there"
    return f"Secret {held.ref} was not written by us, and adopt was false when this was ordered: delete it ({deletion(held)})"


def deletion(held: HeldSecret) -> str:
    """The command by which a person deletes it."""
    return f"kubectl -n {held.ref.namespace} delete secret {held.ref.name}"


def still_wanted(records: Iterable[Record], public_key: PublicKey) -> str:
    """Which rotation wants or claims the key, in words; empty when none does."""
    every = list(records)
    wanted = books.wanted(every)
    if wanted is not None and wanted.public_key == public_key:
        return f"wanted by {wanted.rotation}"
    claim = books.claimed(every, public_key)
    return f"claimed by {claim}" if claim else ""


def try_wanted(wanted: books.Wanted | None, survey: Survey, account: Account, world: World, order: RetirementOrder) -> Answer:
    """Whether the key that serves instead works now, tried with the bytes of its Secret at every upstream in use."""
    if wanted is None:
        if order.published:
            return Answer(False, "no rotation of this credential has been published")
        return Answer(True, "nothing published yet, and this key never was")
    login = next((held.login() for held in survey.holding(wanted.public_key) if held.login() is not None), None)
    if login is None:
        return Answer(False, f"no Secret in scope holds the key of {wanted.rotation}")
    return try_key(KeyFile(login.private, account, login.id), survey.upstreams(order.credential), order, world)


def keys_of(account: Account, public_key: PublicKey, world: World) -> tuple[AccountKey, ...]:
    """Every id at IAM with this public key: one private key may have several."""
    return tuple(key for key in world.accounts.keys(account) if key.public_key == public_key)


def use_of(
    public_key: PublicKey, every: Sequence[AccountKey], account: Account, world: World, since: datetime, now: datetime
) -> Use:
    """What the provider saw of the key from `since` to now less its lag, believed only if other keys show use.

    `every`: all keys of the account, as they were listed for this decision.
    """
    ids: list[KeyId] = [key.id for key in every if key.public_key == public_key]
    control = [key.id for key in every if key.public_key != public_key]
    if not ids:
        return Use(unknown=f"IAM lists no key with public key {public_key[:8]}")
    return world.usage.use(account, ids, control, since, now)
