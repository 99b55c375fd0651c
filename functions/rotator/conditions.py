"""What must be true before we burn, one condition a gate: pure decisions over one gathered `Proof`.

A gate says what it saw when it is open, and why when it is shut. Which gates stand before which step is written in `gates`.
Source: design.md sections 3, 4 and 7.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from rotator import policy
from rotator.key import AccountKey, PublicKey, short
from rotator.record import Blocked, Fact, RetirementOrder
from rotator.secret import HeldSecret
from rotator.shoot import ShootRef
from rotator.words import counted
from rotator.world import Answer, Use

FENCE_MARGIN = timedelta(minutes=5)
"""Clocks differ: a token counts as dead only so long after its expiry."""

TOKEN_LIFE = timedelta(hours=1)
"""Access tokens that were issued before a key was disabled live on for so long (gcp.md, section 2)."""

SIGHT = timedelta(hours=6)
"""How far behind the provider's metric may be and still count as seeing; documented lag is three hours (gcp.md, section 2)."""


class Unsettled(msgspec.Struct, frozen=True):
    """A Shoot that may still run the key, and why."""

    shoot: ShootRef
    why: str


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that gates look at, gathered at `at` on one look at the world; never encoded."""

    at: datetime
    public_key: PublicKey
    retirement: str
    unread: tuple[str, ...]
    looked_at: int
    references: tuple[str, ...]
    unsettled: tuple[Unsettled, ...]
    waived: tuple[str, ...]
    secrets: tuple[HeldSecret, ...]
    untouchable: tuple[str, ...]
    """Secrets that are not ours to delete, in words; `to_delete`: commands for those that a person may delete at once."""
    still_wanted: str
    wanted_works: Answer
    creating_until: datetime | None
    confirmed: tuple[str, ...]
    clear_since: datetime | None
    gone_since: datetime | None = None
    disabled_at: datetime | None = None
    keys: tuple[AccountKey, ...] = ()
    use: Use = Use(unknown="not asked")
    to_delete: tuple[str, ...] = ()
    seen: bytes = b""


class Hold(msgspec.Struct, frozen=True):
    """A gate that is shut. `person`: code and next command when only a person can open it. `until`: when to look again.

    `ends`: when it opens at the latest, where that is later than the next look.
    """

    gate: str
    why: str
    person: Blocked | None = None
    until: datetime | None = None
    ends: datetime | None = None


Gate = Callable[[Proof, RetirementOrder, datetime], Fact | Hold]


def scope_was_read(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """Every place in scope was read: what we cannot see may need the key."""
    if proof.unread:
        return Hold("scope_was_read", "cannot be read: " + "; ".join(proof.unread[:3]))
    return Fact("scope_was_read", f"{counted(len(order.scope), 'namespace')} read", {"shoots": proof.looked_at})


def nobody_wants_it(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """No rotation brought this key last, or is about to bring it."""
    if proof.still_wanted:
        return Hold("nobody_wants_it", f"the key is {proof.still_wanted}")
    return Fact("nobody_wants_it", "neither wanted nor claimed by a rotation")


def nobody_names_it(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """No Shoot and no binding in scope names a Secret that holds the key, or once held it."""
    if proof.references:
        return Hold("nobody_names_it", f"{counted(len(proof.references), 'reference')}: " + "; ".join(proof.references[:5]))
    return Fact("nobody_names_it", "no reference in scope", {"shoots": proof.looked_at})


def all_have_settled(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """What every Shoot's spec says is what runs, so nobody runs the key without naming it."""
    if proof.unsettled:
        names = "; ".join(f"{left.shoot} {left.why}" for left in proof.unsettled[:5])
        return Hold("all_have_settled", f"{len(proof.unsettled)} not settled: {names}")
    saw = "all settled" + (f", waived by a person: {', '.join(proof.waived)}" if proof.waived else "")
    return Fact("all_have_settled", saw, {"shoots": proof.looked_at, "waived": len(proof.waived)})


