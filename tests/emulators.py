"""Google's own emulators of Firestore and Pub/Sub: found in the Cloud SDK, started on free ports of loopback, gone with us.

The Cloud SDK's wrapper scripts leave a JVM behind when they are killed, so the JVM is started directly, behind a guard.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from real_garden.process import Process

REQUIRED = "ROTATOR_REQUIRE_EMULATORS"
USUAL = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "~/google-cloud-sdk",
    "/google-cloud-sdk",
)
COMPONENTS = {"firestore": "cloud-firestore-emulator", "pubsub": "pubsub-emulator"}
JARS = {"firestore": "cloud-firestore-emulator.jar", "pubsub": "lib/cloud-pubsub-emulator-*-all.jar"}
MAINS = {
    "firestore": "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
    "pubsub": "com.google.cloud.pubsub.testing.v1.Main",
}
ARGUMENTS = {"firestore": ["--host=127.0.0.1", "--port={port}"], "pubsub": ["--host=127.0.0.1", "--port={port}"]}


class Unavailable(Exception):
    """The emulator cannot be had here; one line that says how to get it."""


def sdk(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The Cloud SDK's folder: where `gcloud` stands, or one of the usual places."""
    gcloud = shutil.which("gcloud", path=environment.get("PATH"))
    found = [Path(gcloud).resolve().parent.parent] if gcloud else []
    places = [*found, *(Path(each).expanduser() for each in USUAL)]
    return next((place for place in places if (place / "platform").is_dir()), None)


def command(name: str, port: int, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What starts this emulator. Raises: Unavailable."""
    java = shutil.which("java", path=environment.get("PATH"))
    if java is None:
        raise Unavailable(f"the {name} emulator needs Java on the PATH (Debian: apt install default-jre-headless)")
    root = sdk(environment)
    jars = sorted((root / "platform" / COMPONENTS[name]).glob(JARS[name])) if root else []
    if not jars:
        debian = f"google-cloud-cli-{COMPONENTS[name].removeprefix('cloud-')}"
        get = f"gcloud components install {COMPONENTS[name]} (Debian: apt install {debian})"
        raise Unavailable(f"the {name} emulator comes with the Cloud SDK: {get}")
    flags = ["-Duser.language=en", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return [java, *flags, "-cp", str(jars[-1]), MAINS[name], *(each.format(port=port) for each in ARGUMENTS[name])]


class Emulator:
    """One running emulator; `address` is host:port."""

    def __init__(self, name: str, folder: Path) -> None:
        """It answers. Raises: Unavailable, real_garden.process.Failed."""
        port = free_port()
        line = command(name, port)
        self.address = f"127.0.0.1:{port}"
        self.process = Process(f"{name} emulator", line, folder / f"{name}.log")
        try:
            self.process.wait_until(self._answers, seconds=90)
        except BaseException:
            self.process.stop()
            raise

    def _answers(self) -> bool:
        try:
            with build_opener(ProxyHandler({})).open(f"http://{self.address}/", timeout=2):
                return True
        except URLError as fault:
            return getattr(fault, "code", None) is not None
        except OSError:
            return False

    def stop(self) -> None:
        """It has ended."""
        self.process.stop()

    def children(self) -> list[int]:
        """The process ids of its JVM: to pause it."""
        ran = subprocess.run(["pgrep", "-P", str(self.process.guard)], capture_output=True, text=True, check=False)
        return [int(each) for each in ran.stdout.split()]


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
