"""`rotator probe`: with a Google as we believe it to be all is as expected, another Google is told apart, and no key stays."""

import argparse
import json
import re
import signal as signals
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_runner import Cli, Ran
from rotator import settings
from rotator.cli.desk import Desk
from rotator.cli.probing import Probe
from rotator.clients import calls
from rotator.clients.iam import IamAccounts
from rotator.errors import Permanent
from rotator.key import Account, Email, KeyId
from rotator.neighbours import Neighbours
from rotator.probe import asking
from rotator.probe.asking import Ground
from rotator.probe.finding import QUESTIONS, Finding
from rotator.probe.scratch import Scratch
from rotator.probe.watch import Watch
from sandbox import landscape
from sandbox.cloud import Cloud
from sandbox.faults import Fault
from sandbox.google import Google

EMAIL = Email("throw-away@acme-test.iam.gserviceaccount.com")
PROJECT = "acme-test"
HOST = "europe-docker.pkg.dev"
REPOSITORY = "acme-test/images"
IMAGE = f"{REPOSITORY}/app:latest"
ALL = asking.asked(image=True, limit=True)


class Lab:
    """A Google with a service account to throw away, and a probe of it that waits by moving Google's clock."""

    def __init__(self, google: Google, folder: Path) -> None:
        self.google = google
        self.made = google.create_account(PROJECT, EMAIL)
        google.repository(HOST, REPOSITORY)
        google.grant(self.made, HOST, REPOSITORY)
        sandbox = settings.SandboxSettings(grpc=google.grpc_address, http=google.http_url)
        found = settings.Settings(
            file=folder / "rotator.toml", store=folder / "state.db", installation="", garden=(), account=(), sandbox=sandbox
        )
        self.neighbours = Neighbours(found)
        self.connect, self.registry = self.neighbours.trial()
        self.said: list[str] = []
        self.on_sleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.google.clock.advance(seconds)
        self.on_sleep()

    def scratch(self, connect: Callable[[], Any] | None = None) -> Scratch:
        account = self.connect().account(EMAIL, PROJECT)
        return Scratch(account, connect or self.connect, self.google.clock.now, self.said.append)

    def ground(self, scratch: Scratch, *, image: bool = True) -> Ground:
        watch = Watch(lambda: self.google.clock.now().timestamp(), self.sleep, self.said.append)
        return Ground(scratch=scratch, registry=self.registry, watch=watch, image=(HOST, IMAGE) if image else None)

    def run(self, *, limit: bool = False, image: bool = True) -> dict[str, Finding]:
        """All answers; the keys are gone."""
        scratch = self.scratch()
        try:
            return {one.question: one for one in asking.inquire(self.ground(scratch, image=image), limit=limit)}
        finally:
            scratch.clean(self.google.clock.advance)
            assert (scratch.left, scratch.doubtful) == ((), False)

    @property
    def keys(self) -> list[str]:
        """What is really there."""
        return [key.key_id for key in self.made.user_managed()]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with calls.within(20.0, patience=0.4), Google() as google:
        built = Lab(google, tmp_path)
        yield built
        built.neighbours.close()


def differing(found: dict[str, Finding]) -> set[str]:
    return {name for name, one in found.items() if one.status == "differs"}


def unknown(found: dict[str, Finding]) -> set[str]:
    return {name for name, one in found.items() if one.status == "unknown"}


# --- what Google answers ---


def test_a_google_as_we_believe_it_to_be_is_as_expected(lab: Lab) -> None:
    found = lab.run(limit=True)

    assert tuple(found) == tuple(QUESTIONS) == ALL
    assert {name: one.measured for name, one in found.items() if one.status != "as expected"} == {}
    assert lab.keys == []


def test_a_slow_google_is_measured_and_as_expected(lab: Lab) -> None:
    lab.google.iam.works_after, lab.google.iam.stops_after, lab.google.iam.stale = 42.0, 70.0, 30.0
    found = lab.run()

    assert differing(found) | unknown(found) == set()
    assert 42 <= (found["upload-to-exchange"].seconds or 0) <= 50
    assert 42 <= (found["enable-to-exchange"].seconds or 0) <= 50
    assert 70 <= (found["disable-to-registry"].seconds or 0) <= 80
    assert 30 <= (found["upload-to-list"].seconds or 0) <= 40
    assert "before: invalid_grant Invalid JWT Signature." in found["upload-to-exchange"].measured
    assert lab.keys == []


