"""Whose a Secret or a Shoot is: what their metadata says, as `owner` wants it.

Of a Secret all labels and annotations are read; there are few, and one marker too many only costs a person a look. Of a Shoot
those that `wire` names: thousands are listed at once, each with a manifest of kilobytes in one annotation.
"""

from functools import lru_cache
from operator import attrgetter

import msgspec

from rotator.clients.garden import wire
from rotator.owner import LAST_APPLIED, Manager, Owner, Traces, owners


class Metadata(msgspec.Struct, rename="camel"):
    """metadata of a Secret."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    deletion_timestamp: str | None = None
    owner_references: list[wire.Target] | None = None
    managed_fields: list[wire.Writer] | None = None


def of_secret(metadata: Metadata) -> tuple[Owner, ...]:
    """The tools that would make the Secret again after it was deleted."""
    return owners(
        Traces(
            labels=metadata.labels or {},
            annotations=metadata.annotations or {},
            references=_references(metadata.owner_references),
            managers=_managers(metadata.managed_fields),
        )
    )


def of_shoot(metadata: wire.Metadata) -> tuple[Owner, ...]:
    """The tools that would write the Shoot's spec again from their own source."""
    labels, annotations = metadata.labels, metadata.annotations
    return _of_shoot(
        _LABEL_VALUES(labels) if labels else (),
        (*_ANNOTATION_VALUES(annotations), memoryview(annotations.last_applied).nbytes > 0) if annotations else (),
        tuple([(each.kind, each.name) for each in metadata.owner_references or ()]),
        tuple([(each.manager, each.operation) for each in metadata.managed_fields or () if not each.subresource]),
    )


def _keys_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    fields = msgspec.structs.fields(kind)
    return {each.name: each.encode_name for each in fields if each.name.startswith(wire.OF_OWNER)}


_LABELS, _ANNOTATIONS = _keys_of(wire.Labels), _keys_of(wire.Annotations)
_LABEL_VALUES, _ANNOTATION_VALUES = attrgetter(*_LABELS), attrgetter(*_ANNOTATIONS)


@lru_cache(maxsize=4096)  # thousands of Shoots bear the marks of the same few hands
def _of_shoot(
    labels: tuple[str | None, ...],
    annotations: tuple[str | bool | None, ...],
    references: tuple[tuple[str, str], ...],
    managers: tuple[tuple[str, str], ...],
) -> tuple[Owner, ...]:
    keys = (*_ANNOTATIONS.values(), LAST_APPLIED)
    return owners(
        Traces(
            labels={key: text for key, text in zip(_LABELS.values(), labels, strict=False) if text is not None},
            annotations={key: str(found) for key, found in zip(keys, annotations, strict=False) if found not in {None, False}},
            references=references,
            managers=tuple(Manager(name, operation == "Apply") for name, operation in managers),
        )
    )


def _references(found: list[wire.Target] | None) -> tuple[tuple[str, str], ...]:
    return tuple((each.kind, each.name) for each in found or ())


def _managers(found: list[wire.Writer] | None) -> tuple[Manager, ...]:
    return tuple(Manager(each.manager, each.operation == "Apply") for each in found or () if not each.subresource)