def wanted_key_works(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """The key that serves instead was used just now, with the bytes of its Secret: the fallback is not burnt."""
    if not proof.wanted_works.accepted:
        return Hold("wanted_key_works", f"the wanted key does not work: {proof.wanted_works.text}")
    return Fact("wanted_key_works", proof.wanted_works.text)


def no_late_create(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """No paused worker can still create a Secret with this key: its token has expired."""
    until = proof.creating_until
    if until is not None and now <= until + FENCE_MARGIN:
        return Hold(
            "no_late_create",
            f"a Secret with this key could be created until {until:%Y-%m-%d %H:%M:%S} UTC",
            until=until + FENCE_MARGIN,
        )
    return Fact("no_late_create", "no create can be under way")


def soak_is_over(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """Nobody has named or run the key for as long as the policy says."""
    soak = order.policy.waits.soak if order.published else timedelta(0)
    since = proof.clear_since or now
    if now < since + soak:
        return Hold(
            "soak_is_over", f"nobody uses it since {since:%Y-%m-%d %H:%M} UTC; soak {policy.text(soak)}", until=since + soak
        )
    return Fact(
        "soak_is_over", f"nobody uses it since {since:%Y-%m-%d %H:%M:%S} UTC", {"seconds": round((now - since).total_seconds())}
    )


def gardener_let_go(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """Gardener's own controller sees no reference either: its finalizer is gone from every Secret with this key."""
    kept = [str(held.ref) for held in proof.secrets if held.protected and not held.deleting]
    if kept:
        return Hold("gardener_let_go", "Gardener still protects " + ", ".join(kept))
    return Fact("gardener_let_go", "finalizer reference-protection is gone", {"secrets": len(proof.secrets)})


def secrets_are_ours_to_delete(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """Every Secret with this key was written by us, or may be deleted by the policy, and no tool would re-create it."""
    if proof.untouchable:
        why = tuple(proof.untouchable)
        command = f"rotator describe {proof.retirement}"
        if len(proof.to_delete) == len(why):
            command = " && ".join((*proof.to_delete, f"rotator retry {proof.retirement}"))
        return Hold("secrets_are_ours_to_delete", why[0], Blocked("foreign-secret", why, command))
    return Fact("secrets_are_ours_to_delete", f"{counted(len(proof.secrets), 'Secret')}, all deletable")


def users_elsewhere_agreed(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """Users of the key outside Gardener, declared in the policy, have been asked: a person says so."""
    users = order.policy.other_users
    if users and "other-users" not in proof.confirmed:
        why = f"declared users outside Gardener must have moved: {', '.join(users)}"
        return Hold("users_elsewhere_agreed", why, Blocked("confirm-other-users", (why,), f"rotator retry {proof.retirement}"))
    return Fact("users_elsewhere_agreed", "no other users" if not users else f"confirmed: {', '.join(users)}")


def _confirmed(step: str, proof: Proof, order: RetirementOrder) -> Fact | Hold:
    gate = f"person_confirmed_{step}"
    if step in order.policy.confirm and step not in proof.confirmed:
        why = f"the policy wants a person to confirm {step}"
        return Hold(gate, why, Blocked(f"confirm-{step}", (why,), f"rotator retry {proof.retirement}"))
    return Fact(gate, "confirmed" if step in proof.confirmed else "not asked for by the policy")


def person_confirmed_delete_secrets(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """A person let the deletion of Secrets pass, where the policy asks for one."""
    return _confirmed("delete_secrets", proof, order)


def person_confirmed_disable_key(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """A person let the disabling pass, where the policy asks for one."""
    return _confirmed("disable_key", proof, order)


def person_confirmed_delete_key(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """A person let the deletion of the key pass, where the policy asks for one."""
    return _confirmed("delete_key", proof, order)


def secrets_are_gone(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """No Secret holds the key, so admission refuses every new reference to one."""
    if proof.secrets:
        return Hold("secrets_are_gone", "still there: " + ", ".join(str(held.ref) for held in proof.secrets))
    return Fact("secrets_are_gone", "404 for every Secret that held it")


def looked_twice(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """A request timeout has passed since the Secrets were gone, so a patch admitted before is visible to this look."""
    since = proof.gone_since or now
    if proof.gone_since is None or now < since + order.policy.waits.request:
        return Hold(
            "looked_twice", "Secrets are gone; one more look after a request timeout", until=since + order.policy.waits.request
        )
    return Fact(
        "looked_twice",
        f"gone since {since:%Y-%m-%d %H:%M:%S} UTC, looked again",
        {"seconds": round((now - since).total_seconds())},
    )


def provider_sees_it_idle(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """The provider saw no use for as long as the policy says; or else the longer wait is over. Unknown is not idle."""
    gate, waits, use = "provider_sees_it_idle", order.policy.waits, proof.use
    if not order.published:
        return Fact(gate, "it was never published")
    if use.last is not None and use.last > now - waits.idle:
        return Hold(
            gate,
            f"it was used at {use.last:%Y-%m-%d %H:%M} UTC; wanted {policy.text(waits.idle)} without use",
            until=use.last + waits.idle,
        )
    if not (blind := why_blind(use, now)):
        return Fact(gate, f"no use for {policy.text(waits.idle)}, seen until {use.seen_until:%Y-%m-%d %H:%M} UTC")
    since = proof.clear_since or now
    if now < since + waits.unknown_use:
        ends = since + waits.unknown_use
        why = f"its use is unknown ({blind}); waiting {policy.text(waits.unknown_use)}, until {ends:%Y-%m-%d %H:%M} UTC"
        # Each look tries the wanted key, so the next one may show that use and end the blindness.
        return Hold(gate, why, until=min(ends, now + SIGHT / 2), ends=ends)
    return Fact(gate, f"use unknown ({blind}); waited {policy.text(waits.unknown_use)} instead")


def why_blind(use: Use, now: datetime) -> str:
    """Empty when the provider can see: it shows some other key's use, late enough to prove that it would show this one's."""
    if use.unknown or use.seen_until is None:
        return use.unknown or "no other key shows any use"
    if use.seen_until < now - SIGHT:
        return f"the provider shows no use of any key after {use.seen_until:%Y-%m-%d %H:%M} UTC"
    return ""


def still_disabled(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """Nobody has enabled the key again: who did so needs it."""
    enabled = [short(key.id) for key in proof.keys if not key.disabled]
    if enabled:
        why = f"key {', '.join(enabled)} was enabled by somebody"
        return Hold("still_disabled", why, Blocked("enabled-by-somebody", (why,), f"rotator describe {proof.retirement}"))
    return Fact("still_disabled", f"every id of the key is disabled ({len(proof.keys)})", {"ids": len(proof.keys)})


def quiet_is_over(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """The key has been disabled for as long as the policy says: whoever needed it has had time to cry out."""
    quiet = order.policy.waits.quiet if order.published else timedelta(0)
    since = proof.disabled_at or now
    if now < since + quiet:
        return Hold(
            "quiet_is_over", f"disabled since {since:%Y-%m-%d %H:%M} UTC; quiet {policy.text(quiet)}", until=since + quiet
        )
    return Fact(
        "quiet_is_over", f"disabled since {since:%Y-%m-%d %H:%M} UTC", {"seconds": round((now - since).total_seconds())}
    )


def not_used_since_disabled(proof: Proof, order: RetirementOrder, now: datetime) -> Fact | Hold:
    """Nobody tried the key after the last token from before had expired."""
    limit = (proof.disabled_at or now) + TOKEN_LIFE
    if proof.use.last is not None and proof.use.last > limit:
        why = f"somebody tried the disabled key at {proof.use.last:%Y-%m-%d %H:%M} UTC"
        return Hold(
            "not_used_since_disabled",
            why,
            Blocked("used-while-disabled", (why,), f"rotator reenable {short(proof.public_key)}"),
        )
    return Fact("not_used_since_disabled", proof.use.unknown or "no use seen")
