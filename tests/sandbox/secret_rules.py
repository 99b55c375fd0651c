"""What holds for all objects of Secret Manager: numbers of projects, etags, labels."""

import re
import secrets
import zlib
from typing import Any

from sandbox.door import Refused

_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_MOST_LABELS = 64


def project_number(project: str) -> str:
    """The number of a project; Secret Manager answers with it even when it was asked by id."""
    return project if project.isdecimal() else str(100_000_000_000 + zlib.crc32(project.encode()))


def new_etag() -> str:
    """A quoted tag that no other object has had."""
    return f'"{secrets.token_hex(7)}"'


def check_etag(message: Any, etag: str) -> None:
    """Return only when no etag was sent or it is the present one.

    Raises: Refused FAILED_PRECONDITION.
    """
    if etag and etag != message.etag:
        raise Refused("FAILED_PRECONDITION", f"The etag of [{message.name}] does not match.")


def check_labels(labels: dict[str, str]) -> None:
    """Return only when Secret Manager takes these labels.

    Raises: Refused INVALID_ARGUMENT.
    """
    wrong = [key for key, value in labels.items() if not (_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value))]
    if wrong or len(labels) > _MOST_LABELS:
        raise Refused("INVALID_ARGUMENT", f"Invalid labels: at most {_MOST_LABELS}, lower case; wrong: {wrong}.")
