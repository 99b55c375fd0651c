"""A Shoot on the wire: the fields that decide something, nothing else.

A Shoot is 5 to 100 kB, half of it managedFields; what is not named here is skipped by the decoder, unread. fieldsV1 and
providerConfig stay raw bytes unless they are needed: the first for confined Shoots, the second for the registry cache.
Sources: gardener.md section 1 (places), 4 (status), 5 (annotations).
"""

from datetime import datetime

import msgspec

from rotator import owner, shoot

SEEN = "registry-key-rotator/seen"
"""Beside the mark: a fingerprint of what the Shoot named when it was marked. Removing spec.resources as a whole leaves no trace
in managedFields, and a confined Shoot runs on for a day with what was removed."""


class Wire(msgspec.Struct, gc=False):
    """What all decoded objects have in common: unknown fields are skipped, cycles do not occur."""


OF_OWNER = "of_"
"""How the fields begin that tell of tools which keep the Shoot; see `owner`."""


class Labels(Wire):
    """The label that is ours, and those of tools."""

    canary: str | None = msgspec.field(default=None, name=shoot.CANARY)
    of_flux: str | None = msgspec.field(default=None, name="kustomize.toolkit.fluxcd.io/name")
    of_flux_in: str | None = msgspec.field(default=None, name="kustomize.toolkit.fluxcd.io/namespace")
    of_flux_helm: str | None = msgspec.field(default=None, name="helm.toolkit.fluxcd.io/name")
    of_flux_helm_in: str | None = msgspec.field(default=None, name="helm.toolkit.fluxcd.io/namespace")
    of_argo: str | None = msgspec.field(default=None, name="argocd.argoproj.io/instance")
    of_somebody: str | None = msgspec.field(default=None, name=owner.MANAGED_BY)


class Annotations(Wire):
    """The annotations that mean something to us. Of `last_applied` only whether it is there: it is the Shoot once more."""

    canary: str | None = msgspec.field(default=None, name=shoot.CANARY)
    skip: str | None = msgspec.field(default=None, name=shoot.SKIP)
    mark: str | None = msgspec.field(default=None, name=shoot.MARK)
    seen: str | None = msgspec.field(default=None, name=SEEN)
    ignore: str = msgspec.field(default="", name="shoot.gardener.cloud/ignore")
    of_argo: str | None = msgspec.field(default=None, name="argocd.argoproj.io/tracking-id")
    of_helm: str | None = msgspec.field(default=None, name="meta.helm.sh/release-name")
    of_helm_in: str | None = msgspec.field(default=None, name="meta.helm.sh/release-namespace")
    last_applied: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name=owner.LAST_APPLIED)


class Writer(Wire, rename={"fields": "fieldsV1"}):
    """One entry of managedFields: who, how, when, and what it owns, which stays raw."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: str | None = None
    fields: msgspec.Raw = msgspec.Raw()


class Target(Wire):
    """CrossVersionObjectReference, also as credentialsRef, or one ownerReference."""

    kind: str = ""
    name: str = ""


class Metadata(Wire, rename="camel"):
    """metadata; annotations None: there is no such map, and a JSON Patch must make it first."""

    name: str
    namespace: str
    uid: str
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: Labels | None = None
    annotations: Annotations | None = None
    owner_references: list[Target] | None = None
    managed_fields: list[Writer] | None = None


class Resource(Wire, rename="camel"):
    """One entry of spec.resources."""

    name: str
    resource_ref: Target


class Extension(Wire, rename="camel"):
    """One entry of spec.extensions."""

    type: str
    disabled: bool | None = None
    provider_config: msgspec.Raw = msgspec.Raw()


class Provider(Wire, rename="camel"):
    """One entry of spec.dns.providers."""

    secret_name: str | None = None
    credentials_ref: Target | None = None


class Dns(Wire):
    """spec.dns."""

    providers: list[Provider] | None = None


class Plugin(Wire, rename="camel"):
    """One admission plugin of the Shoot's own API server."""

    kubeconfig_secret_name: str | None = None


class Kubeconfig(Wire, rename="camel"):
    """One kubeconfig of structured authorization."""

    secret_name: str = ""


class Authorization(Wire):
    """structuredAuthorization."""

    kubeconfigs: list[Kubeconfig] | None = None


class ApiServer(Wire, rename="camel"):
    """spec.kubernetes.kubeAPIServer."""

    admission_plugins: list[Plugin] | None = None
    structured_authorization: Authorization | None = None


class Kubernetes(Wire, rename={"api_server": "kubeAPIServer"}):
    """spec.kubernetes."""

    api_server: ApiServer | None = None


class Maintenance(Wire, rename="camel"):
    """spec.maintenance."""

    confine_spec_update_rollout: bool | None = None


class Hibernation(Wire):
    """spec.hibernation."""

    enabled: bool | None = None


class Spec(Wire, rename="camel"):
    """spec."""

    resources: list[Resource] | None = None
    extensions: list[Extension] | None = None
    dns: Dns | None = None
    kubernetes: Kubernetes | None = None
    maintenance: Maintenance | None = None
    hibernation: Hibernation | None = None
    purpose: str | None = None
    seed_name: str | None = None
    secret_binding_name: str | None = None
    credentials_binding_name: str | None = None


class Condition(Wire):
    """One condition or constraint."""

    type: str
    status: str


class LastOperation(Wire, rename="camel"):
    """status.lastOperation."""

    type: str = ""
    state: str = ""
    progress: int = 0
    description: str = ""
    last_update_time: str | None = None


class Status(Wire, rename="camel"):
    """status."""

    observed_generation: int = 0
    seed_name: str | None = None
    hibernated: bool | None = None
    last_operation: LastOperation | None = None
    conditions: list[Condition] | None = None
    constraints: list[Condition] | None = None


class Item(Wire):
    """One Shoot as it comes."""

    metadata: Metadata
    spec: Spec
    status: Status = msgspec.field(default_factory=Status)


class ListMeta(Wire, rename={"next": "continue"}):
    """metadata of a list; `next` empty: this is the last page."""

    next: str = ""


class Page(Wire):
    """One page of a list of Shoots."""

    metadata: ListMeta
    items: list[Item] | None = None


def instant(text: str | None) -> datetime | None:
    """metav1.Time or MicroTime as an aware datetime; None for anything else."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else None
