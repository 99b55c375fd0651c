"""The only reader of configuration: one rotator.toml, and the environment for facts of the deployment.

What would be dangerous to guess has no default: installation, Gardens, namespaces, accounts. Files that the settings name
(kubeconfig, CA, token file) are not opened here: the client that needs one says what is wrong with it.

Environment: ROTATOR_CONFIG (the file), ROTATOR_STATE (the embedded store), XDG_CONFIG_HOME, XDG_STATE_HOME, HOME, whatever a
`token_env` names, and the facts of `deployment`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec

from rotator import deployment, settings_rules, toml
from rotator.deployment import Deployment
from rotator.errors import Invalid
from rotator.key import Email, base_name
from rotator.policy import Policy
from rotator.toml import Form

PROGRAM = "registry-key-rotator"

EXAMPLE = """\
# Written on everything this installation makes, so that two installations never take each other's for their own.
installation = "acme-caches"

[[garden]]
name = "live"
kubeconfig = "~/.kube/garden-live.yaml"    # or server = "https://...", ca_file, and google_audience or a token (see README)
namespaces = ["garden-acme"]               # the project namespaces to look at

# Only service accounts that are listed here are ever touched.
[[account]]
email = "puller@acme-prod.iam.gserviceaccount.com"

# For all accounts. [account.policy] below an account overrides it key by key.
[policy]
mode = "observe"                           # look and report; then "manual", then "automatic"
max_age = "90d"                            # an old key has stopped working by then
"""

# A label of the staging secret at Google and of a Secret in Kubernetes: what both take.
Installation = Annotated[
    str, Form(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", 'a name of at most 63 letters a-z, digits, - and _, like "acme-caches"')
]
# The start of names of Secrets and of Secret Manager secrets: what both take.
Base = Annotated[
    str, Form(r"[a-z0-9]([a-z0-9-]{0,178}[a-z0-9])?", 'a name of at most 180 letters a-z, digits and -, like "puller"')
]
Name = Annotated[
    str, Form(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", 'a name of at most 63 letters a-z, digits and -, like "live"')
]
Namespace = Annotated[str, Form(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", 'a project namespace, like "garden-acme"')]
Project = Annotated[str, Form(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{1,28}[a-z0-9]", 'the id of a Google project, like "acme-prod"')]
Address = Annotated[
    str,
    Form(
        r"[a-z0-9][a-z0-9-]*@[a-z0-9][a-z0-9.-]*\.gserviceaccount\.com",
        'a service account, like "puller@acme-prod.iam.gserviceaccount.com"',
    ),
]
TokenSecret = Annotated[
    str,
    Form(
        r"projects/[a-z0-9.:-]+/secrets/[A-Za-z0-9_-]{1,255}",
        'a secret of Secret Manager, like "projects/acme/secrets/garden-live"',
    ),
]
Audience = Annotated[str, Form(r"[!-~]{1,200}", 'what the Garden expects as audience, like "gardener-live"')]
Server = Annotated[
    str,
    Form(settings_rules.SERVER, 'the address of an API server, like "https://api.garden.example"', shown=False),
]
LoopbackPort = Annotated[str, Form(settings_rules.LOOPBACK, 'a loopback address, like "127.0.0.1:8085"')]
LoopbackUrl = Annotated[str, Form(f"http://{settings_rules.LOOPBACK}/?", 'a loopback address, like "http://127.0.0.1:8080"')]


class Token:
    """A bearer token from the environment. A plain class, so that no encoder, repr or pickle shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """`text`: the token itself."""
        self._text = text

    def reveal(self) -> str:
        """Give the token: for the Authorization header, nowhere else."""
        return self._text

    def __repr__(self) -> str:
        """Say that there is one."""
        return "Token(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        raise TypeError("a token is not pickled")


class GardenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One Garden: by a kubeconfig (its current context, unless one is named), or by server and one source of a token."""

    name: Name
    namespaces: tuple[Namespace, ...]
    kubeconfig: Path | None = None
    context: str = ""
    server: Server = ""
    ca_file: Path | None = None
    token_file: Path | None = None
    token: Token | None = msgspec.field(default=None, name="token_env")
    google_audience: Audience = ""
    token_secret: TokenSecret = ""
    entries_per_second: float = 1.0


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A service account that may be touched. Once loaded, every field is filled and the policy is merged."""

    email: Address
    project: Project = ""
    base: Base = ""
    staging_project: Project = ""
    policy: Policy = Policy()


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the sandbox listens instead of Google: `grpc` host:port, `http` a URL; on this machine only."""

    grpc: LoopbackPort
    http: LoopbackUrl


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was decided outside. `file`: where it was read; `store`: the embedded store's file."""

    file: Path
    store: Path
    installation: str
    garden: tuple[GardenSettings, ...]
    account: tuple[AccountSettings, ...]
    sandbox: SandboxSettings | None = None
    deployment: Deployment = Deployment()


