"""The kinds of objects this Garden serves, and how Kubernetes names them in paths and messages."""

from dataclasses import dataclass
from typing import Any

Tree = dict[str, Any]
"""A JSON object. Trees in the store are shared and never changed in place."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource: `plural` is its word in paths, rules and log entries."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    verbs: tuple[str, ...] = ("create", "delete", "get", "list", "patch", "update")

    @property
    def api_version(self) -> str:
        """`v1`, or group and version."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The plural with its group, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind with its group, as messages about invalid objects name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


_READ = ("get", "list")
SECRETS = Kind("", "v1", "Secret", "secrets")
CONFIG_MAPS = Kind("", "v1", "ConfigMap", "configmaps")
NAMESPACES = Kind("", "v1", "Namespace", "namespaces", namespaced=False, verbs=_READ)
SHOOTS = Kind("core.gardener.cloud", "v1beta1", "Shoot", "shoots")
SECRET_BINDINGS = Kind("core.gardener.cloud", "v1beta1", "SecretBinding", "secretbindings", verbs=_READ)
PROJECTS = Kind("core.gardener.cloud", "v1beta1", "Project", "projects", namespaced=False, verbs=_READ)
CONTROLLER_REGISTRATIONS = Kind(
    "core.gardener.cloud", "v1beta1", "ControllerRegistration", "controllerregistrations", namespaced=False, verbs=_READ
)
CREDENTIALS_BINDINGS = Kind("security.gardener.cloud", "v1alpha1", "CredentialsBinding", "credentialsbindings", verbs=_READ)
WORKLOAD_IDENTITIES = Kind("security.gardener.cloud", "v1alpha1", "WorkloadIdentity", "workloadidentities")
ACCESS_REVIEWS = Kind(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
    verbs=("create",),
)
SELF_REVIEWS = Kind(
    "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False, verbs=("create",)
)
TOKEN_REQUESTS = Kind("", "v1", "TokenRequest", "serviceaccounts/token", verbs=("create",))
REVIEWS = (ACCESS_REVIEWS, SELF_REVIEWS)
"""Questions about oneself, which every user may ask; nothing is stored."""

KINDS = (
    SECRETS,
    CONFIG_MAPS,
    NAMESPACES,
    SHOOTS,
    SECRET_BINDINGS,
    PROJECTS,
    CONTROLLER_REGISTRATIONS,
    CREDENTIALS_BINDINGS,
    WORKLOAD_IDENTITIES,
    TOKEN_REQUESTS,
    *REVIEWS,
)
BY_PATH = {(kind.api_version, kind.plural): kind for kind in KINDS}
REFERABLE = {
    ("v1", "Secret"): SECRETS,
    ("v1", "ConfigMap"): CONFIG_MAPS,
    (WORKLOAD_IDENTITIES.api_version, "WorkloadIdentity"): WORKLOAD_IDENTITIES,
}
"""What `spec.resources` may name (gardener.md 1)."""
