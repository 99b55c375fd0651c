"""How long documents live, as Firestore's admin API tells it: protocol `premises.Lifetimes`. Only reads.

Asked is the list of fields with a time to live, never the one field: a list takes datastore.indexes.list, which
roles/datastore.user has, a field takes datastore.indexes.get, which it has not.
Source: https://cloud.google.com/firestore/docs/reference/rest/v1/projects.databases.collectionGroups.fields
"""

import msgspec

from rotator.clients.rest import Rest


class _Lifetime(msgspec.Struct, frozen=True):
    state: str = "STATE_UNSPECIFIED"


class _Field(msgspec.Struct, frozen=True, rename="camel"):
    """What Firestore answers, as far as it decides."""

    name: str
    ttl_config: _Lifetime | None = None


class _Fields(msgspec.Struct, frozen=True):
    """One page is enough: a collection group has at most one such field. No field, no list."""

    fields: tuple[_Field, ...] = ()


class Lifetimes:
    """Asks Firestore. Safe for threads."""

    def __init__(self, rest: Rest) -> None:
        """Ask nothing yet."""
        self._rest = rest

    def state(self, database: str, group: str, field: str) -> str:
        """Of this field's time-to-live policy; empty: it has none. Raises: Untold, Unreadable, Transient, Permanent."""
        place = f"{database}/collectionGroups/{group}/fields"
        found = self._rest.get(place, _Fields, filter="ttlConfig:*").fields
        return next((each.ttl_config.state for each in found if each.name.endswith(f"/{field}") and each.ttl_config), "")
