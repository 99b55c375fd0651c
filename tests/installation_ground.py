"""An installation as `rotator doctor` finds it: the sandbox, Firestore and Pub/Sub behind judges that can refuse, a schedule.

Subscriptions and topics are those of Google's own emulator; what that does not play (permissions) the judge before it does.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from cli_runner import Cli, Ran
from firestore_admin import FirestoreAdmin
from lossy import Lossy
from rotator.delivery import FILTER
from sandbox.cloud import USER, Cloud
from sandbox.secret_rules import project_number

STAGED = {"puller-acme-prod": "acme-prod", "builds-acme-ci": "acme-ci"}
"""The project of each account that the rotator writes for, by the account's base."""

INVOKER = "invoker@acme-prod.iam.gserviceaccount.com"
TOPIC_NAMES = {"worker": "work", "events": "expiry"}
ENDED = "2026-11-28T12:00:00Z"

Judge = Callable[[str, str, bytes], tuple[int, bytes] | None]
"""Of a request by method, path and body."""

Named = set[tuple[str, str, str]]
"""Subject, what and status of lines."""


def refusal(status: int, word: str, message: str = "") -> tuple[int, bytes]:
    """An answer of Google's own."""
    return status, json.dumps({"error": {"code": status, "status": word, "message": message}}).encode()


DENIED = refusal(403, "PERMISSION_DENIED", "Missing or insufficient permissions.")


