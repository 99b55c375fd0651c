"""Secret Manager's state: secrets, numbered versions, etags, and reads that lag.

Strong only for "add a version, then access it by number" (gcp.md 4.1): what `latest` means and what lists show may be behind.
The protocol's own messages are the state, so labels, rotation and topics come back as they were sent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from google.cloud import secretmanager_v1 as api

from sandbox import keys, secret_schedule
from sandbox.crc32c import crc32c
from sandbox.door import Door, Refused
from sandbox.secret_notices import Notices, topics_of
from sandbox.secret_rules import check_etag, check_labels, new_etag, project_number

State = api.SecretVersion.State
_STATES = {State.ENABLED: "enabled", State.DISABLED: "disabled", State.DESTROYED: "destroyed"}
_TOLD = {
    State.ENABLED: "SECRET_VERSION_ENABLE",
    State.DISABLED: "SECRET_VERSION_DISABLE",
    State.DESTROYED: "SECRET_VERSION_DESTROY",
}
_SECRET = re.compile(r"projects/([^/]+)/secrets/([^/]+)")
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_MOST_BYTES = 64 * 1024


@dataclass(slots=True, kw_only=True, eq=False)
class Version:
    """One numbered version. `payload` is None once it has been destroyed."""

    number: int
    message: Any
    payload: bytes | None
    public_key: str | None
    made_at: datetime

    def __repr__(self) -> str:
        """Name the version, never its payload."""
        return f"Version({self.number})"

    @property
    def state(self) -> str:
        """The state in the log's words."""
        return _STATES[self.message.state]


@dataclass(slots=True, kw_only=True, eq=False)
class Secret:
    """One secret; `name` has the project id, as the log has it, `message.name` the project number."""

    name: str
    message: Any
    versions: list[Version] = field(default_factory=list)
    fired_at: datetime | None = None
    """The time of its schedule that was told already."""


