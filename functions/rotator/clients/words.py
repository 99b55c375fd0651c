"""A server's own words, made fit for a message: one line, bounded, without anything that could be key material or a token."""

import re

LIMIT = 300
"""Characters of a server's words that a message carries."""

_MATERIAL = re.compile(r"-----BEGIN.*|ya29\.\S+|eyJ[\w.-]+|[A-Za-z0-9+/=]{64,}")


def words(text: object) -> str:
    """What the server said, as far as it may be shown."""
    line = _MATERIAL.sub("…", " ".join(str(text).split()))
    return line if len(line) <= LIMIT else line[: LIMIT - 1] + "…"
