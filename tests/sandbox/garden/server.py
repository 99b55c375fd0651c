"""The Garden's front door: HTTP/1.1 on loopback, with the faults that break connections."""

import json
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from sandbox.faults import Fault, Faults
from sandbox.garden import discovery
from sandbox.garden.api import Api, Reply
from sandbox.garden.call import Call, understood
from sandbox.garden.refusal import Refusal
from sandbox.garden.state import State

_GRPC_NAMES = {"UNAVAILABLE": 503, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "DEADLINE_EXCEEDED": 504}


class NoAnswer(Exception):
    """The connection breaks without an answer."""


class Door:
    """From a request to an answer: fault, authentication, API."""

    def __init__(self, state: State, api: Api, faults: Faults) -> None:
        """Open for this state."""
        self._state = state
        self._api = api
        self._faults = faults
        self.closed = threading.Event()
        self.address = ""

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Status code and JSON body. Raises: NoAnswer when a fault breaks the connection."""
        try:
            reply = self._reply(method, url, headers, body)
        except Refusal as refusal:
            return refusal.code, refusal.body()
        return reply.code, reply.body

    def _reply(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        call = understood(method, url, headers, body)
        if call is None:
            return self._outside(urlsplit(url).path, headers)
        fault = self._faults.strike(f"garden:{self._state.name}", call.method, call.target)
        if fault is not None and fault.when == "before":
            self._api.refuse(call, fault.answer, answered=fault.answer not in ("lost", "hang", "park"))
            if fault.answer == "park":
                self._faults.park(lambda: self._late(call, headers))
            return self._struck(fault)
        try:
            reply = self._api.perform(self._authenticated(call, headers), answered=fault is None)
        except Refusal:
            if fault is None:
                raise
        else:
            if fault is None:
                return reply
        return self._struck(fault)

    def _late(self, call: Call, headers: Mapping[str, str]) -> None:
        """The parked call arrives: its token is checked now, its effect is of now, nobody hears the answer."""
        try:
            self._api.perform(self._authenticated(call, headers), answered=False)
        except Refusal:
            return

    def _authenticated(self, call: Call, headers: Mapping[str, str]) -> Call:
        user = self._user(headers)
        return replace(call, user=user)

    def _user(self, headers: Mapping[str, str]) -> str:
        authorization = headers.get("authorization")
        if authorization is None and self._state.knobs.anonymous:
            return self._state.knobs.anonymous
        with self._state.lock:
            return self._state.access.user(authorization or "", self._state.now())

    def _outside(self, path: str, headers: Mapping[str, str]) -> Reply:
        if path in ("/healthz", "/livez", "/readyz"):
            return Reply(200, b'"ok"')
        self._user(headers)
        document = discovery.document(path, self.address)
        if document is None:
            raise Refusal(404, "the server could not find the requested resource", details={})
        return Reply(200, json.dumps(document).encode())

    def _struck(self, fault: Fault) -> Reply:
        if fault.answer == "hang":
            self.closed.wait(fault.seconds)
        if fault.answer in ("hang", "lost", "park"):
            raise NoAnswer
        code = int(fault.answer) if fault.answer.isdigit() else _GRPC_NAMES.get(fault.answer, 503)
        raise Refusal(code, fault.text, details={"retryAfterSeconds": 1} if code in (429, 503) else {})


class Server(ThreadingHTTPServer):
    """A listener on a free port; it stops at once, with all its connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, door: Door, state: State) -> None:
        """Listening, not yet serving."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.door = door
        self.state = state
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._serve, name=f"garden {state.name}", daemon=True)

    def server_bind(self) -> None:
        """Bind without the name lookup of the parent, which may take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def start(self) -> None:
        """Connections are accepted."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is accepted any more, open connections are broken, sleeping faults are awake."""
        self.door.closed.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        for connection in list(self._connections):
            self._break(connection)
        self.server_close()

    def _serve(self) -> None:
        while not self.door.closed.is_set():
            self._handle_request_noblock()  # type: ignore[attr-defined]  # accepts one connection, blocking

    def process_request(self, request: Any, client_address: Any) -> None:
        """The connection is known to `stop` and served by a thread of its own."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection is closed and forgotten."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are everyday life here."""

    @staticmethod
    def _break(connection: socket.socket) -> None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class Handler(BaseHTTPRequestHandler):
    """One keep-alive connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server_version = "sandbox-garden"
    sys_version = ""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        headers = {key.lower(): value for key, value in self.headers.items()}
        try:
            code, answer = self.server.door.answer(self.command, self.path, headers, body)
        except NoAnswer:
            self.close_connection = True
            return
        except Exception:
            traceback.print_exc(file=sys.stderr)
            code, answer = 500, Refusal(500, "Internal error occurred: the sandbox itself has crashed").body()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        if code in (429, 503):
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` header: the sandbox's time."""
        return format_datetime(self.server.state.now(), usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Say nothing; the sandbox has its own log."""
