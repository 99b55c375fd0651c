"""A small OCI image that is real enough to be pulled: one configuration, one layer, right digests."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Image:
    """The manifest's bytes, and the blobs by digest."""

    manifest: bytes
    blobs: dict[str, bytes]

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return digest(self.manifest)


def digest(content: bytes) -> str:
    """The content's name in a registry."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def build(text: str) -> Image:
    """An image whose only file says `text`; the same text gives the same digests."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        content = text.encode()
        member = tarfile.TarInfo("about.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    tar = buffer.getvalue()
    layer = gzip.compress(tar, mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(tar)]},
            "history": [{"created_by": "sandbox"}],
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest(config), "size": len(config)},
            "layers": [{"mediaType": _LAYER, "digest": digest(layer), "size": len(layer)}],
        }
    ).encode()
    return Image(manifest, {digest(config): config, digest(layer): layer})
