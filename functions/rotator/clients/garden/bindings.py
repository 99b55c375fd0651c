"""SecretBindings and CredentialsBindings: the wrong places for our Secrets, looked at all the same (gardener.md section 1)."""

import msgspec

from rotator.clients.garden import pages
from rotator.clients.garden.request import GARDENER, SECURITY, Request
from rotator.clients.garden.transport import Transport
from rotator.clients.garden.wire import ListMeta
from rotator.errors import Absent, Unreadable


class Target(msgspec.Struct):
    """secretRef or credentialsRef."""

    name: str = ""
    namespace: str = ""
    kind: str = "Secret"


class Binding(msgspec.Struct, rename="camel"):
    """Either kind of binding."""

    secret_ref: Target | None = None
    credentials_ref: Target | None = None


class Bindings(msgspec.Struct):
    """One page of either kind."""

    metadata: ListMeta
    items: list[Binding] | None = None


_DECODER = msgspec.json.Decoder(Bindings)


def secrets(transport: Transport, namespace: str) -> tuple[str, ...]:
    """Names of this namespace's Secrets that its bindings name. Raises: Unreadable."""

    def take(body: bytes) -> tuple[str, list[str]]:
        try:
            page = _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Unreadable(f"reading bindings of {namespace} in Garden {transport.garden}: {fault}") from None
        targets = [target for each in page.items or () for target in (each.secret_ref, each.credentials_ref) if target]
        return page.metadata.next, [
            target.name for target in targets if target.kind == "Secret" and target.namespace in {"", namespace}
        ]

    names: set[str] = set()
    for api, resource in ((GARDENER, "secretbindings"), (SECURITY, "credentialsbindings")):
        try:
            names.update(pages.collect(transport, Request("list", api, resource, namespace), take))
        except Absent:
            continue  # this Garden does not serve the kind: SecretBindings are on their way out
    return tuple(sorted(names))
