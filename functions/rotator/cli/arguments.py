"""What can be typed. Each command names its function as "module:function"; the module is imported when it is called."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

DESCRIPTION = """\
Rotates the Google service-account keys that Gardener's registry caches pull with: makes a key, proves it, writes
it into immutable Secrets, moves the Shoots in waves, and takes the old key away when nobody can need it any more."""

EPILOG = """\
examples:
  rotator discover                        what is out there, and what stands in the way of automation
  rotator plan puller@acme-prod           what a rotation would do, Shoot by Shoot, and when; changes nothing
  rotator rotate puller@acme-prod         do it and watch; Ctrl-C or a crash loses nothing, the same command goes on
  rotator rotate puller --to 4baf36ed     the way back: rotate to a key that a Secret still holds
  rotator run                             begin what is due, carry on what waits, retire old keys; --once for cron
  rotator status                          what is live, what is being replaced, when each next step may happen
  rotator doctor                          is everything there that it needs, and which command mends what is not
  rotator probe throw-away@acme ...       what Google really answers, tried on a service account to throw away
  rotator explain failure-budget          what a code of "blocked" means and what to do

exit codes:
  0  fine, nothing to do       2  work is pending (something is due, or waits)       4  a key did not prove to work
  1  error                     3  blocked: a person is needed (rotator status)

A CREDENTIAL is a service account: its address, or any part that only one has. Configuration: rotator.toml in this
folder or in ~/.config/registry-key-rotator, $ROTATOR_CONFIG, or --config. Records: $ROTATOR_STATE."""


WIDTH = 118
"""Of help: what is written by hand is as wide."""

MOST_VERSIONS = 100
"""A Role names every Secret in it; more is a case for --all-secrets."""


class Prose(argparse.RawDescriptionHelpFormatter):
    """Options as wide as the prose above them."""

    def __init__(self, prog: str) -> None:
        """`prog`: the command."""
        super().__init__(prog, width=WIDTH)


class Parser(argparse.ArgumentParser):
    """argparse ends with 2 on bad usage; 2 means "work pending" here."""

    def error(self, message: str) -> NoReturn:
        """End with one line and 1."""
        sys.stderr.write(f"rotator: {message}; see: {self.prog} --help\n")
        raise SystemExit(1)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """What was typed, with `command` as a function of it and the desk. Raises: SystemExit for --help and bad usage."""
    shared = _shared(argparse.SUPPRESS)
    parser = Parser(
        prog="rotator",
        description=DESCRIPTION,
        epilog=EPILOG,
        parents=[_shared(None)],
        formatter_class=Prose,
    )
    parser.add_argument("--version", action="store_true", help="show the version")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, function: str, line: str, more: str = "") -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = commands.add_parser(
            name,
            help=line,
            description=f"{line[0].upper()}{line[1:]}.\n{more}".rstrip(),
            parents=[shared],
            formatter_class=Prose,
        )
        added.set_defaults(command=_later(function), told_by=added)
        return added

    _reading(command)
    _rotating(command)
    _deciding(command)
    asked, unknown = parser.parse_known_args(["version", *argv[1:]] if argv[:1] == ["--version"] else argv)
    if unknown:
        asked.told_by.error(f"unrecognized arguments: {' '.join(unknown)}")
    asked.output = asked.output or "table"
    return asked


def _reading(command: Callable[..., argparse.ArgumentParser]) -> None:
    one = command("discover", "looking:discover", "show what is out there, from Gardens and IAM")
    one.add_argument("credential", nargs="?", metavar="CREDENTIAL", help="only this one, in detail")
    more = "Changes nothing. Exit code 2 when a rotation is due or under way."
    one = command("plan", "looking:plan", "show what a rotation would do, and when", more)
    one.add_argument("credential", nargs="?", metavar="CREDENTIAL", help="only this one; else all that may be touched")
    more = "Asks only the books of this installation, not the Gardens. Exit code 2 when something waits, 3 when blocked."
    one = command("status", "telling:status", "show what is live, what is being replaced, and what it waits for", more)
    one.add_argument("word", nargs="?", metavar="ID|CREDENTIAL", help="only this record, or this credential's")
    one.add_argument("--all", action="store_true", help="ended ones too, not only the newest")
    one = command("describe", "telling:describe", "show one record in full: history, evidence, what it waits for")
    one.add_argument("id", metavar="ID", help="of a rotation or retirement, as `rotator status` shows it")
    one = command("explain", "telling:explain", 'tell what a code of "blocked" means and what to do')
    one.add_argument("code", nargs="?", metavar="CODE", help="without one: all codes, one line each")
    _checking(command)
    command("version", "telling:version", "show the version")


def _checking(command: Callable[..., argparse.ArgumentParser]) -> None:
    more = """
