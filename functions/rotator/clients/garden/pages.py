"""Lists of thousands, page by page, of one consistent read.

Every page is decoded and let go while the next one is on its way: the list's metadata stands before its items, so the
continue token is known as soon as the page is here. Never with resourceVersion=0: that is a cache, and it ignores limits.
"""

import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from rotator.clients.garden.errors import ExpiredError
from rotator.clients.garden.request import Request
from rotator.clients.garden.transport import Transport
from rotator.errors import Transient

T = TypeVar("T")

LIMIT = "250"
HEAD_START = 0.001
"""Seconds that a request for the next page gets to leave before this page is decoded."""

ROUNDS = 3
"""So often a list is begun that expires while it is read (410)."""

_TOKEN = re.compile(rb'"continue":\s*"([^"\\]+)"')
_HEAD = 4096

Take = Callable[[bytes], tuple[str, list[T]]]
"""Decodes a page: its continue token, empty on the last page, and its items."""


def collect(transport: Transport, request: Request, take: Take[T]) -> tuple[T, ...]:
    """All items of the list as they were at one moment. Raises: Unreadable, Absent, Transient."""
    for _ in range(ROUNDS):
        try:
            return tuple(_round(transport, request, take))
        except ExpiredError:
            continue
    raise Transient(f"{request} in Garden {transport.garden}: the list expired {ROUNDS} times while it was read")


def _round(transport: Transport, request: Request, take: Take[T]) -> list[T]:
    first = request.asking(limit=LIMIT)
    found: list[T] = []
    with ThreadPoolExecutor(1, "garden-page") as ahead:
        body = transport.read(first)
        while True:
            guess = _token(body)
            coming: Future[bytes] | None = None
            if guess:
                coming = ahead.submit(transport.read, first.asking(**{"continue": guess}))
                # Decoding holds the interpreter's lock for the whole page: let the request get out first.
                wait([coming], HEAD_START)
            token, items = take(body)
            found += items
            if not token:
                return found
            body = coming.result() if coming and token == guess else transport.read(first.asking(**{"continue": token}))


def _token(body: bytes) -> str:
    """The continue token, read ahead of decoding; the decoder has the last word."""
    head = body[:_HEAD]
    match = _TOKEN.search(head, 0, head.find(b'"items"') % (_HEAD + 1))
    return match.group(1).decode("ascii") if match else ""
