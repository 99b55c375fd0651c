"""The fates of a call to the outside: again, a person, or evidence that the step judges.

A message says what was attempted, on what, what was answered and what to do next; it never carries a response body.
Waiting and needing a person are values (`record.Wait`, `record.Blocked`), not exceptions.
"""

from datetime import datetime


class RotatorError(Exception):
    """Whatever this program raises on purpose; its text is one line that a person can act on."""


class Transient(RotatorError):
    """The call may well succeed later: the record waits with backoff and goes on by itself."""


class TokenExpired(Transient):
    """This worker's one token is not accepted any more. Not worth repeating: the next activation brings its own."""


class Permanent(RotatorError):
    """The call will not succeed until a person acts: the record blocks. `code` is a stable word, `next_command` the way on."""

    def __init__(self, message: str, *, code: str = "refused", next_command: str = "") -> None:
        """Keep the words apart from the message: reports show them in columns of their own."""
        super().__init__(message)
        self.code = code
        self.next_command = next_command


class Untold(Permanent):
    """An emulator does not play what it was asked; Google itself tells it."""


class Absent(RotatorError):
    """The object is not there (404, NOT_FOUND). Never raised for 403: forbidden is not gone."""


class Exists(RotatorError):
    """The name is taken (409 AlreadyExists)."""


class Conflict(RotatorError):
    """A precondition or a JSON Patch test failed: the world moved since it was read. Read again and decide."""


class Denied(RotatorError):
    """Admission judged our object or patch and refused it; the text is the server's own reason."""


class Unreadable(RotatorError):
    """A part of the scope cannot be read (403): it keeps every gate shut. The text names verb and object to grant."""


class Halted(RotatorError):
    """The next write must not be sent: automation is suspended, or the claim on the record is lost."""

    def __init__(self, message: str, *, until: datetime | None = None) -> None:
        """`until`: when to look again, if that is known."""
        super().__init__(message)
        self.until = until


class StalePermit(RotatorError):
    """A burning call came with a permit that is too old or for another object; nothing was sent."""


class Invalid(RotatorError):
    """Bad input from a person or a file; every fault is listed, each with its place."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        """All faults at once, in the order of the file."""
        super().__init__("\n".join(faults))
        self.faults = faults
