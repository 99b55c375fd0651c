"""The landscape as a whole: it comes up, it is what it says, and it goes with its owner."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_runner import ROOT
from real_garden.build import binaries
from real_garden.garden import eventually
from real_ground import on_real
from sandbox.garden import ROTATOR

if TYPE_CHECKING:
    from real_garden.landscape import Landscape

pytestmark = pytest.mark.real

START = """
import sys, time
from pathlib import Path
from real_garden.landscape import Landscape
Landscape(Path(sys.argv[1]))
print("up", flush=True)
time.sleep(600)
"""


def test_it_is_the_versions_that_are_pinned(landscape: "Landscape") -> None:
    admin = landscape.plane.admin

    assert admin.request("GET", "/version")["gitVersion"] == "v1.36.3"
    plugins = admin.request("GET", "/apis/core.gardener.cloud/v1beta1")["resources"]
    assert {"shoots", "shoots/status", "shoots/binding", "seeds"} <= {each["name"] for each in plugins}


def test_the_rotator_has_exactly_the_documented_verbs(landscape: "Landscape") -> None:
    """What the server itself says, over all verbs there are."""
    verbs = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
    with on_real(landscape) as ground:
        documented = {(verb, resource) for rule in ROTATOR for resource in rule.resources for verb in rule.verbs}
        found = {
            (verb, resource)
            for verb in verbs
            for resource in {resource for _, resource in documented} | {"namespaces"}
            if ground.server.may(ground.user, ground.ns, verb, resource)
        }

    assert found == documented


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=str)
def test_a_run_that_dies_leaves_no_server_behind(landscape: "Landscape", tmp_path: Path, how: signal.Signals) -> None:
    path = os.pathsep.join([str(ROOT / "functions"), str(ROOT / "tests")])
    run = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "up\n"
    assert len(servers(tmp_path)) >= 5

    run.send_signal(how)
    run.communicate()

    eventually(lambda: not servers(tmp_path))


def servers(folder: Path) -> list[str]:
    """The commands of processes that run our binaries in this folder, their guards included."""
    built = {str(path) for path in binaries().values()}
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if built & set(words) and any(str(folder) in word for word in words):
            found.append(json.dumps(words[:3]))
    return found
