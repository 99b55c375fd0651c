"""Runbook line 5, second half: the Secrets with the old key are deleted. From here there is no way back.

Secret before key: once the Secret is gone, admission refuses every new reference to it, so the proof cannot go stale; and the
key still works, so a mistake here breaks a reconcile, never a pull.
"""

from datetime import datetime

import msgspec

from rotator.conditions import SIGHT
from rotator.errors import Absent, Conflict
from rotator.gates import BEFORE_DELETING_A_SECRET, ENTER_DISABLING, ask, permit
from rotator.proof import gather, use_of
from rotator.record import Blocked, Fact, Record, RetirementOrder, Wait
from rotator.states import DeletingSecrets, Disabling
from rotator.steps import Next
from rotator.steps.drain import NOWHERE, move_on, rest
from rotator.steps.moving import unmet
from rotator.world import Use, World

RE_CREATIONS = 5
"""So often may a deleted Secret come back before a person is asked."""


def delete_secrets(
    state: DeletingSecrets, record: Record, order: RetirementOrder, world: World, now: datetime
) -> Next[Disabling] | Next[DeletingSecrets] | Wait | Blocked:
    """No Secret holds the key, looked at twice with a request timeout between; a Shoot that slipped in was moved forward.

    Again: Secrets that are gone stay gone; each DELETE names uid and resourceVersion, so it can hit nothing but what was read.
    """
    proof, survey = gather(record, order, world, now)
    if met := unmet(survey, order, world.books.records(order.credential)):
        return Next(state, (Fact("met", ", ".join(str(ref) for old in met for ref in old.secrets)),), met)
    onward = move_on(record, order, survey, world, now) if not proof.unread else NOWHERE
    if proof.secrets:
        facts, holds = ask(BEFORE_DELETING_A_SECRET, proof, order, now)
        if holds:
            return rest(holds, proof, order, now, onward)
        names = ", ".join(str(held.ref) for held in proof.secrets)
        if back_again(record) >= RE_CREATIONS:
            why = f"{names} was deleted {RE_CREATIONS} times and is back: somebody re-creates it; stop them at the source"
            return Blocked("re-created", (why,), f"rotator retry {record.id}")
        if state.gone_since is not None:  # saved before the call: a crash after it must not leave the old time in force
            return Next(DeletingSecrets(clear_since=state.clear_since), (Fact("back_again", names), *facts))
        for held in proof.secrets:
            if held.deleting:
                continue
            leave = permit(BEFORE_DELETING_A_SECRET, proof, order, now, action="delete_secret", subject=held.uid)
            try:
                world.gardens[held.ref.garden].delete_secret(held, leave)
            except (Absent, Conflict):
                continue  # gone, or changed since it was read: the next look decides
        return Wait(now + min(order.policy.waits.poll, order.policy.waits.request), (f"deleting {names}",), proof.seen)
    if state.gone_since is None:
        return Next(
            DeletingSecrets(clear_since=state.clear_since, gone_since=now),
            (Fact("secrets_gone", "404 for every Secret that held it"),),
        )
    account = world.accounts.account(order.credential, order.project)
    since = now - order.policy.waits.idle - SIGHT
    use = Use(unknown="never published")
    if order.published:
        use = use_of(order.public_key, world.accounts.keys(account), account, world, since, now)
    facts, holds = ask(ENTER_DISABLING, msgspec.structs.replace(proof, use=use), order, now)
    if holds:
        return rest(holds, proof, order, now, onward)
    return Next(Disabling(clear_since=state.clear_since, fence=world.accounts.fence()), facts)


def back_again(record: Record) -> int:
    """How often a Secret that was gone came back since a person last looked."""
    count = 0
    for entry in record.evidence:
        if entry.what == "retry":
            count = 0
        count += any(fact.name == "back_again" for fact in entry.facts)
    return count
