"""RegistryConfig inside a Shoot: which upstream takes its credential from which entry.

Gardens serve v1alpha3; older ones v1alpha1 or v1alpha2, with the fields we need at the same place (gardener.md section 2).
"""

from collections.abc import Sequence

import msgspec

from rotator.clients.garden.wire import Extension, Wire
from rotator.shoot import Cache

TYPE = "registry-cache"
GROUP = "registry.extensions.gardener.cloud/"
NEWEST = GROUP + "v1alpha3"


class HighAvailability(Wire):
    """caches[].highAvailability."""

    enabled: bool | None = None


class Upstream(Wire, rename="camel"):
    """One entry of caches[]."""

    upstream: str = ""
    secret_reference_name: str | None = None
    high_availability: HighAvailability | None = None


class RegistryConfig(Wire, rename="camel"):
    """The providerConfig of the registry cache."""

    api_version: str = ""
    caches: list[Upstream] | None = None


_DECODER = msgspec.json.Decoder(RegistryConfig)


def find(extensions: Sequence[Extension] | None) -> tuple[int | None, tuple[Cache, ...]]:
    """Where the registry cache is in spec.extensions, and its upstreams with credentials, also when it is disabled."""
    for index, extension in enumerate(extensions or ()):
        if extension.type == TYPE:
            config = decoded(extension)
            return index, tuple(
                Cache(each.upstream, each.secret_reference_name) for each in config.caches or () if each.secret_reference_name
            )
    return None, ()


def decoded(extension: Extension) -> RegistryConfig:
    """Its RegistryConfig; an empty one when it is something that we cannot read."""
    try:
        config = _DECODER.decode(extension.provider_config)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return RegistryConfig()
    return config if config.api_version.startswith(GROUP) else RegistryConfig()
