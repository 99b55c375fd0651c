"""Messages of all sources that tell about keys -> what they say. Pure, and lenient: strangers send them.

Every source names accounts and keys in its own way: project id, number or "-", e-mail address or unique id, with or without a
leading host. Sources: gcp.md sections 4.2 and 5, and Google's documentation of each message, named at each reader.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rotator.doors.push import Message
from rotator.hint import Hint, Ignored, Kind, Poison, Understood

_NAME = re.compile(r"serviceAccounts/([^/\s\"']+)(?:/keys/([0-9a-f]{6,64}))?")
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]*@[a-z0-9][a-z0-9.-]*\.gserviceaccount\.com|[0-9]{15,25}")
_KEY = re.compile(r"[0-9a-f]{6,64}")
_SECRET = re.compile(r"projects/[^/]+/(?:locations/[^/]+/)?secrets/([A-Za-z0-9_-]{1,255})")

OWN = {"key-expiry": "expiring", "key-exposed": "exposed", "look": "changed"}
"""The kinds of our own documented messages."""

TOPIC_CONFIGURED = "TOPIC_CONFIGURED"
"""Secret Manager's test message, sent at the first rotation of each credential: nothing but this attribute, and no body."""

KEY_ASSET = "iam.googleapis.com/ServiceAccountKey"
KEY_METHODS = frozenset(f"{verb}ServiceAccountKey" for verb in ("Create", "Upload", "Disable", "Enable", "Delete"))


def understand(message: Message) -> Understood:
    """What this message says."""
    kind = message.attributes.get("eventType", "")
    if "secretId" in message.attributes or (kind == TOPIC_CONFIGURED and not message.data):
        return _secret_manager(kind, message.attributes)
    try:
        body = msgspec.json.decode(message.data)
    except (msgspec.DecodeError, RecursionError):
        return Poison("it is not JSON")
    if not isinstance(body, dict):
        return Poison("it is no JSON object")
    for mark, read in _READERS.items():
        if mark in body:
            return read(body)
    return Poison("no source that we know writes such a message")


def _secret_manager(kind: str, attributes: Mapping[str, str]) -> Understood:
    """https://cloud.google.com/secret-manager/docs/event-notifications. Our own writes arrive here as well."""
    if kind != "SECRET_ROTATE":
        return Ignored(f"Secret Manager says {_short(kind)}")
    found = _SECRET.fullmatch(attributes["secretId"])
    if found is None:
        return Poison("secretId is no name of a secret")
    return Hint(kind="rotate", source="secret-manager", said="its rotation date has come", secret=found[1])


def _asset(body: Mapping[str, Any]) -> Understood:
    """A TemporalAsset of a feed: https://cloud.google.com/asset-inventory/docs/monitoring-asset-changes."""
    asset = _table(body, "asset") or _table(body, "priorAsset")
    if _text(asset, "assetType") != KEY_ASSET:
        return Ignored(f"an asset of type {_short(_text(asset, 'assetType')) or 'unknown'}")
    data = _table(_table(asset, "resource"), "data")
    kind: Kind = "exposed" if "EXPOSED" in _text(data, "disableReason") else "changed"
    what = "deleted" if body.get("deleted") is True else "disabled" if data.get("disabled") is True else "changed"
    # The asset is named by the unique id, its data by the address: the address needs no question to IAM.
    return _named(kind, "asset-feed", f"the key was {what}", _text(data, "name"), _text(asset, "name"))


def _finding(body: Mapping[str, Any]) -> Understood:
    """A NotificationMessage of Security Command Center; a finding comes again, and goes INACTIVE later."""
    finding = _table(body, "finding")
    category = _text(finding, "category")
    if _text(finding, "state") != "ACTIVE":
        return Ignored(f"finding {_short(category)} is not active")
    low = category.lower().replace("_", " ")
    kind: Kind = "exposed" if "leak" in low or "exposed" in low else "old" if "not rotated" in low else "changed"
    names = (
        _text(_table(finding, "access"), "serviceAccountKeyName"),
        _text(finding, "resourceName"),
        _text(_table(body, "resource"), "name"),
    )
    return _named(kind, "security-command-center", f"finding {_short(category)}", *names)


def _audit(body: Mapping[str, Any]) -> Understood:
    """A LogEntry of IAM's audit log; `status` with a code is a call that failed."""
    payload = _table(body, "protoPayload")
    method = _text(payload, "methodName").rpartition(".")[2]
    if method not in KEY_METHODS:
        return Ignored(f"method {_short(method) or 'unknown'}")
    if _table(payload, "status").get("code"):
        return Ignored(f"a {method} that failed")
    labels = _table(_table(body, "resource"), "labels")
    response = _table(payload, "response")
    names = (f"serviceAccounts/{_text(labels, 'email_id')}", _text(payload, "resourceName"), _text(response, "name"))
    return _named("changed", "audit-log", f"somebody called {method}", *names)


def _incident(body: Mapping[str, Any]) -> Understood:
    """An alert of Cloud Monitoring: https://cloud.google.com/monitoring/support/notification-options#pubsub."""
    incident = _table(body, "incident")
    if body.get("version") == "test":
        return Ignored("a test of the notification channel")
    if _text(incident, "state") != "open":
        return Ignored("an incident that is not open")
    labels = {
        **_strings(_table(_table(incident, "resource"), "labels")),
        **_strings(_table(_table(incident, "metric"), "labels")),
        **_strings(_table(incident, "policy_user_labels")),
    }
    account = labels.get("service_account") or labels.get("email_id") or labels.get("unique_id") or ""
    name = f"serviceAccounts/{account}" + (f"/keys/{labels['key_id']}" if labels.get("key_id") else "")
    said = f"alert {_short(_text(incident, 'policy_name'))}"
    return _named("expiring", "monitoring", said, name, _text(_table(incident, "documentation"), "content"))


def _own(body: Mapping[str, Any]) -> Understood:
    """Our own schema; see README."""
    kind, account, key_id = _text(body, "kind"), _text(body, "service_account"), _text(body, "key_id")
    if kind not in OWN:
        return Poison(f"kind {_short(kind) or 'missing'} is none of {', '.join(OWN)}")
    if not _ACCOUNT.fullmatch(account):
        return Poison("service_account is neither an address nor a unique id")
    if key_id and not _KEY.fullmatch(key_id):
        return Poison("key_id is no id of a key")
    return Hint(
        kind=OWN[kind],  # type: ignore[arg-type]  # its values are Kinds
        source="message",
        said=_short(_text(body, "reason")) or kind,
        account=account,
        key_id=key_id,
    )


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Understood]] = {
    "asset": _asset,
    "priorAsset": _asset,
    "finding": _finding,
    "protoPayload": _audit,
    "incident": _incident,
    "kind": _own,
}
"""By the member that only this source's messages have."""


def _named(kind: Kind, source: str, said: str, *names: str) -> Understood:
    """The hint for the first of these names that names an account; a key that any of them names belongs to it."""
    found = [match for name in names for match in _NAME.finditer(name) if _ACCOUNT.fullmatch(match[1])]
    if not found:
        return Poison(f"{source}: it names no service account")
    key_id = next((match[2] for match in found if match[2]), "")
    return Hint(kind=kind, source=source, said=said, account=found[0][1], key_id=key_id)


def _table(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _strings(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _short(text: str) -> str:
    """One line of at most 120 characters: strangers' words go into our log."""
    return " ".join(text.split())[:120]
