"""Why IAM did not make a key. The same refusal has had several shapes over the years; all of them are read here.

Source: gcp.md sections 1.3 (the cap of ten), 1.5 (lifetime), 1.6 (organisation policies). The RetryInfo of 86401 seconds that
came with the cap is never honoured.
"""

import re

from google.api_core import exceptions
from google.rpc import error_details_pb2

from rotator.clients.rpc import Attempt
from rotator.clients.words import words
from rotator.errors import Permanent, RotatorError
from rotator.key import Account
from rotator.policy import Mint

CAP = 10
"""User-managed keys that one account may have."""

BARE = "precondition"
"""Code of a refusal that gives no reason; since 2023 the cap looks like this."""

_LIFETIME = re.compile(r"lifetime of (\d+) seconds.*max allowed lifetime of (\d+) seconds")
_EXPIRY = "iam.serviceAccountKeyExpiryHours"
_POLICIES: dict[Mint, str] = {
    "upload": "iam.disableServiceAccountKeyUpload",
    "create": "iam.disableServiceAccountKeyCreation",
}


class Refusals:
    """Reads why a key was not made for this account in this way."""

    def __init__(self, account: Account, mint: Mint) -> None:
        """`mint`: how it was tried."""
        self._account = account
        self._mint = mint

    def read(self, fault: exceptions.GoogleAPICallError, attempt: Attempt) -> RotatorError | None:
        """What it means; None for a fault that any call can have, quota included."""
        text = fault.message or ""
        if not isinstance(fault, exceptions.FailedPrecondition | exceptions.InvalidArgument | exceptions.ResourceExhausted):
            return None
        if "Maximum number of keys" in text:
            return self.cap(attempt)
        if isinstance(fault, exceptions.ResourceExhausted):
            return None
        constraint = _constraint(fault)
        if _LIFETIME.search(text) or _EXPIRY in constraint:
            return self._lifetime(text, attempt)
        if constraint or "not allowed" in text:
            return self._policy(constraint, attempt)
        if isinstance(fault, exceptions.InvalidArgument):
            return None
        return Permanent(
            f"{attempt.what}: refused without a reason ({words(text)}); look for an organisation policy and at the keys",
            code=BARE,
            next_command=self._list,
        )

    def cap(self, attempt: Attempt) -> Permanent:
        """The account is full."""
        why = f"the account has its {CAP} user-managed keys; delete one that nobody needs, then retry"
        return Permanent(f"{attempt.what}: {why}: {self._list}", code="key-cap", next_command=self._list)

    def _policy(self, constraint: str, attempt: Attempt) -> Permanent:
        named = constraint or f"{_POLICIES[self._mint]} (or its iam.managed form)"
        other: Mint = "create" if self._mint == "upload" else "upload"
        show = self._describe(constraint or _POLICIES[self._mint])
        return Permanent(
            f'{attempt.what}: organisation policy {named} forbids it; set mint = "{other}" if that is allowed,'
            f" or ask for an exception: {show}",
            code="org-policy",
            next_command=show,
        )

    def _lifetime(self, text: str, attempt: Attempt) -> Permanent:
        found = _LIFETIME.search(text)
        spans = f": {found[1]} s asked for, {found[2]} s allowed" if found else ""
        show = self._describe(_EXPIRY)
        return Permanent(
            f"{attempt.what}: organisation policy {_EXPIRY} limits the life of keys{spans}; set lifetime to fit: {show}",
            code="lifetime",
            next_command=show,
        )

    def _describe(self, constraint: str) -> str:
        return f"gcloud org-policies describe {constraint} --effective --project {self._account.project}"

    @property
    def _list(self) -> str:
        account = self._account
        return (
            f"gcloud iam service-accounts keys list --iam-account {account.email} --managed-by user --project {account.project}"
        )


def _constraint(fault: exceptions.GoogleAPICallError) -> str:
    """The constraint that a PreconditionFailure names, without its prefix; empty when there is none."""
    for detail in fault.details:
        if isinstance(detail, error_details_pb2.PreconditionFailure):
            for violation in detail.violations:
                found = re.search(r"iam\.[\w.]+", violation.type) or re.search(r"iam\.[\w.]+", violation.subject)
                return found.group() if found else str(violation.type)
    return ""
