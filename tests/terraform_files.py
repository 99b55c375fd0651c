"""The files of `infra/` as plain values, and what the provider's own schema says of each resource in them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parent.parent
INFRA = ROOT / "infra"
SCHEMA = Path(__file__).resolve().parent / "corpus" / "google-provider-schema.json"
META = frozenset({"for_each", "count", "depends_on", "lifecycle", "provider", "dynamic"})

Tree = dict[str, Any]


@dataclass(frozen=True)
class Folder:
    """One module. Resources and data by type and name."""

    resources: Mapping[tuple[str, str], Tree]
    data: Mapping[tuple[str, str], Tree]
    variables: Mapping[str, Tree]
    outputs: Mapping[str, Tree]
    modules: Mapping[str, Tree]
    locals: Tree

    def of(self, kind: str) -> dict[str, Tree]:
        """All resources of this type, by name."""
        return {name: body for (found, name), body in self.resources.items() if found == kind}


def read(folder: Path = INFRA) -> Folder:
    """Every .tf file of this folder; strings without their quotes, expressions as ${...}."""
    options = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False, explicit_blocks=False)
    files = []
    for path in sorted(folder.glob("*.tf")):
        with path.open(encoding="utf-8") as file:
            files.append(hcl2.load(file, serialization_options=options))

    def named(kind: str) -> dict[str, Tree]:
        return {name: body for file in files for block in file.get(kind, ()) for name, body in block.items()}

    def typed(kind: str) -> dict[tuple[str, str], Tree]:
        found = [(of, block[of]) for file in files for block in file.get(kind, ()) for of in block]
        return {(of, name): body for of, each in found for name, body in each.items()}

    facts = {name: value for file in files for block in file.get("locals", ()) for name, value in block.items()}
    return Folder(typed("resource"), typed("data"), named("variable"), named("output"), named("module"), facts)


def faults(folder: Folder) -> list[str]:
    """What the provider would refuse by its schema: a line for each."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    found = []
    for table, blocks in (("resources", folder.resources), ("data_sources", folder.data)):
        for (kind, name), body in blocks.items():
            if kind not in schema[table]:
                found.append(f"{kind}.{name}: the provider has no such type")
            else:
                found += _body(f"{kind}.{name}", body, schema[table][kind], top=True)
    return found


def _body(place: str, body: Tree, schema: Tree, *, top: bool = False) -> Iterator[str]:
    written = {name: value for name, value in body.items() if not (name in META and (top or name == "dynamic"))}
    opened = {name: [each["content"][0]] for each in body.get("dynamic", ()) for name, each in each.items()}
    for name, value in {**written, **opened}.items():
        known = schema.get(name)
        if known is None:
            yield f"{place}: no argument {name}"
        elif isinstance(known, str):
            if known.startswith("computed"):
                yield f"{place}.{name}: only the provider sets it"
            elif name in opened or (isinstance(value, list) and value and all(isinstance(one, dict) for one in value)):
                yield f"{place}.{name}: an argument, not a block"
        elif not isinstance(value, list):
            yield f"{place}.{name}: a block, not an argument"
        else:
            if known.get("max", 0) and len(value) > known["max"]:
                yield f"{place}.{name}: {len(value)} times, at most {known['max']}"
            for each in value:
                yield from _body(f"{place}.{name}", each, known["body"])
    for name, known in schema.items():
        needed = known.startswith("required") if isinstance(known, str) else known.get("min", 0) > 0
        if needed and name not in written and name not in opened:
            yield f"{place}: {name} is missing"
