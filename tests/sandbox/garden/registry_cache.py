"""The admission webhook of the registry-cache extension: its checks in its order, its early return, its words.

Source: gardener.md 2; the wording is that of pkg/apis/registry/validation of gardener-extension-registry-cache.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sandbox.garden import secret as secrets
from sandbox.garden import shoot as shoots
from sandbox.garden.kind import Tree
from sandbox.garden.refusal import SUBDOMAIN, webhook_denied

WEBHOOK = "validation.registry-cache.extensions.gardener.cloud"
GROUP = "registry.extensions.gardener.cloud"
_HOST = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUANTITY = re.compile(r"([+-]?[0-9.]+)(Ki|Mi|Gi|Ti|Pi|Ei|m|k|M|G|T|P|E)?")
_DURATION = re.compile(r"([0-9.]+)(h|ms|m|us|ns|s)")
_SUFFIXES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_SUFFIXES |= {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_FIELDS: Mapping[str, Any] = {
    "upstream": str,
    "remoteURL": str,
    "volume": {"size": (str, int), "storageClassName": str},
    "garbageCollection": {"ttl": str},
    "secretReferenceName": str,
    "proxy": {"httpProxy": str, "httpsProxy": str},
    "http": {"tls": bool},
    "highAvailability": {"enabled": bool},
    "serviceNameSuffix": str,
}
_KEY_FILE_FIELDS = frozenset(
    [
        "type",
        "project_id",
        "private_key_id",
        "private_key",
        "client_email",
        "client_id",
        "auth_uri",
        "token_uri",
        "auth_provider_x509_cert_url",
        "client_x509_cert_url",
        "universe_domain",
    ]
)
FindSecret = Callable[[str], Tree | None]


def review(old: Tree | None, new: Tree, find_secret: FindSecret, versions: tuple[str, ...]) -> None:
    """The webhook lets the Shoot pass. Raises: Refusal 403 with the webhook's words."""
    found = shoots.cache_extension(new)
    if found is None:
        return
    index, extension = found
    for worker in (new["spec"].get("provider") or {}).get("workers") or ():
        if (worker.get("cri") or {}).get("name") != "containerd":
            raise _denied("container runtime needs to be containerd when the registry-cache extension is enabled")
    path = f"spec.extensions[{index}].providerConfig"
    if not extension.get("providerConfig"):
        raise _denied(f"{path}: Required value: providerConfig is required for the registry-cache extension")
    config = _decoded(extension["providerConfig"], versions)
    faults: list[str] = []
    before = shoots.cache_extension(old) if old is not None else None
    if before is not None:
        if not before[1].get("providerConfig"):
            raise _denied("providerConfig is not available on old Shoot")
        old_config = _decoded(before[1]["providerConfig"], versions)
        if old_config == config:
            # The early return: a change of `spec.resources` alone never has its Secret looked at.
            return
        faults += _update_faults(old_config, config, path)
    faults += _config_faults(config, path)
    faults += _credential_faults(new, config, path, find_secret)
    if faults:
        raise _denied(faults[0] if len(faults) == 1 else f"[{', '.join(dict.fromkeys(faults))}]")


def _denied(why: str) -> Exception:
    return webhook_denied(WEBHOOK, why)


def _decoded(raw: Any, versions: tuple[str, ...]) -> list[Tree]:
    """The caches, strictly decoded, defaults filled in."""
    failed = "failed to decode providerConfig"
    if not isinstance(raw, dict) or not raw.get("kind") or not raw.get("apiVersion"):
        raise _denied(f"{failed}: Object 'Kind' is missing in the providerConfig")
    version, kind = raw["apiVersion"], raw["kind"]
    if kind != "RegistryConfig" or version not in tuple(f"{GROUP}/{each}" for each in versions):
        raise _denied(f'{failed}: no kind "{kind}" is registered for version "{version}"')
    unknown = [f'unknown field "{key}"' for key in raw if key not in ("apiVersion", "kind", "caches")]
    caches = raw.get("caches") or []
    for index, cache in enumerate(caches):
        unknown += _unknown(cache, _FIELDS, f"caches[{index}]")
    if unknown:
        raise _denied(f"{failed}: strict decoding error: {', '.join(unknown)}")
    return [_defaulted(cache) for cache in caches]


