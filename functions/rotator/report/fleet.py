"""What is out there: keys, Secrets and Shoots per credential, and what stands in the way of automation."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from rotator.key import short
from rotator.report import form
from rotator.report.form import Row, Tree
from rotator.view import CredentialView, Inventory, KeyView

CREDENTIALS = ("CREDENTIAL", "MODE", "KEYS", "SECRETS", "SHOOTS", "ROTATION BEGINS")
KEYS = ("KEY ID", "PUBLIC KEY", "ROLE", "AGE", "EXPIRES", "STATE", "SECRETS", "SHOOTS")
SECRETS = ("SECRET", "PUBLIC KEY", "WRITTEN BY", "USED BY")


def credential_rows(inventory: Inventory) -> tuple[Row, ...]:
    """One line per credential; see CREDENTIALS."""
    return tuple(
        (
            view.email,
            view.charge.policy.mode if view.charge else "not ours",
            _keys(view),
            form.least(len(view.secrets), partial=view.partial),
            form.least(len(view.shoots), partial=view.partial),
            begins(view, inventory.at),
        )
        for view in inventory.credentials
    )


def _keys(view: CredentialView) -> str:
    """How many; "?" for those that IAM did not show, "-" for an account that is not ours to ask about."""
    return str(len(view.keys)) if view.listed else "?" if view.unlisted else "-"


def begins(view: CredentialView, now: datetime) -> str:
    """When the next rotation has to begin, to keep max_age; with what could not be read, it may be sooner."""
    starts = [key.starts_at for key in view.keys if key.starts_at is not None]
    unsure = bool(view.unlisted) or (view.charge is not None and view.partial)
    if not starts:
        return "?" if unsure else "-"
    return form.since(min(starts), now) + (", or sooner" if unsure and min(starts) > now else "")


def key_rows(view: CredentialView, now: datetime) -> tuple[Row, ...]:
    """One line per key; see KEYS."""
    return tuple(
        (
            short(one.key.id),
            short(one.key.public_key),
            view.role(one),
            form.age(one.made_at or one.key.made_at, now),
            form.clock(one.key.expires_at) if one.key.expires_at else "never",
            state_of(one),
            form.least(len(one.secrets), partial=view.partial),
            form.least(one.shoots, partial=view.partial),
        )
        for one in view.keys
    )


def state_of(view: KeyView) -> str:
    """Enabled or disabled, and by whom if Google did it."""
    if not view.key.disabled:
        return "enabled"
    return f"disabled by Google: {view.key.disabled_by_google}" if view.key.disabled_by_google else "disabled"


def secret_rows(view: CredentialView) -> tuple[Row, ...]:
    """One line per Secret; see SECRETS."""
    return tuple(
        (
            str(one.ref),
            short(one.public_key),
            "rotator" if one.ours else "somebody",
            ", ".join(shoot.rpartition("/")[2] for shoot in one.shoots) or "-",
        )
        for one in view.secrets
    )


def tree(inventory: Inventory) -> Tree:
    """The inventory for machines."""
    return form.tree(
        "inventory",
        inventory.at,
        credentials=[_credential(view) for view in inventory.credentials],
        shoots_without_credential=inventory.idle_shoots,
        unread=list(inventory.faults),
    )


def _credential(view: CredentialView) -> Tree:
    return {
        "credential": view.email,
        "mode": view.charge.policy.mode if view.charge else None,
        "upstreams": list(view.upstreams),
        "wanted": view.wanted,
        "keys_unread": view.unlisted or None,
        "partial": view.partial,
        "rotation_begins": form.stamp(min((key.starts_at for key in view.keys if key.starts_at), default=None)),
        "keys": [
            {
                "id": one.key.id,
                "public_key": one.key.public_key,
                "role": view.role(one),
                "made_at": form.stamp(one.made_at or one.key.made_at),
                "expires_at": form.stamp(one.key.expires_at),
                "origin": one.key.origin,
                "disabled": one.key.disabled,
                "disabled_by_google": one.key.disabled_by_google or None,
                "secrets": _refs(one.secrets),
                "shoots": one.shoots,
            }
            for one in view.keys
        ],
        "secrets": [
            {
                "secret": msgspec.to_builtins(one.ref),
                "public_key": one.public_key,
                "ours": one.ours,
                "remarks": list(one.remarks),
                "kept": one.kept or None,
                "shoots": list(one.shoots),
            }
            for one in view.secrets
        ],
        "shoots": [
            {
                "shoot": msgspec.to_builtins(one.shoot.ref),
                "secrets": list(one.secrets),
                "public_keys": list(one.keys),
                "owned_by": [msgspec.to_builtins(each) for each in one.shoot.owners],
                "will_not_move": one.not_movable or None,
                "not_settled": one.not_settled or None,
            }
            for one in view.shoots
        ],
        "in_the_way": list(view.hindrances),
    }


def _refs(refs: Iterable[object]) -> list[str]:
    return [str(ref) for ref in refs]
