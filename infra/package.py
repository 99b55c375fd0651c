"""One archive for all functions: the program, its pinned requirements, bytecode, and your rotator.toml.

Run: python3 infra/package.py --config rotator.toml --out build/rotator.zip. The same input gives the same bytes, so its hash
tells whether anything changed. Bytecode of our own modules goes in when this Python is the functions' (PYTHON): a cold start
without it takes three times as long; the platform's build makes that of the packages.
"""

import argparse
import py_compile
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

PYTHON = (3, 13)
"""The runtime that functions.tf names."""

SOURCE = Path(__file__).resolve().parent.parent / "functions"
EPOCH = (2020, 1, 1, 0, 0, 0)


def certificates(config: Path) -> list[str]:
    """The CA files that the settings name beside themselves: public, and looked for at the same place in the archive."""
    gardens = tomllib.loads(config.read_text(encoding="utf-8")).get("garden", ())
    named = {str(garden["ca_file"]) for garden in gardens if "ca_file" in garden}
    return sorted(name for name in named if not name.startswith(("/", "~")))


def files(config: Path) -> Iterator[tuple[str, bytes]]:
    """Names in the archive with their content, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(SOURCE.rglob("*")):
            name = path.relative_to(SOURCE)
            if path.is_dir() or "__pycache__" in name.parts or path.suffix not in {".py", ".txt", ".typed"}:
                continue
            yield name.as_posix(), path.read_bytes()
            if path.suffix == ".py" and sys.version_info[:2] == PYTHON:
                compiled = Path(folder) / "one.pyc"
                mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
                py_compile.compile(
                    str(path), str(compiled), f"/workspace/{name.as_posix()}", doraise=True, invalidation_mode=mode
                )
                tag = sys.implementation.cache_tag
                yield (name.parent / "__pycache__" / f"{name.stem}.{tag}.pyc").as_posix(), compiled.read_bytes()
        yield "rotator.toml", config.read_bytes()
        for name in certificates(config):
            yield name, (config.parent / name).read_bytes()


def main() -> int:
    """The archive is there; a line says its size."""
    parser = argparse.ArgumentParser(description="One archive for all functions.")
    parser.add_argument("--config", type=Path, required=True, help="your rotator.toml; it holds no secret")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        for name in certificates(given.config):
            (given.config.parent / name).read_bytes()
    except (OSError, ValueError) as fault:
        print(
            f"package: reading {given.config}: {fault}; write one first, see README: Run it on your own Gardens",
            file=sys.stderr,
        )
        return 1
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(given.out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files(given.config):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    version = ".".join(map(str, PYTHON))
    slower = f"without bytecode, so cold starts take longer: for it run this with Python {version}"
    compiled = "with bytecode" if sys.version_info[:2] == PYTHON else slower
    print(f"{given.out}: {given.out.stat().st_size // 1024} KiB, {compiled}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
