"""Does a test notice when a line of safety is gone? Every entry of every gate tuple, and every other line that safety hangs on.

The harness copies functions/, takes one line away, and runs the one test that is about it against the copy. It demands that the
test fails, and that it passes on the untouched copy: a test that always fails catches nothing.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

import figures
from test_burning import SEEN_BEFORE, tuples

ROOT = Path(__file__).resolve().parent.parent
PASSED, FAILED = 0, 1
WORKERS = 2


@dataclass(frozen=True)
class Line:
    """One line of safety: where it stands, what it becomes (nothing, mostly), and which test must notice."""

    name: str
    file: str
    old: str
    new: str
    test: str
    select: str = ""


def gate_lines() -> Iterator[Line]:
    for before, gates in tuples().items():
        for gate in gates:
            select = f"{before.lower()}_{gate}" if (before, gate) in SEEN_BEFORE else f"{before}-{gate}"
            yield Line(f"{before}/{gate}", "gates.py", f"{before}: tuple[Gate, ...] = (…{gate},", "", "test_burning.py", select)


IAM, CLIENT, PATCHES = "clients/iam.py", "clients/garden/client.py", "clients/garden/patches.py"
LATE_MOVE = "test_a_late_move_changes_nothing_in_a_shoot_that_changed"
PERMIT = "test_a_permit_that_does_not_fit_sends_nothing"
HISTORIES = "test_histories_{}.py"

OTHERS = (
    # --- permits: clients refuse a burning call without a fresh leave for exactly this ---
    Line(
        "permit of IAM is looked at",
        IAM,
        "            if permit is not None:\n",
        "            if False:\n",
        "clients_google/test_iam_accounts.py",
        "test_a_permit",
    ),
    Line(
        "permit of IAM is for this act",
        IAM,
        "if (permit.action, permit.subject) != (action, subject):",
        "if permit.subject != subject:",
        "clients_google/test_iam_accounts.py",
        "test_a_permit",
    ),
    Line(
        "permit of IAM is for this key",
        IAM,
        "if (permit.action, permit.subject) != (action, subject):",
        "if permit.action != action:",
        "clients_google/test_iam_accounts.py",
        "test_a_permit",
    ),
    Line(
        "permit of IAM is fresh",
        IAM,
        "    if permit.until <= now:\n",
        "    if False:\n",
        "clients_google/test_iam_accounts.py",
        "test_a_permit",
    ),
    Line(
        "permit of IAM is fresh, in a history",
        IAM,
        "    if permit.until <= now:\n",
        "    if False:\n",
        "test_preconditions.py",
        "grew_old",
    ),
    Line(
        "permit of a Secret is for this act",
        CLIENT,
        'permit.action != "delete_secret" or ',
        "",
        "clients_garden/test_secrets.py",
        "stale_permit",
    ),
    Line(
        "permit of a Secret is for this Secret",
        CLIENT,
        "permit.subject != secret.uid or ",
        "",
        "clients_garden/test_secrets.py",
        "stale_permit",
    ),
    Line(
        "permit of a Secret is fresh",
        CLIENT,
        " or self._clock.now() >= permit.until",
        "",
        "clients_garden/test_secrets.py",
        "stale_permit",
    ),
    # --- what requests test at the server ---
    Line("patch tests uid", PATCHES, '_test("/metadata/uid", shoot.ref.uid), ', "", "test_preconditions.py", "uid"),
    Line(
        "patch tests generation",
        PATCHES,
        ', _test("/metadata/generation", shoot.generation)',
        "",
        "test_preconditions.py",
        "generation",
    ),
    Line(
        "patch tests the entry's name",
        PATCHES,
        '            _test(f"{entry}/name", move.entry),\n',
        "",
        "test_preconditions.py",
        "late_move_changes",
    ),
    Line(
        "patch tests the entry's kind",
        PATCHES,
        '            _test(f"{entry}/resourceRef/kind", "Secret"),\n',
        "",
        "test_preconditions.py",
        "late_move_changes",
    ),
    Line(
        "patch tests the old Secret",
        PATCHES,
        '            _test(f"{entry}/resourceRef/name", move.old),\n',
        "",
        "test_preconditions.py",
        "late_move_changes",
    ),
    Line(
        "patch tests that there are no annotations",
        PATCHES,
        "patch = [_test(root, None), ",
        "patch = [",
        "test_preconditions.py",
        "wipe_annotations",
    ),
    Line(
        "dry run tests which entry the cache uses",
        PATCHES,
        '                _test(f"{path}/secretReferenceName", cache.secret_reference_name),\n',
        "",
        "test_preconditions.py",
        "late_dry_run",
    ),
    Line(
        "patch is for the Shoot that was read",
        CLIENT,
        "if item.metadata.uid != shoot.ref.uid:",
        "if False:",
        "clients_garden/test_moves.py",
        "another_shoot_of_the_same_name",
    ),
    Line(
        "DELETE tests resourceVersion",
        CLIENT,
        ', "resourceVersion": secret.resource_version',
        "",
        "test_preconditions.py",
        "late_delete",
    ),
    Line("DELETE has preconditions", CLIENT, ', "preconditions": preconditions', "", "test_preconditions.py", "late_delete"),
    # --- order: what is saved before what ---
    Line(
        "fence is saved before a key is disabled",
        "steps/disable.py",
        "    if fence > state.fence:\n",
        "    if False:\n",
        "test_preconditions.py",
        "burning_token",
    ),
    Line(
        "fence is saved before a Secret is created",
        "steps/publish.py",
        "    if missing and unsaved:\n",
        "    if False:\n",
        "test_preconditions.py",
        "creating_token",
    ),
    Line(
        "the key is asserted until the fence",
        "steps/disable.py",
        "    if now <= state.fence + FENCE_MARGIN:\n",
        "    if False:\n",
        HISTORIES.format("keys"),
        "asserted_until",
    ),
    Line(
        "what Google disabled stays so",
        "steps/disable.py",
        "        if key.disabled and key.disabled_by_google:\n",
        "        if False:\n",
        HISTORIES.format("keys"),
        "google_disabled",
    ),
    Line(
        "the point of no return",
        "steps/stage.py",
        "        if not isinstance(retirement.state, Draining):\n",
        "        if False:\n",
        HISTORIES.format("keys"),
        "behind_the_point",
    ),
    # --- steps ---
    Line(
        "the wanted key is tried before each wave",
        "steps/moving.py",
        "        if not attempted and (dead := why_dead(goal, order, survey, world)):\n",
        "        if not attempted and (dead := ''):\n",
        HISTORIES.format("waves"),
        "tried_before_each_wave",
    ),
    Line(
        "a failure budget holds a wave",
        "waves.py",
        "    if len(failures) > limits.failure_budget:\n",
        "    if False:\n",
        HISTORIES.format("waves"),
        "failing_canary",
    ),
    Line(
        "an owner who moved back is not fought",
        "steps/moving.py",
        "    return memory.was_marked(shoot, rotation)\n",
        "    return False\n",
        HISTORIES.format("shoots"),
        "takes_our_move_back_and",
    ),
    Line(
        "an owner who took our mark away with the move is not fought",
        "memory.py",
        "        return bears(shoot, rotation) or mark_of(shoot.ref, rotation) in self.known\n",
        "        return bears(shoot, rotation)\n",
        HISTORIES.format("handover"),
        "writes_the_whole_shoot_anew",
    ),
    Line(
        "a Shoot that is handed over is not patched",
        "steps/moving.py",
        '    if order.policy.delivery == "handover":\n',
        "    if False:\n",
        HISTORIES.format("handover"),
        "without_one_patch",
    ),
    Line(
        "no owner is asked to move to a dead key",
        "steps/moving.py",
        "    if dead := why_dead(goal, order, survey, world):\n",
        "    if dead := '':\n",
        HISTORIES.format("handover"),
        "asked_to_move_to_a_dead_key",
    ),
    Line(
        "the wanted key is found in a Secret that nobody names yet",
        "proof.py",
        "    also = sorted({*known, *(wanted.secrets if wanted else ())})\n",
        "    also = sorted(known)\n",
        HISTORIES.format("shoots"),
        "nobody_names_the_new_secret_yet",
    ),
    Line("an owner can opt out", "shoot.py", "    if shoot.skip:\n", "    if False:\n", HISTORIES.format("shoots"), "opts_out"),
    Line(
        "suspension is asked before each write",
        "hold.py",
        "        if not harmless and (held := why_held(found.suspensions, self._envelope.credential)):\n",
        "        if held := '':\n",
        HISTORIES.format("waves"),
        "middle_of_a_wave",
    ),
    Line(
        "suspension is asked before each step",
        "runbook.py",
        "    if not isinstance(record.state, Reenabling) and (held := suspended(store, record.order.credential)):\n",
        "    if held := '':\n",
        HISTORIES.format("waves"),
        "suspending_everything",
    ),
    Line(
        "a name that is taken is not taken over",
        "steps/publish.py",
        "        if found is not None and (foreign := why_foreign(found, draft, account)):\n",
        "        if found is not None and (foreign := ''):\n",
        HISTORIES.format("adoption"),
        "name_that_is_taken",
    ),
    Line(
        "a tenth key is not made",
        "steps/stage.py",
        "    if len(keys) >= KEY_LIMIT:\n",
        "    if False:\n",
        HISTORIES.format("keys"),
        "nine_keys and create",
    ),
    Line("an old name still counts as a reference", "proof.py", " or ref in known:", ":", "test_burning.py", "nobody_names_it"),
    Line(
        "the order's scope is looked at",
        "books.py",
        "sorted(set(order_scope) | set(today))",
        "sorted(set(today))",
        HISTORIES.format("refusals"),
        "shrinks",
    ),
    Line(
        "today's scope is looked at",
        "books.py",
        "sorted(set(order_scope) | set(today))",
        "sorted(set(order_scope))",
        HISTORIES.format("refusals"),
        "shrinks",
    ),
    Line(
        "other places of a spec are looked at",
        "proof.py",
        '        named += [("another field of its spec", other) for other in shoot.other_secrets]\n',
        "",
        HISTORIES.format("shoots"),
        "another_field",
    ),
    Line(
        "a waiver binds to the uid",
        "proof.py",
        "and shoot.ref not in waived",
        "and str(shoot.ref) not in map(str, waived)",
        HISTORIES.format("shoots"),
        "waiver_binds",
    ),
    Line(
        "403 is not gone",
        "clients/garden/errors.py",
        '        case HTTPStatus.FORBIDDEN if request.verb in {"get", "list"}:\n            return Unreadable(',
        '        case HTTPStatus.FORBIDDEN if request.verb in {"get", "list"}:\n            return Absent(',
        HISTORIES.format("refusals"),
        "keeps_the_key",
    ),
    Line(
        "suspension is asked when the write slot has come",
        "runbook.py",
        "        pace(sending)\n        hold.ask(sending)\n",
        "        hold.ask(sending)\n        pace(sending)\n",
        HISTORIES.format("waves"),
        "write_slot",
    ),
    # --- tokens and times ---
    Line(
        "a Garden's next token is tried before it is kept",
        "clients/garden/client.py",
        "renewal.proved(self._transport, renewal.another(self._transport, life))",
        "renewal.another(self._transport, life)",
        "test_renewal.py",
        "does_not_answer",
    ),
    Line(
        "creates go out with a token of an hour",
        "clients/garden/transport.py",
        " if self._login.renews else None",
        " if False else None",
        "test_renewal.py",
        "token_of_an_hour",
    ),
    Line(
        "workers with one token agree about its end",
        "clients/token.py",
        "math.ceil(end / STEP) * STEP",
        "end",
        "clients_google/test_token.py",
        "agree_about_its_end",
    ),
    Line(
        "marking again has a time of its own",
        "clients/garden/traces.py",
        ' if shoot.marked_at is not None else ""',
        ' if False else ""',
        "clients_garden/test_confined.py",
        "same_second",
    ),
    # --- the zombie ---
    Line(
        "the record is asked for before each write",
        "runbook.py",
        "lap(hold.record, guarding, store, now)",
        "lap(hold.record, world, store, now)",
        "test_zombie.py",
        "middle_of_a_wave",
    ),
    Line(
        "its revision is asked for, too",
        "hold.py",
        "(found.claimed_by, found.revision) != (self._worker, self._envelope.revision)",
        "found.claimed_by != self._worker",
        "test_zombie.py",
        "person_decides",
    ),
    Line(
        "each activation has a name",
        "service.py",
        'worker = f"{self._worker}:{next(self._activations)}"',
        "worker = self._worker",
        "test_zombie.py",
        "frees_no_other_claim",
    ),
    Line(
        "each activation has its own tokens for Gardens", "wiring.py", ".activation()", "", "test_zombie.py", "moves_the_fence"
    ),
    Line(
        "living claims of other instances are not taken for dead ones",
        "wiring.py",
        "        if self.settings.deployment.firestore:\n            return\n",
        "",
        "test_zombie.py",
        "in_firestore_no_claim",
    ),
    Line(
        "an update of the staging secret carries the etag of its read",
        "clients/staging.py",
        ', "etag": secret.etag',
        "",
        "clients_google/test_staging_schedule.py",
        "overwrites_nobody",
    ),
    Line(
        "an event that cannot be had fails no rotation",
        "steps/announce.py",
        "if isinstance(fault, Transient) and record.attempts < TRIES:",
        "if True:",
        HISTORIES.format("events"),
        "stops_nothing or given_up",
    ),
    # --- events: what a forged one may not do ---
    Line(
        "a proposed emergency that nobody confirmed shortens no wait",
        "books.py",
        "        if order.exposed == public_key and began:\n",
        "        if order.exposed == public_key:\n",
        "test_exposed.py",
        "shortens_no_wait",
    ),
    Line(
        "an event that needs a yes stops no rotation that is under way",
        "notice.py",
        "if charge.policy.asks and under_way:",
        "if False:",
        "test_exposed.py",
        "under_way",
    ),
    Line(
        "a proposed emergency stops no rotation by age",
        "due.py",
        " and not (_proposed(r) and order.exposed)",
        "",
        "test_exposed.py",
        "rotation_by_age",
    ),
    Line(
        "an emergency is for a key that Shoots live on",
        "notice.py",
        'if role in {"wanted", "in use", "claimed"}:',
        "if True:",
        "test_exposed.py",
        "nothing",
    ),
    Line(
        "an event about an exposed key that IAM did not show comes again",
        "notice.py",
        "    if not view.listed:\n",
        "    if False:\n",
        "test_exposed.py",
        "comes_again",
    ),
)

LINES = (*gate_lines(), *OTHERS)


def without(line: Line, text: str) -> str:
    """The file without this one line, and nothing else changed."""
    head, _, old = line.old.rpartition("…")
    start = text.index(head) if head else 0
    end = text.index(")", start) if head else len(text)
    assert text[start:end].count(old) == 1, f"{line.name}: {old!r} stands {text[start:end].count(old)} times in {line.file}"
    return text[:start] + text[start:end].replace(old, line.new) + text[end:]


def outcome(folder: Path, test: str, select: str) -> tuple[int, str]:
    """pytest's exit code for these tests against the code in `folder`, and what it said."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=200"]
    command += ["-o", f"pythonpath={folder} tests", f"tests/{test}", "-k", select]
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout[-3000:] + run.stderr[-2000:]


