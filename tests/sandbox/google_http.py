"""One loopback HTTP server for all of Google's HTTP services; the Host header says which one is meant.

A client reaches it by sending its usual requests to this address with the real Host header. When the Host is itself a loopback
address, the path decides.
"""

import contextlib
import json
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from sandbox.door import Call, Door, Note, Refused, Struck
from sandbox.faults import Fault

_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "UNIMPLEMENTED": 501,
}
_METADATA_HOSTS = {"metadata.google.internal", "metadata", "169.254.169.254"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, read in full. `host` is the Host header in lower case; header names are in lower case."""

    verb: str
    host: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def loopback(self) -> bool:
        """Whether the Host header names this machine and no service."""
        return urlsplit(f"//{self.host}").hostname in {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body, and headers besides Date and Content-Length."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """The document as a JSON answer."""
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(status, json.dumps(document).encode(), kind | dict(headers or {}))


class Service(Protocol):
    """One of Google's HTTP services."""

    name: str

    def target(self, request: Request) -> str:
        """What the request is about, as faults and the log name it."""

    def answer(self, request: Request, note: Note) -> Answer:
        """The request has had its effect; called under the door's lock."""


class GoogleHttp:
    """The server. It serves from `start` to `stop`; after that, open connections are closed too."""

    def __init__(
        self,
        door: Door,
        *,
        oauth2: Service,
        iamrest: Service,
        metadata: Service,
        registry: Service,
        projects: Service,
        scheduler: Service,
    ) -> None:
        """Bind a free port for these services."""
        self._door = door
        self._oauth2, self._iamrest, self._metadata, self._registry = oauth2, iamrest, metadata, registry
        self._projects, self._scheduler = projects, scheduler
        self.stopping = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True, name="google-http")
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Requests are answered."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is answered any more, and nothing hangs."""
        self.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def route(self, request: Request) -> Service | None:
        """The service a request is meant for."""
        host = urlsplit(f"//{request.host}").hostname or ""
        if host in _METADATA_HOSTS or (request.loopback and request.path.startswith(("/computeMetadata/", "/universe"))):
            return self._metadata
        if host == "oauth2.googleapis.com" or (request.loopback and request.path == "/token"):
            return self._oauth2
        if host == "cloudresourcemanager.googleapis.com":
            return self._projects
        if host == "cloudscheduler.googleapis.com":
            return self._scheduler
        if host == "iam.googleapis.com" or (request.loopback and request.path.startswith("/v1/")):
            return self._iamrest
        if host == "gcr.io" or host.endswith(("-docker.pkg.dev", ".gcr.io")) or request.loopback:
            return self._registry
        return None

    def serve(self, request: Request) -> Answer | None:
        """The answer to a request; None when the connection is to break instead."""
        service = self.route(request)
        if service is None:
            return as_json(404, {"error": {"code": 404, "message": f"The sandbox plays no host {request.host}."}})
        target = service.target(request)
        call = Call(service=service.name, method=f"{request.verb} {_pattern(request.path)}", target=target)

        def effect(note: Note) -> Answer:
            answer = service.answer(request, note)
            if answer.status >= 400:
                note.outcome = str(answer.status)
            return answer

        try:
            return self._door.serve(call, effect)
        except Refused as refusal:
            status = _STATUSES[refusal.code]
            return as_json(status, {"error": {"code": status, "message": refusal.text, "status": refusal.code}})
        except Struck as struck:
            return self._struck(struck.fault)
        except Exception:
            # A crash of the sandbox must not look like a fault that somebody ordered.
            traceback.print_exc()
            return as_json(500, {"error": {"code": 500, "message": "the sandbox crashed; its stderr says where"}})

    def _struck(self, fault: Fault) -> Answer | None:
        if fault.answer == "hang":
            self.stopping.wait(fault.seconds)
        if fault.answer in {"hang", "lost"}:
            return None
        return as_json(int(fault.answer), {"error": {"code": int(fault.answer), "message": fault.text}})

    def date(self) -> str:
        """The sandbox's time as a Date header."""
        return format_datetime(self._door.clock.now(), usegmt=True)


def _pattern(path: str) -> str:
    """The name of a path in fault globs and in the log: the few words that say what kind of request it is."""
    for word in ("/v2/token", "/manifests/", "/blobs/", "/tags/list", "/computeMetadata/", "/serviceAccounts/"):
        if word in path:
            return word.strip("/")
    return path.strip("/")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: GoogleHttp) -> None:
        self._open: set[socket.socket] = set()

        class Handler(_Handler):
            google = owner

        super().__init__(("127.0.0.1", 0), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are everyday life in tests of crashes; anything else is a bug of the sandbox."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    google: GoogleHttp
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server names them

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        answer = self.google.serve(
            Request(
                verb=self.command,
                host=self.headers.get("Host", "").lower(),
                path=parts.path,
                query=parse_qs(parts.query),
                headers={name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers},
                body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            )
        )
        if answer is None or self.google.stopping.is_set():
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        self.send_header("Date", self.google.date())
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing: the operations log has every call."""