class _File(msgspec.Struct, frozen=True, kw_only=True):
    installation: Installation
    garden: tuple[GardenSettings, ...]
    account: tuple[AccountSettings, ...]
    staging_project: Project = ""
    policy: Policy = Policy()
    sandbox: SandboxSettings | None = None


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the file `path`, or the first that is there: $ROTATOR_CONFIG alone, ./rotator.toml, the user's own.

    Raises: Invalid with all faults, each with its place; where no file was named and none is there, with an example of one.
    """
    home = Path(environment.get("HOME") or Path.home())
    file, text = _read(path, environment, home)
    raw = toml.document(text, str(file))
    facts, faults = deployment.read(environment, sandbox="sandbox" in raw)
    reader = toml.Reader(str(file), _kinds(file.parent, home, environment))

    content = reader.table(_File, raw)
    policies = settings_rules.policies(reader, raw)
    settings_rules.check(reader, raw, cloud=facts.cloud_run)
    if reader.faults or faults or content is None:
        raise Invalid((*reader.lines(raw), *faults))

    state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
    return Settings(
        file=file,
        store=Path(environment.get("ROTATOR_STATE") or state / PROGRAM / "state.db"),
        installation=content.installation,
        garden=content.garden,
        account=tuple(
            _filled(account, policy, content.staging_project) for account, policy in zip(content.account, policies, strict=True)
        ),
        sandbox=content.sandbox,
        deployment=facts,
    )


def load_if_any(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """As `load`; where no file was named and none is there, settings that name nothing. Raises: Invalid."""
    places = _places(path, environment, Path(environment.get("HOME") or Path.home()))
    if path or environment.get("ROTATOR_CONFIG") or any(file.exists() for file in places):
        return load(path, environment)
    return Settings(file=places[0], store=Path(), installation="", garden=(), account=())


def _filled(account: AccountSettings, policy: Policy, staging_project: str) -> AccountSettings:
    project = account.project or settings_rules.project_of(account.email)
    return msgspec.structs.replace(
        account,
        project=project,
        base=account.base or base_name(Email(account.email)),
        staging_project=account.staging_project or staging_project or project,
        policy=policy,
    )


def _read(path: Path | None, environment: Mapping[str, str], home: Path) -> tuple[Path, str]:
    tried = _places(path, environment, home)
    for file in tried:
        try:
            return file, file.read_text(encoding="utf-8-sig")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except UnicodeDecodeError as fault:
            raise Invalid((f"{file}: is not text in UTF-8 (byte {fault.start})",)) from fault
        except OSError as fault:
            raise Invalid((f"{file}: cannot be read: {fault.strerror}",)) from fault
    if len(tried) == 1:
        whence = "--config" if path else "ROTATOR_CONFIG"
        raise Invalid((f"there is no {tried[0]}, which {whence} names",))
    looked = " and no ".join(map(str, tried))
    raise Invalid((f"there is no {looked}; write one like this:\n\n{EXAMPLE}",))


def _places(path: Path | None, environment: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    said = path or (Path(environment["ROTATOR_CONFIG"]) if environment.get("ROTATOR_CONFIG") else None)
    own = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / PROGRAM / "rotator.toml"
    return (said,) if said else (Path("rotator.toml"), own)


def _kinds(folder: Path, home: Path, environment: Mapping[str, str]) -> dict[object, toml.Kind]:
    def path(found: object) -> Path | None:
        if not isinstance(found, str) or not found:
            return None
        return home / found[2:] if found.startswith("~/") else folder / found

    def token(found: object) -> Token | None:
        text = environment.get(found, "").strip() if isinstance(found, str) else ""
        return Token(text) if text else None

    return {
        Path: toml.Kind('the path of a file, like "~/.kube/config"', path),
        Token: toml.Kind("the name of an environment variable that is set", token, shown=False),
    }
