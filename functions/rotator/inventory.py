"""What is out there, from Gardens and IAM alone: credentials, upstreams, Secrets, Shoots, keys, and what stands in the way."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rotator import books, owner
from rotator.errors import Absent, RotatorError
from rotator.key import KEY_LIMIT, AccountKey, Email, PublicKey, short
from rotator.record import Place, Record, RetirementOrder
from rotator.secret import HeldSecret
from rotator.shoot import Shoot, why_not_movable, why_not_settled
from rotator.states import Minted
from rotator.survey import Survey, look_around
from rotator.view import Charge, CredentialView, Inventory, KeyView, SecretView, ShootView
from rotator.world import World


def take(
    charges: Sequence[Charge],
    places: Iterable[Place],
    records: Sequence[Record],
    world: World,
    now: datetime,
    *,
    only: Email | None = None,
) -> Inventory:
    """The inventory of these places, of one credential if `only` names it.

    Again: only reads. What cannot be read is said in `unread`, a Garden that is down as well; an account that IAM does not
    show is a hindrance, not an error.
    """
    survey = look_around(places, world, also=sorted(books.all_secrets(records)), bound=True)
    emails = {charge.email for charge in charges} | {
        login.account for held in survey.secrets.values() if held is not None and (login := held.login()) is not None
    }
    chosen = sorted(email for email in emails if only in (None, email))
    charge_of = {charge.email: charge for charge in charges}
    views = tuple(
        _credential(email, charge_of.get(email), [r for r in records if r.order.credential == email], survey, world, now)
        for email in chosen
    )
    using = {shoot.shoot.ref for view in views for shoot in view.shoots}
    return Inventory(
        at=now, credentials=views, idle_shoots=sum(1 for s in survey.shoots if s.ref not in using), unread=survey.unread
    )


def _credential(
    email: Email, charge: Charge | None, records: Sequence[Record], survey: Survey, world: World, now: datetime
) -> CredentialView:
    hindrances: list[str] = []
    keys: tuple[AccountKey, ...] = ()
    listed = False
    if charge is None:
        hindrances.append("rotator.toml names no such account: reported, never touched")
    else:
        try:
            keys = world.accounts.keys(world.accounts.account(charge.email, charge.project))
            listed = True
        except Absent:
            hindrances.append(f"IAM knows no account {email} in project {charge.project}")
        except RotatorError as fault:
            hindrances.append(str(fault))
    in_use = survey.in_use(email)
    wanted = books.wanted(records)
    secrets = tuple(
        _secret(held, survey) for _, held in sorted(survey.secrets.items()) if held is not None and _is_of(held, email)
    )
    shoots = tuple(_shoot(shoot, email, survey) for shoot in sorted(survey.users(email), key=lambda shoot: shoot.ref))
    views = tuple(
        KeyView(
            key=key,
            role=role_of(key, in_use, records),
            secrets=tuple(view.ref for view in secrets if view.public_key == key.public_key),
            shoots=sum(1 for shoot in shoots if key.public_key in shoot.keys),
            starts_at=charge.policy.starts_at(key.made_at, key.expires_at) if charge and key.public_key in in_use else None,
        )
        for key in sorted(keys, key=lambda key: key.made_at)
    )
    upstreams = survey.upstreams(email)
    hindrances += _hindrances(charge, views if listed else None, secrets, shoots, upstreams, in_use, now)
    return CredentialView(
        email=email,
        charge=charge,
        keys=views,
        secrets=secrets,
        shoots=shoots,
        upstreams=upstreams,
        in_use=in_use,
        wanted=wanted.public_key if wanted else None,
        hindrances=tuple(hindrances),
        listed=listed,
        blocked=tuple(record.id for record in records if record.needs),
        unproved=tuple(record.id for record in records if isinstance(record.state, Minted) and record.rest is not None),
    )


def role_of(key: AccountKey, in_use: Sequence[PublicKey], records: Sequence[Record]) -> str:
    """What this key is to us. A key that is in nobody's books and in no Shoot is somebody else's: unmanaged."""
    public_key = key.public_key
    retiring = [
        record
        for record in records
        if isinstance(record.order, RetirementOrder) and record.order.public_key == public_key and record.unfinished
    ]
    wanted = books.wanted(records)
    if wanted is not None and wanted.public_key == public_key:
        return "wanted"
    if books.claimed(records, public_key):
        return "claimed"
    if retiring:
        return "retiring"
    if public_key in in_use:
        return "in use"
    if public_key in books.ours(records):
        return "orphaned"
    return "unmanaged"


def _is_of(held: HeldSecret, email: Email) -> bool:
    login = held.login()
    return login is not None and login.account == email


def _secret(held: HeldSecret, survey: Survey) -> SecretView:
    login = held.login()
    users = [
        str(s.ref)
        for s in survey.shoots
        if held.ref.name in s.names() and (s.ref.garden, s.ref.namespace) == (held.ref.garden, held.ref.namespace)
    ]
    remarks = (*held.faults, *held.oddities, *(f"belongs to {each}" for each in held.owners))
    return SecretView(
        ref=held.ref,
        public_key=login.public_key if login else PublicKey(""),
        ours=bool(held.installation),
        remarks=remarks,
        shoots=tuple(sorted(users)),
    )


def _shoot(shoot: Shoot, email: Email, survey: Survey) -> ShootView:
    names: list[str] = []
    keys: list[PublicKey] = []
    for reference in shoot.references:
        held = survey.secret(shoot, reference.secret)
        login = held.login() if held is not None else None
        if login is not None and login.account == email:
            names.append(reference.secret)
            keys.append(login.public_key)
    return ShootView(
        shoot=shoot,
        secrets=tuple(names),
        keys=tuple(keys),
        not_movable=why_not_movable(shoot),
        not_settled=why_not_settled(shoot),
    )


def _hindrances(
    charge: Charge | None,
    listed: Sequence[KeyView] | None,
    secrets: Sequence[SecretView],
    shoots: Sequence[ShootView],
    upstreams: Sequence[str],
    in_use: Sequence[PublicKey],
    now: datetime,
) -> list[str]:
    if charge is None:
        return []
    found: list[str] = []
    keys = listed or ()
    known = {view.key.public_key for view in keys}
    found += [f"Secret {view.ref}: {'; '.join(view.remarks)}" for view in secrets if view.remarks]
    found += [
        f"Secret {view.ref} holds key {short(view.public_key)}, which IAM does not list: deleted, or of another account"
        for view in secrets
        if listed is not None and view.public_key not in known
    ]
    found += [
        f"key {short(view.key.id)}, which Shoots use, does not work: disabled or expired; rotate now"
        for view in keys
        if view.role in {"wanted", "in use"} and not view.key.works_at(now)
    ]
    if len(keys) >= KEY_LIMIT:
        found.append(f"the account has {len(keys)} user-managed keys; a rotation needs one of ten, and one is kept free")
    found += [
        f"key {short(view.key.id)} is unmanaged: not in our books, never touched" for view in keys if view.role == "unmanaged"
    ]
    found += [_kept(view, charge) for view in shoots if view.shoot.owners and not view.not_movable]
    found += [f"{view.shoot.ref} will not move: {view.not_movable}" for view in shoots if view.not_movable]
    found += [f"{view.shoot.ref} {view.not_settled}" for view in shoots if view.not_settled and not view.not_movable]
    found += [
        f"no probe image for {upstream}: keys are tried there by login only (policy.probes)"
        for upstream in upstreams
        if upstream not in charge.policy.probes
    ]
    if len(in_use) > 1:
        found.append(f"{len(in_use)} keys of the account are in use; a rotation replaces all of them")
    return found


def _kept(view: ShootView, charge: Charge) -> str:
    """What a Shoot's owner should know before a rotation: who moves the reference, and who might move it back."""
    whose = f"{view.shoot.ref} is owned by {owner.named(view.shoot.owners)}"
    if charge.policy.delivery == "handover":
        return f"{whose}: its owner moves the reference there (delivery = handover)"
    return f'{whose}: we move the reference, and its source must follow, or it moves it back; or set delivery = "handover"'
