"""Firestore, asked what the store will ask of it, without an effect: protocol `premises.Database`."""

import contextlib
from typing import Any

from rotator.errors import Permanent, Untold
from rotator.stores import firestore_layout as layout
from rotator.stores.firestore_wire import LostRace, Unindexed, Wire

_NOWHERE = "doctor"
"""A collection in which nothing ever lies."""

_NEVER = "1970-01-01T00:00:01Z"


class Probe:
    """One database."""

    def __init__(self, wire: Wire) -> None:
        """Ask nothing yet."""
        self._wire = wire

    indexes, ttl = layout.INDEXES, layout.TTL

    def indexed(self, fields: tuple[str, ...]) -> bool:
        """The query that needs this index is served. Raises: Transient, Permanent; Untold by an emulator that serves it."""
        # Of the index only the shape of the query decides: a value that no record has asks for it, and reads nothing.
        first, *rest = fields
        query = layout.query(layout.RECORDS, layout.equals(first, "asked by doctor"), *rest, "__name__")
        try:
            list(self._wire.query(query, f"asking for an index on {', '.join(fields)}"))
        except Unindexed:
            return False
        if self._wire.emulated:  # it serves every query, index or not
            raise Untold("asking Firestore for an index: the emulator does not tell", code="store")
        return True

    def create_index(self, fields: tuple[str, ...]) -> str:
        """The command that makes it."""
        _, project, _, name = self._wire.database.split("/")
        columns = " ".join(f"--field-config field-path={field},order=ascending" for field in fields)
        return (
            f"gcloud firestore indexes composite create --database={name} --project {project}"
            f" --collection-group {layout.RECORDS} {columns}"
        )

    def writes(self) -> bool:
        """We may create, change and delete documents. Raises: Transient, Permanent."""
        # Whether we may is judged before preconditions are. No document was written last in 1970, there or not, so this
        # commit always fails as a whole: it asks for all three permissions and never has an effect. One document for each: to
        # change and to make the same one in one commit is refused for another reason.
        changed, made, gone = (self._wire.name(f"{_NOWHERE}/{name}") for name in ("changed", "made", "gone"))
        writes: list[dict[str, Any]] = [
            {"update": {"name": changed, "fields": {}}, "currentDocument": {"updateTime": _NEVER}},
            {"update": {"name": made, "fields": {}}, "currentDocument": {"exists": False}},
            {"delete": gone},
        ]
        try:
            with contextlib.suppress(LostRace):
                self._wire.commit(writes, "asking whether we may write")
        except Permanent as refused:
            if refused.code != "store-permission":
                raise
            return False
        return True

    def close(self) -> None:
        """Every connection is closed."""
        self._wire.close()