def test_a_new_key_that_is_refused_in_other_words_differs(lab: Lab) -> None:
    lab.google.iam.works_after, lab.google.registry.bad_key_status = 5.0, 403

    assert differing(lab.run()) == {"upload-to-registry", "disable-to-registry", "delete-to-registry"}


def test_without_an_image_no_registry_is_asked(lab: Lab) -> None:
    found = lab.run(image=False)

    assert set(found) == set(ALL) - asking.REGISTRY - set(asking.LIMIT)
    assert not [one for one in lab.google.operations.since() if one.service == "registry"]


NEVER = 1e6
DISABLED = {"disable-to-exchange", "disable-to-registry"}
KNOBS = [
    ("iam.works_after", 700.0, {"upload-to-exchange", "rsa-4096"}),
    ("iam.stops_after", 700.0, DISABLED | {"delete-to-exchange", "delete-to-registry"}),
    ("iam.stale", 700.0, {"upload-to-list", "disable-to-get", "delete-to-get"}),
    ("iam.duplicate_upload", "same key", {"duplicate-certificate", "duplicate-key"}),
    ("iam.duplicate_upload", "already exists", {"duplicate-certificate", "duplicate-key"}),
    ("iam.limit_counts_disabled", False, {"disabled-key-counts"}),
    ("iam.key_limit", 7, {"key-limit"}),
    ("iam.key_limit", 20, {"key-limit"}),
    ("registry.token_lifetime", 43_200.0, {"registry-token-life"}),
    ("registry.bad_key_status", 403, {"disable-to-registry", "delete-to-registry"}),
]


BESIDES = {"works_after": {"upload-to-registry"}, "stale": {"key-limit"}}
"""What differs as well, as it must: a bare refusal is read by counting a list."""


@pytest.mark.parametrize(("knob", "value", "names"), KNOBS, ids=[f"{knob}={value}" for knob, value, _ in KNOBS])
def test_another_google_is_told_apart(lab: Lab, knob: str, value: Any, names: set[str]) -> None:
    service, _, name = knob.partition(".")
    setattr(getattr(lab.google, service), name, value)
    found = lab.run(limit=True)

    assert names <= differing(found), {name: one.measured for name, one in found.items()}
    assert differing(found) <= names | BESIDES.get(name, set())
    assert all(found[one].rests for one in names)
    assert lab.keys == []


FAULTS = [
    ("GetServiceAccountKey", "PERMISSION_DENIED", "absent-key"),
    ("UploadServiceAccountKey", "INVALID_ARGUMENT", "rsa-4096"),
    ("UploadServiceAccountKey", "INVALID_ARGUMENT", "duplicate-key"),
]
NTH = {"absent-key": 1, "rsa-4096": 5, "duplicate-key": 4}
"""Which call it is: one for the life of a key, three for duplicates, one for the large one."""


@pytest.mark.parametrize(("method", "code", "name"), FAULTS, ids=[name for *_, name in FAULTS])
def test_a_refusal_where_none_is_expected_differs(lab: Lab, method: str, code: str, name: str) -> None:
    lab.google.faults.add(Fault(service="iam", method=method, answer=code, nth=NTH[name]))
    found = lab.run()

    assert differing(found) == {name}
    assert unknown(found) == set()


def test_a_deleted_key_that_answers_403_differs(lab: Lab) -> None:
    before = lab.run()["delete-to-get"]

    def deny() -> None:
        gone = [key for key in lab.made.keys.values() if key.state == "deleted"]
        for key in gone:
            lab.google.faults.add(Fault(method="GetServiceAccountKey", target=key.name, answer="PERMISSION_DENIED", times=0))

    lab.on_sleep = deny
    after = lab.run()["delete-to-get"]

    assert (before.status, after.status) == ("as expected", "differs")
    assert "403" in after.measured


# --- what cannot be asked ---


