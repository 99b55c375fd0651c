"""The configuration that extension v0.24.0 renders for a cache (pkg/component/registrycaches), with ports and folders of ours.

The username is unquoted and the password single-quoted with quotes doubled, as there: what breaks that breaks here.
"""

from dataclasses import dataclass
from pathlib import Path

from caches.authority import Identity
from gardenlet import Credential

TTL = "168h0m0s"
"""The extension's default."""

DRAIN = "25s"


@dataclass(frozen=True, slots=True)
class Site:
    """Where one cache lives: its Service's port, its probe's port, its volume, its certificate."""

    port: int
    debug_port: int
    folder: Path
    identity: Identity


def render(upstream: str, credential: Credential | None, site: Site) -> str:
    """The cache's config.yml."""
    lines = [
        "version: 0.1",
        "log:",
        "  fields:",
        "    service: registry",
        "storage:",
        "  delete:",
        "    enabled: true",
        "  filesystem:",
        f"    rootdirectory: {site.folder / 'volume'}",
        "  tag:",
        "    concurrencylimit: 5",
        "http:",
        f"  addr: 127.0.0.1:{site.port}",
        "  debug:",
        f"    addr: 127.0.0.1:{site.debug_port}",
        "    prometheus:",
        "      enabled: true",
        "      path: /metrics",
        f"  draintimeout: {DRAIN}",
        "  tls:",
        f"    certificate: {site.identity.certificate}",
        f"    key: {site.identity.key}",
        "  headers:",
        "    X-Content-Type-Options: [nosniff]",
        "health:",
        "  storagedriver:",
        "    enabled: true",
        "    interval: 10s",
        "    threshold: 3",
        "proxy:",
        f"  remoteurl: https://{upstream}",
        f"  ttl: {TTL}",
    ]
    if credential is not None and credential.username and credential.password:
        quoted = credential.password.replace("'", "''")
        lines += [f"  username: {credential.username}", f"  password: '{quoted}'"]
    return "\n".join(lines) + "\n"
