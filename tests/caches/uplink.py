"""The way from the caches to their upstreams: an HTTPS proxy that ends TLS as the upstream and hands on to the sandbox.

A cache is told `https://europe-docker.pkg.dev` and nothing else, as in a Shoot; HTTPS_PROXY leads it here. Nothing leaves
loopback: what is no upstream of the sandbox is refused.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Sequence

from caches.authority import Authority

CHUNK = 65536
HEAD = 8192


class Uplink:
    """A CONNECT proxy on a free loopback port, from `start` to `stop`."""

    def __init__(self, authority: Authority, upstreams: Sequence[str], sandbox: str) -> None:
        """Lead to `sandbox` (host:port, plain HTTP) whoever asks for one of these hosts."""
        self._upstreams = frozenset(upstreams)
        self._context = authority.server(authority.issue(*upstreams))
        self._sandbox = sandbox.rpartition(":")
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="uplink")
        self._stopping: asyncio.Event | None = None
        self.address = ""
        self.refused: list[str] = []
        """What was asked for and is no upstream."""

    def start(self) -> None:
        """Connections are taken at `address`."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """Nothing is taken any more, open connections are cut."""
        if self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _serve(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._live())

    async def _live(self) -> None:
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stopping.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                await self._tunnel(reader, writer)
            finally:
                writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n"))[:HEAD].decode("latin-1")
        verb, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
        if verb != "CONNECT" or target.removesuffix(":443") not in self._upstreams:
            self.refused.append(f"{verb} {target}")
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(self._context)
        host, _, port = self._sandbox
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, inner_writer))
                group.create_task(_pump(inner_reader, writer))
        except* (OSError, ssl.SSLError):
            pass
        finally:
            inner_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes in has gone out; then the other side is closed, too."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
