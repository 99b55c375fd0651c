"""What operators have set up before anybody makes a Shoot: cloud profile, seeds, extensions, the bindings of a project.

It fits the Shoots that `sandbox.garden.landscape` writes, so that one builder of Shoots serves sandbox and real servers.
"""

from real_garden.api import Api
from sandbox.garden.kind import CREDENTIALS_BINDINGS, NAMESPACES, PROJECTS, SECRETS, Kind, Tree

CLOUD_PROFILES = Kind("core.gardener.cloud", "v1beta1", "CloudProfile", "cloudprofiles", namespaced=False)
SEEDS = Kind("core.gardener.cloud", "v1beta1", "Seed", "seeds", namespaced=False)
CONTROLLER_REGISTRATIONS = Kind(
    "core.gardener.cloud", "v1beta1", "ControllerRegistration", "controllerregistrations", namespaced=False
)

CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS = (
    Kind("rbac.authorization.k8s.io", "v1", kind, f"{kind.lower()}s", namespaced=False)
    for kind in ("ClusterRole", "ClusterRoleBinding")
)
READERS = "gardener.cloud:system:read-global-resources"
"""Gardener's own role, bound to every authenticated user, as far as the rotator uses it."""

REGION = "europe-west3"
ZONES = [{"name": f"{REGION}-{letter}"} for letter in "abc"]
SEED_NAMES = ("gcp-eu1", "gcp-eu2", "gcp-lab")

_PROFILE: Tree = {
    "type": "gcp",
    "kubernetes": {"versions": [{"version": "1.34.2"}]},
    "machineImages": [
        {
            "name": "gardenlinux",
            "versions": [{"version": "1877.3.0", "architectures": ["amd64"], "cri": [{"name": "containerd"}]}],
        }
    ],
    "machineTypes": [{"name": "n2-standard-8", "cpu": "8", "gpu": "0", "memory": "32Gi", "architecture": "amd64"}],
    "volumeTypes": [{"name": "pd-balanced", "class": "standard"}],
    "regions": [{"name": REGION, "zones": ZONES}],
}
_GCP = ("BackupBucket", "BackupEntry", "Bastion", "ControlPlane", "DNSRecord", "Infrastructure", "Worker")
_EXTENSIONS: dict[str, list[Tree]] = {
    "provider-gcp": [{"kind": kind, "type": "gcp" if kind != "DNSRecord" else "google-clouddns"} for kind in _GCP],
    "networking-calico": [{"kind": "Network", "type": "calico"}],
    "os-gardenlinux": [{"kind": "OperatingSystemConfig", "type": "gardenlinux"}],
    "registry-cache": [{"kind": "Extension", "type": "registry-cache"}],
}


def lay(admin: Api) -> None:
    """A Garden where Shoots can be made, once a project is there."""
    admin.create(NAMESPACES, {"metadata": {"name": "garden"}})
    admin.create(NAMESPACES, {"metadata": {"name": "gardener-system-public"}})
    admin.create(CLOUD_PROFILES, {"metadata": {"name": "gcp"}, "spec": _PROFILE})
    for name, resources in _EXTENSIONS.items():
        admin.create(CONTROLLER_REGISTRATIONS, {"metadata": {"name": name}, "spec": {"resources": resources}})
    rule = {"apiGroups": ["core.gardener.cloud"], "resources": ["controllerregistrations"], "verbs": ["get", "list", "watch"]}
    admin.create(CLUSTER_ROLES, {"metadata": {"name": READERS}, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READERS}
    everybody = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}
    admin.create(CLUSTER_ROLE_BINDINGS, {"metadata": {"name": READERS}, "roleRef": role, "subjects": [everybody]})
    for name in SEED_NAMES:
        admin.create(SEEDS, _seed(name))


def project(admin: Api, namespace: str) -> None:
    """The project namespace is there, as Gardener's project controller leaves it, with the binding that Shoots name."""
    name = namespace.removeprefix("garden-")
    labels = {"gardener.cloud/role": "project", "project.gardener.cloud/name": name}
    admin.ensure(NAMESPACES, {"metadata": {"name": namespace, "labels": labels}})
    owner = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "owner@example.org"}
    admin.ensure(PROJECTS, {"metadata": {"name": name}, "spec": {"namespace": namespace, "owner": owner}})
    binding(admin, namespace, "infrastructure", "infrastructure")


def binding(admin: Api, namespace: str, name: str, secret: str, secret_namespace: str = "") -> None:
    """A CredentialsBinding names the Secret, which is there: the provider's, unless somebody made it before."""
    where = secret_namespace or namespace
    provider_secret(admin, where, secret)
    reference = {"apiVersion": "v1", "kind": "Secret", "name": secret, "namespace": where}
    metadata = {"name": name, "namespace": namespace}
    admin.ensure(CREDENTIALS_BINDINGS, {"metadata": metadata, "provider": {"type": "gcp"}, "credentialsRef": reference})


def provider_secret(admin: Api, namespace: str, name: str) -> None:
    """The Secret is there: the provider's, unless somebody made it before."""
    metadata = {"name": name, "namespace": namespace, "labels": {"provider.shoot.gardener.cloud/gcp": "true"}}
    admin.ensure(SECRETS, {"metadata": metadata, "stringData": {"token": "none"}})


def _seed(name: str) -> Tree:
    domain = f"{name}.seed.example.org"
    provider = {"apiVersion": "v1", "kind": "Secret", "name": "dns", "namespace": "garden"}
    return {
        "metadata": {"name": name},
        "spec": {
            "provider": {"type": "gcp", "region": REGION, "zones": [zone["name"] for zone in ZONES]},
            "dns": {
                "provider": {"type": "google-clouddns", "credentialsRef": provider},
                "internal": {"type": "google-clouddns", "credentialsRef": provider, "domain": f"internal.{domain}"},
            },
            "ingress": {"domain": f"ingress.{domain}", "controller": {"kind": "nginx"}},
            "networks": {"nodes": "10.200.0.0/16", "pods": "10.201.0.0/16", "services": "10.202.0.0/16"},
        },
    }
