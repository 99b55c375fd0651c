"""TOML tables as frozen structs, with all faults at once, each at its place.

The structs' own field types are the schema, so what `policy` and `settings` declare is what a file may say. msgspec.convert
would do the same and stop at the first fault.
"""

import json
import math
import re
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from rotator.errors import Invalid

S = TypeVar("S", bound=msgspec.Struct)

LONGEST = timedelta(days=36500)
SHOWN = 80
_SPAN = re.compile(r"(?=.)(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")


@dataclass(frozen=True, slots=True)
class Form:
    """What a text looks like from end to end, and in words. `shown`: False when a fault must not repeat what was written."""

    pattern: str
    words: str
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """A type that one TOML value turns into. `parse` gives None when the value is not one; `shown` as in Form."""

    words: str
    parse: Callable[[Any], object | None]
    shown: bool = True


def span(text: object) -> timedelta | None:
    """Read "7d", "12h", "30m", "90s", "1d12h"; None for anything else, and for more than a century."""
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if days > LONGEST.days:
        return None
    found = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return found if found <= LONGEST else None


KINDS: dict[Any, Kind] = {
    str: Kind("text", lambda found: found if isinstance(found, str) else None),
    bool: Kind("true or false", lambda found: found if isinstance(found, bool) else None),
    int: Kind("a whole number", lambda found: found if isinstance(found, int) and not isinstance(found, bool) else None),
    float: Kind("a number", lambda found: float(found) if type(found) in {int, float} and math.isfinite(found) else None),
    timedelta: Kind('a span; write it like "7d", "12h", "90s"', span),
}


def document(text: str, file: str) -> dict[str, Any]:
    """Read the text. Raises: Invalid with the line of a syntax error."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        what, _, where = str(fault).rpartition(" (at ")
        raise Invalid((f"{file}: {where.rstrip(')')}: {what}",)) from fault


class Reader:
    """Reads tables of one file and keeps every fault."""

    def __init__(self, file: str, kinds: Mapping[Any, Kind]) -> None:
        """`kinds`: what this file's structs hold beyond KINDS."""
        self.faults: list[tuple[str, str]] = []
        self._file = file
        self._kinds = {**KINDS, **kinds}

    def fault(self, place: str, text: str) -> None:
        """Keep one more fault."""
        self.faults.append((place, text))

    def lines(self, raw: Mapping[str, object]) -> tuple[str, ...]:
        """Give all faults, each once, in the order in which `raw` has its tables."""
        order = {key: position for position, key in enumerate(raw)}

        def rank(fault: tuple[str, str]) -> tuple[int, int]:
            key, _, rest = fault[0].partition(".")[0].partition("[")
            return order.get(key, len(order)), int(rest.rstrip("]") or 0)

        return tuple(f"{self._file}: {place}: {text}" for place, text in dict.fromkeys(sorted(self.faults, key=rank)))

    def table(self, kind: type[S], found: Mapping[str, object], place: str = "") -> S | None:
        """Read a table; None when something in it is at fault."""
        before = len(self.faults)
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        values: dict[str, Any] = {}
        for key, value in found.items():
            if key in fields:
                values[fields[key].name] = self.value(fields[key].type, value, within(place, key))
            else:
                self.fault(within(place, key), "is unknown; " + _meant(key, fields))
        for key, field in fields.items():
            here = within(place, key)
            if field.required and key not in found:
                self.fault(here, f"is missing; it is {self._words(field.type, here)}")
            elif field.required and found[key] == []:
                self.fault(here, f"is empty; it is {self._words(field.type, here)}")
        return kind(**values) if len(self.faults) == before else None

    def value(self, kind: Any, found: object, place: str) -> Any:
        """Read one value; None when it is at fault."""
        kind = _present(kind)
        origin, inside = get_origin(kind), get_args(kind)
        if origin is tuple and isinstance(found, list):
            return tuple(self.value(inside[0], each, f"{place}[{index}]") for index, each in enumerate(found))
        if origin is dict and isinstance(found, dict):
            return {key: self.value(inside[1], each, within(place, key)) for key, each in found.items()}
        if _is_struct(kind) and isinstance(found, dict):
            return self.table(kind, found, place)
        value = self._scalar(kind, found)
        if value is None:
            asked = inside[1] if origin is Annotated else self._kinds.get(kind)
            said = "what is written" if asked is not None and not asked.shown else shown(found)
            self.fault(place, f"{said} is not {self._words(kind, place)}")
        return value

    def _scalar(self, kind: Any, found: object) -> object | None:
        inside = get_args(kind)
        if get_origin(kind) is Literal:
            return found if isinstance(found, str) and found in inside else None
        if get_origin(kind) is Annotated:
            return found if isinstance(found, str) and re.fullmatch(inside[1].pattern, found) else None
        return self._kinds[kind].parse(found) if kind in self._kinds else None

    def _words(self, kind: Any, place: str) -> str:
        kind = _present(kind)
        origin, inside = get_origin(kind), get_args(kind)
        header = re.sub(r"\[\d+\]", "", place)
        if origin is Literal:
            return "one of " + ", ".join(map(shown, inside))
        if origin is Annotated:
            return str(inside[1].words)
        if origin is tuple:
            if _is_struct(inside[0]):
                return f"a list of tables; write [[{header}]]"
            return f"a list, each {self._words(inside[0], place)}"
        if origin is dict or _is_struct(kind):
            return f"a table; write [{header}]"
        return self._kinds[kind].words


def within(place: str, key: str) -> str:
    """Name the place of a key in a table, with quotes where TOML wants them."""
    bare = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
    return f"{place}.{bare}" if place else bare


def shown(found: object) -> str:
    """A value as a fault quotes it: the start of a text, the kind of anything large."""
    if isinstance(found, str):
        return json.dumps(found if len(found) <= SHOWN else found[:SHOWN] + "…", ensure_ascii=False)
    if isinstance(found, int | float):
        return str(found).lower()
    if isinstance(found, dict | list):
        return "a table" if isinstance(found, dict) else "a list"
    return "a date"


def _present(kind: Any) -> Any:
    """`X` of `X | None`: TOML has no null."""
    if get_origin(kind) in {types.UnionType, Union}:
        return next(each for each in get_args(kind) if each is not type(None))
    return kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _meant(key: str, known: Mapping[str, object]) -> str:
    import difflib  # noqa: PLC0415 - needed for a fault only, and costs every start milliseconds

    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else "known here: " + ", ".join(known)