def _unknown(value: Any, fields: Mapping[str, Any], path: str) -> list[str]:
    if not isinstance(value, dict):
        raise _denied(f"failed to decode providerConfig: json: cannot unmarshal into Go struct field {path}")
    unknown: list[str] = []
    for key, child in value.items():
        shape = fields.get(key)
        if shape is None:
            unknown.append(f'unknown field "{path}.{key}"')
        elif isinstance(shape, dict):
            unknown += _unknown(child, shape, f"{path}.{key}")
        elif child is not None and not isinstance(child, shape):
            raise _denied(f"failed to decode providerConfig: json: cannot unmarshal into Go struct field {path}.{key}")
    return unknown


def _defaulted(cache: Tree) -> Tree:
    volume = {"size": "10Gi", **(cache.get("volume") or {})}
    volume["size"] = _quantity(str(volume["size"]))
    collection = {"ttl": "168h", **(cache.get("garbageCollection") or {})}
    return {
        **cache,
        "volume": volume,
        "garbageCollection": {"ttl": _duration(collection["ttl"])},
        "http": {"tls": True, **(cache.get("http") or {})},
    }


def _quantity(text: str) -> Decimal:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise _denied("failed to decode providerConfig: quantities must match the regular expression '^([+-]?[0-9.]+)…$'")
    return Decimal(match[1]) * Decimal(_SUFFIXES.get(match[2] or "", 1))


def _duration(text: str) -> float:
    parts = _DURATION.findall(text)
    if text.lstrip("-") == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != text.lstrip("-"):
        raise _denied(f'failed to decode providerConfig: time: invalid duration "{text}"')
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return -seconds if text.startswith("-") else seconds


def _update_faults(old: list[Tree], new: list[Tree], path: str) -> list[str]:
    faults: list[str] = []
    before = {cache.get("upstream"): cache for cache in old}
    for index, cache in enumerate(new):
        was = before.get(cache.get("upstream"))
        if was is None:
            continue
        at = f"{path}.caches[{index}]"
        if was["volume"]["size"] != cache["volume"]["size"]:
            faults.append(f'{at}.volume.size: Invalid value: "{cache["volume"]["size"]}": field is immutable')
        if was["volume"].get("storageClassName") != cache["volume"].get("storageClassName"):
            name = cache["volume"].get("storageClassName")
            faults.append(f'{at}.volume.storageClassName: Invalid value: "{name}": field is immutable')
        if was["garbageCollection"]["ttl"] == 0 and cache["garbageCollection"]["ttl"] > 0:
            text = "garbage collection cannot be enabled (ttl > 0) once it is disabled (ttl = 0)"
            faults.append(f"{at}.garbageCollection.ttl: Invalid value: {text}")
    return faults


def _config_faults(config: list[Tree], path: str) -> list[str]:
    if not config:
        return [f"{path}.caches: Required value: at least one cache must be provided"]
    faults: list[str] = []
    for index, cache in enumerate(config):
        at = f"{path}.caches[{index}]"
        upstream = cache.get("upstream") or ""
        host, _, port = upstream.partition(":")
        bad_port = bool(port) and not (port.isdigit() and 0 < int(port) < 2**16)
        if not _HOST.fullmatch(host) or bad_port or upstream.endswith(":"):
            faults.append(f'{at}.upstream: Invalid value: "{upstream}": {SUBDOMAIN}')
        if upstream in [each.get("upstream") for each in config[:index]]:
            faults.append(f'{at}.upstream: Duplicate value: "{upstream}"')
        remote = cache.get("remoteURL")
        if remote is not None and not re.fullmatch(r"https?://[^/?#@]+/?", remote):
            faults.append(f'{at}.remoteURL: Invalid value: "{remote}": url must be a scheme, a host and a port only')
        if cache["volume"]["size"] <= 0:
            faults.append(f'{at}.volume.size: Invalid value: "{cache["volume"]["size"]}": must be greater than 0')
        if cache["garbageCollection"]["ttl"] < 0:
            faults.append(f"{at}.garbageCollection.ttl: Invalid value: ttl must be a non-negative duration")
        suffix = cache.get("serviceNameSuffix")
        if suffix is not None and (not _LABEL.fullmatch(suffix) or len(suffix) > 54):
            faults.append(f'{at}.serviceNameSuffix: Invalid value: "{suffix}": a lowercase RFC 1123 label is expected')
    return faults


