"""What a caller sends becomes a frozen value, or every fault in it is named with its place."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from rotator.doors.form import JSON, Asked, Refused

T = TypeVar("T", bound=msgspec.Struct)

# No control characters: what is written here is shown on terminals and in logs.
_PRINTED = r"^[^\x00-\x20\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f])?$"

Reason = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=500,
        pattern=_PRINTED,
        description="Why; it stays in the evidence.",
        examples=["leaked, INC-4711"],
    ),
]
Credential = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=254, pattern=_PRINTED, description="The service account's address, or its base name."
    ),
]
Key = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8,64}$", description="The start of the key's id or of its public key.")]


def body(asked: Asked, form: type[T]) -> T:
    """The JSON body as this form. Raises: Refused 415, 422 with `faults`."""
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Refused(415, f"{asked.method} {asked.path}: the body must be {JSON}")
    try:
        found = msgspec.json.decode(asked.body)
    except (ValueError, RecursionError):
        raise Refused(422, f"{asked.method} {asked.path}: the body is not JSON", faults=["body: not JSON"]) from None
    if not isinstance(found, dict):
        raise Refused(422, f"{asked.method} {asked.path}: the body is not an object", faults=["body: not an object"])
    return _filled(found, form, asked, lax=False)


def query(asked: Asked, form: type[T]) -> T:
    """The query as this form. Raises: Refused 422 with `faults`."""
    return _filled(asked.query, form, asked, lax=True)


def _filled(found: Mapping[str, Any], form: type[T], asked: Asked, *, lax: bool) -> T:
    """msgspec stops at the first fault; so each field is read on its own."""
    place = "query" if lax else "body"
    fields = {field.encode_name: field for field in msgspec.structs.fields(form)}
    known = ", ".join(fields) or "nothing"
    faults = [f"{place}.{_shown(name)}: unknown; known is {known}" for name in found if name not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in found:
            faults += [f"{place}.{name}: missing"] if field.required else []
            continue
        try:
            values[name] = msgspec.convert(found[name], field.type, strict=not lax)
        except msgspec.ValidationError as fault:
            faults.append(f"{place}.{name}: {fault}")
        else:
            if isinstance(values[name], str) and values[name].endswith("\n"):  # `$` matches before it
                faults.append(f"{place}.{name}: ends with a line break")
    if faults:
        raise Refused(422, f"{asked.method} {asked.path}: {'; '.join(faults)}", faults=faults)
    return form(**values)


def _shown(name: str) -> str:
    return name[:40].encode("ascii", "backslashreplace").decode() if name.isprintable() else "…"
