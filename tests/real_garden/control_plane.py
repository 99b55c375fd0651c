"""etcd, kube-apiserver and gardener-apiserver on free loopback ports, joined as in a Garden cluster.

Gardener's API server is registered with the aggregation layer, all its default admission plugins are on, and both servers write
down who changed what (audit logs in the landscape's folder): the checker of our promises reads them.
"""

import base64
import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from real_garden.api import Api, kubeconfig
from real_garden.pki import Authority, signing_key
from real_garden.process import Process
from sandbox.garden.kind import Kind, Tree

ADMIN = "garden-admin"
LOOPBACK = "127.0.0.1"
APIS = (
    ("core.gardener.cloud", "v1"),
    ("core.gardener.cloud", "v1beta1"),
    ("operations.gardener.cloud", "v1alpha1"),
    ("security.gardener.cloud", "v1alpha1"),
    ("seedmanagement.gardener.cloud", "v1alpha1"),
)
_SERVICES = Kind("", "v1", "Service", "services")
_API_SERVICES = Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", namespaced=False)
_REGISTERED = "gardener-apiserver.kube-system.svc"


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        return int(taken.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Files:
    """What the servers are started with, in the landscape's folder."""

    folder: Path
    authority: Authority
    tokens: dict[str, str]

    def kubeconfig(self, server: str, user: str) -> Path:
        """The file of this user's kubeconfig."""
        file = self.folder / f"{user}.kubeconfig"
        file.touch(mode=0o600)
        content = kubeconfig(server, self.authority.certificate, self.tokens[user], user, "default", "real-garden")
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return file


class ControlPlane:
    """The three servers, answering; `admin` may do everything."""

    def __init__(self, folder: Path, binaries: dict[str, Path]) -> None:
        """The servers answer. Raises: Failed."""
        self.folder = folder
        self.binaries = binaries
        self.processes: list[Process] = []
        users = (ADMIN, "gardener-apiserver", "gardener-controller-manager", "registry-cache-webhook", "gardenlet")
        self.files = Files(folder, Authority(folder, "garden-ca"), {user: secrets.token_hex(16) for user in users})
        self.server = f"https://{LOOPBACK}:{free_port()}"
        self.audit_logs = {name: folder / f"audit-{name}.log" for name in ("kube-apiserver", "gardener-apiserver")}
        self._policy = folder / "audit-policy.json"
        self._policy.write_text(json.dumps(AUDIT_POLICY), encoding="utf-8")
        try:
            etcd = self._start_etcd()
            self._start_kube_apiserver(etcd)
            self.admin = Api(self.server, self.files.authority.certificate, self.files.tokens[ADMIN])
            self.processes[-1].wait_until(self.admin.ready)
            self._start_gardener_apiserver(etcd)
        except BaseException:
            self.stop()
            raise

    def start(self, name: str, binary: str, *arguments: str) -> Process:
        """One more server, that will be stopped with the others."""
        command = [str(self.binaries[binary]), *arguments]
        self.processes.append(Process(name, command, self.folder / f"{name}.log"))
        return self.processes[-1]

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """The file of a kubeconfig."""
        return self.files.kubeconfig(self.server, user)

    def stop(self) -> None:
        """No server answers any more: the last started ends first."""
        while self.processes:
            self.processes.pop().stop()

    def _start_etcd(self) -> str:
        client, peer = (f"http://{LOOPBACK}:{free_port()}" for _ in range(2))
        self.start(
            "etcd", "etcd",
            f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
        )  # fmt: skip
        return client

    def _start_kube_apiserver(self, etcd: str) -> None:
        folder = self.folder
        front = Authority(folder, "front-proxy-ca")
        front_certificate, front_key = front.issue("front-proxy")
        certificate, key = self.files.authority.issue("kube-apiserver", LOOPBACK, "localhost", "kubernetes.default.svc")
        signing = signing_key(folder / "service-account.key")
        tokens = folder / "tokens.csv"
        tokens.touch(mode=0o600)
        lines = [f"{token},{user},{user},system:masters" for user, token in self.files.tokens.items()]
        tokens.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.start(
            "kube-apiserver", "kube-apiserver",
            f"--etcd-servers={etcd}", f"--cert-dir={folder}", f"--bind-address={LOOPBACK}",
            f"--secure-port={self.server.rpartition(':')[2]}", f"--advertise-address={LOOPBACK}",
            f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}", f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount", "--service-cluster-ip-range=10.0.0.0/24",
            f"--service-account-issuer={self.server}", f"--service-account-key-file={signing}",
            f"--service-account-signing-key-file={signing}", f"--requestheader-client-ca-file={front.certificate}",
            "--requestheader-allowed-names=front-proxy", "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={front_certificate}", f"--proxy-client-key-file={front_key}",
            *self._auditing("kube-apiserver"),
        )  # fmt: skip

    def _start_gardener_apiserver(self, etcd: str) -> None:
        port = free_port()
        certificate, key = self.files.authority.issue("gardener-apiserver", LOOPBACK, "localhost", _REGISTERED)
        login = self.kubeconfig("gardener-apiserver")
        server = self.start(
            "gardener-apiserver", "gardener-apiserver",
            f"--etcd-servers={etcd}", f"--bind-address={LOOPBACK}", f"--secure-port={port}",
            f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}", "--cluster-identity=real-garden",
            f"--authentication-kubeconfig={login}", f"--authorization-kubeconfig={login}", f"--kubeconfig={login}",
            "--authorization-always-allow-paths=/healthz,/readyz", "--disable-admission-plugins=", "--log-format=text",
            *self._auditing("gardener-apiserver"),
        )  # fmt: skip
        alone = Api(f"https://{LOOPBACK}:{port}", self.files.authority.certificate)
        server.wait_until(lambda: alone.ready("/healthz"))
        self._register(port)
        for group, version in APIS:
            where = f"/apis/{group}/{version}"
            server.wait_until(lambda where=where: self.admin.ready(where))
        server.wait_until(lambda: self.admin.ready("/apis/core.gardener.cloud/v1beta1/shoots?limit=1"))

    def _register(self, port: int) -> None:
        metadata: Tree = {"name": "gardener-apiserver", "namespace": "kube-system"}
        self.admin.create(_SERVICES, {"metadata": metadata, "spec": {"type": "ExternalName", "externalName": "localhost"}})
        authority = base64.b64encode(self.files.authority.certificate.read_bytes()).decode()
        for group, version in APIS:
            spec = {
                "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
                "caBundle": authority, "service": {**metadata, "port": port},
            }  # fmt: skip
            self.admin.create(_API_SERVICES, {"metadata": {"name": f"{version}.{group}"}, "spec": spec})

    def _auditing(self, name: str) -> tuple[str, str]:
        return f"--audit-policy-file={self._policy}", f"--audit-log-path={self.audit_logs[name]}"


AUDIT_POLICY: Tree = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {
            "level": "RequestResponse",
            "verbs": ["create", "update", "patch", "delete"],
            "resources": [
                {"group": "", "resources": ["secrets"]},
                {"group": "core.gardener.cloud", "resources": ["shoots", "shoots/status"]},
            ],
        },
        {"level": "None"},
    ],
}
"""Every change of a Secret or a Shoot with what came of it; nothing else."""
