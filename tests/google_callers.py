"""The real google-cloud clients and httpx, pointed at the sandbox, for the tests of the sandbox itself."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from google.cloud.iam_admin_v1 import IAMClient, ListServiceAccountKeysRequest
from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport
from google.cloud.monitoring_v3 import MetricServiceClient
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from sandbox import crc32c
from sandbox.google import Google
from sandbox.iam_key import Account
from sandbox.operations import Operation

HOST = "europe-docker.pkg.dev"
PATH = "acme/images/app"
EMAIL = "puller@acme.iam.gserviceaccount.com"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
METRIC = "iam.googleapis.com/service_account/key/authn_events_count"
USER_MANAGED = [ListServiceAccountKeysRequest.KeyType.USER_MANAGED]


class Callers:
    """One caller with every client; `auth` is what each gRPC call must carry, with a timeout and without retries."""

    def __init__(self, google: Google) -> None:
        self.google = google
        self.channel = grpc.insecure_channel(google.grpc_address)
        # Any: the clients accept more than their flattened arguments are typed for, and the tests use that.
        self.iam: Any = IAMClient(transport=IAMGrpcTransport(channel=self.channel))
        self.secrets: Any = SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=self.channel))
        self.metrics: Any = MetricServiceClient(transport=MetricServiceGrpcTransport(channel=self.channel))
        self.http = httpx.Client(base_url=f"http://{google.http_address}", timeout=5)
        self.patience = 5.0
        self.token = google.token(seconds=10**9)

    @property
    def auth(self) -> dict[str, Any]:
        return {"metadata": [("authorization", f"Bearer {self.token}")], "timeout": self.patience, "retry": None}

    def close(self) -> None:
        self.http.close()
        self.channel.close()

    def create(self, account: Account) -> tuple[str, str]:
        made = self.iam.create_service_account_key(name=account.name, **self.auth)
        return made.name, made.private_key_data.decode()

    def upload(self, account: Account, certificate: bytes) -> Any:
        request = {"name": account.name, "public_key_data": certificate}
        return self.iam.upload_service_account_key(request, **self.auth)

    def listed(self, account: Account) -> list[Any]:
        answer = self.iam.list_service_account_keys(name=account.name, key_types=USER_MANAGED, **self.auth)
        return list(answer.keys)

    def store(self, payload: bytes, secret_id: str = "staging", **labels: str) -> Any:
        secret = {"replication": {"automatic": {}}, "labels": labels}
        self.secrets.create_secret(parent="projects/acme", secret_id=secret_id, secret=secret, **self.auth)
        return self.add_version(payload, secret_id)

    def add_version(self, payload: bytes, secret_id: str = "staging") -> Any:
        body = {"data": payload, "data_crc32c": crc32c.crc32c(payload)}
        return self.secrets.add_secret_version(parent=f"projects/acme/secrets/{secret_id}", payload=body, **self.auth)

    def series(self, text: str, hours: float = 24) -> list[Any]:
        now = self.google.clock.now()
        interval = {"start_time": now - timedelta(hours=hours), "end_time": now}
        request = {"name": "projects/acme", "filter": text, "interval": interval, "view": "FULL"}
        return list(self.metrics.list_time_series(request, **self.auth))

    def pull_token(self, login: tuple[str, str] | None, name: str = PATH, host: str = HOST) -> httpx.Response:
        params = {"service": host, "scope": f"repository:{name}:pull"}
        return self.get(host, "/v2/token", params=params, auth=login)

    def head(self, token: httpx.Response, name: str = PATH, host: str = HOST, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {token.json()['token']}", "Accept": MANIFEST} | headers
        return self.request("HEAD", host, f"/v2/{name}/manifests/latest", headers=sent)

    def get(self, host: str, path: str, **kwargs: Any) -> httpx.Response:
        return self.request("GET", host, path, **kwargs)

    def request(self, verb: str, host: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {"Host": host, **kwargs.pop("headers", {})}
        return self.http.request(verb, path, headers=headers, **kwargs)

    def exchange(self, key_file: str, **changes: Any) -> httpx.Response:
        """Trade an assertion signed by the key file for an access token; `changes` go over the claims."""
        document = json.loads(key_file)
        now = int(self.google.clock.now().timestamp())
        claims = {
            "iss": document["client_email"],
            "aud": "https://oauth2.googleapis.com/token",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "iat": now,
            "exp": now + 3600,
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": changes.pop("kid", document["private_key_id"])}
        signed = ".".join(_part(json.dumps(part).encode()) for part in (header, claims | changes))
        key = serialization.load_pem_private_key(document["private_key"].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": f"{signed}.{_part(signature)}",
        }
        return self.request("POST", "oauth2.googleapis.com", "/token", data=form)

    def live(self, key_file: str) -> bool:
        """Whether the key authenticates now."""
        answer = self.exchange(key_file)
        if answer.status_code == 200:
            return True
        assert answer.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        return False

    def certificate(self, days: float = 90, begins: float = -120) -> tuple[str, bytes]:
        """A private key PEM of the caller's own, and its certificate, valid from `begins` seconds after now."""
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unused")])
        start = self.google.clock.now() + timedelta(seconds=begins)
        serial = x509.random_serial_number()
        builder = x509.CertificateBuilder(name, name, key.public_key(), serial, start, start + timedelta(days=days))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        return pem, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_file(account: Account, key_name: str, pem: str) -> str:
    """The JSON key file of an uploaded key."""
    return json.dumps(
        {
            "type": "service_account",
            "client_email": account.email,
            "private_key_id": key_name.rpartition("/")[2],
            "private_key": pem,
        }
    )


def last(google: Google, service: str) -> Operation:
    """The newest log entry of a service."""
    return [entry for entry in google.operations.since() if entry.service == service][-1]


def never() -> datetime:
    """IAM's "does not expire"."""
    return datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
