"""The one access token: fetched once, never renewed, and what becomes of those who have no login."""

import pickle
import time
from datetime import datetime, timedelta

import pytest
from google.auth.compute_engine import _metadata

from google_neighbours import Neighbours
from rotator.clients.calls import ServerClock
from rotator.clients.token import LOGIN, AccessToken, from_google
from rotator.errors import Permanent, Transient


def test_the_token_is_fetched_at_its_first_use_and_never_again(world: Neighbours) -> None:
    before = world.calls("GET computeMetadata")
    world.google.metadata.reuses_tokens = False
    values = {world.token.reveal() for _ in range(3)}
    world.google.clock.advance(4000)

    assert before == 0
    assert {world.token.reveal()} == values
    assert world.calls("GET computeMetadata") == 2


def test_its_end_is_told_by_the_servers_clock(world: Neighbours) -> None:
    world.google.clock.advance(86_400)
    fence = world.accounts.fence()

    assert abs(fence - (world.now + timedelta(hours=1))) < timedelta(seconds=12)


def test_a_token_near_its_end_keeps_that_end(world: Neighbours) -> None:
    AccessToken(world.token._source).reveal()
    world.google.clock.advance(3000)

    assert abs(world.accounts.fence() - (world.now + timedelta(seconds=600))) < timedelta(seconds=12)


def test_many_workers_with_the_same_token_agree_about_its_end(world: Neighbours) -> None:
    """Google tells what is left in whole seconds, downwards: by that, a token ends a little later at each look in a second.

    Found by a quick machine: fifty activations in a second each saved a later fence, none came to disable the key.
    """
    ends: set[datetime] = set()
    for _ in range(60):
        ends.add(AccessToken(world.token._source).expires)
        time.sleep(0.02)

    assert len(ends) <= 2
    assert world.now + timedelta(hours=1, seconds=-2) < max(ends) < world.now + timedelta(hours=1, seconds=11)


def test_neither_repr_nor_pickle_shows_it(world: Neighbours) -> None:
    value = world.token.reveal()

    assert value not in repr(world.token)
    assert value not in repr(world.token._grant)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(world.token)


def test_a_metadata_server_that_is_away_is_transient(world: Neighbours) -> None:
    world.fail("GET computeMetadata", "503")
    with pytest.raises(Transient, match="getting an access token from the metadata server: 503"):
        world.token.reveal()


def test_application_default_credentials_go_over_our_route(
    world: Neighbours, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    _without_login(monkeypatch, tmp_path)
    world.google.clock.advance(86_400)
    clock = ServerClock()
    token = AccessToken(from_google(world.http, clock))

    assert world.google.access.find(token.reveal()) is not None
    assert token.member == "serviceAccount:rotator@sandbox.iam.gserviceaccount.com"
    assert abs(token.expires - (world.now + timedelta(hours=1))) < timedelta(seconds=12)


def test_no_login_at_all_names_the_command(world: Neighbours, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    _without_login(monkeypatch, tmp_path)
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)
    with pytest.raises(Permanent, match="no Application Default Credentials") as refusal:
        AccessToken(from_google(world.http, ServerClock())).reveal()

    assert refusal.value.code == "no-credentials"
    assert refusal.value.next_command == LOGIN


def _without_login(monkeypatch: pytest.MonkeyPatch, home: object) -> None:
    """Nothing of the machine that runs the tests counts."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(home))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