def test_a_forbidden_upload_leaves_the_rest_unknown_and_no_key(lab: Lab) -> None:
    lab.google.iam.constraints.add("iam.disableServiceAccountKeyUpload")
    found = lab.run(limit=True)

    assert found["absent-key"].status == "as expected"
    assert "org-policy" in found["rsa-4096"].measured
    assert unknown(found) >= {"upload-to-list", "delete-to-get"}
    assert "disableServiceAccountKeyUpload" in found["upload-to-list"].measured


def test_a_puller_without_its_role_is_no_difference(lab: Lab) -> None:
    lab.google.registry.revoke(EMAIL, HOST, REPOSITORY)
    found = lab.run()

    assert unknown(found) == asking.REGISTRY
    assert "roles/artifactregistry.reader" in found["upload-to-registry"].measured
    assert differing(found) == set()


def test_a_registry_that_does_not_tell_the_life_of_its_token_is_unknown(lab: Lab) -> None:
    lab.google.registry.tells_life = False
    found = lab.run()

    assert unknown(found) == {"registry-token-life"}
    assert "pulls on" in found["registry-token-life"].measured


# --- no key stays ---


class Stopping:
    """IAM as it is, until call number `nth`: a person presses Ctrl-C before it, or after it has taken effect."""

    def __init__(self, inner: IamAccounts, count: list[int], nth: int, *, after: bool) -> None:
        self._inner, self._count, self._nth, self._after = inner, count, nth, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*arguments: Any) -> Any:
            self._count[0] += 1
            if self._count[0] == self._nth and not self._after:
                raise KeyboardInterrupt
            result = method(*arguments)
            if self._count[0] == self._nth and self._after:
                raise KeyboardInterrupt
            return result

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("stale", [0.0, 25.0], ids=["prompt", "stale"])
def test_whenever_it_is_interrupted_no_key_stays(lab: Lab, after: bool, stale: float) -> None:
    lab.google.iam.stale = stale
    nth, ended = 0, False
    while not ended:
        nth += 3 if stale else 1
        count = [0]
        scratch = lab.scratch(lambda count=count, nth=nth: Stopping(lab.connect(), count, nth, after=after))
        try:
            list(asking.inquire(lab.ground(scratch, image=False), limit=False))
            ended = count[0] < nth
        except KeyboardInterrupt:
            pass
        count[0] = -1000  # nobody interrupts what comes now
        scratch.clean(lab.google.clock.advance)

        assert lab.keys == [], nth
        assert scratch.left == ()
    assert nth > 20


def test_interrupted_with_an_account_full_of_keys_it_leaves_none(lab: Lab) -> None:
    def stop() -> None:
        if len(lab.keys) == 10:
            raise KeyboardInterrupt

    lab.on_sleep = stop
    with pytest.raises(KeyboardInterrupt):
        lab.run(limit=True)

    assert lab.keys == []


