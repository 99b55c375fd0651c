"""What an organisation, or IAM itself, does not let happen, in the words of the real refusals (gcp.md 1.3, 1.6)."""

from collections.abc import Set as AbstractSet
from datetime import timedelta

from google.rpc.error_details_pb2 import PreconditionFailure, RetryInfo

from sandbox.door import Refused
from sandbox.iam_key import Account


def permit(what: str, account: Account, constraints: AbstractSet[str]) -> None:
    """Return only when no constraint, legacy or managed, forbids the Creation or Upload of keys."""
    for prefix in ("iam.", "iam.managed."):
        constraint = f"{prefix}disableServiceAccountKey{what}"
        if constraint in constraints:
            raise _violation(constraint, f"Key {what.lower()} is not allowed on this service account.", account)


def limit_lifetime(wanted: timedelta, account: Account, hours: int | None) -> None:
    """Return only when an uploaded key lives no longer than the expiry constraint allows."""
    seconds, most = wanted // timedelta(seconds=1), (hours or 0) * 3600
    if most and seconds > most:
        text = (
            f"The given public key has a lifetime of {seconds} seconds, "
            f"which is longer than the max allowed lifetime of {most} seconds"
        )
        raise _violation("iam.serviceAccountKeyExpiryHours", text, account)


def full(shape: str) -> Refused:
    """The account has its ten keys, told as in 2018 or as in 2023."""
    if shape == "RESOURCE_EXHAUSTED":
        wait = RetryInfo()
        wait.retry_delay.seconds = 86401
        return Refused("RESOURCE_EXHAUSTED", "Maximum number of keys on account reached", wait)
    return Refused("FAILED_PRECONDITION", "Precondition check failed.")


def _violation(constraint: str, text: str, account: Account) -> Refused:
    detail = PreconditionFailure()
    detail.violations.add(type=f"constraints/{constraint}", subject=account.name, description=text)
    return Refused("FAILED_PRECONDITION", text, detail)
