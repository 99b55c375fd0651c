"""A proxy on loopback that forwards requests and loses answers: what a client cannot tell from a server that never heard it."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Lossy:
    """Stands before `upstream` (host:port). `lose` counts down: so many answers to commits are lost after their effect.

    `refuse`: the status and body that every request gets instead, while it is set. `instead`: so many of the next requests of
    a verb get this answer, unforwarded. `judge`: may answer a request itself, by method, path and body. `breaks`: so many
    answers of many documents end in an error after their first. `seen` counts requests by their verb.
    """

    def __init__(self, upstream: str) -> None:
        """Not listening yet."""
        self.lose = 0
        self.refuse: tuple[int, bytes] | None = None
        self.instead: dict[str, list[tuple[int, bytes]]] = {}
        self.judge: Callable[[str, str, bytes], tuple[int, bytes] | None] = lambda *_: None
        self.breaks = 0
        self.seen: Counter[str] = Counter()
        self.queries: list[bytes] = []
        self._upstream = upstream
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                verb = self.path.rpartition(":")[2] if self.command == "POST" else self.command
                proxy.seen[verb] += 1
                if verb == "runQuery":
                    proxy.queries.append(body)
                if proxy.refuse is not None:
                    self._answer(*proxy.refuse)
                    return
                if (judged := proxy.judge(self.command, self.path, body)) is not None:
                    self._answer(*judged)
                    return
                if proxy.instead.get(verb):
                    self._answer(*proxy.instead[verb].pop(0))
                    return
                connection = http.client.HTTPConnection(proxy._upstream, timeout=20)
                connection.request(
                    self.command, self.path, body, {"Authorization": "Bearer owner", "Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                status, content = answer.status, answer.read()
                connection.close()
                if verb == "commit" and proxy.lose > 0:
                    proxy.lose -= 1
                    self.close_connection = True
                    return
                if verb in {"runQuery", "batchGet"} and proxy.breaks > 0:
                    proxy.breaks -= 1
                    content = json.dumps([*json.loads(content)[:1], {"error": {"code": 503, "status": "UNAVAILABLE"}}]).encode()
                self._answer(status, content)

            def _answer(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self._forward()

            def do_POST(self) -> None:
                self._forward()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
