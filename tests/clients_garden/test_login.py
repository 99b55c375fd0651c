"""Tokens, kubeconfigs, and the fence."""

import errno
import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from garden_neighbour import NS, Neighbour, draft
from rotator.clients.calls import ServerClock
from rotator.clients.garden import KubernetesGarden, Login
from rotator.clients.garden import login as logins
from rotator.clients.garden.errors import silence, words
from rotator.errors import Permanent, RotatorError, Transient, Unreadable
from sandbox.garden.kind import SHOOTS

CONNECTION = HTTPConnection("garden")


def caused(fault: HTTPError, cause: OSError) -> HTTPError:
    fault.__cause__ = cause
    return fault


def test_the_fence_is_the_end_of_the_token_that_creates_are_sent_with(garden: Neighbour) -> None:
    fence = garden.client.fence()

    assert fence is not None
    assert timedelta(minutes=59) < fence - garden.clock.now() <= timedelta(hours=1)
    assert garden.client.fence() == fence


def test_a_create_behind_its_fence_is_refused_though_a_newer_token_could_be_had(garden: Neighbour) -> None:
    """A paused worker that wakes up an hour late must not slip past the fence with a renewed token."""
    fence = garden.client.fence()
    garden.clock.advance(3700)
    garden.client.shoots(NS)

    with pytest.raises(Transient, match="garden-token"):
        garden.client.create_secret(draft())
    renewed = garden.client.fence()
    garden.client.create_secret(draft())

    assert fence is not None
    assert renewed is not None
    assert renewed > fence


def test_each_activation_has_a_fence_of_its_own(garden: Neighbour) -> None:
    """Threads of one function share a process: a token that one of them renews must not carry another past its saved fence."""
    paused, other = garden.client.activation(), garden.client.activation()
    fence = paused.fence()
    garden.clock.advance(3500)
    renewed = other.fence()
    garden.clock.advance(200)

    with pytest.raises(Transient, match="garden-token"):
        paused.create_secret(draft())
    other.create_secret(draft())

    assert fence is not None
    assert renewed is not None
    assert fence < renewed


def test_a_kubeconfig_that_was_replaced_is_read_again(garden: Neighbour, tmp_path: Path) -> None:
    """Found by the first function that lived for a day: its kubeconfig had been renewed, it had not looked."""
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(garden.server.kubeconfig("rotator")))
    client = KubernetesGarden("eu", Login.kubeconfig(path), garden.heard)
    client.shoots(NS)
    garden.server.revoke_tokens("rotator")
    with pytest.raises(Transient, match="garden-token"):
        client.shoots(NS)

    path.write_text(json.dumps(garden.server.kubeconfig("rotator")))

    assert client.shoots(NS) == ()
    client.close()


def test_a_revoked_token_is_renewed_for_reads(garden: Neighbour) -> None:
    garden.client.shoots(NS)
    garden.server.revoke_tokens("rotator")

    assert garden.client.shoots(NS) == ()


def test_a_token_that_nobody_renews_is_said(garden: Neighbour) -> None:
    login = Login.server(garden.server.address, None, logins.static("nonsense"))
    client = KubernetesGarden("eu", login, garden.heard)

    with pytest.raises(Transient, match=r"garden-token: list shoots .* 401"):
        client.shoots(NS)
    assert client.fence() is None
    client.close()


def test_a_kubeconfig_logs_in_and_its_token_is_the_fence(garden: Neighbour, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(garden.server.kubeconfig("rotator", NS)))
    client = KubernetesGarden("eu", Login.kubeconfig(path), garden.heard)

    assert client.shoots(NS) == ()
    assert client.fence() is not None
    client.close()


def test_a_kubeconfig_without_the_context_is_said(garden: Neighbour, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(garden.server.kubeconfig("rotator", NS)))

    with pytest.raises(Permanent, match="check path and context"):
        Login.kubeconfig(path, "nope")
    with pytest.raises(Permanent, match="check path and context"):
        Login.kubeconfig(tmp_path / "absent")


def test_a_token_file_is_read_when_a_token_is_needed(garden: Neighbour, tmp_path: Path) -> None:
    path = tmp_path / "token"
    client = KubernetesGarden("eu", Login.server(garden.server.address, None, logins.from_file(path)), garden.heard)

    with pytest.raises(Permanent, match="token file"):
        client.shoots(NS)
    path.write_text(garden.server.issue_token("rotator") + "\n")

    assert client.shoots(NS) == ()
    client.close()


def test_a_garden_that_does_not_answer_is_transient() -> None:
    client = KubernetesGarden("eu", Login.server("http://127.0.0.1:9", None, logins.static("token")), ServerClock())

    with pytest.raises(Transient, match=r"no answer from http://127\.0\.0\.1:9: connection refused$"):
        client.create_secret(draft())
    client.close()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (NewConnectionError(CONNECTION, "no"), "no connection"),
        (caused(NewConnectionError(CONNECTION, "no"), OSError(errno.EHOSTUNREACH, "No route to host")), "no route to it"),
        (NameResolutionError("garden", CONNECTION, socket.gaierror()), "its name cannot be resolved"),
        (ConnectTimeoutError("slow"), "no connection in time"),
        (ReadTimeoutError(None, "/", "slow"), "connected, but nothing came in time"),  # type: ignore[arg-type]  # not looked at
        (ProtocolError("reset"), "the connection broke off"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_why_a_garden_does_not_answer_is_said_in_words(fault: HTTPError, said: str) -> None:
    assert silence(fault) == said


def test_an_answer_that_is_not_the_apis_keeps_gates_shut(garden: Neighbour) -> None:
    garden.server.create_shoot(NS, "api")
    stored = garden.server._state.store.find(SHOOTS, NS, "api")
    assert stored is not None
    garden.server._state.store.put(SHOOTS, {**stored.tree, "spec": {**stored.tree["spec"], "resources": "text"}})

    with pytest.raises(Unreadable, match="resources"):
        garden.client.shoots(NS)


@pytest.mark.parametrize(
    "text", ["-----BEGIN PRIVATE KEY-----\nMIIE", "x" * 1000, "a " + "QUJD" * 40], ids=["pem", "long", "base64"]
)
def test_a_servers_words_are_bounded_and_carry_no_key(text: str) -> None:
    said = words(text)

    assert len(said) <= 300
    assert "MIIE" not in said
    assert "QUJD" not in said


def test_no_error_is_without_a_next_step(garden: Neighbour) -> None:
    garden.server.forbid("rotator", NS)
    faults: list[RotatorError] = []
    for call in (lambda: garden.client.shoots(NS), lambda: garden.client.create_secret(draft())):
        try:
            call()
        except RotatorError as fault:
            faults.append(fault)

    assert len(faults) == 2
    assert all("grant " in str(fault) for fault in faults)
