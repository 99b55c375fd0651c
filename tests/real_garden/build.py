"""`python -m real_garden.build`: the API servers of Kubernetes and Gardener, built once, outside the project.

One Go module per version family in `modules/`, with committed go.mod and go.sum: what is built is pinned by hash. The folder is
named after those files, so another version is another folder. Everything is fetched by Go's own means; about ten minutes and
5 GB of Go's caches on two cores the first time, nothing to do after that.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).with_name("modules")
BY_HAND = "python -m real_garden.build"
KUBERNETES = "v1.36.3"
_VERSION = "k8s.io/component-base/version"
_FLAGS = f"-X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36"


class Unavailable(Exception):
    """The servers cannot be had here; one line that says how to get them."""


@dataclass(frozen=True, slots=True)
class Target:
    """One binary: the module it is built in, and its package there."""

    binary: str
    module: str
    package: str = "."
    flags: str = ""


TARGETS = (
    Target("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    Target("kube-apiserver", "kube-apiserver", flags=_FLAGS),  # without a version, kubectl cannot read what it says
    Target("gardener-apiserver", "gardener", "github.com/gardener/gardener/cmd/gardener-apiserver"),
    Target("reference-controller", "gardener", "./reference-controller"),
    Target("registry-cache-webhook", "webhook"),
    Target("registry", "distribution", "github.com/distribution/distribution/v3/cmd/registry"),
)
ASSETS = ("etcd", "kube-apiserver")
"""What a folder named by KUBEBUILDER_ASSETS may bring."""

_DIRECTIVE = re.compile(r"^go (\d+)\.(\d+)", re.MULTILINE)


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the binaries of these modules are, or will be."""
    digest = hashlib.sha256(repr(TARGETS).encode())
    for file in sorted(MODULES.rglob("*")):
        if file.is_file():
            digest.update(str(file.relative_to(MODULES)).encode() + b"\0" + file.read_bytes() + b"\0")
    cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "registry-key-rotator" / "real-garden" / digest.hexdigest()[:16]


def binaries(environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Every binary by name. Raises: Unavailable when one is not built."""
    found = {target.binary: folder(environment) / target.binary for target in TARGETS} | _assets(environment)
    missing = [name for name, path in found.items() if not path.exists()]
    if missing:
        _go(environment)
        raise Unavailable(f"not built yet ({', '.join(missing)}): make real-garden, or {BY_HAND} (about ten minutes, once)")
    return found


def build(environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """The same, built if need be, by one process at a time. Raises: Unavailable, CalledProcessError."""
    place = folder(environment)
    wanted = [target for target in TARGETS if target.binary not in _assets(environment)]
    if all((place / target.binary).exists() for target in wanted):
        return binaries(environment)
    go = _go(environment)
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place):
        for number, target in enumerate(wanted, 1):
            if not (place / target.binary).exists():
                _tell(f"building {target.binary} ({number} of {len(wanted)}) ... ", end="")
                began = time.monotonic()
                _build(go, target, place, environment)
                _tell(f"{time.monotonic() - began:.0f} s")
    return binaries(environment)


def _build(go: str, target: Target, place: Path, environment: Mapping[str, str]) -> None:
    """The binary is in place, whole or not at all."""
    unfinished = place / f".{target.binary}.{os.getpid()}"
    flags = f"-ldflags=-s -w {target.flags}"
    try:
        command = [go, "build", "-trimpath", flags, "-o", str(unfinished), target.package]
        with subprocess.Popen(
            command,
            cwd=MODULES / target.module,
            env={**environment, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "0"},
            stderr=subprocess.PIPE,
            text=True,
        ) as compiler:
            _relay(compiler.stderr or ())
        if compiler.returncode:
            raise subprocess.CalledProcessError(compiler.returncode, command)
        unfinished.replace(place / target.binary)
    finally:
        unfinished.unlink(missing_ok=True)


def _relay(lines: Iterable[str]) -> None:
    """The compiler's words as they come; its hundreds of downloads as one number."""
    fetched = 0
    for line in lines:
        if line.startswith("go: downloading "):
            fetched += 1
        else:
            _tell(line, end="")
    if fetched:
        _tell(f"{fetched} modules fetched, ", end="")


def _assets(environment: Mapping[str, str]) -> dict[str, Path]:
    given = environment.get("KUBEBUILDER_ASSETS", "")
    paths = {name: Path(given) / name for name in ASSETS} if given else {}
    return paths if all(path.exists() for path in paths.values()) else {}


def _go(environment: Mapping[str, str]) -> str:
    """The Go command. Raises: Unavailable when there is none that is new enough."""
    needed = max(_version(file.read_text(encoding="utf-8")) for file in MODULES.glob("*/go.mod"))
    said = f"needs Go {needed[0]}.{needed[1]} or newer on the PATH, from go.dev/dl"
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise Unavailable(f"{said}; there is none")
    # In a folder without a module, so that Go does not fetch a newer Go to answer.
    ran = subprocess.run(
        [go, "env", "GOVERSION"], cwd=Path.home(), capture_output=True, text=True, check=False,
        env={**environment, "GOTOOLCHAIN": "local"},
    )  # fmt: skip
    if (here := _version("go " + ran.stdout.strip().removeprefix("go"))) < needed:
        raise Unavailable(f"{said}; {go} is {here[0]}.{here[1]}")
    return go


def _version(text: str) -> tuple[int, int]:
    found = _DIRECTIVE.search(text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Nobody else builds in this folder meanwhile; who died in it left no lock."""
    with (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell("another process builds the servers; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tell(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


def main() -> int:
    """The servers are built, and their folder was printed. 1 with one line when they cannot be."""
    try:
        print(build()["gardener-apiserver"].parent)
    except Unavailable as why:
        _tell(f"real-garden: {why}")
        return 1
    except subprocess.CalledProcessError as fault:
        _tell(f"real-garden: {fault.cmd[0]} build ended with {fault.returncode}; its words are above; then again: {BY_HAND}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
