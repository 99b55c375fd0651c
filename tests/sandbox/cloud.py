"""The whole sandbox: Google and any number of Gardens, with one clock, one log and one list of faults between them.

Whoever composes it writes a landscape into it, gives a program its `rotator.toml`, and lets caches pull: what counts in the
end is that no pull ever failed.
"""

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.garden.access import ROTATOR
from sandbox.garden.garden import Garden
from sandbox.garden.kind import SHOOTS
from sandbox.google import Google
from sandbox.operations import Operations

USER = "system:serviceaccount:garden:registry-key-rotator"
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull of one cache. `fault` is empty when it went well."""

    garden: str
    namespace: str
    shoot: str
    upstream: str
    fault: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.garden}/{self.namespace}/{self.shoot} from {self.upstream}: {self.fault or 'ok'}"


class Cloud:
    """A small cloud on loopback. Nothing serves before `start`."""

    def __init__(self, *, behind: timedelta = timedelta(0)) -> None:
        """An empty cloud, whose clock is `behind` the machine's by so much."""
        self.clock = Clock(behind)
        self.operations = Operations()
        self.faults = Faults()
        self.google = Google(self.clock, self.operations, self.faults)
        self.gardens: dict[str, Garden] = {}
        self.namespaces: dict[str, list[str]] = {}
        self.accounts: list[Mapping[str, Any]] = []
        self.images: dict[str, str] = {}
        """What a cache pulls, by upstream."""
        self.token_lifetime = DAY
        """Seconds that the kubeconfigs' tokens are good for."""
        self._folder: Path | None = None
        self._running = False

    # --- composing ---

    def add_garden(self, name: str, *namespaces: str) -> Garden:
        """The cloud has one more Garden, with these project namespaces, where the rotator has its minimal role."""
        garden = Garden(name, self.clock, self.operations, self.faults)
        self.gardens[name] = garden
        self.namespaces[name] = list(namespaces)
        for namespace in namespaces:
            garden.create_namespace(namespace)
            garden.allow(USER, namespace, ROTATOR)
        if self._running:
            garden.start()
        return garden

    def may_touch(self, email: str, **policy: Any) -> None:
        """The written rotator.toml will name this account, with what its own policy says."""
        self.accounts.append({"email": email, "policy": policy})

    # --- living ---

    def start(self) -> Self:
        """All servers answer."""
        self.google.start()
        for garden in self.gardens.values():
            garden.start()
        self._running = True
        return self

    def stop(self) -> None:
        """No server answers any more."""
        self._running = False
        for garden in self.gardens.values():
            garden.stop()
        self.google.stop()

    def __enter__(self) -> Self:
        """Serve."""
        return self if self._running else self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def advance(self, seconds: float) -> None:
        """Time has passed, gardenlets have done what was due, and whoever renews kubeconfigs has renewed them."""
        self.clock.advance(seconds)
        self.google.secrets.catch_up()
        for garden in self.gardens.values():
            garden.catch_up()
        if self._folder is not None:
            self.write_kubeconfigs(self._folder)

    def live(self, days: int) -> tuple[int, tuple[Pull, ...]]:
        """Days have passed, and every cache pulled every six hours. Gives the number of pulls and those that failed."""
        count, failed = 0, tuple[Pull, ...]()
        for _ in range(4 * days):
            self.advance(DAY / 4)
            pulls = self.pull_everywhere()
            count += len(pulls)
            failed = (*failed, *(pull for pull in pulls if pull.fault))
        return count, failed

    def open_windows(self) -> tuple[str, ...]:
        """The maintenance window of every confined Shoot has come; gives their names."""
        found: list[str] = []
        for name, garden in self.gardens.items():
            for namespace, shoot in garden.names(SHOOTS):
                if garden.shoot(namespace, shoot)["spec"]["maintenance"].get("confineSpecUpdateRollout"):
                    garden.maintenance(namespace, shoot)
                    found.append(f"{name}/{namespace}/{shoot}")
        return tuple(found)

    def pull_everywhere(self) -> tuple[Pull, ...]:
        """Every awake Shoot's caches have pulled, each with exactly the credentials that it runs."""
        connection = http.client.HTTPConnection(self.google.http_address, timeout=10)
        try:
            return tuple(
                Pull(name, namespace, shoot, upstream, self._pull(connection, upstream, username, password))
                for name, garden in self.gardens.items()
                for namespace, shoot, credentials in garden.shoots_running()
                for upstream, (username, password) in credentials.items()
            )
        finally:
            connection.close()

    def _pull(self, connection: http.client.HTTPConnection, upstream: str, username: str, password: str) -> str:
        repository, _, tag = self.images[upstream].rpartition(":")
        basic = base64.b64encode(f"{username}:{password}".encode()).decode()
        scope = f"/v2/token?service={upstream}&scope=repository:{repository}:pull"
        status, body = _get(connection, upstream, scope, {"Authorization": f"Basic {basic}"})
        if status != http.client.OK:
            return f"token refused with {status}"
        bearer = {"Authorization": f"Bearer {json.loads(body)['token']}", "Accept": "*/*"}
        status, _ = _get(connection, upstream, f"/v2/{repository}/manifests/{tag}", bearer)
        return "" if status == http.client.OK else f"manifest refused with {status}"

    # --- what a program is told ---

    def write_config(self, folder: Path, **policy: Any) -> Path:
        """The folder has a rotator.toml for this cloud, with `policy` for all accounts, and a kubeconfig per Garden."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.write_kubeconfigs(folder)
        probes = dict(self.images)
        tables = ['installation = "acme-caches"', ""]
        for name, namespaces in self.namespaces.items():
            tables += ["[[garden]]", f'name = "{name}"', f'kubeconfig = "kubeconfig-{name}.yaml"']
            tables += [f"namespaces = {json.dumps(namespaces)}", "entries_per_second = 5.0", ""]
        for account in self.accounts:
            tables += ["[[account]]", f'email = "{account["email"]}"']
            tables += _table("account.policy", account["policy"]) if account["policy"] else []
            tables.append("")
        tables += _table("policy", {**policy, "probes": probes})
        tables += ["", "[sandbox]", f'grpc = "{self.google.grpc_address}"', f'http = "http://{self.google.http_address}"']
        path = folder / "rotator.toml"
        path.write_text("\n".join(tables) + "\n", encoding="utf-8")
        return path

    def write_kubeconfigs(self, folder: Path) -> None:
        """Each Garden's kubeconfig carries a fresh token of the rotator."""
        for name, garden in self.gardens.items():
            document = garden.kubeconfig(USER)
            document["users"][0]["user"]["token"] = garden.issue_token(USER, self.token_lifetime)
            path = folder / f"kubeconfig-{name}.yaml"
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")  # JSON is YAML
            fresh.chmod(0o600)
            fresh.replace(path)


def _get(connection: http.client.HTTPConnection, host: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection.request("GET", path, headers={"Host": host, **headers})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    """A TOML table and the tables in it. JSON's strings, numbers, booleans and lists are TOML's too."""
    lines = [f"[{name}]"]
    lines += [f"{_key(key)} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, Mapping)]
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += ["", *_table(f"{name}.{_key(key)}", value)]
    return lines


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)
