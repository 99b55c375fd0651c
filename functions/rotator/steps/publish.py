"""Runbook line 2: an immutable Secret with the new key in every namespace concerned."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rotator import books
from rotator.errors import Absent, Denied, Exists
from rotator.key import Account, KeyFile, short
from rotator.record import Blocked, Fact, Place, Record, RotationOrder, Wait
from rotator.secret import Draft, HeldSecret, SecretRef, name
from rotator.shoot import why_not_movable
from rotator.states import Published, Verified
from rotator.steps import Next
from rotator.steps.verify import material
from rotator.survey import Survey, look_around
from rotator.words import counted
from rotator.world import World

UNKNOWN_TOKEN_LIFE = timedelta(hours=24)
"""How long a create may come late when a Garden's credentials do not tell their expiry (client certificates)."""

WEBHOOK = "admission webhook"
"""How the words of a webhook's refusal begin; other refusals of a patch are Gardener's own, about the Shoot's state."""


def publish(
    state: Verified, record: Record, order: RotationOrder, world: World, now: datetime
) -> Next[Published] | Next[Verified] | Wait | Blocked:
    """Every namespace with a Shoot of this credential has the immutable Secret with the new key, judged before anyone uses it.

    A namespace that cannot be read now gets it when the roll-out can read it: it goes on here then.
    The expiry of the token that creates is saved first, so that a retirement of this key can wait until no late create lands.
    Again: finds its own Secret with equal content and goes on; a foreign one under the name blocks. The staged version is
    destroyed when all are written; a second call then reads the key from a Secret.
    """
    records = world.books.records(order.credential)
    ours = books.all_secrets(records)
    survey = look_around(books.scope(order.scope, world.books.scope()), world, also=sorted(ours))
    places = concerned(survey, order, ours)
    if not places and not state.secrets:
        survey.whole()
        why = f"no Shoot in scope uses {order.credential} any more: publishing its key would put it nowhere"
        return Blocked("nobody-uses-it", (why,), f"rotator retry {record.id}")
    unsaved = unsaved_fences(state, places, world, now)
    private = material(state.key, order, world)
    if private is None:
        return Blocked(
            "material-lost",
            (f"neither staging nor a Secret holds key {short(state.key.public_key)}",),
            f"rotator rotate {order.credential} --new",
        )
    account = world.accounts.account(order.credential, order.project)
    key_file = KeyFile(private, account, state.key.id)
    drafts = [Draft(ref=target(order, place), installation=order.installation, key_file=key_file) for place in places]
    missing = [draft for draft in drafts if survey.secrets.get(draft.ref) is None]
    if missing and unsaved:
        return Next(
            Verified(key=state.key, fences={**state.fences, **unsaved}, secrets=state.secrets),
            (Fact("fence", "expiry of the creating tokens is saved"),),
        )
    if blocked := written(drafts, survey, account, order, world):
        return blocked
    verdicts = judged(survey, drafts, order, ours, world)
    if isinstance(verdicts, Blocked):
        return verdicts
    if state.key.staged is not None:
        world.staging.destroy(order.base, state.key.staged)
    secrets = tuple(sorted({*state.secrets, *(draft.ref for draft in drafts)}))
    facts = (
        Fact(
            "published", f"in {counted(len(secrets), 'namespace')}: {', '.join(map(str, secrets))}", {"secrets": len(secrets)}
        ),
        *verdicts,
    )
    return Next(Published(key=state.key, secrets=secrets, fences=state.fences, at=now), facts)


def written(drafts: Sequence[Draft], survey: Survey, account: Account, order: RotationOrder, world: World) -> Blocked | None:
    """Each Secret is there with our content; else what stands in the way."""
    for draft in drafts:
        found = survey.secrets.get(draft.ref) or write(draft, world)
        if isinstance(found, Blocked):
            return found
        if found is not None and (foreign := why_foreign(found, draft, account)):
            return Blocked("name-taken", (foreign,), f"rotator rotate {order.credential} --new")
    return None


