"""Every permission that the rotator needs, once.

`rotator rbac` prints this table, `rotator doctor` asks about it, and the message of a refusal names its row.
A permission is in here because a client makes a call that needs it; a test compares the table with the calls that a whole
rotation makes. Permissions with `writes` are not needed for accounts in mode "observe". `who`: whose work needs it where three
identities share the work.
"""

from typing import Literal

import msgspec

CORE, GARDENER, SECURITY = "", "core.gardener.cloud", "security.gardener.cloud"

Kind = Literal["account", "secret", "project"]

Identity = Literal["reader", "minter", "revoker"]
"""The reader looks, begins and takes orders; the minter carries out rotations, the revoker retirements."""

EVERYBODY: tuple[Identity, ...] = ("reader", "minter", "revoker")
MOVERS: tuple[Identity, ...] = ("minter", "revoker")  # retirements move Shoots as well: those that came late
PROVERS: tuple[Identity, ...] = ("reader", "revoker")  # reports tell bindings, and no key that one names is taken away
READER: tuple[Identity, ...] = ("reader",)
MINTER: tuple[Identity, ...] = ("minter",)
REVOKER: tuple[Identity, ...] = ("revoker",)


class GardenRight(msgspec.Struct, frozen=True, kw_only=True):
    """A verb on a resource of a project namespace. `by_name`: a Role may narrow it to names of objects."""

    verb: str
    group: str
    resource: str
    why: str
    who: tuple[Identity, ...] = EVERYBODY
    writes: bool = False
    by_name: bool = False

    def __str__(self) -> str:
        """As kubectl says it."""
        return f"{self.verb} {self.resource}"


GARDEN = (
    GardenRight(verb="list", group=GARDENER, resource="shoots", why="find who uses a key; prove that nobody does"),
    GardenRight(verb="get", group=GARDENER, resource="shoots", why="read a Shoot again before it is patched", who=MOVERS),
    GardenRight(verb="patch", group=GARDENER, resource="shoots", why="point Shoots at the new Secret", who=MOVERS, writes=True),
    GardenRight(
        verb="list",
        group=GARDENER,
        resource="secretbindings",
        why="prove that no binding names a Secret that is to be deleted",
        who=PROVERS,
    ),
    GardenRight(
        verb="list",
        group=SECURITY,
        resource="credentialsbindings",
        why="prove that no binding names a Secret that is to be deleted",
        who=PROVERS,
    ),
    GardenRight(
        verb="get",
        group=CORE,
        resource="secrets",
        why="look for the key in every Secret that a Shoot or a binding names; Gardener asks for it, too",
        by_name=True,
    ),
    GardenRight(
        verb="create", group=CORE, resource="secrets", why="write the Secret of the next version", who=MINTER, writes=True
    ),
    GardenRight(
        verb="delete",
        group=CORE,
        resource="secrets",
        why="delete Secrets that nobody names any more",
        who=REVOKER,
        writes=True,
        by_name=True,
    ),
    GardenRight(
        verb="get",
        group=CORE,
        resource="configmaps",
        why="Gardener lets only those move a Shoot who may read all that its spec.resources names",
        who=MOVERS,
        writes=True,
        by_name=True,
    ),
    GardenRight(
        verb="get",
        group=SECURITY,
        resource="workloadidentities",
        why="Gardener lets only those move a Shoot who may read all that its spec.resources names",
        who=MOVERS,
        writes=True,
        by_name=True,
    ),
)


RENEW = GardenRight(
    verb="create",
    group=CORE,
    resource="serviceaccounts/token",
    why="ask for its own next token, and for those of an hour that Secrets are made with",
    by_name=True,
)
"""Where `token_secret` is the login: in the namespace of the rotator's ServiceAccount, for that one only."""


def find_right(verb: str, resource: str) -> GardenRight | None:
    """The row of this verb and resource; None when every user may do it."""
    return next((right for right in (*GARDEN, RENEW) if (right.verb, right.resource) == (verb, resource)), None)


def mend(garden: str, namespace: str) -> str:
    """The command that gives the rotator its Role there; a project admin runs it."""
    return f"rotator rbac {garden}/{namespace} | kubectl apply -f -"


def grant(verb: str, resource: str, garden: str, namespace: str) -> str:
    """What to grant after a refusal, and how."""
    text = f"grant {verb} on {resource} in namespace {namespace}"
    return f"{text}: {mend(garden, namespace)}" if find_right(verb, resource) else text


class Resource(msgspec.Struct, frozen=True):
    """Where permissions at Google are bound: a service account, a staging secret, or a project (then `name` is the project)."""

    kind: Kind
    name: str
    project: str

    def bind(self, role: str, member: str) -> str:
        """The command that gives this role on this resource to the member."""
        to = f"--member {member} --role {role}"
        match self.kind:
            case "account":
                return f"gcloud iam service-accounts add-iam-policy-binding {self.name} --project {self.project} {to}"
            case "secret":
                return f"gcloud secrets add-iam-policy-binding {self.name} --project {self.project} {to}"
            case "project":
                # Without --condition gcloud asks back where the project's policy has conditions.
                return f"gcloud projects add-iam-policy-binding {self.project} {to} --condition None"


