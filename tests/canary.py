"""Looks for private keys where none may be: in any text or file, in every form that a key takes on its way.

What is looked for is every run of 24 characters of the secret part of a key (behind header and modulus, which certificates show
too), plain, JSON-escaped and base64-encoded at each of the three alignments; its DER bytes; and the armour around it.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

WINDOW = 24
SECRET_FROM = 408
"""Characters of a PKCS#8 body (RSA 2048) before the private exponent begins: algorithm, version, modulus, public exponent."""

ARMOUR = ("PRIVATE KEY-----", *(base64.b64encode(b"-----BEGIN PRIVATE KEY-----"[shift:])[:32].decode() for shift in range(3)))
_RUN = re.compile(r"[A-Za-z0-9+/]{24,}")
_NEWLINES = re.compile(r"(\\+n|\\+r|\s)+")


class Canary:
    """The needles of these private keys (PEM)."""

    def __init__(self, pems: Iterable[str]) -> None:
        self.keys = 0
        self._windows: set[str] = set()
        self._bytes: list[bytes] = []
        for pem in pems:
            self.keys += 1
            for form in _forms(pem):
                self._windows |= {form[place : place + WINDOW] for place in range(len(form) - WINDOW + 1)}
            der = base64.b64decode(_body(pem))[SECRET_FROM * 3 // 4 :]
            self._bytes += [der[place : place + WINDOW] for place in range(0, len(der) - WINDOW, WINDOW // 2)]

    def leaks(self, where: str, found: str | bytes) -> list[str]:
        """A line for each kind of leak in there; what leaked is not repeated."""
        said: list[str] = []
        if isinstance(found, bytes):
            if any(needle in found for needle in self._bytes):
                said.append(f"{where}: DER bytes of a private key")
            found = found.decode("latin-1")
        if any(needle in found for needle in ARMOUR):
            said.append(f"{where}: the armour of a private key")
        plain = _NEWLINES.sub("", found).replace("-", "+").replace("_", "/")
        for run in _RUN.finditer(plain):
            text = run.group()
            if any(text[place : place + WINDOW] in self._windows for place in range(len(text) - WINDOW + 1)):
                said.append(f"{where}: {WINDOW} characters of a private key")
                break
        return said

    def leaks_in_folder(self, folder: Path) -> Iterator[str]:
        """As `leaks`, for every file below."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                yield from self.leaks(str(file), file.read_bytes())


def _body(pem: str) -> str:
    return "".join(line for line in pem.splitlines() if line and "-----" not in line)


def _forms(pem: str) -> Iterator[str]:
    """Every way the secret part is spelt, as one run of characters."""
    yield _body(pem)[SECRET_FROM:]
    lines = pem.strip().splitlines()
    secret = lines[1 + SECRET_FROM // 64 : -1]
    for newline in ("\n", "\\n"):
        text = newline.join(secret).encode()
        for shift in range(3):
            yield base64.b64encode(text[shift:]).decode().rstrip("=")
