"""The registry-cache extension's admission webhook, a process of its own, registered as the extension's chart does it."""

import base64

from real_garden.api import Api
from real_garden.control_plane import LOOPBACK, ControlPlane, free_port
from sandbox.garden.kind import Kind, Tree

CONFIGURATIONS = Kind(
    "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations",
    namespaced=False,
)  # fmt: skip
NAME = "validation.registry-cache.extensions.gardener.cloud"
LABEL = "extensions.extensions.gardener.cloud/registry-cache"


class Webhook:
    """The webhook; `stop` and `start` make an outage."""

    def __init__(self, plane: ControlPlane) -> None:
        """The webhook judges Shoots."""
        self._plane = plane
        self._address = f"{LOOPBACK}:{free_port()}"
        self._certificate, self._key = plane.files.authority.issue("registry-cache-webhook", LOOPBACK)
        self._login = plane.kubeconfig("registry-cache-webhook")
        self.start()
        plane.admin.create(CONFIGURATIONS, self._configuration())

    def start(self) -> None:
        """The webhook answers."""
        arguments = (str(self._login), self._address, str(self._certificate), str(self._key))
        self._process = self._plane.start("registry-cache-webhook", "registry-cache-webhook", *arguments)
        alone = Api(f"https://{self._address}", self._plane.files.authority.certificate)
        self._process.wait_until(lambda: alone.ready("/healthz"))

    def stop(self) -> None:
        """Nobody answers there."""
        self._process.stop()
        self._plane.processes.remove(self._process)

    def _configuration(self) -> Tree:
        rule = {
            "apiGroups": ["core.gardener.cloud"],
            "apiVersions": ["v1beta1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["shoots"],
            "scope": "Namespaced",
        }
        authority = base64.b64encode(self._plane.files.authority.certificate.read_bytes()).decode()
        webhook = {
            "name": NAME,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "matchPolicy": "Exact",
            "objectSelector": {"matchLabels": {LABEL: "true"}},
            "rules": [rule],
            "clientConfig": {"url": f"https://{self._address}/webhooks/registry-cache", "caBundle": authority},
        }
        return {"metadata": {"name": "gardener-extension-registry-cache"}, "webhooks": [webhook]}
