"""Label and field selectors, and pages of one consistent snapshot."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sandbox.garden.kind import SHOOTS, Kind, Tree
from sandbox.garden.refusal import Refusal, bad_request
from sandbox.garden.store import Stored

_TERM = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<key0>[^\s,=!()]+)"
    r"|(?P<key1>[^\s,=!()]+)\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\)"
    r"|(?P<key2>[^\s,=!()]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s,]*)"
    r"|(?P<key3>[^\s,=!()]+))\s*(?:,|$)"
)
Wanted = Callable[[Tree], bool]


def labelled(selector: str) -> list[Wanted]:
    """What the labels of an object must satisfy. Raises: Refusal 400."""
    tests: list[Wanted] = []
    position = 0
    while position < len(selector):
        term = _TERM.match(selector, position)
        if term is None or term.end() == position:
            raise bad_request(f"unable to parse requirement: {selector!r}")
        position = term.end()
        tests.append(_label_test(term))
    return tests


def _label_test(term: re.Match[str]) -> Wanted:
    key = term["key0"] or term["key1"] or term["key2"] or term["key3"]
    negative = term["set"] == "notin" or term["operator"] == "!="
    values: set[str] | None = None
    if term["set"]:
        values = {value.strip() for value in term["values"].split(",")}
    elif term["operator"]:
        values = {term["value"]}

    def test(tree: Tree) -> bool:
        labels = tree["metadata"].get("labels") or {}
        if values is None:
            return (key in labels) != bool(term["absent"])
        if negative:
            return key not in labels or labels[key] not in values
        return key in labels and labels[key] in values

    return test


def fielded(selector: str, kind: Kind) -> list[Wanted]:
    """What the fields of an object must be. Raises: Refusal 400 for a field that the kind does not offer."""
    tests: list[Wanted] = []
    for term in filter(None, selector.split(",")):
        key, sign, value = term.partition("!=") if "!=" in term else term.partition("=")
        offered = ["metadata.name", "metadata.namespace"]
        if kind is SHOOTS:
            offered += ["spec.seedName", "status.seedName"]
        if not sign or key not in offered:
            raise bad_request(f'field label not supported: {key} ("{key}" is not a known field selector)')
        tests.append(_field_test(key, sign == "!=", value.removeprefix("=")))
    return tests


def _field_test(key: str, negative: bool, value: str) -> Wanted:
    outer, _, inner = key.partition(".")
    return lambda tree: (tree.get(outer, {}).get(inner, "") == value) != negative


class Pages:
    """Snapshots of lists that callers are still paging through."""

    def __init__(self) -> None:
        """Begin with none."""
        self._snapshots: dict[str, tuple[datetime, int, tuple[Stored, ...]]] = {}
        self._count = 0

    def keep(self, snapshot: tuple[Stored, ...], version: int, now: datetime) -> str:
        """The snapshot's name."""
        self._count += 1
        name = f"{version}.{self._count}"
        self._snapshots[name] = (now, version, snapshot)
        if len(self._snapshots) > 100:
            del self._snapshots[next(iter(self._snapshots))]
        return name

    def expire(self) -> None:
        """Every continue token handed out so far has expired, as after an etcd compaction."""
        self._snapshots.clear()

    def token(self, name: str, offset: int) -> str:
        """The continue token for the page that begins at `offset`."""
        return base64.urlsafe_b64encode(json.dumps({"v": "sandbox/v1", "rv": name, "start": offset}).encode()).decode()

    def turn(self, token: str, now: datetime, lifetime: timedelta) -> tuple[str, int, int, tuple[Stored, ...]]:
        """Snapshot name, offset, version and snapshot. Raises: Refusal 400 for junk, 410 for an expired token."""
        try:
            parsed = json.loads(base64.urlsafe_b64decode(token))
            name, offset = str(parsed["rv"]), int(parsed["start"])
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise bad_request("invalid continue token") from None
        kept = self._snapshots.get(name)
        if kept is None or now - kept[0] > lifetime:
            message = (
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter, or use the continue token in this response to retrieve the "
                "remainder of the results. Continuing with the provided token results in an inconsistent list - objects "
                "that were created, modified, or deleted between the time the first chunk was returned and now may "
                "show up in the list."
            )
            raise Refusal(410, message, metadata={"continue": token})
        return name, offset, kept[1], kept[2]


def whole_number(query: Mapping[str, str], key: str) -> int:
    """A number from the query, 0 when absent. Raises: Refusal 400."""
    text = query.get(key, "0") or "0"
    if not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)
