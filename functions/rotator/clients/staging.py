"""Private halves between generation and publication, in Secret Manager, for protocol `world.Staging`.

Version numbers only: `latest`, aliases and lists may lag, "add, then access by number" does not (gcp.md, section 4.1). Nothing
that changes something is sent twice; a version too many is worthless and is destroyed by number later.
"""

from datetime import datetime
from functools import partial
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud import secretmanager_v1 as secretmanager
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from rotator import permission
from rotator.clients import crypto
from rotator.clients.rpc import Attempt, Caller
from rotator.clients.token import AccessToken
from rotator.errors import Absent, Conflict, Exists, Permanent, RotatorError, Transient
from rotator.key import PrivateKey
from rotator.staged import LABEL, label_value, publishing, secret_id

HOST = "secretmanager.googleapis.com"
"""What the channel leads to."""

_DESTROYED = secretmanager.SecretVersion.State.DESTROYED


class SecretManagerStaging:
    """The staging secrets of one project, by one worker with one access token. Safe for threads."""

    def __init__(self, channel: grpc.Channel, token: AccessToken, project: str, topic: str = "") -> None:
        """`project`: where the staging secrets are; it need not be the project of the accounts. `topic`: see Staging.topic."""
        transport = SecretManagerServiceGrpcTransport(channel=channel)
        self._secrets: Any = secretmanager.SecretManagerServiceClient(transport=transport)
        self._caller = Caller(token, transport)
        self._project = project
        self._topic = topic

    def prepare(self, base: str, installation: str) -> None:
        """Create the staging secret with the installation's mark, if it is not there."""
        mark = label_value(installation)
        try:
            found = self._mark(base)
        except Absent:
            try:
                self._create(base, mark)
            except Exists:
                raise Transient(
                    f"creating secret {secret_id(base)}: it is there, but cannot be read yet; looked at again"
                ) from None
            return
        if found != mark:
            raise self._foreign(base, mark, found)

    def add(self, base: str, private: PrivateKey) -> int:
        """Add a version with this private key and give its number."""
        data = private.reveal().encode("ascii")
        request = {"parent": self._secret(base), "payload": {"data": data, "data_crc32c": crc32c(data)}}
        attempt = self._attempt("adding a version to", base, "versions.add")
        made = self._caller.call(lambda how: self._secrets.add_secret_version(request=request, **how), attempt, repeat=False)
        if not made.client_specified_payload_checksum:
            raise Transient(
                f"{attempt.what}: its checksum was not looked at; that version is not used, another one is added later"
            )
        return int(made.name.rpartition("/")[2])

    def read(self, base: str, version: int) -> PrivateKey:
        """The private key of this version."""
        attempt = self._attempt(f"reading version {version} of", base, "versions.access")
        request = {"name": f"{self._secret(base)}/versions/{version}"}
        try:
            answer = self._caller.call(
                lambda how: self._secrets.access_secret_version(request=request, **how), attempt, repeat=True, read=_state
            )
        except Conflict:
            raise self._unreadable(base, version, attempt) from None
        if answer.payload.data_crc32c != crc32c(answer.payload.data):
            raise Transient(f"{attempt.what}: it arrived damaged; read again later")
        try:
            return crypto.private_key(answer.payload.data.decode("ascii"))
        except ValueError:
            # Without a cause: a decoding error carries what it could not read.
            why = "it is no private key; somebody else wrote it"
            raise Permanent(f"{attempt.what}: {why}", code="staged-key-unreadable", next_command=self._show(base)) from None

    def versions(self, base: str) -> tuple[int, ...]:
        """The numbers of all versions not destroyed; none when there is no secret."""
        attempt = self._attempt("listing versions of", base, "versions.list")

        def send(how: dict[str, Any]) -> list[Any]:
            return list(self._secrets.list_secret_versions(request={"parent": self._secret(base)}, **how))

        try:
            listed = self._caller.call(send, attempt, repeat=True)
        except Absent:
            return ()
        return tuple(sorted(int(one.name.rpartition("/")[2]) for one in listed if one.state != _DESTROYED))

    def destroy(self, base: str, version: int) -> None:
        """Destroy the version; destroyed already is fine."""
        attempt = self._attempt(f"destroying version {version} of", base, "versions.destroy")
        request = {"name": f"{self._secret(base)}/versions/{version}"}
        try:
            self._caller.call(
                lambda how: self._secrets.destroy_secret_version(request=request, **how), attempt, repeat=False, read=_state
            )
        except Absent:
            return
        except Conflict:
            if not self._is_destroyed(base, version):
                raise Transient(f"{attempt.what}: its state does not allow that now; tried again later") from None

    def topic(self) -> str:
        """Where Secret Manager announces that a key becomes due; nobody is asked."""
        return self._topic

    def schedule(self, base: str, installation: str, at: datetime) -> None:
        """Set the time at which Secret Manager announces, if it is another; other topics and a period of a person's stay.

        The etag is that of the read just before: what arrives late meets another one as soon as anybody wrote meanwhile.
        """
        secret, mark = self._get(base), label_value(installation)
        if (found := str(secret.labels.get(LABEL, ""))) != mark:
            raise self._foreign(base, mark, found)
        topics = [topic.name for topic in secret.topics]
        if self._topic in topics and secret.rotation.next_rotation_time == at:
            return
        wanted: dict[str, Any] = {"name": self._secret(base), "etag": secret.etag, "rotation": {"next_rotation_time": at}}
        paths = ["rotation.next_rotation_time"]
        if self._topic not in topics:
            wanted["topics"] = [{"name": name} for name in (*topics, self._topic)]
            paths.append("topics")
        request = {"secret": wanted, "update_mask": {"paths": paths}}
        read = partial(_unannounced, topic=self._topic, number=str(secret.name).split("/")[1])
        attempt = self._attempt("setting the next rotation time of", base, "secrets.update")
        self._caller.call(lambda how: self._secrets.update_secret(request=request, **how), attempt, repeat=False, read=read)

    def _mark(self, base: str) -> str:
        return str(self._get(base).labels.get(LABEL, ""))

    def _get(self, base: str) -> Any:
        attempt = self._attempt("reading", base, "secrets.get")
        request = {"name": self._secret(base)}
        return self._caller.call(lambda how: self._secrets.get_secret(request=request, **how), attempt, repeat=True)

    def _create(self, base: str, mark: str) -> None:
        request = {
            "parent": f"projects/{self._project}",
            "secret_id": secret_id(base),
            "secret": {"replication": {"automatic": {}}, "labels": {LABEL: mark}},
        }
        attempt = self._attempt("creating", base, "secrets.create")
        self._caller.call(lambda how: self._secrets.create_secret(request=request, **how), attempt, repeat=False)

    def _is_destroyed(self, base: str, version: int) -> bool:
        attempt = self._attempt(f"looking at version {version} of", base, "versions.get")
        request = {"name": f"{self._secret(base)}/versions/{version}"}
        found = self._caller.call(lambda how: self._secrets.get_secret_version(request=request, **how), attempt, repeat=True)
        return bool(found.state == _DESTROYED)

    def _unreadable(self, base: str, version: int, attempt: Attempt) -> RotatorError:
        if self._is_destroyed(base, version):
            return Absent(f"{attempt.what}: it was destroyed")
        enable = f"gcloud secrets versions enable {version} --secret {secret_id(base)} --project {self._project}"
        return Permanent(
            f"{attempt.what}: somebody disabled it; enable it: {enable}", code="staged-key-disabled", next_command=enable
        )

    def _foreign(self, base: str, mark: str, found: str) -> Permanent:
        take = f"gcloud secrets update {secret_id(base)} --project {self._project} --update-labels {LABEL}={mark}"
        whose = f"belongs to installation {found}" if found else f"has no label {LABEL}"
        return Permanent(
            f"preparing secret {secret_id(base)} in {self._project}: it {whose}, we are {mark};"
            f" if no other installation rotates this account, take it over: {take}",
            code="foreign-installation",
            next_command=self._show(base) if found else take,
        )

    def _attempt(self, verb: str, base: str, name: str) -> Attempt:
        right = permission.google(f"secretmanager.{name}")
        where = permission.Resource(right.on, secret_id(base), self._project)
        return Attempt(
            what=f"{verb} secret {secret_id(base)} in {self._project}",
            permission=right.name,
            grant=where.bind(right.role, "MEMBER"),
            forbidden="staging-permission",
        )

    def _show(self, base: str) -> str:
        return f"gcloud secrets describe {secret_id(base)} --project {self._project}"

    def _secret(self, base: str) -> str:
        return f"projects/{self._project}/secrets/{secret_id(base)}"


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum, by which Secret Manager refuses damaged payloads. Source: RFC 3720, appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def _state(fault: exceptions.GoogleAPICallError, attempt: Attempt) -> RotatorError | None:
    """Versions refuse by FAILED_PRECONDITION what their state does not allow."""
    if isinstance(fault, exceptions.FailedPrecondition):
        return Conflict(f"{attempt.what}: it is not in a state for that")
    return None


def _unannounced(fault: exceptions.GoogleAPICallError, attempt: Attempt, *, topic: str, number: str) -> RotatorError | None:
    """The topic may be missing, or closed to Secret Manager's service agent; no document says how that is answered."""
    text = fault.message or ""
    refused = isinstance(fault, exceptions.PermissionDenied | exceptions.FailedPrecondition | exceptions.NotFound)
    if isinstance(fault, exceptions.FailedPrecondition) and "etag" in text.lower():
        return Transient(f"{attempt.what}: somebody changed it meanwhile; looked at again")
    if not refused or (isinstance(fault, exceptions.PermissionDenied) and "secretmanager.secrets" in text):
        return None
    grant, code = publishing(topic, number), fault.grpc_status_code
    why = f"there is no topic {topic}, or Secret Manager may not publish there"
    return Permanent(
        f"{attempt.what}: {code.name if code else 'refused'}: {why}; grant it: {grant}",
        code="staging-permission",
        next_command=grant,
    )
