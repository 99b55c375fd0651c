"""Where commands speak: tables or JSON on stdout, talk on stderr, colour only on a terminal that wants it."""

import argparse
import contextlib
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rotator.errors import Invalid, Permanent, RotatorError

if TYPE_CHECKING:  # importing it costs 80 ms that `--help` and `explain` need not pay
    from rotator.wiring import Wired

COLOURS = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2"}
_WORDS = {
    "Blocked": "red", "Suspended": "yellow", "Waiting": "cyan", "Running": "cyan", "Kept": "green", "Done": "green",
    "ok": "green", "missing": "red", "unknown": "yellow", "optional": "yellow",
    "skipped": "yellow", "waits": "yellow", "moves": "green", "disabled": "yellow", "unmanaged": "yellow", "orphaned": "yellow",
    "as expected": "green", "differs": "red",
}  # fmt: skip
_UNBROKEN = "\N{NO-BREAK SPACE}"
_MATERIAL = re.compile(r"-----BEGIN.*?(-----END[^-]*-----|$)|[A-Za-z0-9+/=_-]{80,}", re.DOTALL)


class Desk:
    """The terminal, or the pipe, of one command."""

    def __init__(self, asked: argparse.Namespace) -> None:
        """`asked`: the options that all commands share."""
        self.asked = asked
        self.json = asked.output == "json"
        self.width = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() or os.environ.get("COLUMNS") else 0
        self.live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.stamp: Callable[[], str] = lambda: ""
        """Begins each line on stderr; for a log that nobody watches, the time."""

    @property
    def by(self) -> str:
        """Who asks."""
        user = os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid{os.getuid()}"
        return self.asked.by or f"{user}@{os.uname().nodename}"

    @contextlib.contextmanager
    def opened(self) -> Iterator["Wired"]:
        """The service that the configuration describes, closed at the end; claims of dead processes are released."""
        from rotator import wiring

        wired = wiring.open(self.asked.config, os.environ)
        try:
            wired.release_dead()
            yield wired
        finally:
            wired.close()

    # --- stdout ---

    def tree(self, tree: Any) -> None:
        """The answer for machines."""
        json.dump(tree, sys.stdout, indent=2, default=str)
        sys.stdout.write("\n")

    def write(self, text: str = "") -> None:
        """A line of the answer for people, wrapped where a terminal would break it."""
        for line in self._wrapped(text, len(text) - len(text.lstrip()) + 2) if self.width else [text]:
            sys.stdout.write(line + "\n")

    def verbatim(self, lines: Iterable[str]) -> None:
        """Text for another program: never wrapped, never coloured."""
        for line in lines:
            sys.stdout.write(line + "\n")

    def title(self, text: str) -> None:
        """A headline."""
        sys.stdout.write(self.colour(text, "bold") + "\n")

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]], indent: int = 0) -> None:
        """Aligned columns. On a terminal the last column is wrapped into its own width."""
        every = [list(map(str, row)) for row in rows]
        if not every:
            return
        widths = [max(len(row[index]) for row in [headers, *every]) for index in range(len(headers))]
        start = indent + sum(widths[:-1]) + 2 * (len(widths) - 1)
        for number, row in enumerate([list(headers), *every]):
            cells = [
                self.colour(cell, _WORDS.get(cell, "")) + " " * (width - len(cell))
                for cell, width in zip(row, widths, strict=True)
            ]
            last = [row[-1]]
            if self.width and start + len(row[-1]) > self.width:
                whole = row[-1].replace("(in ", f"(in{_UNBROKEN}")
                last = textwrap.wrap(whole, max(self.width - start, 24), break_on_hyphens=False, break_long_words=False)
                last = [line.replace(_UNBROKEN, " ") for line in last]
            cells[-1] = self.colour(last[0], _WORDS.get(row[-1], "")) if last else ""
            line = (" " * indent + "  ".join(cells)).rstrip()
            sys.stdout.write((self.colour(line, "bold") if number == 0 else line) + "\n")
            for more in last[1:]:
                sys.stdout.write(" " * start + more + "\n")

    def pairs(self, pairs: Iterable[tuple[str, str]], indent: int = 0) -> None:
        """Names and values, one below the other; a name that comes again is said once."""
        every = [(" " * indent + name, value) for name, value in pairs]
        width = max((len(name) for name, _ in every), default=0) + 2
        before = ""
        for name, value in every:
            label = "" if name == before else f"{name}:"
            before = name
            lines = [value]
            if self.width and width + len(value) > self.width:
                lines = textwrap.wrap(value, max(self.width - width, 24), break_on_hyphens=False, break_long_words=False)
            sys.stdout.write(self.colour(f"{label:<{width}}", "" if indent else "bold") + (lines[0] if lines else "") + "\n")
            for more in lines[1:]:
                sys.stdout.write(" " * width + more + "\n")

    # --- stderr ---

    def say(self, text: str) -> None:
        """A word to whoever watches."""
        sys.stderr.write(f"{self.stamp()}rotator: {text}\n")
        sys.stderr.flush()

    def mutter(self, text: str) -> None:
        """A line of progress."""
        sys.stderr.write(f"{self.stamp()}{text}\n")
        sys.stderr.flush()

    def fault(self, fault: RotatorError) -> None:
        """What went wrong: a line each, and how to go on where that is known."""
        lines = fault.faults if isinstance(fault, Invalid) else str(fault).split("\n")
        for line in lines:
            self.say(line)
        # A bare "rotator retry" is for the record that a fault would block; a command has only itself to be typed again.
        command = fault.next_command if isinstance(fault, Permanent) else ""
        if command not in {"", "rotator retry"} and command not in str(fault):
            self.say(f"next: {command}")

    def bug(self, fault: Exception) -> None:
        """A fault of the program: one line; with --debug the traceback, without anything that could be key material."""
        if self.asked.debug:
            import traceback

            sys.stderr.write(_MATERIAL.sub("…", "".join(traceback.format_exception(fault))))
        name = type(fault).__name__
        self.say(f"a fault of this program ({name}); nothing is half-done, every step is saved. For a bug report: --debug")

    # --- both ---

    def colour(self, text: str, name: str, stream: TextIO | None = None) -> str:
        """The text in this colour, where colour is wanted."""
        wanted = (stream or sys.stdout).isatty() and not self.asked.no_color and not os.environ.get("NO_COLOR")
        return f"\x1b[{COLOURS[name]}m{text}\x1b[0m" if name and wanted and text else text

    def _wrapped(self, text: str, indent: int) -> list[str]:
        hanging = " " * indent
        return textwrap.wrap(
            text, self.width, subsequent_indent=hanging, break_on_hyphens=False, break_long_words=False, drop_whitespace=True
        ) or [""]
