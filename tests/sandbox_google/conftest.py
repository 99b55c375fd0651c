"""A running Google, clients that talk to it, and one account that may pull."""

from collections.abc import Iterator

import pytest

from google_callers import EMAIL, HOST, Callers
from sandbox.google import Google
from sandbox.iam_key import Account


@pytest.fixture
def google() -> Iterator[Google]:
    with Google() as running:
        yield running


@pytest.fixture
def callers(google: Google) -> Iterator[Callers]:
    clients = Callers(google)
    yield clients
    clients.close()


@pytest.fixture
def account(google: Google) -> Account:
    return google.create_account("acme", EMAIL)


@pytest.fixture
def puller(google: Google, account: Account) -> str:
    """The key file of an account that may pull from a private repository."""
    google.repository(HOST, "acme/images")
    google.grant(account, HOST, "acme/images")
    return google.make_key(account)[1]
