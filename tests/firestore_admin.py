"""Firestore's admin API, one method of it, which Google's emulator does not play: the fields that have a time to live.

Source: firestore v1, projects.databases.collectionGroups.fields.list; permission datastore.indexes.list.
"""

import json
import re
from urllib.parse import parse_qs, unquote, urlsplit

_PATH = re.compile(r"/v1/(projects/[^/]+/databases/[^/]+/collectionGroups/([^/]+))/fields")

Answer = tuple[int, bytes]


class FirestoreAdmin:
    """One database. `lifetimes`: the state of the policy of a collection group's field; `denied`: we may not see them."""

    def __init__(self) -> None:
        """History goes by itself, as Terraform makes it."""
        self.lifetimes = {("history", "expires_at"): "ACTIVE"}
        self.denied = False

    def answer(self, method: str, path: str) -> Answer | None:
        """What Google says to this request; None: it is not for this API."""
        parts = urlsplit(path)
        match = _PATH.fullmatch(unquote(parts.path))
        if match is None or method != "GET":
            return None
        if self.denied:
            return _document(403, error={"code": 403, "status": "PERMISSION_DENIED"})
        # Without a filter for what was overridden the real one refuses to list fields.
        if parse_qs(parts.query).get("filter") != ["ttlConfig:*"]:
            return _document(400, error={"code": 400, "status": "INVALID_ARGUMENT"})
        group = {field: state for (of, field), state in self.lifetimes.items() if of == match[2]}
        found = [
            {"name": f"{match[1]}/fields/{field}", "indexConfig": {}, "ttlConfig": {"state": state}}
            for field, state in group.items()
        ]
        return _document(200, **({"fields": found} if found else {}))


def _document(status: int, **document: object) -> Answer:
    return status, json.dumps(document).encode()
