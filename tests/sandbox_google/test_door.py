"""Every call is in the log in the order of effects, and faults strike where they were ordered."""

import json
import threading
import time

import httpx
import pytest
from google.api_core import exceptions

from google_callers import EMAIL, HOST, Callers, last
from sandbox.faults import Fault
from sandbox.google import ROTATOR, Google
from sandbox.iam_key import Account


def test_the_log_names_a_key_by_its_public_key_and_never_shows_it(google: Google, callers: Callers, account: Account) -> None:
    name, file = callers.create(account)
    callers.iam.disable_service_account_key(name=name, **callers.auth)
    _, by_hand = google.make_key(account)
    callers.exchange(by_hand)
    callers.store(file.encode())

    entries = [entry for entry in google.operations.since() if entry.service == "iam" and entry.mutating]
    assert [(entry.facts["state"], entry.facts["by"]) for entry in entries] == [
        ("enabled", ROTATOR),
        ("disabled", ROTATOR),
        ("enabled", "human"),
    ]
    assert entries[0].facts["public_key"] == google.ring.public_key_of(file.encode())
    assert entries[0].facts["account"] == EMAIL
    assert entries[0].facts["origin"] == "GOOGLE"
    text = json.dumps([entry.as_json() for entry in google.operations.since()])
    assert "PRIVATE KEY" not in text
    assert json.loads(file)["private_key"] in google.key_files_issued()


def test_a_refused_call_is_logged_without_facts(google: Google, callers: Callers, account: Account) -> None:
    with pytest.raises(exceptions.NotFound):
        callers.iam.delete_service_account_key(name=f"{account.name}/keys/0", **callers.auth)

    entry = last(google, "iam")
    assert (entry.method, entry.outcome, dict(entry.facts)) == ("DeleteServiceAccountKey", "NOT_FOUND", {})


def test_a_lost_answer_leaves_a_key_that_nobody_heard_of(google: Google, callers: Callers, account: Account) -> None:
    google.faults.add(Fault(service="iam", method="Create*", when="after", answer="lost"))

    with pytest.raises(exceptions.ServiceUnavailable):
        callers.create(account)
    assert len(callers.listed(account)) == 1
    entry = next(entry for entry in google.operations.since() if entry.method == "CreateServiceAccountKey")
    assert (entry.outcome, entry.answered) == ("ok", False)


def test_a_fault_before_the_effect_leaves_nothing(google: Google, callers: Callers, account: Account) -> None:
    google.faults.add(Fault(method="CreateServiceAccountKey", answer="ABORTED", text="try later"))

    with pytest.raises(exceptions.Aborted, match="try later"):
        callers.create(account)
    assert callers.listed(account) == []


def test_a_hanging_call_ends_by_the_callers_deadline(google: Google, callers: Callers, account: Account) -> None:
    google.faults.add(Fault(service="iam", method="List*", answer="hang", seconds=30))
    auth = callers.auth | {"timeout": 0.3}
    began = time.monotonic()

    with pytest.raises(exceptions.DeadlineExceeded):
        callers.iam.list_service_account_keys(name=account.name, **auth)
    assert time.monotonic() - began < 3


def test_http_faults_break_the_connection_or_answer_a_status(google: Google, callers: Callers) -> None:
    google.faults.add(Fault(service="registry", answer="lost"))
    with pytest.raises(httpx.RemoteProtocolError):
        callers.get(HOST, "/v2/")
    google.faults.add(Fault(service="registry", method="GET v2", answer="503"))
    assert callers.get(HOST, "/v2/").status_code == 503
    google.faults.add(Fault(service="oauth2", target=EMAIL, answer="hang", seconds=0.1))
    account = google.create_account("acme", EMAIL)
    with pytest.raises(httpx.RemoteProtocolError):
        callers.exchange(google.make_key(account)[1])


def test_stopping_ends_what_hangs(google: Google) -> None:
    other = Google().start()
    other.faults.add(Fault(service="metadata", answer="hang", seconds=600))
    broken = threading.Event()

    def ask() -> None:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{other.http_address}/computeMetadata/v1/project/project-id", timeout=20)
        broken.set()

    threading.Thread(target=ask).start()
    while not other.operations.since():
        time.sleep(0.01)
    other.stop()
    assert broken.wait(5)


def test_calls_that_were_given_up_do_not_use_up_the_server(google: Google, callers: Callers, account: Account) -> None:
    number = google.faults.add(Fault(service="iam", answer="hang", seconds=30, times=0))

    def give_up() -> None:
        with pytest.raises(exceptions.DeadlineExceeded):
            callers.listed(account)

    waiting = [threading.Thread(target=give_up) for _ in range(40)]
    callers.patience = 0.3
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    google.faults.remove(number)
    callers.patience = 5

    assert callers.listed(account) == []