@dataclass
class Installation:
    """Everything is there at first; each method takes one thing away, `mend` gives all of it back."""

    cloud: Cloud
    firestore: Lossy
    pubsub: Lossy
    emulator: str
    folder: Path
    admin: FirestoreAdmin = field(default_factory=FirestoreAdmin)
    policy: dict[str, Any] = field(default_factory=dict)
    project: str = field(default_factory=lambda: f"p-{uuid.uuid4().hex[:12]}")

    @property
    def database(self) -> str:
        return f"projects/{self.project}/databases/(default)"

    @property
    def job(self) -> str:
        return f"projects/{self.project}/locations/europe-west1/jobs/schedule"

    def topic(self, door: str) -> str:
        return f"projects/{self.project}/topics/{TOPIC_NAMES[door]}"

    def subscription(self, door: str) -> str:
        return f"projects/{self.project}/subscriptions/{TOPIC_NAMES[door]}-{door}"

    # --- all there ---

    def mend(self) -> None:
        self.admin = FirestoreAdmin()
        self.judge_firestore(lambda *_: None)
        self.pubsub.judge = self._pubsub()
        self.bind(*STAGED.values())
        for door in TOPIC_NAMES:
            self.send("PUT", self.topic(door))
            self.send("PUT", f"{self.topic(door)}-dead")
            self.subscribe(door)
        self.cloud.google.access.restore()
        for garden in self.cloud.gardens.values():
            garden.register_extension("extension-registry-cache", "registry-cache")
        self.cloud.google.scheduler.jobs[self.job] = {
            "state": "ENABLED",
            "schedule": "*/5 * * * *",
            "httpTarget": {"uri": "https://schedule.example/", "oidcToken": {"serviceAccountEmail": INVOKER}},
            "lastAttemptTime": ENDED,
            "status": {},
        }
        self.cloud.write_kubeconfigs(self.folder)

    def bind(self, *projects: str, role: str = "roles/pubsub.publisher") -> None:
        """On the expiry topic exactly Secret Manager's agents of these projects have the role."""
        agents = [f"service-{project_number(project)}@gcp-sa-secretmanager.iam.gserviceaccount.com" for project in projects]
        bound = {"role": role, "members": [f"serviceAccount:{agent}" for agent in agents]}
        self.policy = {"version": 1, "etag": "BwXhqDVF2lo=", **({"bindings": [bound]} if agents else {})}

    def subscribe(self, door: str, **changes: Any) -> None:
        """The subscription is there, anew, as the doctor wants it, with these changes; a field that is None is left out."""
        push = {"pushEndpoint": f"https://{door}.example/", "oidcToken": {"serviceAccountEmail": INVOKER}}
        whole = {
            "topic": self.topic(door),
            "pushConfig": push,
            "ackDeadlineSeconds": 60,
            "expirationPolicy": {},
            "deadLetterPolicy": {"deadLetterTopic": f"{self.topic(door)}-dead", "maxDeliveryAttempts": 20},
            **({"filter": FILTER} if door == "events" else {}),
            **changes,
        }
        self.send("DELETE", self.subscription(door))
        self.send("PUT", self.subscription(door), {name: value for name, value in whole.items() if value is not None})

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bool:
        """The emulator has done it; False: it is not there, or it was done before."""
        data = json.dumps(body or {}).encode() if method == "PUT" else None
        url = f"http://{self.emulator}/v1/{path}"
        request = Request(url, data, {"Content-Type": "application/json"}, method=method)
        try:
            build_opener(ProxyHandler({})).open(request, timeout=30).close()
        except HTTPError as answer:
            assert answer.code in {404, 409}, f"{method} {path}: {answer.code} {answer.read()[:300]!r}"
            return False
        return True

    # --- one thing gone ---

    def deny_pubsub(self, permission: str) -> None:
        self.pubsub.judge = self._pubsub(permission)

    def judge_firestore(self, judge: Judge) -> None:
        """Who refuses; what the emulator does not play is played before it."""
        self.firestore.judge = lambda method, path, body: judge(method, path, body) or self.admin.answer(method, path)

    def deny_firestore(self, *verbs: str) -> None:
        """Those that Firestore's REST API calls so: runQuery, batchGet, commit; GET."""
        self.judge_firestore(lambda method, path, _: DENIED if (path.rpartition(":")[2] in verbs or method in verbs) else None)

    def admin_forgets(self, state: str = "") -> None:
        """History has no time to live, or one in this state."""
        self.admin.lifetimes = {("history", "expires_at"): state} if state else {}

    def deny_admin(self) -> None:
        """We may not see which fields have a time to live."""
        self.admin.denied = True

    def drop_database(self) -> None:
        gone = refusal(404, "NOT_FOUND", f"The database (default) does not exist for project {self.project}")
        self.judge_firestore(lambda *_: gone)

    def drop_index(self, fields: Iterable[str]) -> None:
        """Queries that need this index, and only those, are refused in Firestore's words."""
        wanted = tuple(fields)

        def judge(_: str, path: str, body: bytes) -> tuple[int, bytes] | None:
            if not path.endswith(":runQuery"):
                return None
            query = json.loads(body)["structuredQuery"]
            named = re.findall(r'"op": "EQUAL"|"fieldPath": "(\w+)"', json.dumps(query.get("where", {})))
            asked = tuple(dict.fromkeys([*filter(None, named), *(each["field"]["fieldPath"] for each in query["orderBy"])]))
            needs = tuple(name for name in asked if name != "__name__")
            return refusal(400, "FAILED_PRECONDITION", "The query requires an index.") if needs == wanted else None

        self.judge_firestore(judge)

    def stale_login(self, garden: str) -> None:
        """The kubeconfig's token has a twentieth of its life left."""
        path = self.folder / f"kubeconfig-{garden}.yaml"
        document = json.loads(path.read_text(encoding="utf-8"))
        document["users"][0]["user"]["token"] = self.cloud.gardens[garden].issue_token(USER, 86400, age=0.95 * 86400)
        path.write_text(json.dumps(document), encoding="utf-8")

    def _pubsub(self, denied: str = "") -> Any:
        """Permissions, which the emulator does not play: none on what is not there, as Google's reference says.

        To look at a topic and to list its subscriptions is one permission.
        """

        def judge(method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
            if path.endswith(":testIamPermissions"):
                there = self.send("GET", path.removeprefix("/v1/").partition(":")[0])
                held = [each for each in json.loads(body)["permissions"] if there and each != denied]
                return 200, json.dumps({"permissions": held} if held else {}).encode()
            if path.endswith(":getIamPolicy"):
                return self._policy(path, denied)
            needed = "pubsub.topics.get" if "/topics/" in path else "pubsub.subscriptions.get"
            return DENIED if method == "GET" and needed == denied else None

        return judge

    def _policy(self, path: str, denied: str) -> tuple[int, bytes]:
        if denied == "pubsub.topics.getIamPolicy":
            return DENIED
        topic = path.removeprefix("/v1/").removesuffix(":getIamPolicy")
        there = topic == self.topic("events") and self.send("GET", topic)
        return (200, json.dumps(self.policy).encode()) if there else refusal(404, "NOT_FOUND", "Resource not found.")

    # --- what the doctor says ---

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ROTATOR_FIRESTORE": self.database,
            "FIRESTORE_EMULATOR_HOST": self.firestore.address,
            "ROTATOR_WORK_TOPIC": self.topic("worker"),
            "ROTATOR_EXPIRY_TOPIC": self.topic("events"),
            "PUBSUB_EMULATOR_HOST": self.pubsub.address,
            "ROTATOR_SCHEDULE_JOB": self.job,
            "ROTATOR_BUDGET": "40s",
        }

    def doctor(self, *words: str) -> Ran:
        cli = Cli(self.folder / "rotator.toml", self.folder / "state.db")
        return cli("doctor", *words, python=(), **self.environment)


@contextmanager
def installation(folder: Path, cloud: Cloud, *, firestore: str, pubsub: str) -> Iterator[Installation]:
    """All of it, and all is well."""
    cloud.write_config(folder)
    for base, project in STAGED.items():
        wanted = {"replication": {"automatic": {}}, "labels": {"registry-key-rotator-installation": "acme-caches"}}
        cloud.google.make_secret(project, f"registry-key-rotator-{base}", wanted)
    with Lossy(firestore) as books, Lossy(pubsub) as messages:
        built = Installation(cloud, books, messages, pubsub, folder)
        built.mend()
        yield built
