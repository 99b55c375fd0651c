"""How requests leave for Google: over TLS to the real hosts, or all of them to a sandbox on loopback.

Clients name real hosts in both cases; only who constructs a `Route` knows the difference. No environment is read: a proxy, a
certificate bundle or a .netrc that somebody left there does not get between us and Google.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from rotator.clients import calls

if TYPE_CHECKING:
    import grpc

CONNECT = 5.0
"""Seconds for a connection; an answer may take what calls.limits() allow."""

_OPTIONS = (
    # calls.call is the one retry layer: neither the library nor a configuration found in DNS repeats a call.
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
)


@dataclass(frozen=True, slots=True)
class Loopback:
    """Where a sandbox listens: `host:port` of its HTTP and of its gRPC server, both without TLS."""

    http_address: str
    grpc_address: str


class Route:
    """Makes the connections of one worker."""

    def __init__(self, loopback: Loopback | None = None) -> None:
        """`loopback` None: to Google."""
        self._loopback = loopback

    def http(self) -> httpx.Client:
        """A client without redirects and with a timeout. Whoever asks for it closes it."""
        transport = _Rerouted(self._loopback.http_address) if self._loopback else httpx.HTTPTransport(trust_env=False)
        timeout = httpx.Timeout(calls.limits().timeout, connect=CONNECT)
        headers = {"User-Agent": "registry-key-rotator"}
        return httpx.Client(transport=transport, timeout=timeout, headers=headers, follow_redirects=False, trust_env=False)

    def channel(self, host: str) -> "grpc.Channel":
        """A gRPC channel to this host of Google. Connects at its first call."""
        import grpc  # 60 ms, which a door that only reads the books need not pay

        if self._loopback:
            options = (*_OPTIONS, ("grpc.enable_http_proxy", 0))
            return grpc.insecure_channel(self._loopback.grpc_address, options=options)
        return grpc.secure_channel(f"{host}:443", grpc.ssl_channel_credentials(), options=_OPTIONS)


class _Rerouted(httpx.BaseTransport):
    """Sends every request to one address, in plain HTTP, under the Host header that it was made with."""

    def __init__(self, address: str) -> None:
        self._base = httpx.URL(f"http://{address}")
        self._inner = httpx.HTTPTransport(verify=False, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(scheme="http", host=self._base.host, port=self._base.port)
        rerouted = httpx.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return self._inner.handle_request(rerouted)

    def close(self) -> None:
        self._inner.close()
