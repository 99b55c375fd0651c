"""One request to a Garden's API server, in Kubernetes' own terms, so that messages can name what to grant."""

from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote, urlencode

Verb = Literal["get", "list", "create", "patch", "delete"]
METHODS = {"get": "GET", "list": "GET", "create": "POST", "patch": "PATCH", "delete": "DELETE"}

CORE = "/api/v1"
GARDENER = "/apis/core.gardener.cloud/v1beta1"
SECURITY = "/apis/security.gardener.cloud/v1alpha1"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of which object. `name` is empty for lists and creates; it still names a create in messages.

    An empty namespace is cluster scope. A subresource stands behind its resource, `serviceaccounts/token`, and needs a name.
    """

    verb: Verb
    api: str
    resource: str
    namespace: str
    name: str = ""
    query: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """As people read it, with the dry run that it may be."""
        where = f" {self.namespace}/{self.name or '*'}" if self.namespace else ""
        what = f"{self.verb} {self.resource}{where}"
        return f"{what} (dry run)" if "dryRun" in self.query else what

    @property
    def method(self) -> str:
        """The HTTP method."""
        return METHODS[self.verb]

    @property
    def path(self) -> str:
        """Path and query on the API server."""
        place = f"/namespaces/{quote(self.namespace, safe='')}" if self.namespace else ""
        resource, slash, part = self.resource.partition("/")
        path = f"{self.api}{place}/{resource}"
        if slash or (self.name and self.verb not in {"list", "create"}):
            path += f"/{quote(self.name, safe='')}{slash}{part}"
        return f"{path}?{urlencode(self.query)}" if self.query else path

    def asking(self, **query: str) -> "Request":
        """The same request with these query parameters beside its own."""
        return replace(self, query={**self.query, **query})
