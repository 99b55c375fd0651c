"""Before each burning call stands a tuple of gates (rotator/gates.py); here, each line of each tuple alone keeps a key alive.

In every case nothing but one thing is wrong, and one gate sees it: nothing burns, the record rests in its state and says why.
When that one thing is mended, the very next activation goes on: so it was that, and nothing else. test_gates_removed.py takes
the lines away one by one and demands that the case of the same name fails.
"""

import ast
from datetime import timedelta
from pathlib import Path

import pytest

from burning import (
    HOUR,
    SECOND,
    Case,
    Scene,
    deleting_key,
    deleting_secrets,
    disabled,
    disabling,
    draining,
    entries,
    policy,
    scene,
    secrets_gone,
)
from rotator import gates
from rotator.gates import ask
from rotator.proof import gather
from rotator.record import Blocked, RetirementOrder, Wait
from rotator.states import Disabling, Withdrawn

NO_SOAK = policy(soak=timedelta(0))
"""So that soak does not hide what another gate sees: `clear_since` starts anew whenever somebody uses the key."""

CASES = (
    # --- to the point of no return ---
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="scope_was_read",
        state=draining,
        policy=NO_SOAK,
        plant=Scene.forbid,
        says=f"grant list on shoots in namespace {SECOND}",
        heal=Scene.allow,
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="nobody_names_it",
        state=draining,
        policy=NO_SOAK,
        plant=Scene.come_late,
        says="1 reference: live/garden-acme/late names ar-credentials in spec.resources[0] (ar)",
        heal=Scene.leave,
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="nobody_names_it",
        story="binding",
        state=draining,
        policy=NO_SOAK,
        plant=Scene.bind,
        says="a binding names live/garden-acme/ar-credentials",
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="all_have_settled",
        state=draining,
        policy=NO_SOAK,
        plant=Scene.unsettle,
        says="1 not settled: live/garden-acme/app has Reconcile Processing 0%",
        heal=Scene.settle,
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="wanted_key_works",
        state=draining,
        plant=Scene.kill_wanted,
        says="the wanted key does not work",
        heal=Scene.revive_wanted,
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="no_late_create",
        state=draining,
        fence=timedelta(minutes=30),
        says="a Secret with this key could be created until",
        heal=lambda s: s.wait(minutes=36),
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="soak_is_over",
        state=draining,
        policy=policy(soak=24 * HOUR),
        says="nobody uses it since",
        heal=lambda s: s.wait(hours=5),
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="gardener_let_go",
        state=draining,
        plant=Scene.protect,
        says="Gardener still protects live/garden-acme/ar-credentials",
        heal=Scene.release,
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="secrets_are_ours_to_delete",
        state=draining,
        plant=Scene.own,
        says="belongs to Sealed Secrets ar-credentials (ownerReference SealedSecret/ar-credentials), which would re-create it",
        person="foreign-secret",
        command="rotator describe",
        heal=Scene.disown,
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="secrets_are_ours_to_delete",
        story="not adopted",
        state=draining,
        policy=policy(adopt=False),
        says="was not written by us, and adopt was false when this was ordered: "
        "delete it (kubectl -n garden-acme delete secret ar-credentials)",
        person="foreign-secret",
        command="kubectl -n garden-acme delete secret ar-credentials && rotator retry",
        heal=Scene.take_away,
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="users_elsewhere_agreed",
        state=draining,
        policy=policy(other_users=("the build farm",)),
        says="declared users outside Gardener must have moved: the build farm",
        person="confirm-other-users",
    ),
    Case(
        before="ENTER_DELETING_SECRETS",
        gate="person_confirmed_delete_secrets",
        state=draining,
        policy=policy(confirm=("delete_secrets",)),
        says="the policy wants a person to confirm delete_secrets",
        person="confirm-delete_secrets",
    ),
    # --- right before a DELETE of a Secret ---
    Case(
        before="BEFORE_DELETING_A_SECRET",
        gate="scope_was_read",
        state=deleting_secrets,
        plant=Scene.forbid,
        says=f"grant list on shoots in namespace {SECOND}",
        heal=Scene.allow,
    ),
    Case(
        before="BEFORE_DELETING_A_SECRET",
        gate="nobody_names_it",
        state=deleting_secrets,
        plant=Scene.come_late,
        says="1 reference: live/garden-acme/late names ar-credentials",
        heal=Scene.leave,
    ),
    Case(
        before="BEFORE_DELETING_A_SECRET",
        gate="all_have_settled",
        state=deleting_secrets,
        plant=Scene.unsettle,
        says="1 not settled: live/garden-acme/app",
        heal=Scene.settle,
    ),
    Case(
        before="BEFORE_DELETING_A_SECRET",
        gate="wanted_key_works",
        state=deleting_secrets,
        plant=Scene.kill_wanted,
        says="the wanted key does not work",
        heal=Scene.revive_wanted,
    ),
    Case(
        before="BEFORE_DELETING_A_SECRET",
        gate="gardener_let_go",
        state=deleting_secrets,
        plant=Scene.protect,
        says="Gardener still protects live/garden-acme/ar-credentials",
        heal=Scene.release,
    ),
    Case(
        before="BEFORE_DELETING_A_SECRET",
        gate="secrets_are_ours_to_delete",
        state=deleting_secrets,
        plant=Scene.own,
        says="which would re-create it: remove it at the source",
        person="foreign-secret",
        command="rotator describe",
        heal=Scene.disown,
    ),
    # --- from Secrets to the key ---
    Case(
        before="ENTER_DISABLING",
        gate="scope_was_read",
        state=secrets_gone,
        plant=Scene.forbid,
        says=f"grant list on shoots in namespace {SECOND}",
        heal=Scene.allow,
    ),
    Case(
        before="ENTER_DISABLING",
        gate="nobody_names_it",
        state=secrets_gone,
        plant=Scene.reuse_the_name,
        says="1 reference: live/garden-acme/late names ar-credentials",
        heal=Scene.leave,
    ),
    Case(
        before="ENTER_DISABLING",
        gate="all_have_settled",
        state=secrets_gone,
        plant=Scene.unsettle,
        says="1 not settled: live/garden-acme/app",
        heal=Scene.settle,
    ),
    Case(
        before="ENTER_DISABLING",
        gate="wanted_key_works",
        state=secrets_gone,
        plant=Scene.kill_wanted,
        says="the wanted key does not work",
        heal=Scene.revive_wanted,
    ),
    Case(
        before="ENTER_DISABLING",
        gate="looked_twice",
        state=secrets_gone,
        policy=policy(request=2 * HOUR),
        says="Secrets are gone; one more look after a request timeout",
        heal=lambda s: s.wait(hours=2),
    ),
    Case(
        before="ENTER_DISABLING",
        gate="provider_sees_it_idle",
        state=secrets_gone,
        plant=Scene.use_old,
        says="wanted 1h without use",
        heal=lambda s: s.wait(hours=2),
    ),
    Case(
        before="ENTER_DISABLING",
        gate="provider_sees_it_idle",
        story="blind",
        state=secrets_gone,
        policy=policy(unknown_use=24 * HOUR),
        plant=lambda s: setattr(s.house.google.monitoring, "gap", True),
        says="its use is unknown",
        heal=lambda s: s.wait(hours=5),
    ),
    Case(
        before="ENTER_DISABLING",
        gate="person_confirmed_disable_key",
        state=secrets_gone,
        policy=policy(confirm=("disable_key",)),
        says="the policy wants a person to confirm disable_key",
        person="confirm-disable_key",
    ),
    # --- right before a key is disabled ---
    Case(
        before="BEFORE_DISABLING_A_KEY",
        gate="scope_was_read",
        state=disabling,
        plant=Scene.forbid,
        says=f"grant list on shoots in namespace {SECOND}",
        heal=Scene.allow,
    ),
    Case(
        before="BEFORE_DISABLING_A_KEY",
        gate="secrets_are_gone",
        state=disabling,
        plant=Scene.put_back,
        says="still there: live/garden-acme/ar-credentials",
        heal=Scene.take_away,
    ),
    Case(
        before="BEFORE_DISABLING_A_KEY",
        gate="nobody_names_it",
        state=disabling,
        plant=Scene.reuse_the_name,
        says="1 reference: live/garden-acme/late names ar-credentials",
        heal=Scene.leave,
    ),
    Case(
        before="BEFORE_DISABLING_A_KEY",
        gate="all_have_settled",
        state=disabling,
        plant=Scene.unsettle,
        says="1 not settled: live/garden-acme/app",
        heal=Scene.settle,
    ),
    Case(
        before="BEFORE_DISABLING_A_KEY",
        gate="wanted_key_works",
        state=disabling,
        plant=Scene.kill_wanted,
        says="the wanted key does not work",
        heal=Scene.revive_wanted,
    ),
    # --- the last step ---
    Case(
        before="ENTER_DELETING_KEY",
        gate="still_disabled",
        state=disabled,
        plant=Scene.enable_old,
        says="was enabled by somebody",
        person="enabled-by-somebody",
        command="rotator describe",
        heal=Scene.disable_old,
    ),
    Case(
        before="ENTER_DELETING_KEY",
        gate="quiet_is_over",
        state=disabled,
        policy=policy(quiet=24 * HOUR),
        says="disabled since",
        heal=lambda s: s.wait(hours=5),
    ),
    Case(
        before="ENTER_DELETING_KEY",
        gate="not_used_since_disabled",
        state=disabled,
        plant=Scene.use_old,
        says="somebody tried the disabled key at",
        person="used-while-disabled",
        command="rotator reenable",
    ),
    Case(
        before="ENTER_DELETING_KEY",
        gate="person_confirmed_delete_key",
        state=disabled,
        policy=policy(confirm=("delete_key",)),
        says="the policy wants a person to confirm delete_key",
        person="confirm-delete_key",
    ),
    Case(
        before="BEFORE_DELETING_A_KEY",
        gate="still_disabled",
        state=deleting_key,
        plant=Scene.enable_old,
        says="was enabled by somebody",
        person="enabled-by-somebody",
        command="rotator describe",
        heal=Scene.disable_old,
    ),
)