def unsaved_fences(state: Verified, places: tuple[Place, ...], world: World, now: datetime) -> dict[str, datetime]:
    """Until when a create could land, of Gardens whose saved fence is earlier.

    Without an expiry to go by, half the assumed life must be left of the saved fence: it moves with `now` and would never do.
    """
    unsaved: dict[str, datetime] = {}
    for garden in {place.garden for place in places}:
        end, saved = world.gardens[garden].fence(), state.fences.get(garden, now)
        if saved < (end or now + UNKNOWN_TOKEN_LIFE / 2):
            unsaved[garden] = end or now + UNKNOWN_TOKEN_LIFE
    return unsaved


def target(order: RotationOrder, place: Place) -> SecretRef:
    """The Secret that this rotation puts into that namespace."""
    return SecretRef(place.garden, place.namespace, name(order.base, order.sequence))


def concerned(survey: Survey, order: RotationOrder, ours: frozenset[SecretRef]) -> tuple[Place, ...]:
    """Namespaces with a Shoot that uses this credential, or that lost its Secret."""
    wanted = name(order.base, order.sequence)
    found: set[Place] = set()
    for shoot in survey.shoots:
        named = any(reference.secret == wanted for reference in shoot.references)
        if named or survey.moves(shoot, order.credential, wanted, ours):
            found.add(Place(shoot.ref.garden, shoot.ref.namespace))
    return tuple(sorted(found))


def write(draft: Draft, world: World) -> HeldSecret | Blocked | None:
    """The Secret is written, or somebody's is there, or it is refused."""
    if draft.faults:
        return Blocked("own-rules", tuple(f"Secret {draft.ref}: {fault}" for fault in draft.faults), "rotator describe")
    garden = world.gardens[draft.ref.garden]
    try:
        garden.create_secret(draft)
    except Exists:
        return garden.secret(draft.ref.namespace, draft.ref.name)
    except Denied as fault:
        return Blocked(
            "secret-refused", (f"creating Secret {draft.ref}: {fault}",), f"rotator retry {draft.ref.name.replace('-v', '-r')}"
        )
    return None


def why_foreign(found: HeldSecret, draft: Draft, account: Account) -> str:
    """Empty when the Secret there is ours with this key; else what stands in the way."""
    if found.installation and found.installation != draft.installation:
        return f"Secret {found.ref} carries the mark of installation {found.installation}, ours is {draft.installation}"
    login = found.login()
    if login is None or login.public_key != draft.key_file.private.public_key or login.account != account.email or found.faults:
        return f"Secret {found.ref} exists with other content: the name is taken"
    if found.deleting:
        return f"Secret {found.ref} is being deleted by somebody"
    return ""


def judged(
    survey: Survey, drafts: list[Draft], order: RotationOrder, ours: frozenset[SecretRef], world: World
) -> tuple[Fact, ...] | Blocked:
    """What the installed webhook says about each Secret: one nudged dry run per Secret, on a Shoot that is to move to it."""
    facts: list[Fact] = []
    for draft in drafts:
        for shoot in sorted(survey.shoots, key=lambda shoot: (shoot.deleting, shoot.ignored, shoot.ref)):
            here = (shoot.ref.garden, shoot.ref.namespace) == (draft.ref.garden, draft.ref.namespace)
            moves = survey.moves(shoot, order.credential, draft.ref.name, ours) if here else ()
            if not moves or why_not_movable(shoot) or not shoot.caches:
                continue
            try:
                words = world.gardens[draft.ref.garden].judge(shoot, moves)
            except Denied as fault:
                if WEBHOOK not in str(fault):
                    continue  # it is about this Shoot, not about the Secret: another Shoot may be asked
                why = f"the registry-cache webhook refuses Secret {draft.ref} (dry run on {shoot.ref.name}): {fault}"
                return Blocked("webhook-refused", (why,), f"rotator retry {order.base}-r{order.sequence}")
            except Absent:
                continue
            facts.append(Fact("judged", f"{draft.ref}: {words}"))
            break
    return tuple(facts)
