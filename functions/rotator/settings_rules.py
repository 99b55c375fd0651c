"""What the types of rotator.toml cannot say: which keys go together, what may be there once, which policies can be kept.

All rules look at the tables as they are written, so that a fault in one place hides none in another.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rotator import policy, toml
from rotator.key import Email, base_name

LOOPBACK = r"(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
SERVER = r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[^\s@?#]*)?"
TOKENS = ("google_audience", "token_secret", "token_file", "token_env")

Table = Mapping[str, Any]


def project_of(email: str) -> str:
    """Read the project out of an account's address; empty when the address does not tell it.

    puller@acme.iam.gserviceaccount.com -> acme; of a domain-scoped project: puller@acme.example.com.iam... -> example.com:acme.
    """
    domain = email.partition("@")[2]
    project, dot, scope = domain.removesuffix(".iam.gserviceaccount.com").partition(".")
    if not domain.endswith(".iam.gserviceaccount.com"):
        return ""
    return f"{scope}:{project}" if dot else project


def policies(reader: toml.Reader, raw: Table) -> tuple[policy.Policy, ...]:
    """Merge each account's policy over the common one; keep why one cannot be kept as a fault where it was decided."""
    found: list[policy.Policy] = []
    for place, account in _tables(raw, "account"):
        # The parts were read before, each at its own place: here only the whole is new.
        scratch = toml.Reader("", {})
        whole = _merged(raw.get("policy", {}), account.get("policy", {}))
        merged = scratch.table(policy.Policy, whole) if isinstance(whole, dict) else None
        if merged is None:
            continue
        found.append(merged)
        for text in policy.contradictions(merged):
            reader.fault(toml.within(place, "policy") if "policy" in account else "policy", text)
    return tuple(found)


def check(reader: toml.Reader, raw: Table, *, cloud: str) -> None:
    """Keep every fault that is in more than one value. `cloud`: the variable that says this is Cloud Run, if one does."""
    gardens, accounts = _tables(raw, "garden"), _tables(raw, "account")
    if "sandbox" in raw and cloud:
        reader.fault("sandbox", f"is refused on Cloud Run ({cloud} is set); it is for one machine only")
    for place, garden in gardens:
        _check_access(reader, place, garden)
        _check_server(reader, place, garden, sandbox="sandbox" in raw)
        if _positive(garden.get("entries_per_second")) is False:
            reader.fault(f"{place}.entries_per_second", f"{garden['entries_per_second']} is not above 0")
        _check_once(reader, _entries(f"{place}.namespaces", garden.get("namespaces")))
    _check_once(reader, ((f"{place}.name", garden.get("name")) for place, garden in gardens))
    _check_once(reader, ((f"{place}.email", account.get("email")) for place, account in accounts))
    _check_bases(reader, accounts)
    for place, account in accounts:
        email = account.get("email")
        if (
            "project" not in account
            and isinstance(email, str)
            and email.endswith(".gserviceaccount.com")
            and not project_of(email)
        ):
            reader.fault(f"{place}.project", f"is missing, and {toml.shown(email)} does not tell it")


def _check_access(reader: toml.Reader, place: str, garden: Table) -> None:
    ways = [way for way in ("kubeconfig", "server") if way in garden]
    if len(ways) != 1:
        reader.fault(
            place, f"says {'both' if ways else 'neither'} kubeconfig {'and' if ways else 'nor'} server; write one of them"
        )
        return
    strangers = ("ca_file", *TOKENS) if ways == ["kubeconfig"] else ("context",)
    for key in strangers:
        if key in garden:
            reader.fault(f"{place}.{key}", f"does not go with {ways[0]}; leave it out")
    if ways == ["server"] and len([token for token in TOKENS if token in garden]) != 1:
        reader.fault(place, f"needs with server exactly one of {', '.join(TOKENS)}")


def _check_server(reader: toml.Reader, place: str, garden: Table, *, sandbox: bool) -> None:
    server = garden.get("server")
    match = re.fullmatch(SERVER, server) if isinstance(server, str) else None
    if match is None:
        return
    scheme, host = match.group(1, 2)
    if sandbox and host not in LOOPBACK_HOSTS:
        reader.fault(f"{place}.server", "is not on this machine, but [sandbox] is set: its keys must not reach a real Garden")
    elif scheme == "http" and not sandbox:
        reader.fault(f"{place}.server", "would send the token unencrypted; write https://")


def _check_bases(reader: toml.Reader, accounts: list[tuple[str, Table]]) -> None:
    first: dict[str, tuple[str, object]] = {}
    for place, account in accounts:
        email, base = account.get("email"), account.get("base")
        if not isinstance(email, str):
            continue
        start = base if isinstance(base, str) else base_name(Email(email))
        taken, other = first.setdefault(start, (place, email))
        if other != email:
            reader.fault(
                f"{place}.base", f"names would begin with {toml.shown(start)}, as those of {taken}; write another base"
            )


def _check_once(reader: toml.Reader, entries: Iterable[tuple[str, object]]) -> None:
    first: dict[str, str] = {}
    for place, value in entries:
        if isinstance(value, str) and first.setdefault(value, place) != place:
            reader.fault(place, f"{toml.shown(value)} is at {first[value]} already")


def _tables(raw: Table, key: str) -> list[tuple[str, Table]]:
    return [(place, table) for place, table in _entries(key, raw.get(key)) if isinstance(table, dict)]


def _entries(place: str, found: object) -> list[tuple[str, Any]]:
    return [(f"{place}[{index}]", each) for index, each in enumerate(found)] if isinstance(found, list) else []


def _positive(number: object) -> bool | None:
    return number > 0 if isinstance(number, int | float) and not isinstance(number, bool) else None


def _merged(common: Any, own: Any) -> Any:
    if isinstance(common, dict) and isinstance(own, dict):
        return common | {key: _merged(common.get(key), value) for key, value in own.items()}
    return own