def test_a_fault_of_the_program_leaves_no_key(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    class Buggy:
        def __init__(self, inner: IamAccounts) -> None:
            self.certify, self.delete, self.keys = inner.certify, inner.delete, inner.keys

    scratch = lab.scratch(lambda: Buggy(lab.connect()))
    desk = Desk(argparse.Namespace(output="table", no_color=True, debug=False))
    one = Probe(desk, scratch.account, lab.connect, lab.registry, lab.neighbours, None)
    with pytest.raises(AttributeError):
        one.run(scratch, limit=False)
    assert "made key" not in capsys.readouterr().err

    made = scratch.make()
    assert lab.keys == [made.id]
    with pytest.raises(AttributeError):
        one.run(scratch, limit=False)
    assert lab.keys == []


@pytest.mark.parametrize("stale", [0.0, 25.0], ids=["prompt", "stale"])
@pytest.mark.parametrize("nth", range(1, 6))
def test_an_upload_whose_answer_is_lost_leaves_no_key(lab: Lab, nth: int, stale: float) -> None:
    lab.google.iam.stale = stale
    lab.google.faults.add(Fault(method="UploadServiceAccountKey", when="after", answer="UNAVAILABLE", nth=nth))
    scratch = lab.scratch()
    found = {one.question: one for one in asking.inquire(lab.ground(scratch), limit=False)}
    scratch.clean(lab.google.clock.advance)

    assert unknown(found)
    assert lab.keys == []
    assert (scratch.left, scratch.doubtful) == ((), False)


def test_an_upload_that_never_arrived_is_in_doubt(lab: Lab) -> None:
    lab.google.faults.add(Fault(method="UploadServiceAccountKey", answer="UNAVAILABLE"))
    scratch = lab.scratch()
    list(asking.inquire(lab.ground(scratch, image=False), limit=False))
    scratch.clean(lab.google.clock.advance)

    assert lab.keys == []
    assert scratch.doubtful


def test_a_key_of_somebody_else_is_never_touched(lab: Lab) -> None:
    scratch = lab.scratch()
    findings = asking.inquire(lab.ground(scratch), limit=True)
    next(findings)
    key_id, _ = lab.google.make_key(lab.made)
    with pytest.raises(Permanent, match="has not made that key"):
        scratch.delete(KeyId(key_id))
    list(findings)
    scratch.clean(lab.google.clock.advance)

    assert lab.keys == [key_id]


def test_keys_that_cannot_be_deleted_are_named(lab: Lab) -> None:
    scratch = lab.scratch()
    file = scratch.make()
    lab.google.access.deny("iam.serviceAccountKeys.delete")
    scratch.clean(lab.google.clock.advance)

    assert scratch.left == (file.id,) == tuple(lab.keys)
    assert re.search(rf"key {file.id} is still there: .*iam.serviceAccountKeys.delete", "\n".join(lab.said))


def test_no_private_key_is_ever_said(lab: Lab) -> None:
    found = lab.run(limit=True)
    said = "\n".join([*lab.said, *(repr(one) for one in found.values())])

    assert "PRIVATE KEY" not in said
    assert not [line for pem in lab.google.key_files_issued() for line in pem.split("\n")[1:-2] if line in said]
    assert "ya29." not in said


# --- the command ---


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with landscape.cloud() as running:
        running.google.repository(HOST, REPOSITORY)
        yield running


@pytest.fixture
def account(cloud: Cloud) -> Iterator[Any]:
    made = cloud.google.create_account(PROJECT, EMAIL)
    cloud.google.grant(made, HOST, REPOSITORY)
    yield made
    cloud.google.iam.works_after = 0.0
    cloud.google.iam.duplicate_upload = "second key"
    cloud.google.access.restore()


@pytest.fixture
def cli(cloud: Cloud, tmp_path: Path) -> Iterator[Cli]:
    command = Cli(cloud.write_config(tmp_path / "etc"), tmp_path / "state.db")
    yield command
    said = "".join(command.said)
    assert "PRIVATE KEY" not in said
    assert not [pem for pem in cloud.google.key_files_issued() if any(line in said for line in pem.split("\n")[1:-2])]


def probe(cli: Cli, *words: str, account: str = EMAIL) -> Ran:
    return cli("probe", account, "--project", PROJECT, *words)


def mutations(cloud: Cloud) -> int:
    return sum(one.mutating for one in cloud.operations.since())


def test_without_yes_it_tells_and_changes_nothing(cli: Cli, cloud: Cloud, account: Any) -> None:
    before = mutations(cloud)
    told, tree = probe(cli, "--limit"), probe(cli, "-o", "json").tree

    assert (told.code, mutations(cloud)) == (0, before)
    assert "disabled-key-counts" in told.out
    assert "nothing was changed; to do it: the same with --yes" in told.err
    assert (tree["schema"], tree["kind"], tree["done"]) == ("registry-key-rotator/v1", "probe", False)
    assert [one["question"] for one in tree["questions"]] == list(asking.asked(image=False, limit=False))


def test_a_prompt_google_is_as_expected_and_ends_with_zero(cli: Cli, account: Any) -> None:
    ran = probe(cli, "--yes", "--image", f"{HOST}/{IMAGE}")

    assert ran.code == 0, ran.out + ran.err
    rows = ran.out.strip().split("\n")
    assert len(rows) == 1 + len(asking.asked(image=True, limit=False))
    assert all(row.startswith("as expected  ") for row in rows[1:])
    assert "made key" in ran.err
    assert account.user_managed() == []


def test_a_difference_ends_with_three_and_says_where_the_code_rests_on_it(cli: Cli, cloud: Cloud, account: Any) -> None:
    cloud.google.iam.duplicate_upload = "already exists"
    ran = probe(cli, "--yes", "-o", "json")

    assert ran.code == 3
    assert (ran.tree["done"], ran.tree["fine"], ran.tree["left"]) == (True, False, [])
    (first, _) = [one for one in ran.tree["findings"] if one["status"] == "differs"]
    assert (first["question"], first["measured"]) == ("duplicate-certificate", "refused with ALREADY_EXISTS")
    assert "clients/iam.py" in first["rests"]


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_key_and_tells_what_was_found(cli: Cli, cloud: Cloud, account: Any, signal: str) -> None:
    cloud.google.iam.works_after = NEVER
    running = cli.begin("probe", EMAIL, "--project", PROJECT, "--yes", "-o", "json")
    end = time.monotonic() + 60
    while not account.user_managed():
        assert time.monotonic() < end
        time.sleep(0.05)
    running.send_signal(getattr(signals, signal))
    out, err = running.communicate(timeout=60)
    cli.said += [out, err]

    assert running.returncode == 1, err
    assert account.user_managed() == []
    tree = json.loads(out)
    assert (tree["done"], tree["left"], [one["question"] for one in tree["findings"]]) == (False, [], ["absent-key"])
    assert "Traceback" not in err


def test_a_terminal_that_went_away_leaves_no_key(cli: Cli, cloud: Cloud, account: Any) -> None:
    cloud.google.iam.works_after = NEVER
    running = cli.begin("probe", EMAIL, "--project", PROJECT, "--yes")
    while not account.user_managed():
        time.sleep(0.05)
    assert running.stdout
    assert running.stderr
    running.stdout.close()
    running.stderr.close()
    running.send_signal(signals.SIGHUP)

    assert running.wait(60) != 0
    assert account.user_managed() == []


def test_what_is_left_is_named_with_its_command(cli: Cli, cloud: Cloud, account: Any) -> None:
    cloud.google.iam.works_after = NEVER
    running = cli.begin("probe", EMAIL, "--project", PROJECT, "--yes", "-o", "json")
    while not account.user_managed():
        time.sleep(0.05)
    cloud.google.access.deny("iam.serviceAccountKeys.delete")
    running.send_signal(signals.SIGINT)
    time.sleep(2)
    running.send_signal(signals.SIGINT)
    out, err = running.communicate(timeout=60)
    cli.said += [out, err]
    (key,) = account.user_managed()
    command = f"gcloud iam service-accounts keys delete {key.key_id} --iam-account {EMAIL} --project {PROJECT}"

    assert running.returncode == 1
    assert json.loads(out)["left"] == [command]
    assert f"left behind, delete it: {command}" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([landscape.PULLER, "--project", "acme-prod"], r"rotator.toml manages puller@"),
        (["nobody", "--project", PROJECT], "no address of a service account"),
        ([EMAIL, "--project", "-"], "- is no project"),
        ([EMAIL, "--project", PROJECT, "--image", "app:latest"], "app:latest is no image"),
    ],
    ids=["managed", "no address", "wildcard", "no host"],
)
def test_what_is_not_to_throw_away_is_refused_before_anybody_is_asked(
    cli: Cli, cloud: Cloud, words: list[str], said: str
) -> None:
    before = len(cloud.operations.since())
    ran = cli("probe", *words, "--yes")

    assert ran.code == 1
    assert re.search(said, ran.fault)
    assert len(cloud.operations.since()) == before


def test_an_account_with_a_key_is_refused_even_with_yes(cli: Cli, cloud: Cloud, account: Any) -> None:
    key_id, _ = cloud.google.make_key(account)
    before = mutations(cloud)
    ran = probe(cli, "--yes")

    assert (ran.code, mutations(cloud)) == (1, before)
    assert f"has 1 user-managed key ({key_id})" in ran.fault


def test_without_any_configuration_it_goes_to_google_itself(cli: Cli, tmp_path: Path) -> None:
    ran = cli("probe", EMAIL, "--project", PROJECT, "--config", str(tmp_path / "none.toml"))
    assert ran.code == 1
    assert "there is no " in ran.err

    found = settings.load_if_any(None, {"HOME": str(tmp_path)})
    assert (found.account, found.garden, found.sandbox) == ((), (), None)
    assert Account(email=EMAIL, project=PROJECT, unique_id="").resource.startswith("projects/acme-test/")
