"""A token for calls that burn nothing: the books and the messages. It is renewed before it ends, unlike an activation's."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from rotator.clients.token import AccessToken

EARLY = timedelta(minutes=5)
"""So long before its end a token is replaced; the metadata server gives a fresh one from then on."""


class Bearer:
    """Always a token that still lives. Safe for threads."""

    def __init__(self, fetch: Callable[[], AccessToken], now: Callable[[], datetime]) -> None:
        """`fetch`: another token, not asked for yet."""
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._token: AccessToken | None = None

    def __call__(self) -> str:
        """The token: for the Authorization header, nowhere else. Raises: Transient, Permanent."""
        with self._lock:
            if self._token is None or self._token.expires - EARLY <= self._now():
                token = self._fetch()
                token.reveal()  # fetched here: one that cannot be had must not be kept
                self._token = token
            return self._token.reveal()