Asks the Gardens (each verb in each namespace), IAM, Secret Manager, Monitoring and the registries what the rotator
may do there, and says for everything that is missing which command gives it. Changes nothing. Exit code 3 when
something is missing, 1 when something could not be asked, 0 when all is well or only optional things are missing."""
    command("doctor", "checking:doctor", "check configuration, reachability and every permission", more)
    _probing(command)
    more = """
Prints the Role and RoleBinding of each namespace of one Garden for `kubectl apply -f -`, Secrets by name, with the
names of the next versions. A project admin applies them, and again when Shoots name other Secrets: `rotator doctor`
tells. With --google: gcloud command lines for the roles at Google. An installation has three identities, each with a
Role of its own: say --for whom.

  kubectl -n garden-acme create serviceaccount registry-key-rotator
  rotator rbac live --kubeconfig admin.yaml | kubectl --kubeconfig admin.yaml apply -f -
  rotator rbac live --for minter --user rotator-acme-minter@acme.iam.gserviceaccount.com
  rotator rbac --google --member serviceAccount:rotator@acme-prod.iam.gserviceaccount.com
"""
    one = command("rbac", "granting:rbac", "print the smallest Role for a Garden, or the roles at Google", more)
    one.add_argument(
        "place", nargs="?", metavar="GARDEN[/NAMESPACE]", help="as in rotator.toml; may be left out if there is one"
    )
    one.add_argument(
        "--service-account",
        metavar="[NAMESPACE/]NAME",
        help="whom to bind (default: whose login rotator.toml has; while nobody's, registry-key-rotator)",
    )
    one.add_argument("--user", metavar="NAME", action="append", help="bind this user instead of a service account; repeatable")
    one.add_argument(
        "--versions", type=_count, default=12, metavar="N", help="names of so many rotations to come (default: 12)"
    )
    one.add_argument("--all-secrets", action="store_true", help="Secrets of any name: wider, but need not be applied again")
    one.add_argument("--kubeconfig", type=Path, metavar="FILE", help="look with this login instead of the rotator's own")
    one.add_argument(
        "--for",
        dest="identity",
        choices=("reader", "minter", "revoker"),
        help="only what this identity of an installation needs (default: everything, for one that does all)",
    )
    one.add_argument("--google", action="store_true", help="print gcloud command lines instead")
    one.add_argument("--member", default="", metavar="MEMBER", help="with --google: whom to bind, as serviceAccount:ADDRESS")


def _probing(command: Callable[..., argparse.ArgumentParser]) -> None:
    more = """
For the first hour on a real project: makes keys on a service account to throw away, looks what IAM, the token endpoint
and a registry say to them fresh, disabled, enabled and deleted, and compares that with what this program expects. Takes
minutes, at the slowest an hour. All keys are deleted in the end, also after Ctrl-C. Needs no rotator.toml; with one, an
account in it is refused, as is any account that has user-managed keys. Exit code 3 when an answer differs, 1 when one
is missing or a key is left.

  gcloud iam service-accounts create throw-away --project acme-test
  rotator probe throw-away@acme-test.iam.gserviceaccount.com --project acme-test
  rotator probe throw-away@acme-test.iam.gserviceaccount.com --project acme-test --yes --limit \\
    --image europe-docker.pkg.dev/acme-test/images/app:latest
"""
    one = command("probe", "probing:probe", "try on a throw-away service account what Google really answers", more)
    one.add_argument("account", metavar="SERVICE_ACCOUNT", help="its address; it must have no user-managed key")
    one.add_argument("--project", required=True, metavar="P", help="the project of the service account")
    one.add_argument("--image", metavar="HOST/PATH:TAG", help="a private image that it may pull; else no registry is asked")
    one.add_argument("--limit", action="store_true", help="make ten keys as well, to see what counts toward the limit")
    one.add_argument("--yes", action="store_true", help="do it; without this, only say what would be done")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MOST_VERSIONS:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {MOST_VERSIONS}")
    return int(text)


def _rotating(command: Callable[..., argparse.ArgumentParser]) -> None:
    more = """
