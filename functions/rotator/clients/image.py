"""The image that proves a pull, as policies name it, and who may be given the right to pull it."""

from dataclasses import dataclass

from rotator.key import Email

ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
"""Every kind of manifest that a node may pull."""

_DOCKER = "-docker.pkg.dev"
_GCR = {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}


@dataclass(frozen=True, slots=True)
class Image:
    """One image at one upstream. `repository` as the registry's API names it, with the project; `reference`: tag or digest."""

    upstream: str
    repository: str
    reference: str

    @staticmethod
    def parse(upstream: str, text: str) -> "Image":
        """The image of `[upstream/]repository[:tag][@digest]`; without either, tag `latest`."""
        text = text.removeprefix(f"{upstream}/")
        path, _, digest = text.partition("@")
        folder, slash, last = path.rpartition("/")
        name, _, tag = last.partition(":")
        return Image(upstream, f"{folder}{slash}{name}", digest or tag or "latest")

    def grant(self, email: Email) -> str:
        """The command that lets this account pull it. Source: gcp.md section 3.1, on hosts and paths."""
        first, _, rest = self.repository.partition("/")
        if "." in first:  # a project of a domain: example.com/project stands for example.com:project
            second, _, rest = rest.partition("/")
            first = f"{first}:{second}"
        location = _GCR.get(self.upstream, self.upstream.removesuffix(_DOCKER))
        repository = self.upstream if self.upstream in _GCR else rest.partition("/")[0]
        return (
            f"gcloud artifacts repositories add-iam-policy-binding {repository} --location {location} --project {first}"
            f" --member serviceAccount:{email} --role roles/artifactregistry.reader"
        )

    def __str__(self) -> str:
        """As people write it, without the host."""
        return f"{self.repository}{'@' if ':' in self.reference else ':'}{self.reference}"
