"""The real servers are built once, or the reason why not is one line."""

import os
import subprocess
from pathlib import Path

import pytest

from real_garden import build
from real_garden.build import TARGETS, Unavailable


def test_without_go_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^needs Go 1\.\d+ or newer on the PATH, from go\.dev/dl; there is none$"):
        build.binaries({"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)})


def test_a_go_that_is_too_old_is_named(tmp_path: Path) -> None:
    go(tmp_path, "echo go1.19.3")

    with pytest.raises(Unavailable, match=r"needs Go 1\.\d+ .*; .*/go is 1\.19$"):
        build.binaries({"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)})


def test_unbuilt_servers_name_the_command(tmp_path: Path) -> None:
    go(tmp_path, "echo go1.99")

    with pytest.raises(Unavailable, match=r"not built yet \(etcd, .*make real-garden, or python -m real_garden.build"):
        build.binaries({"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)})


def test_each_binary_is_built_once_and_whole(tmp_path: Path) -> None:
    compiler = go(tmp_path, FAKE_GO)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("KUBEBUILDER_ASSETS", None)

    first = build.build(environment)
    compiler.unlink()
    again = build.build(environment)

    assert again == first
    assert sorted(first) == sorted(target.binary for target in TARGETS)
    assert {path.read_text() for path in first.values()} == {"built\n"}
    assert sorted(path.name for path in build.folder(environment).iterdir()) == sorted([*first, "lock"])


def test_a_build_that_fails_leaves_no_binary(tmp_path: Path) -> None:
    go(tmp_path, 'test "$1" = env && echo go1.99 || exit 7')
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    with pytest.raises(subprocess.CalledProcessError):
        build.build(environment)
    assert [path.name for path in build.folder(environment).iterdir()] == ["lock"]


def test_kubebuilders_assets_are_used_where_they_are(tmp_path: Path) -> None:
    go(tmp_path, FAKE_GO)
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in build.ASSETS:
        (assets / name).write_text("given\n")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "KUBEBUILDER_ASSETS": str(assets)}

    found = build.build({**os.environ, **cache, "PATH": f"{tmp_path}:{os.environ['PATH']}"})

    assert {name for name, path in found.items() if path.read_text() == "given\n"} == set(build.ASSETS)


FAKE_GO = """
if test "$1" = env; then echo go1.99; exit; fi
while test "$1" != -o; do shift; done
echo built > "$2"
"""


def go(folder: Path, script: str) -> Path:
    """A command `go` in the folder that does this."""
    command = folder / "go"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return command
