"""A landscape worth looking at: two Gardens, three project namespaces, three service accounts, twelve Shoots, and a past.

What people do to such a landscape is in it: one key in three namespaces, a Secret that five Shoots share, another that can
be edited, a key that nobody knows, a Shoot that sleeps, one that waits for its maintenance window, one that is ignored, one
without a cache.
"""

from datetime import timedelta
from typing import Any

from sandbox.cloud import Cloud
from sandbox.garden.garden import Garden
from sandbox.garden.kind import SHOOTS

PULLER = "puller@acme-prod.iam.gserviceaccount.com"
MIRROR = "mirror@acme-shared.iam.gserviceaccount.com"
BUILDS = "builds@acme-ci.iam.gserviceaccount.com"

EUROPE = "europe-docker.pkg.dev"
FRANKFURT = "europe-west3-docker.pkg.dev"
AMERICA = "us-docker.pkg.dev"

PAYMENTS = "garden-payments"
SEARCH = "garden-search"
LAB = "garden-lab"

CONFINED = ("live", SEARCH, "crawler")
"""The Shoot that takes new specs in its maintenance window only."""

AWAKE_SHOOTS = 6
"""Of the demo's credential: all but the sleeping one and the confined one."""

PAST = timedelta(days=76)
"""How long ago the oldest key was made: the defaults of the policy begin its rotation at the age of 73 days."""

QUICK = {"poll": "1s", "request": "5s"}
"""The sandbox answers at once and its gardenlets need seconds; all waits that are days in real life stay days."""

AWAKE = {"start_delay": 1.0, "duration": 2.0}
"""How a gardenlet of the sandbox goes about a reconcile, in seconds."""


def cloud() -> Cloud:
    """The landscape, serving; its clock shows the machine's time."""
    built = Cloud(behind=PAST).start()
    compose(built, built.add_garden("live", PAYMENTS, SEARCH), built.add_garden("canary", LAB))
    for garden in built.gardens.values():
        for namespace, name in garden.names(SHOOTS):
            garden.behave(namespace, name, **AWAKE)
    return built


def compose(built: Cloud, live: Garden, canary: Garden) -> None:
    """The cloud, whose clock was behind by PAST, has accounts, keys, Secrets and Shoots; the clock shows the machine's time."""
    _google(built)
    _puller(built, live, canary)
    built.advance(timedelta(days=40).total_seconds())
    _mirror(built, live, canary)
    built.advance(timedelta(days=20).total_seconds())
    _builds(built, canary)
    _without_cache(live)
    built.advance((PAST - timedelta(days=60)).total_seconds())
    built.google.make_key(built.google.iam.account(PULLER), by="ann@acme.example")  # type: ignore[arg-type]  # it was made above
    built.pull_everywhere()


def _google(built: Cloud) -> None:
    google = built.google
    google.monitoring.lag = 0.0
    for project, email in (("acme-prod", PULLER), ("acme-shared", MIRROR), ("acme-ci", BUILDS)):
        google.create_account(project, email)
    for email, host, path in (
        (PULLER, EUROPE, "acme-prod/images"),
        (PULLER, FRANKFURT, "acme-prod/base"),
        (MIRROR, AMERICA, "acme-shared/mirror"),
        (BUILDS, EUROPE, "acme-ci/builds"),
    ):
        google.repository(host, path)
        google.registry.grant(email, host, path)
    google.registry.grant(BUILDS, EUROPE, "acme-prod/images")
    built.images |= {
        EUROPE: "acme-prod/images/app:latest",
        FRANKFURT: "acme-prod/base/app:latest",
        AMERICA: "acme-shared/mirror/app:latest",
    }
    built.may_touch(PULLER, mode="manual", adopt=True)
    built.may_touch(MIRROR)
    built.may_touch(BUILDS, mode="automatic")


def _key(built: Cloud, email: str) -> str:
    account = built.google.iam.account(email)
    if account is None:
        raise KeyError(email)
    return built.google.make_key(account, by="terraform@acme.example")[1]


def _puller(built: Cloud, live: Garden, canary: Garden) -> None:
    """The demo's credential: one hand-made key, three namespaces, eight Shoots."""
    key_file = _key(built, PULLER)
    live.create_secret(PAYMENTS, "ar-credentials", password=key_file)
    live.create_secret(SEARCH, "artifact-registry", password=key_file)
    canary.create_secret(LAB, "ar-credentials", password=key_file)
    both = {EUROPE: "ar", FRANKFURT: "ar"}
    payments: dict[str, Any] = {"resources": {"ar": "ar-credentials"}, "purpose": "production"}
    live.create_shoot(PAYMENTS, "checkout", both, seed="gcp-eu1", **payments)
    live.create_shoot(PAYMENTS, "ledger", both, seed="gcp-eu2", **payments)
    live.create_shoot(PAYMENTS, "fraud", {EUROPE: "ar"}, seed="gcp-eu2", **payments)
    live.create_shoot(PAYMENTS, "invoices", {EUROPE: "ar"}, seed="gcp-eu1", hibernated=True, **payments)
    search: dict[str, Any] = {"resources": {"ar": "artifact-registry"}, "purpose": "production"}
    live.create_shoot(SEARCH, "index", both, seed="gcp-eu1", **search)
    live.create_shoot(SEARCH, "crawler", {EUROPE: "ar"}, seed="gcp-eu1", confined=True, **search)
    lab: dict[str, Any] = {"resources": {"ar": "ar-credentials"}, "seed": "gcp-lab"}
    canary.create_shoot(LAB, "playground", {EUROPE: "ar"}, purpose="evaluation", **lab)
    canary.create_shoot(LAB, "acceptance", both, purpose="testing", **lab)


def _mirror(built: Cloud, live: Garden, canary: Garden) -> None:
    """A credential that is only observed: its Secret can be edited, and one of its Shoots is ignored."""
    key_file = _key(built, MIRROR)
    live.create_secret(SEARCH, "mirror", password=key_file)
    live.create_shoot(SEARCH, "reports", {AMERICA: "us"}, {"us": "mirror"}, purpose="production")
    # The webhook looks at a Secret only while the cache's configuration changes: so a mutable one comes in later.
    live.create_secret(SEARCH, "mirror-editable", password=key_file, immutable=False)
    live.catch_up()
    live.point(SEARCH, "reports", "us", "mirror-editable")
    live.delete_secret(SEARCH, "mirror")
    canary.create_secret(LAB, "mirror", password=key_file)
    canary.create_shoot(LAB, "legacy", {AMERICA: "us"}, {"us": "mirror"}, purpose="development", seed="gcp-lab")
    canary.catch_up()
    canary.ignore(LAB, "legacy")


def _builds(built: Cloud, canary: Garden) -> None:
    """A young key in automatic mode: nothing is due."""
    canary.create_secret(LAB, "builds", password=_key(built, BUILDS))
    canary.create_shoot(LAB, "nightly", {EUROPE: "builds"}, {"builds": "builds"}, purpose="development", seed="gcp-lab")


def _without_cache(live: Garden) -> None:
    live.create_shoot(PAYMENTS, "archive", purpose="production")
