"""The smallest custom roles at Google and their bindings, as gcloud command lines for a person with the rights to run them."""

from collections.abc import Iterable, Iterator, Sequence

from rotator import permission, staged
from rotator.permission import GoogleRight, Identity, Resource
from rotator.report.form import SCHEMA, Tree
from rotator.view import Charge

GARDENS = "registryKeyRotatorGardenToken"
KEYS, READ = "registryKeyRotatorKeys", "registryKeyRotatorKeysRead"
STAGING, USAGE = "registryKeyRotatorStaging", "registryKeyRotatorUsage"
MEMBER = '"$MEMBER"'


def commands(
    installation: str,
    charges: Sequence[Charge],
    staging: dict[str, str],
    topic: str = "",
    who: Identity | None = None,
    tokens: Sequence[str] = (),
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Headlines, each with its commands. `staging`: the staging project of each account; `topic`: where it announces.

    `who`: only what this identity of an installation needs, in roles of its own. `tokens`: secrets with Gardens' tokens.
    """
    writers = [charge for charge in charges if charge.policy.mode != "observe"]
    observed = [charge for charge in charges if charge.policy.mode == "observe"]
    keys, staged_keys = permission.on_resource("account", who), permission.on_resource("secret", who)
    stagers = writers if staged_keys else []
    usage = [right for right in permission.on_resource("project", who) if right.optional]
    projects = sorted({charge.project for charge in writers}) if usage else []
    part = (who or "").capitalize()
    found = [
        (
            "Keys of the accounts that are rotated, on each account: who may create keys of an account is that account",
            (*_roles(KEYS + part, "keys", keys, {c.project for c in writers}), *_bound(writers, KEYS + part)),
        ),
        (
            "Keys of the accounts that are only observed",
            (
                *_roles(READ, "keys, reading", [right for right in keys if not right.writes], {c.project for c in observed}),
                *_bound(observed, READ),
            ),
        ),
        (
            "Staging secrets: made here, so that the rotator need not be allowed to make secrets",
            (
                *_roles(STAGING, "staging", staged_keys, {staging[c.email] for c in stagers}),
                *(line for charge in stagers for line in _secret(installation, charge, staging[charge.email])),
            ),
        ),
        (
            "Secret Manager publishes to the topic itself when a key becomes due; without this the schedule finds it",
            tuple(line for each in sorted({staging[c.email] for c in stagers}) if topic for line in _announcing(each, topic)),
        ),
        (
            "When a key was used last. Without this the longer wait (waits.unknown_use) applies",
            (
                *_roles(USAGE, "usage", usage, projects),
                *(Resource("project", each, each).bind(_path(each, USAGE), MEMBER) for each in projects),
            ),
        ),
        (
            "Gardens' tokens, which are renewed; put the first one there: `rotator doctor` tells how",
            tuple(_kept(part, [right for right in permission.KEPT if who in (None, *right.who)], tokens)),
        ),
    ]
    return tuple((headline, lines) for headline, lines in found if lines)


def lines(member: str, found: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    """A script for a shell."""
    yield "# A role that is there already: say `update` instead of `create`. A secret that is there already stays as it is."
    yield f'MEMBER="{member}"'
    for headline, each in found:
        yield ""
        yield f"# {headline}."
        yield from each


def tree(member: str, found: Iterable[tuple[str, tuple[str, ...]]]) -> Tree:
    """The same for machines."""
    parts = [{"for": headline, "commands": [line.replace(MEMBER, member) for line in each]} for headline, each in found]
    return {"schema": SCHEMA, "kind": "google-roles", "member": member, "parts": parts}


def _roles(role: str, title: str, rights: Sequence[GoogleRight], projects: Iterable[str]) -> Iterator[str]:
    names = ",".join(right.name for right in rights)
    for project in sorted(projects):
        yield (
            f"gcloud iam roles create {role} --project {project}"
            f' --title "registry-key-rotator: {title}" --stage GA --permissions {names}'
        )


def _bound(charges: Iterable[Charge], role: str) -> Iterator[str]:
    for charge in charges:
        yield Resource("account", charge.email, charge.project).bind(_path(charge.project, role), MEMBER)


def _secret(installation: str, charge: Charge, project: str) -> Iterator[str]:
    name = staged.secret_id(charge.base)
    labels = f"{staged.LABEL}={staged.label_value(installation)}"
    yield f"gcloud secrets create {name} --project {project} --replication-policy automatic --labels {labels}"
    yield Resource("secret", name, project).bind(_path(project, STAGING), MEMBER)


def _announcing(project: str, topic: str) -> Iterator[str]:
    yield f"gcloud beta services identity create --service secretmanager.googleapis.com --project {project}"
    yield staged.publishing(topic, staged.number(project))


def _kept(part: str, rights: Sequence[GoogleRight], tokens: Sequence[str]) -> Iterator[str]:
    places = sorted((project, name) for _, project, _, name in (each.split("/") for each in tokens))
    yield from _roles(GARDENS + part, "Gardens' tokens", rights, {project for project, _ in places})
    for project, name in places:
        yield f"gcloud secrets create {name} --project {project} --replication-policy automatic"
        yield Resource("secret", name, project).bind(_path(project, GARDENS + part), MEMBER)


def _path(project: str, role: str) -> str:
    return f"projects/{project}/roles/{role}"
