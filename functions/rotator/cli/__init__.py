"""The command `rotator`. Data goes to stdout, talk to stderr; a fault is one line, `rotator: ...`.

argparse, and not typer, was measured: importing typer and building these commands costs 95 ms, argparse 25 ms, and what
`status` needs besides (settings, store, service) 100 ms; the goal is 150 ms above `python -c pass`. For the same reason every
command imports its own module when it is called, and no table needs rich: only the live view of `rotate` does.
"""

import sys
from collections.abc import Sequence

FINE, ERROR, PENDING, BLOCKED, UNVERIFIED = 0, 1, 2, 3, 4


def main(argv: Sequence[str] | None = None) -> int:
    """The command has been carried out; gives the exit code (see `rotator --help`)."""
    from rotator.cli.arguments import parse
    from rotator.cli.desk import Desk
    from rotator.errors import RotatorError

    asked = parse(sys.argv[1:] if argv is None else argv)
    desk = Desk(asked)
    try:
        return asked.command(asked, desk) or FINE
    except RotatorError as fault:
        desk.fault(fault)
        return ERROR
    except BrokenPipeError:
        sys.stderr.close()  # whoever reads has had enough; the interpreter would complain at its end
        return ERROR
    except KeyboardInterrupt:
        desk.say("interrupted; nothing is lost, see: rotator status")
        return ERROR
    except Exception as fault:  # noqa: BLE001 - the last resort: a bug is one line, too
        desk.bug(fault)
        return ERROR
