"""What somebody else says about a key, as values. A hint carries no authority: it says "look", and our own reading decides."""

from typing import Literal

import msgspec

Kind = Literal["rotate", "expiring", "old", "changed", "exposed"]


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody says that a key is due, expires, is old, was changed, or was exposed.

    `account`: e-mail address or unique id; `secret`: the id of a staging secret; one of them is set. `key_id` may be empty.
    `said`: one short line, in the source's words.
    """

    kind: Kind
    source: str
    said: str
    account: str = ""
    secret: str = ""
    key_id: str = ""


class Ignored(msgspec.Struct, frozen=True):
    """Understood, and nothing to look at."""

    why: str


class Poison(msgspec.Struct, frozen=True):
    """Not understood; sent again it would be the same."""

    why: str


Understood = Hint | Ignored | Poison