class SecretManager:
    """All secrets of all projects. The public attributes are knobs, in seconds."""

    def __init__(self, door: Door, ring: keys.KeyRing) -> None:
        """Begin empty and consistent."""
        self.latest_lag = 0.0
        """How long `latest` goes on to mean the version before."""
        self.list_lag = 0.0
        """How long a list does not show a new version or a new secret."""
        self.keeps_times = False
        """A time without a period stays in the secret after it has come."""
        self.notices = Notices(door.clock)
        self._door = door
        self._ring = ring
        self._secrets: dict[tuple[str, str], Secret] = {}

    def create(self, parent: str, secret_id: str, wanted: Any) -> Secret:
        """The secret exists, without a version."""
        match = re.fullmatch(r"projects/([^/]+)", parent)
        if match is None or not _ID.fullmatch(secret_id):
            raise Refused("INVALID_ARGUMENT", f"Invalid parent or secret id: {parent!r}, {secret_id!r}.")
        if "replication" not in wanted or not api.Secret.pb(wanted).replication.WhichOneof("replication"):
            raise Refused("INVALID_ARGUMENT", "The replication policy is required.")
        if any(member in wanted for member in ("ttl", "expire_time", "version_destroy_ttl")):
            raise Refused("UNIMPLEMENTED", "The sandbox knows no expiring secrets and no delayed destruction.")
        check_labels(dict(wanted.labels))
        project = match.group(1)
        place = (project_number(project), secret_id)
        if place in self._secrets:
            raise Refused("ALREADY_EXISTS", f"Secret [projects/{place[0]}/secrets/{secret_id}] already exists.")
        message = api.Secret(wanted)
        message.name = f"projects/{place[0]}/secrets/{secret_id}"
        message.create_time = self._door.clock.now()
        message.etag = new_etag()
        topics = topics_of(message)
        secret_schedule.check(message, self._door.clock.now(), self.notices, timed=True, topics=topics)
        secret = Secret(name=f"projects/{project}/secrets/{secret_id}", message=message)
        self._secrets[place] = secret
        self.notices.configured(topics)
        self.notices.tell("SECRET_CREATE", message)
        return secret

    def update(self, secret: Secret, wanted: Any, paths: Sequence[str]) -> None:
        """These fields are as wanted, and the etag is new.

        Raises: Refused FAILED_PRECONDITION for another's etag; what `secret_schedule` refuses.
        """
        check_etag(secret.message, wanted.etag)
        after = secret_schedule.updated(secret.message, wanted, paths)
        check_labels(dict(after.labels))
        topics = topics_of(after) if "topics" in paths else []
        timed = bool({"rotation", "rotation.next_rotation_time"} & set(paths))
        secret_schedule.check(after, self._door.clock.now(), self.notices, timed=timed, topics=topics)
        after.etag = new_etag()
        secret.message = after
        secret.fired_at = None if timed else secret.fired_at
        self.notices.configured(topics)
        self.notices.tell("SECRET_UPDATE", after)

    def catch_up(self) -> None:
        """Every schedule whose time has come was told."""
        with self._door.lock:
            for secret in self._secrets.values():
                told = secret.message.rotation.next_rotation_time
                if told == secret.fired_at:
                    continue
                if secret_schedule.fire(secret.message, self._door.clock.now(), keep=self.keeps_times):
                    secret.fired_at = told
                    self.notices.tell("SECRET_ROTATE", secret.message)

    def find(self, name: str) -> Secret:
        """The secret of that name, by project id or number.

        Raises: Refused INVALID_ARGUMENT, NOT_FOUND.
        """
        match = _SECRET.fullmatch(name)
        if match is None:
            raise Refused("INVALID_ARGUMENT", f"Invalid resource name: {name!r}.")
        secret = self._secrets.get((project_number(match.group(1)), match.group(2)))
        if secret is None:
            raise Refused("NOT_FOUND", f"Secret [{name}] not found.")
        return secret

    def find_version(self, name: str) -> tuple[Secret, Version]:
        """The version of that name: by number, or by an alias, of which `latest` may lag.

        Raises: Refused NOT_FOUND.
        """
        parent, _, which = name.partition("/versions/")
        secret = self.find(parent)
        number = self._latest(secret) if which == "latest" else secret.message.version_aliases.get(which, which)
        for version in secret.versions:
            if str(version.number) == str(number):
                return secret, version
        raise Refused("NOT_FOUND", f"Secret Version [{name}] not found.")

    def add(self, secret: Secret, payload: bytes, checksum: int | None) -> Version:
        """Version n+1 holds the payload. Not idempotent: the same call again is n+2."""
        if not payload or len(payload) > _MOST_BYTES:
            raise Refused("INVALID_ARGUMENT", f"The payload must have between 1 and {_MOST_BYTES} bytes.")
        if checksum is not None and checksum != crc32c(payload):
            raise Refused("INVALID_ARGUMENT", "The given data_crc32c does not match the payload.")
        number = len(secret.versions) + 1
        now = self._door.clock.now()
        message = api.SecretVersion(
            name=f"{secret.message.name}/versions/{number}",
            create_time=now,
            state=State.ENABLED,
            etag=new_etag(),
            client_specified_payload_checksum=checksum is not None,
        )
        version = Version(
            number=number,
            message=message,
            payload=payload,
            public_key=self._ring.public_key_of(payload),
            made_at=now,
        )
        secret.versions.append(version)
        secret.message.etag = new_etag()
        self.notices.tell("SECRET_VERSION_ADD", secret.message, message)
        return version

    def access(self, version: Version) -> bytes:
        """The payload of an enabled version.

        Raises: Refused FAILED_PRECONDITION.
        """
        if version.payload is None or version.message.state != State.ENABLED:
            raise _in_state(version)
        return version.payload

    def change(self, secret: Secret, version: Version, state: Any, etag: str) -> None:
        """The version has the state and a new etag; a destroyed one has lost its payload for ever.

        Raises: Refused FAILED_PRECONDITION for another's etag, or for a version that is destroyed already.
        """
        check_etag(version.message, etag)
        if version.message.state == State.DESTROYED:
            raise _in_state(version)
        version.message.state = state
        version.message.etag = new_etag()
        if state == State.DESTROYED:
            version.payload = None
            version.message.destroy_time = self._door.clock.now()
        self.notices.tell(_TOLD[state], secret.message, version.message)

    def delete(self, secret: Secret, etag: str) -> None:
        """The secret and all its versions are gone.

        Raises: Refused FAILED_PRECONDITION for another's etag.
        """
        check_etag(secret.message, etag)
        for version in secret.versions:
            if version.message.state != State.DESTROYED:
                self.change(secret, version, State.DESTROYED, "")
        self.notices.tell("SECRET_DELETE", secret.message, deleteType="REQUESTED")
        self._secrets = {place: one for place, one in self._secrets.items() if one is not secret}

    def listed(self, parent: str) -> list[Secret]:
        """The secrets of a project that a list shows, newest first."""
        number = project_number(parent.removeprefix("projects/"))
        horizon = self._door.clock.now() - timedelta(seconds=self.list_lag)
        found = [secret for (project, _), secret in self._secrets.items() if project == number]
        return [secret for secret in reversed(found) if secret.message.create_time <= horizon]

    def listed_versions(self, secret: Secret) -> list[Version]:
        """The versions that a list shows, newest first."""
        horizon = self._door.clock.now() - timedelta(seconds=self.list_lag)
        return [version for version in reversed(secret.versions) if version.made_at <= horizon]

    def _latest(self, secret: Secret) -> int:
        horizon = self._door.clock.now() - timedelta(seconds=self.latest_lag)
        return max((version.number for version in secret.versions if version.made_at <= horizon), default=0)


def facts(secret: Secret, version: Version | None) -> dict[str, Any]:
    """The version as the log shows it after a change; the secret alone has neither number nor state."""
    return {
        "secret": secret.name,
        "version": None if version is None else version.number,
        "state": None if version is None else version.state,
        "public_key": None if version is None else version.public_key,
    }


def _in_state(version: Version) -> Refused:
    text = f"Secret Version [{version.message.name}] is in {version.state.upper()} state."
    return Refused("FAILED_PRECONDITION", text)