def _credential_faults(new: Tree, config: list[Tree], path: str, find_secret: FindSecret) -> list[str]:
    faults: list[str] = []
    targets = {entry["name"]: entry["resourceRef"] for entry in shoots.resources(new)}
    for index, cache in enumerate(config):
        reference = cache.get("secretReferenceName")
        if reference is None:
            continue
        at = f'{path}.caches[{index}].secretReferenceName: Invalid value: "{reference}": '
        target = targets.get(reference)
        if target is None or target["kind"] != "Secret":
            faults.append(f"{at}failed to find referenced resource with name {reference} and kind Secret")
            continue
        key = f"{new['metadata']['namespace']}/{target['name']}"
        tree = find_secret(target["name"])
        if tree is None:
            text = f'failed to get secret {key} for secretReferenceName {reference}: secrets "{target["name"]}" not found'
            raise _denied(text)
        faults += [at + fault for fault in secret_faults(tree, key)]
    return faults


def secret_faults(tree: Tree, key: str) -> list[str]:
    """What ValidateUpstreamRegistrySecret says against the Secret; never a byte of its content."""
    faults: list[str] = []
    if not tree.get("immutable"):
        faults.append(f'the referenced secret "{key}" should be immutable')
    if len(tree.get("data") or {}) != 2:
        faults.append(f'the referenced secret "{key}" should have only two data entries')
    username, password = secrets.entry(tree, "username"), secrets.entry(tree, "password")
    for name, value in (("username", username), ("password", password)):
        if value is None:
            faults.append(f'missing "{name}" data entry in the referenced secret "{key}"')
        elif not value.strip():
            faults.append(f'the data entry "{name}" in the referenced secret "{key}" is empty')
    if username is not None and re.search(r"\s", username.decode("utf-8", "replace")):
        faults.append(f'the data entry "username" in the referenced secret "{key}" contains whitespace')
    if username == b"_json_key" and password is not None:
        faults += _key_file_faults(password, key)
    return faults


_GO = {int: "number", float: "number", bool: "bool", list: "array"}
"""How Go's decoder calls a value of JSON."""


def _key_file_faults(password: bytes, key: str) -> list[str]:
    where = f'password data entry in the referenced secret "{key}"'
    failed = f"failed to unmarshal ServiceAccount json from the {where}"
    try:
        fields = json.loads(password)
    except ValueError as fault:
        cut = isinstance(fault, json.JSONDecodeError) and not fault.doc[fault.pos :].strip()
        why = "unexpected end of JSON input" if cut else "invalid character looking for beginning of value"
        return [f"{failed}: {why}"]
    if fields is None:
        return []
    if not isinstance(fields, dict):
        return [f"{failed}: json: cannot unmarshal into Go value of type map[string]string"]
    faults = []
    wrong = [_GO.get(type(value), "object") for value in fields.values() if not isinstance(value, str | None)]
    if wrong:
        faults.append(f"{failed}: json: cannot unmarshal {wrong[0]} into Go value of type string")
    return faults + [
        f'forbidden ServiceAccount field "{field}" present in the {where}' for field in fields if field not in _KEY_FILE_FIELDS
    ]
