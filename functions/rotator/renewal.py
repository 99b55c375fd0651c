"""The logins that the rotator renews by itself: a Garden's token that lives in Secret Manager.

It is renewed when half of its life is over, by whoever looks what is due. The next token is asked for with the present one,
tried, and only then kept; the present one stays good until its end. So whatever fails here fails days before it hurts, and is
told at every look.
"""

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from rotator.errors import Permanent, RotatorError

LIFE = timedelta(days=30)
"""What is asked for; a Garden's operators may give less."""


class Login(Protocol):
    """Who we are in a Garden."""

    def age(self) -> tuple[datetime | None, datetime | None]:
        """When our token was issued and when it ends; None when it does not tell. Raises: RotatorError."""
        ...

    def another_token(self, life: timedelta) -> str:
        """A later one, to which the server has answered. Raises: RotatorError."""
        ...


class Kept(Protocol):
    """Where the token lives."""

    def keep(self, token: str) -> None:
        """It is the one that is read from now on. Raises: RotatorError."""
        ...


class Seen(msgspec.Struct, frozen=True):
    """What came of one look at one Garden's token. `left`: of its life; None when it does not tell, or was not to be had.

    `overdue`: a person should look; there is none that is good, or three quarters of its life are over.
    """

    garden: str
    left: timedelta | None
    renewed: bool = False
    overdue: bool = False
    fault: str = ""


def look(garden: str, login: Login, kept: Kept, now: datetime) -> Seen:
    """The token has half of its life before it, or is told why not. Again: nothing, while it is young."""
    try:
        issued, ends = login.age()
    except RotatorError as caught:
        return Seen(garden, None, overdue=isinstance(caught, Permanent), fault=str(caught))
    if issued is None or ends is None:
        return Seen(garden, None)
    left, life = ends - now, ends - issued
    if left > life / 2:
        return Seen(garden, left)
    try:
        kept.keep(login.another_token(LIFE))
    except RotatorError as caught:
        return Seen(garden, left, overdue=left < life / 4, fault=str(caught))
    return Seen(garden, left, renewed=True)
