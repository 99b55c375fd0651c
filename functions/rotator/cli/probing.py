"""`rotator probe`: what we believe of Google, asked of Google, on a service account that its owner can do without."""

import argparse
import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rotator.cli import BLOCKED, ERROR, FINE
from rotator.cli.desk import Desk
from rotator.cli.running import stoppable
from rotator.clients.iam import IamAccounts
from rotator.clients.registry import ArtifactRegistry
from rotator.errors import Invalid
from rotator.key import Account, Email
from rotator.neighbours import Neighbours
from rotator.probe import asking
from rotator.probe.asking import Ground
from rotator.probe.finding import QUESTIONS, Finding
from rotator.probe.scratch import Scratch
from rotator.probe.watch import Watch
from rotator.report import form
from rotator.settings import Settings, load_if_any

DIFFERS = BLOCKED
"""The exit code for an answer that is not the expected one."""

HEADERS = ("STATUS", "QUESTION", "EXPECTED", "MEASURED")

_ADDRESS = re.compile(r"[a-z0-9][a-z0-9-]*@[a-z0-9][a-z0-9.-]*\.gserviceaccount\.com")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]*")
_IMAGE = re.compile(r"([a-z0-9-]+(?:\.[a-z0-9-]+)+)/(\S+)")


@dataclass
class Probe:
    """One run, and what it has found so far."""

    desk: Desk
    account: Account
    connect: Callable[[], IamAccounts]
    registry: ArtifactRegistry
    neighbours: Neighbours
    image: tuple[str, str] | None
    findings: list[Finding] = field(default_factory=list)
    ended: bool = False

    def say(self, text: str) -> None:
        """Progress; whoever read it may be gone, but the keys have to go as well."""
        with contextlib.suppress(OSError):
            self.desk.mutter(text)

    def run(self, scratch: Scratch, *, limit: bool) -> None:
        """All has been asked, or a person had enough; the keys are gone, or named."""
        hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        with stoppable(self.desk, "ending; the keys are deleted first", *hangup) as stop:

            def sleep(seconds: float) -> None:
                if stop.wait(seconds):
                    raise KeyboardInterrupt

            ground = Ground(
                scratch=scratch,
                registry=self.registry,
                watch=Watch(time.monotonic, sleep, self.say),
                image=self.image,
            )
            try:
                for finding in asking.inquire(ground, limit=limit):
                    self.findings.append(finding)
                    self.say(f"{finding.question}: {finding.status}: {finding.measured}")
                self.ended = True
            except KeyboardInterrupt:
                self.say("interrupted")
            finally:
                self._clean(scratch)

    def _clean(self, scratch: Scratch) -> None:
        try:
            scratch.clean(time.sleep)
        except KeyboardInterrupt:
            self.say("interrupted while deleting keys")
        finally:
            for command in left(scratch):
                self.say(f"left behind, delete it: {command}")


def probe(asked: argparse.Namespace, desk: Desk) -> int:
    """Google was asked, and what it answered was told; or what would be done."""
    settings = load_if_any(asked.config, os.environ)
    email, image = Email(asked.account), _image(asked.image)
    _refuse(settings, email, asked.project)
    neighbours = Neighbours(settings)
    try:
        connect, registry = neighbours.trial()
        account = connect().account(email, asked.project)
        _refuse_used(connect(), account)
        if not asked.yes:
            return _would(asked, desk, neighbours)
        one = Probe(desk, account, connect, registry, neighbours, image)
        scratch = Scratch(account, connect, neighbours.clock.now, one.say)
        one.run(scratch, limit=asked.limit)
        return _told(one, scratch)
    finally:
        neighbours.close()


def left(scratch: Scratch) -> list[str]:
    """The command for each key that could not be deleted, and one to look where nobody knows."""
    where = f"--iam-account {scratch.account.email} --project {scratch.account.project}"
    keys = [f"gcloud iam service-accounts keys delete {key} {where}" for key in scratch.left]
    return [*keys, f"gcloud iam service-accounts keys list {where} --managed-by user"] if scratch.doubtful else keys


def _refuse(settings: Settings, email: Email, project: str) -> None:
    """Raises: Invalid for what is no account to throw away, before anybody is asked."""
    if not _ADDRESS.fullmatch(email):
        raise Invalid((f'probe: {email} is no address of a service account, like "x@acme-test.iam.gserviceaccount.com"',))
    if not _PROJECT.fullmatch(project):
        raise Invalid((f"probe: {project} is no project",))
    if any(account.email == email for account in settings.account):
        raise Invalid((f"probe: {settings.file} manages {email}; take a service account that nobody needs",))


def _refuse_used(accounts: IamAccounts, account: Account) -> None:
    keys = accounts.keys(account)
    if keys:
        listed = ", ".join(key.id for key in keys)
        show = f"gcloud iam service-accounts keys list --iam-account {account.email} --project {account.project}"
        has = f"{account.email} has {form.counted(len(keys), 'user-managed key')} ({listed}), so somebody may need it"
        raise Invalid((f"probe: {has}; take an account that has none: {show} --managed-by user",))


def _image(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    found = _IMAGE.fullmatch(text)
    if found is None:
        raise Invalid((f"probe: {text} is no image, like europe-docker.pkg.dev/acme-test/images/app:latest",))
    return found[1], found[2]


def _would(asked: argparse.Namespace, desk: Desk, neighbours: Neighbours) -> int:
    names = asking.asked(image=asked.image is not None, limit=asked.limit)
    if desk.json:
        tree = form.tree("probe", neighbours.clock.now(), account=asked.account, project=asked.project, done=False)
        desk.tree({**tree, "questions": [{"question": name, "expected": QUESTIONS[name].expected} for name in names]})
        return FINE
    most = "ten and one more" if asked.limit else "up to three at a time"
    desk.write(f"It would make keys of {asked.account} ({most}), disable, enable and delete them, and ask:")
    desk.table(("QUESTION", "EXPECTED"), [(name, QUESTIONS[name].expected) for name in names], indent=2)
    if asked.image is None:
        desk.say("no registry would be asked: say --image HOST/PATH:TAG, a private image that the account may pull")
    desk.say("nothing was changed; to do it: the same with --yes")
    return FINE


def _told(one: Probe, scratch: Scratch) -> int:
    desk, findings, commands = one.desk, one.findings, left(scratch)
    differs = [finding for finding in findings if finding.status == "differs"]
    unknown = [finding for finding in findings if finding.status == "unknown"]
    if desk.json:
        names = Finding.__struct_fields__
        tree = form.tree(
            "probe",
            one.neighbours.clock.now(),
            account=one.account.email,
            project=one.account.project,
            done=one.ended,
            fine=one.ended and not (differs or unknown or commands),
            findings=[{name: getattr(finding, name) for name in names} for finding in findings],
            left=commands,
        )
        desk.tree(tree)
    else:
        desk.table(HEADERS, [(each.status, each.question, each.expected, each.measured) for each in findings])
        for each in differs:
            desk.write()
            desk.title(f"{each.question}: {each.measured}, not {each.expected}")
            desk.write(f"  rests on it: {each.rests}")
    counted = f"{len(findings)} answers: {len(differs)} not as expected, {len(unknown)} unknown"
    desk.say(counted if one.ended else f"{counted}; interrupted, the others were not asked")
    if commands or not one.ended:
        return ERROR
    return DIFFERS if differs else ERROR if unknown else FINE
