"""A plan as people read it: a few lines, and a table each of Shoots and of dates."""

from functools import partial

from rotator.key import short
from rotator.report import form
from rotator.report.form import Row
from rotator.report.plan import Fate, Plan

MOST = 4
"""So many Secrets that are in the way are told one by one."""

FATES = ("WAVE", "SHOOT", "WHAT", "WHY")
DATES = ("STEP", "EARLIEST, BEGUN NOW", "LATEST, BY MAX_AGE", "NOTE")


def summary(plan: Plan) -> tuple[str, ...]:
    """The plan, counted: a few lines for people."""
    how = "made here and uploaded" if plan.mint == "upload" else "created by Google"
    old = ", ".join(map(short, plan.replaces)) or "none in use"
    counted = partial(form.counted, partial=plan.partial)
    lines = [
        f"mints   1 key, {how}; it replaces {'key' if len(plan.replaces) == 1 else 'keys'} {old}",
        f"writes  {counted(len(plan.secrets), 'Secret')}: {', '.join(map(str, plan.secrets)) or '-'}",
        f"moves   {counted(plan.count('moves') + plan.count('waits'), 'Shoot')} in {counted(plan.waves, 'wave')}"
        + (f"; {plan.count('waits')} of them late" if plan.count("waits") else "")
        + (f"; {plan.count('handover')} handed over to their owners" if plan.count("handover") else "")
        + (f"; {plan.count('skipped')} skipped" if plan.count("skipped") else ""),
        f"retires {counted(len(plan.replaces), 'key')}: deletes its Secrets, disables it, deletes it",
    ]
    lines += [f"        which will wait for a person: {each}" for each in plan.will_block[:MOST]]
    if plan.will_block[MOST:]:
        lines.append(f"        and {len(plan.will_block) - MOST} Secrets more: rotator discover {plan.credential}")
    return tuple(lines)


def not_due(plan: Plan) -> str:
    """Why there is no date for a rotation, or that there cannot be one now."""
    if plan.keys_unread:
        return f"Not known: the account's keys could not be read: {plan.keys_unread}"
    if plan.partial:
        return "Not known: no Shoot that could be read uses a key of it, but not all of the scope could be read."
    if plan.fates:
        return "The key that its Shoots name is not at IAM: see what is worth knowing in rotator discover."
    return "No Shoot uses a key of it: nothing to rotate."


def fate_rows(plan: Plan) -> tuple[Row, ...]:
    """One line per Shoot; see FATES."""
    return tuple((str(fate.wave or "-"), fate.shoot, fate.what, _reasons(fate)) for fate in plan.fates)


def _reasons(fate: Fate) -> str:
    owned = f"owned by {', '.join(fate.owners)}" if fate.owners else ""
    return "; ".join(each for each in (fate.why, owned) if each)


def date_rows(plan: Plan) -> tuple[Row, ...]:
    """One line per step; see DATES."""
    return tuple(
        (one.step, form.clock(one.earliest), form.clock(one.latest) if one.latest else "-", one.note) for one in plan.dates
    )
