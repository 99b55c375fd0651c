"""Watching and steering a running sandbox over HTTP, on a loopback port of its own.

GET    /operations?since=N   the ordered log after entry N
GET    /state                who runs which key, all keys, all Secrets of caches, the clock
POST   /clock                {"seconds": 86400}: time passes
POST   /pull                 every cache pulls once; lists failures
POST   /window               the maintenance window of every confined Shoot has come
POST   /faults               fields of sandbox.faults.Fault; answers its number
DELETE /faults               no fault is in force
POST   /withdraw             {"permission": "iam.serviceAccounts.get"}; {"garden": "live", "verb": "list", "resource": "shoots"}
DELETE /withdraw             every withdrawn permission is given back
POST   /settings             {"iam.works_after": 5, "live.webhook_down": true}: knobs of a service or of a Garden
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.cloud import USER, Cloud
from sandbox.faults import Fault
from sandbox.garden import secret as secrets
from sandbox.garden.kind import SECRETS

SERVICES = ("iam", "secrets", "notices", "monitoring", "oauth2", "registry")


def state(cloud: Cloud) -> dict[str, Any]:
    """What is there now; keys by public key, never by material."""
    running = [
        {
            "garden": name,
            "namespace": namespace,
            "shoot": shoot,
            "caches": {upstream: secrets.public_key_of(password) for upstream, (_, password) in credentials.items()},
        }
        for name, garden in cloud.gardens.items()
        for namespace, shoot, credentials in garden.shoots_running()
    ]
    keys = [
        {"account": account["email"], "id": key.key_id, "public_key": key.public_key, "state": key.state}
        for account in cloud.accounts
        if (found := cloud.google.iam.account(account["email"])) is not None
        for key in found.keys.values()
        if key.origin != "SYSTEM"
    ]
    held = [
        {"garden": name, "namespace": namespace, "name": secret}
        for name, garden in cloud.gardens.items()
        for namespace in cloud.namespaces[name]
        for _, secret in garden.names(SECRETS, namespace)
    ]
    return {"now": cloud.clock.now().isoformat(), "running": running, "keys": keys, "secrets": held}


def settle(cloud: Cloud, knobs: dict[str, Any]) -> None:
    """The knobs are set. Raises: KeyError for one that there is not."""
    for name, value in knobs.items():
        part, _, knob = name.partition(".")
        if part in SERVICES:
            owner: Any = getattr(cloud.google, part)
        elif part in cloud.gardens:
            owner = cloud.gardens[part].knobs
        else:
            raise KeyError(f"{part}: no such service or Garden; there are {', '.join((*SERVICES, *cloud.gardens))}")
        if knob.startswith("_") or not hasattr(owner, knob) or callable(getattr(owner, knob)):
            raise KeyError(f"{name}: no such knob")
        setattr(owner, knob, value)


def withdraw(cloud: Cloud, what: dict[str, str]) -> None:
    """The rotator lacks this permission now, whatever its roles say. Raises: KeyError."""
    if "permission" in what:
        cloud.google.access.deny(what["permission"])
    else:
        cloud.gardens[what["garden"]].withdraw(USER, what["verb"], what["resource"])


def give_back(cloud: Cloud) -> None:
    """Only the roles decide again."""
    cloud.google.access.restore()
    for garden in cloud.gardens.values():
        garden.restore(USER)


class Control:
    """The control endpoint of one cloud, from `start` to `stop`."""

    def __init__(self, cloud: Cloud) -> None:
        """Bind a free port."""

        class Handler(_Handler):
            steered = cloud

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="control")

    def start(self) -> None:
        """It answers."""
        self._thread.start()

    def stop(self) -> None:
        """It does not answer any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    steered: Cloud

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_DELETE = do_GET  # noqa: N815 - http.server names them

    def _serve(self) -> None:
        try:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = 200, self._answer(json.loads(content or b"{}"))
        except (KeyError, TypeError, ValueError) as fault:
            status, answer = 400, {"error": str(fault)}
        body = json.dumps(answer, indent=2).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, body: dict[str, Any]) -> Any:
        cloud, parts = self.steered, urlsplit(self.path)
        match self.command, parts.path:
            case "GET", "/operations":
                since = int(parse_qs(parts.query).get("since", ["0"])[0])
                return [entry.as_json() for entry in cloud.operations.since(since)]
            case "GET", "/state":
                return state(cloud)
            case "POST", "/clock":
                cloud.advance(float(body["seconds"]))
                return {"now": cloud.clock.now().isoformat()}
            case "POST", "/pull":
                pulls = cloud.pull_everywhere()
                return {"pulls": len(pulls), "failed": [str(pull) for pull in pulls if pull.fault]}
            case "POST", "/window":
                return {"rolled_out": [str(place) for place in cloud.open_windows()]}
            case "POST", "/faults":
                return {"number": cloud.faults.add(Fault(**body))}
            case "DELETE", "/faults":
                cloud.faults.clear()
                return {}
            case "POST", "/withdraw":
                withdraw(cloud, body)
                return body
            case "DELETE", "/withdraw":
                give_back(cloud)
                return {}
            case "POST", "/settings":
                settle(cloud, body)
                return body
            case _:
                raise KeyError(f"{self.command} {parts.path}: there are " + " ".join((__doc__ or "").split("\n\n")[1].split()))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing: the operations log has every call that matters."""
