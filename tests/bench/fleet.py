"""A fleet of Shoots as bytes, and an API server that serves nothing else: as fast as a socket takes it, or at a real pace.

Shoots are 5 to 30 kB, about half of it managedFields, as gardener-apiserver encodes them: the list's metadata before items.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LIMIT = 250
MARKED = 0.5
CONFINED = 0.1


def fields(random_: random.Random, leaves: int) -> dict[str, Any]:
    """A fieldsV1 tree with so many leaves below f:spec."""
    spec: dict[str, Any] = {"f:resources": {}, "f:extensions": {}}
    for leaf in range(leaves):
        workers = spec.setdefault(f"f:part{leaf % 7}", {".": {}})
        workers.setdefault(f'k:{{"name":"pool-{leaf % 5}"}}', {".": {}})[f"f:field{random_.randrange(10**6)}"] = {}
    return {"f:metadata": {"f:annotations": {".": {}, "f:gardener.cloud/created-by": {}}}, "f:spec": spec}


def worker(index: int) -> dict[str, Any]:
    """One worker group of realistic size."""
    return {
        "name": f"pool-{index}",
        "cri": {"name": "containerd"},
        "machine": {"architecture": "amd64", "image": {"name": "gardenlinux", "version": "1877.3.0"}, "type": "n2-standard-8"},
        "maximum": 10,
        "maxSurge": 1,
        "minimum": 1,
        "labels": {f"team-{label}": "x" * 20 for label in range(5)},
        "volume": {"size": "50Gi", "type": "pd-balanced"},
        "zones": ["europe-west3-a", "europe-west3-b", "europe-west3-c"],
        "providerConfig": {"kind": "WorkerConfig", "volume": {"interface": "NVME", "options": list(range(20))}},
    }


def shoot(number: int, random_: random.Random) -> dict[str, Any]:
    """One Shoot; every third is small, every third has a dozen worker groups."""
    size = number % 3
    annotations = {"gardener.cloud/created-by": "owner@example.org"}
    managers = ["kubectl-edit", "gardener-apiserver", "gardenlet", "gardener-controller-manager"]
    if random_.random() < MARKED:
        annotations |= {"registry-key-rotator/mark": "r-0123456789 7", "registry-key-rotator/seen": "0" * 16}
        managers.append("registry-key-rotator")
    secret = {"apiVersion": "v1", "kind": "Secret", "name": f"puller-acme-prod-v{number % 3}"}
    caches = [{"upstream": f"europe-west{each}-docker.pkg.dev", "secretReferenceName": "ar"} for each in range(1 + size)]
    config = {"apiVersion": "registry.extensions.gardener.cloud/v1alpha3", "kind": "RegistryConfig", "caches": caches}
    conditions = ("APIServerAvailable", "ControlPlaneHealthy", "ObservabilityComponentsHealthy", "SystemComponentsHealthy")
    at = "2026-11-20T10:00:00Z"
    return {
        "metadata": {
            "name": f"shoot-{number:05}",
            "namespace": "garden-bench",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "resourceVersion": str(10**6 + number),
            "generation": 8,
            "creationTimestamp": at,
            "labels": {"extensions.extensions.gardener.cloud/registry-cache": "true", "team": f"team-{number % 40}"},
            "annotations": annotations,
            "finalizers": ["gardener", "gardener.cloud/reference-protection"],
            "managedFields": [
                {
                    "manager": manager,
                    "operation": "Update",
                    "apiVersion": "core.gardener.cloud/v1beta1",
                    "time": at,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": fields(random_, 8 + 30 * size),
                }
                for manager in managers
            ],
        },
        "spec": {
            "cloudProfile": {"kind": "CloudProfile", "name": "gcp"},
            "credentialsBindingName": "infrastructure",
            "dns": {
                "domain": f"shoot-{number}.dev.example.org",
                "providers": [{"type": "google-clouddns", "secretName": "dns"}],
            },
            "extensions": [
                {"type": "shoot-dns-service", "providerConfig": {"kind": "DNSConfig"}},
                {"type": "registry-cache", "providerConfig": config},
            ],
            "kubernetes": {"version": "1.34.2", "kubeAPIServer": {"admissionPlugins": [{"name": "PodNodeSelector"}]}},
            "maintenance": {"confineSpecUpdateRollout": random_.random() < CONFINED},
            "provider": {"type": "gcp", "workers": [worker(each) for each in range(1 + 6 * size)]},
            "purpose": "production",
            "region": "europe-west3",
            "resources": [{"name": "ar", "resourceRef": secret}],
            "seedName": f"seed-{number % 50}",
        },
        "status": {
            "conditions": [
                {"type": each, "status": "True", "lastTransitionTime": at, "message": "all is well, " * 8}
                for each in conditions
            ],
            "lastOperation": {
                "type": "Reconcile",
                "state": "Succeeded",
                "progress": 100,
                "description": "Shoot cluster has been successfully reconciled.",
                "lastUpdateTime": at,
            },
            "observedGeneration": 8,
            "hibernated": False,
            "seedName": f"seed-{number % 50}",
            "technicalID": f"shoot--bench--{number}",
            "networking": {"pods": ["100.64.0.0/12"], "nodes": ["10.250.0.0/16"]},
        },
    }


def pages(count: int) -> Iterator[bytes]:
    """The list, page by page."""
    random_ = random.Random(1)
    for start in range(0, count, LIMIT):
        metadata: dict[str, Any] = {"resourceVersion": "4711"}
        if start + LIMIT < count:
            metadata |= {"continue": f"token-{start // LIMIT + 1}", "remainingItemCount": count - start - LIMIT}
        items = [shoot(number, random_) for number in range(start, min(start + LIMIT, count))]
        page = {"kind": "ShootList", "apiVersion": "core.gardener.cloud/v1beta1", "metadata": metadata, "items": items}
        yield json.dumps(page, separators=(",", ":")).encode()


def serve(count: int, pace: float) -> None:
    """Pages are built; print the port; answer until killed. `pace`: Shoots per second as if it encoded them, 0: at once."""
    built = list(pages(count))

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if pace:
                time.sleep(LIMIT / pace)
            token = parse_qs(urlsplit(self.path).query).get("continue", ["token-0"])[0]
            page = built[int(token.removeprefix("token-"))]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    print(server.server_port, sum(map(len, built)), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