Begins a rotation, or continues the one that is under way, and shows it happen until it ends or blocks. Its mode
must be "manual" or "automatic". Press Ctrl-C at any time: every step is saved, the same command goes on. When all
Shoots have moved, the retirement of the old key begins; `rotator run` carries it on. Exit code 2: work is pending, as
a rule that retirement; 0: nothing is left, or the key is not due yet, and --new begins a rotation all the same."""
    one = command("rotate", "rotating:rotate", "rotate a credential's key now, and watch it", more)
    one.add_argument("credential", metavar="CREDENTIAL")
    one.add_argument("--to", metavar="KEY", help="the way back: rotate to this key (start of its id or public key)")
    one.add_argument("--new", action="store_true", help="begin a new rotation even if one is under way; it supersedes that")
    one.add_argument(
        "--until-waiting", action="store_true", help="come back when nothing has happened for a minute (exit code 2)"
    )
    _signed(one, "why, for the record's evidence")
    more = """
Begins what is due (rotations in mode "automatic", retirements of replaced keys) and carries on what waits, until
SIGINT or SIGTERM; the step under way is finished first. Any number of these may run at once."""
    one = command("run", "running:run", "keep everything going, for people without functions", more)
    one.add_argument("--once", action="store_true", help="one round, then end: for cron")


def _deciding(command: Callable[..., argparse.ArgumentParser]) -> None:
    one = command("retry", "deciding:retry", "let a blocked record go on; also confirms a step that waits for a person")
    one.add_argument("id", metavar="ID")
    _signed(one, "why, for the record's evidence")
    more = """
The retirement no longer waits for this Shoot. It takes the risk on purpose: if the Shoot still runs the old key, its
pulls fail once the key is disabled. GARDEN/NAMESPACE gives up a whole namespace that cannot be read any more."""
    one = command("waive", "deciding:waive", "take responsibility for one Shoot that does not settle", more)
    one.add_argument("id", metavar="ID")
    one.add_argument("shoot", metavar="GARDEN/NAMESPACE[/SHOOT]")
    _signed(one, "why; it stays in the evidence", required=True)
    one = command("reenable", "deciding:reenable", "take a key back that is being disabled, or is disabled")
    one.add_argument("key", metavar="KEY", help="start of its public key or id, or the ID of its retirement")
    _signed(one, "why; it stays in the evidence", required=True)
    one = command("suspend", "deciding:suspend", "stop automation before its next write")
    one.add_argument("credential", nargs="?", metavar="CREDENTIAL", help="only this one; else everything")
    _signed(one, "why; whoever asks for the status reads it")
    more = "What only one credential was suspended for goes on with `rotator resume CREDENTIAL`."
    one = command("resume", "deciding:resume", "let automation go on", more)
    one.add_argument("credential", nargs="?", metavar="CREDENTIAL", help="only this one; else what was suspended as a whole")
    one.add_argument("--reason", default="", metavar="TEXT", help="why; it is said here, and kept nowhere")
    one.add_argument("--by", default="", metavar="WHO", help=argparse.SUPPRESS)


def _signed(one: argparse.ArgumentParser, why: str, *, required: bool = False) -> None:
    one.add_argument("--reason", required=required, default="", metavar="TEXT", help=why)
    one.add_argument("--by", default="", metavar="WHO", help="who decides this (default: you, as $USER@host)")


def _shared(absent: Any) -> Parser:
    """Options that may stand before and after the command. `absent`: what a missing one leaves behind."""
    shared = Parser(add_help=False)
    flags = shared.add_argument_group("for all commands")
    flags.add_argument("--config", type=Path, default=absent, metavar="FILE", help="the rotator.toml to use")
    flags.add_argument(
        "-o", "--output", choices=("table", "json"), default=absent, help="table for people (default), json for machines"
    )
    flags.add_argument("--no-color", action="store_true", default=absent or False, help="no colour even on a terminal")
    flags.add_argument("--debug", action="store_true", default=absent or False, help="a traceback with faults of the program")
    return shared


def _later(function: str) -> Callable[[argparse.Namespace, Any], int | None]:
    def call(asked: argparse.Namespace, desk: Any) -> int | None:
        module, _, name = function.partition(":")
        found: int | None = getattr(importlib.import_module(f"rotator.cli.{module}"), name)(asked, desk)
        return found

    return call
