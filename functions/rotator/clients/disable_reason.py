"""Why a key is disabled. Only IAM's REST API tells (gcp.md, section 1.1): a read beside the main road, which may fail."""

import httpx
import msgspec

from rotator.clients.token import AccessToken
from rotator.key import Account, KeyId

ASIDE = 5.0
"""Seconds that a read beside the road may take."""

_PREFIX = "SERVICE_ACCOUNT_KEY_DISABLE_REASON_"
_BY_USER = "USER_INITIATED"


class _Key(msgspec.Struct, rename="camel"):
    """One key as REST lists it."""

    name: str
    disable_reason: str = ""


class _Keys(msgspec.Struct):
    """The answer of keys.list."""

    keys: tuple[_Key, ...] = ()


class DisableReasons:
    """Asks REST for all keys of an account at once."""

    def __init__(self, http: httpx.Client, token: AccessToken) -> None:
        """Ask nothing yet."""
        self._http = http
        self._token = token

    def by_google(self, account: Account) -> dict[KeyId, str]:
        """The reason of each key that Google disabled, such as EXPOSED; nothing when Google does not tell now."""
        url = f"https://iam.googleapis.com/v1/{account.resource}/keys?keyTypes=USER_MANAGED"
        try:
            answer = self._http.get(url, headers=dict(self._token.metadata()), timeout=ASIDE).raise_for_status()
            read = msgspec.json.decode(answer.content, type=_Keys)
        except (httpx.HTTPError, msgspec.DecodeError):
            return {}
        reasons = {KeyId(key.name.rpartition("/")[2]): key.disable_reason.removeprefix(_PREFIX) for key in read.keys}
        return {key_id: reason for key_id, reason in reasons.items() if reason not in {"", _BY_USER}}