def unnoticed(lines: Iterable[Line], untouched: Path, folder: Path) -> dict[str, str]:
    """The lines that can be taken away without any test failing, with what pytest said."""

    def tried(numbered: tuple[int, Line]) -> tuple[str, str]:
        number, line = numbered
        copy = folder / str(number)
        shutil.copytree(untouched, copy)
        file = copy / "rotator" / line.file
        file.write_text(without(line, file.read_text(encoding="utf-8")), encoding="utf-8")
        code, said = outcome(copy, line.test, line.select)
        return line.name, "" if code == FAILED else f"pytest said {code}\n{said}"

    with ThreadPoolExecutor(WORKERS) as pool:
        return {name: said for name, said in pool.map(tried, enumerate(lines)) if said}


@pytest.fixture(scope="module", name="untouched")
def _untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """functions/ as it is, copied once, so that an edit meanwhile changes nothing."""
    folder = tmp_path_factory.mktemp("untouched") / "functions"
    shutil.copytree(ROOT / "functions", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_a_line_of_safety_stands_where_it_is_looked_for(line: Line) -> None:
    """When it moves, this says so at once; whether a test misses it, the slow ones say."""
    text = (ROOT / "functions" / "rotator" / line.file).read_text(encoding="utf-8")

    assert compile(without(line, text), line.file, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("test", sorted({line.test for line in LINES}))
def test_what_is_to_notice_passes_on_the_untouched_copy(test: str, untouched: Path) -> None:
    words = sorted({line.select for line in LINES if line.test == test})
    code, said = outcome(untouched, test, " or ".join(f"({each})" for each in words))

    assert code == PASSED, said


@pytest.mark.slow
def test_every_entry_of_every_gate_tuple_is_missed_when_it_is_gone(untouched: Path, tmp_path: Path) -> None:
    lines = tuple(gate_lines())
    missed = unnoticed(lines, untouched, tmp_path)

    figures.put("gates", value=len(lines), unit="entries", met=True)
    caught = len(lines) - len(missed)
    figures.put("gates_caught", value=caught, unit="entries", met=caught == len(lines))
    assert missed == {}


@pytest.mark.slow
def test_every_other_line_of_safety_is_missed_when_it_is_gone(untouched: Path, tmp_path: Path) -> None:
    missed = unnoticed(OTHERS, untouched, tmp_path)

    figures.put("safety_lines", value=len(OTHERS), unit="lines", met=True)
    caught = len(OTHERS) - len(missed)
    figures.put("safety_lines_caught", value=caught, unit="lines", met=caught == len(OTHERS))
    assert missed == {}
