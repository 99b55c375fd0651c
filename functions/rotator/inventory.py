"""What is out there, from Gardens and IAM alone: credentials, upstreams, Secrets, Shoots, keys, and what stands in the way."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from rotator import books, owner
from rotator.errors import Absent, RotatorError
from rotator.key import KEY_LIMIT, AccountKey, Email, PublicKey, short
from rotator.record import Place, Record, RetirementOrder
from rotator.secret import USERNAME_BASE64, HeldSecret
from rotator.shoot import Shoot, why_not_movable, why_not_settled
from rotator.states import Minted
from rotator.survey import Survey, look_around
from rotator.view import Charge, CredentialView, Inventory, KeyView, SecretView, ShootView
from rotator.world import World

HARMLESS = ("pretty-printed, not one line", "base64 of JSON", f"its username is {USERNAME_BASE64}", "names no key id")
"""How remarks end that are of a form which caches and we understand."""


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

    Again: only reads. What cannot be read is said in `unread`, a Garden that is down as well, and keys that IAM does not show
    in the credential's `unlisted`.
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
    using = {shoot.ref for email in emails for shoot in survey.users(email)}
    return Inventory(
        at=now, credentials=views, idle_shoots=sum(1 for s in survey.shoots if s.ref not in using), unread=survey.unread
    )


def _credential(
    email: Email, charge: Charge | None, records: Sequence[Record], survey: Survey, world: World, now: datetime
) -> CredentialView:
    keys: tuple[AccountKey, ...] = ()
    unlisted = ""
    if charge is not None:
        try:
            keys = world.accounts.keys(world.accounts.account(charge.email, charge.project))
        except Absent:
            unlisted = f"IAM knows no account {email} in project {charge.project}"
        except RotatorError as fault:
            unlisted = str(fault)
    in_use = survey.in_use(email)
    wanted = books.wanted(records)
    secrets = tuple(
        _secret(held, charge, survey) for _, held in sorted(survey.secrets.items()) if held is not None and _is_of(held, email)
    )
    shoots = tuple(_shoot(shoot, email, survey) for shoot in sorted(survey.users(email), key=lambda shoot: shoot.ref))
    views = tuple(
        KeyView(
            key=key,
            role=role_of(key, in_use, records),
            secrets=tuple(view.ref for view in secrets if view.public_key == key.public_key),
            shoots=sum(1 for shoot in shoots if key.public_key in shoot.keys),
            made_at=_made_at(key, records),
            starts_at=charge.policy.starts_at(key.made_at, key.expires_at) if charge and key.public_key in in_use else None,
        )
        for key in sorted(keys, key=lambda key: key.made_at)
    )
    view = CredentialView(
        email=email,
        charge=charge,
        keys=views,
        secrets=secrets,
        shoots=shoots,
        upstreams=survey.upstreams(email),
        in_use=in_use,
        wanted=wanted.public_key if wanted else None,
        hindrances=(),
        listed=charge is not None and not unlisted,
        unlisted=unlisted,
        partial=bool(survey.unread),
        blocked=tuple(record.id for record in records if record.needs),
        unproved=tuple(record.id for record in records if isinstance(record.state, Minted) and record.rest is not None),
    )
    return msgspec.structs.replace(view, hindrances=_hindrances(view, now))


def _made_at(key: AccountKey, records: Sequence[Record]) -> datetime:
    """When we minted it; of another one's key what IAM says."""
    for record, order in books.rotations(records):
        if order.to is None and books.key_of(record) == key.public_key:
            return next((entry.at for entry in record.evidence if entry.what.endswith("-> Minted")), key.made_at)
    return key.made_at


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


def _secret(held: HeldSecret, charge: Charge | None, survey: Survey) -> SecretView:
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
        kept=_why_kept(held, charge) if charge else "",
    )


def _why_kept(held: HeldSecret, charge: Charge) -> str:
    """Empty when a retirement may delete the Secret; else why not, and what its owner may do. As `proof` will say then."""
    if held.owners:
        return f"belongs to {owner.named(held.owners)}, which would write it again: remove it there once no Shoot names it"
    if held.installation and held.installation != (charge.installation or held.installation):
        return f"carries the mark of installation {held.installation}: delete it there once no Shoot names it"
    if held.installation or charge.policy.adopt:
        return ""
    delete = f"kubectl -n {held.ref.namespace} delete secret {held.ref.name}"
    return f"was not written by us: set adopt = true for the credential, or delete it once no Shoot names it ({delete})"


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


def _hindrances(view: CredentialView, now: datetime) -> tuple[str, ...]:
    charge, keys, shoots = view.charge, view.keys, view.shoots
    if charge is None:
        return ("rotator.toml names no such account: reported, never touched",)
    found = [view.unlisted] if view.unlisted else []
    found += [f"the retirement of its key will wait for a person: {each}" for each in view.will_block]
    known = {each.key.public_key for each in keys}
    found += _remarks(view)
    found += [
        f"Secret {each.ref} holds key {short(each.public_key)}, which IAM does not list: deleted, or of another account"
        for each in view.secrets
        if view.listed and each.public_key not in known
    ]
    found += [
        f"key {short(each.key.id)}, which Shoots use, does not work: disabled or expired; rotate now"
        for each in keys
        if each.role in {"wanted", "in use"} and not each.key.works_at(now)
    ]
    if len(keys) >= KEY_LIMIT:
        found.append(f"the account has {len(keys)} user-managed keys; a rotation needs one of ten, and one is kept free")
    found += [
        f"key {short(each.key.id)} is unmanaged: not in our books, never touched"
        for each in keys
        if view.role(each) == "unmanaged"
    ]
    found += [_kept(each, charge) for each in shoots if each.shoot.owners and not each.not_movable]
    found += [f"{each.shoot.ref} will not move: {each.not_movable}" for each in shoots if each.not_movable]
    found += [f"{each.shoot.ref} {each.not_settled}" for each in shoots if each.not_settled and not each.not_movable]
    found += [
        f"no probe image for {upstream}: keys are tried there by login only (policy.probes)"
        for upstream in view.upstreams
        if upstream not in charge.policy.probes
    ]
    if len(view.in_use) > 1:
        found.append(f"{len(view.in_use)} keys of the account are in use; a rotation replaces all of them")
    return tuple(found)


def _remarks(view: CredentialView) -> list[str]:
    """What is odd, said once of all Secrets of which it is true, and whether it matters."""
    found: dict[str, list[str]] = {}
    for one in view.secrets:
        for remark in one.remarks:
            found.setdefault(remark, []).append(str(one.ref))
    return [
        f"{'Secret' if len(refs) == 1 else 'Secrets'} {', '.join(refs)}: {remark}"
        + (": does no harm, a rotation writes it anew" if remark.endswith(HARMLESS) else "")
        for remark, refs in found.items()
    ]


def _kept(view: ShootView, charge: Charge) -> str:
    """What a Shoot's owner should know before a rotation: who moves the reference, and who might move it back."""
    whose = f"{view.shoot.ref} is owned by {owner.named(view.shoot.owners)}"
    if charge.policy.delivery == "handover":
        return f"{whose}: its owner moves the reference there (delivery = handover)"
    return f'{whose}: we move the reference, and its source must follow, or it moves it back; or set delivery = "handover"'