class GoogleRight(msgspec.Struct, frozen=True, kw_only=True):
    """A permission at Google. `role`: the smallest of Google's own roles with it. `optional`: we do without, slower."""

    name: str
    on: Kind
    role: str
    why: str
    who: tuple[Identity, ...] = EVERYBODY
    writes: bool = False
    optional: bool = False


_KEYS = "roles/iam.serviceAccountKeyAdmin"
_MANAGER = "roles/secretmanager.secretVersionManager"

GOOGLE = (
    GoogleRight(name="iam.serviceAccounts.get", on="account", role=_KEYS, why="its number, which key files carry"),
    GoogleRight(name="iam.serviceAccountKeys.list", on="account", role=_KEYS, why="which keys there are"),
    GoogleRight(name="iam.serviceAccountKeys.get", on="account", role=_KEYS, why="recognise keys by their public half"),
    GoogleRight(
        name="iam.serviceAccountKeys.create", on="account", role=_KEYS, why="upload or create keys", who=MINTER, writes=True
    ),
    GoogleRight(name="iam.serviceAccountKeys.disable", on="account", role=_KEYS, why="retire keys", who=REVOKER, writes=True),
    GoogleRight(
        name="iam.serviceAccountKeys.enable", on="account", role=_KEYS, why="take a key back", who=REVOKER, writes=True
    ),
    GoogleRight(name="iam.serviceAccountKeys.delete", on="account", role=_KEYS, why="retire keys", who=REVOKER, writes=True),
    GoogleRight(
        name="secretmanager.secrets.get",
        on="secret",
        role="roles/secretmanager.viewer",
        why="see whose the staging secret is",
        who=MINTER,
        writes=True,
    ),
    GoogleRight(
        name="secretmanager.versions.add",
        on="secret",
        role="roles/secretmanager.secretVersionAdder",
        why="stage a private key before it exists at IAM",
        who=MINTER,
        writes=True,
    ),
    GoogleRight(
        name="secretmanager.versions.access",
        on="secret",
        role="roles/secretmanager.secretAccessor",
        why="go on with a staged key",
        who=MINTER,
        writes=True,
    ),
    GoogleRight(
        name="secretmanager.versions.get",
        on="secret",
        role=_MANAGER,
        why="tell a destroyed version from a disabled one",
        who=MINTER,
        writes=True,
    ),
    GoogleRight(
        name="secretmanager.versions.list", on="secret", role=_MANAGER, why="find versions to destroy", who=MINTER, writes=True
    ),
    GoogleRight(
        name="secretmanager.versions.destroy",
        on="secret",
        role=_MANAGER,
        why="destroy what has been published",
        who=MINTER,
        writes=True,
    ),
    GoogleRight(
        name="secretmanager.secrets.update",
        on="secret",
        role="roles/secretmanager.admin",
        why="have Secret Manager announce the day on which a key becomes due",
        who=MINTER,
        writes=True,
        optional=True,
    ),
    GoogleRight(
        name="secretmanager.secrets.create",
        on="project",
        role="roles/secretmanager.admin",
        why="make the staging secret, unless somebody has made it",
        who=(),  # of an installation: there it is made beforehand
        writes=True,
    ),
    GoogleRight(
        name="monitoring.timeSeries.list",
        on="project",
        role="roles/monitoring.viewer",
        why="see when a key was used last",
        who=REVOKER,
        writes=True,
        optional=True,
    ),
)


def google(name: str) -> GoogleRight:
    """The row of this permission. Raises: KeyError."""
    return {right.name: right for right in GOOGLE}[name]


def on_resource(kind: Kind, who: Identity | None = None) -> tuple[GoogleRight, ...]:
    """All permissions that are bound to this kind of resource; with `who`, those that this identity's work needs."""
    return tuple(right for right in GOOGLE if right.on == kind and who in (None, *right.who))


def in_garden(who: Identity | None = None) -> tuple[GardenRight, ...]:
    """All verbs in a project namespace; with `who`, those that this identity's work needs."""
    return tuple(right for right in GARDEN if who in (None, *right.who))


KEPT = tuple(
    GoogleRight(
        name=f"secretmanager.versions.{each}", on="secret", role=google(f"secretmanager.versions.{each}").role, why=why, who=who
    )
    for each, why, who in (
        ("access", "read the Garden's token", EVERYBODY),
        ("add", "keep the next one", READER),
        ("list", "find older ones", READER),
        ("destroy", "destroy older ones", READER),
    )
)
"""Where `token_secret` is the login: on that secret. The reader looks what is due, and logins are that, too."""