SEEN_BEFORE = {("ENTER_DELETING_SECRETS", "nobody_wants_it"), ("ENTER_DISABLING", "secrets_are_gone")}
"""The step itself meets what these lines see earlier, so no record ever rests because of them: tested on the gathered proof."""

UNHEALABLE = {"ENTER_DELETING_SECRETS-nobody_names_it-binding", "ENTER_DELETING_KEY-not_used_since_disabled"}
"""A binding cannot be taken away in the sandbox; what was tried once stays on the provider's record (see the story below)."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_thing_is_wrong_and_nothing_burns(case: Case) -> None:
    with scene(case.state, case.policy, fence=case.fence) as s:
        before = s.record.state
        case.plant(s)

        record = s.run()

        assert s.burnt() == []
        assert type(record.state) is type(before), record.evidence[-1]
        assert record.rest is not None
        assert case.says in record.rest.why[0], record.rest
        assert len(record.rest.why) == 1, record.rest
        if case.person:
            assert isinstance(record.rest, Blocked)
            assert (record.rest.code, record.rest.next_command.startswith(case.command)) == (case.person, True)
            assert record.id in record.rest.next_command or s.old.public_key[:8] in record.rest.next_command
        else:
            assert isinstance(record.rest, Wait)

        if str(case) in UNHEALABLE:
            return
        case.heal(s)
        if case.person:
            s.retry()
        else:
            s.house.clock.advance(max((record.rest.until - s.house.now()).total_seconds(), 0) + 1)
        record = s.run(8)

        assert type(record.state) is not type(before) or s.burnt(), record.rest


def test_enter_deleting_secrets_nobody_wants_it() -> None:
    """`drain` withdraws a retirement of a wanted key before it asks the tuple; the line is its second string."""
    with scene(draining, retire_wanted=True) as s:
        record, now = s.record, s.house.now()
        assert isinstance(record.order, RetirementOrder)
        proof, _ = gather(record, record.order, s.wired.world(record.order.credential), now)

        _, holds = ask(gates.ENTER_DELETING_SECRETS, proof, record.order, now)

        assert "nobody_wants_it" in [hold.gate for hold in holds]
        assert isinstance(s.run().state, Withdrawn)
        assert s.burnt() == []


def test_enter_disabling_secrets_are_gone() -> None:
    """`delete_secrets` starts over when a Secret came back, before it asks the tuple; the line stands behind it."""
    with scene(secrets_gone) as s:
        s.put_back()
        record, now = s.record, s.house.now()
        assert isinstance(record.order, RetirementOrder)
        proof, _ = gather(record, record.order, s.wired.world(record.order.credential), now)

        _, holds = ask(gates.ENTER_DISABLING, proof, record.order, now)

        assert [hold.gate for hold in holds if hold.gate == "secrets_are_gone"]
        assert not isinstance(s.run(2).state, Disabling)
        assert [o.method for o in s.burnt()] == ["DELETE secrets"]


def tuples() -> dict[str, list[str]]:
    """Every tuple of gates in gates.py, as it is written."""
    found: dict[str, list[str]] = {}
    for node in ast.parse(Path(gates.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Tuple):
            found[node.target.id] = [each.id for each in node.value.elts if isinstance(each, ast.Name)]
    return found


def test_every_line_of_every_tuple_has_a_case() -> None:
    written = {(name, gate) for name, each in tuples().items() for gate in each}

    assert written == entries(CASES) | SEEN_BEFORE
    assert len(written) == sum(len(each) for each in tuples().values()) > 30
