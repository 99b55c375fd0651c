"""Histories of first rotations: what people made by hand is read in whatever shape, said, replaced strictly, and taken away."""

import base64
import json

import pytest

from house import BASE, EMAIL, HOST, NAMESPACE, House, house
from rotator.errors import Invalid
from rotator.key import UNIVERSE
from rotator.secret import INSTALLATION_LABEL
from rotator.states import Done, Draining, Gone
from rotator.wiring import Wired
from sandbox.garden.kind import SECRETS
from stories import OLD, V1, V2, begin, blocked, finished, key_states, names, on, policy, retirement_of, told, until


def compact(file: str) -> str:
    return json.dumps(json.loads(file), separators=(",", ":"))


def packed(file: str) -> str:
    return base64.b64encode(file.encode()).decode()


ODD = {
    "pretty": ({}, lambda file: file, "the key file is pretty-printed, not one line"),
    "mutable": ({"immutable": False}, compact, "it is not immutable"),
    "third entry": (
        {"note": "ask jo"},
        compact,
        "it has other entries than exactly username and password: note, password, username",
    ),
    "base64": ({"username": "_json_key_base64"}, packed, "its username is _json_key_base64"),
    "base64 unnamed": ({"username": "_json_key_base64"}, packed, "the key file is base64 of JSON"),
    "url-safe": ({"username": "_json_key_base64"}, lambda f: base64.urlsafe_b64encode(f.encode()).decode(), "base64 of JSON"),
}


def read_back(h: House, name: str) -> dict[str, str]:
    secret = h.live.secret(NAMESPACE, name)
    assert secret is not None
    assert secret["immutable"]
    return {entry: base64.b64decode(value).decode() for entry, value in secret["data"].items()}


@pytest.mark.parametrize("form", ODD)
def test_an_odd_secret_is_understood_said_replaced_and_taken_away(form: str) -> None:
    options, shape, remark = ODD[form]
    with house() as h:
        old, file = h.hand_made_key()
        h.live.create_secret(NAMESPACE, OLD, password=shape(file), **options)
        h.live.create_shoot(NAMESPACE, "app", {}, {"ar": OLD})
        h.live.edit(NAMESPACE, "app", {"purpose": "testing"})
        w = h.wire()
        view = w.service.look(h.now()).credentials[0]
        assert remark in " ".join(view.hindrances)
        assert [(key.key.id, key.role) for key in view.keys] == [(old, "in use")]

        h.rotate(w)

        written = read_back(h, V1)
        assert set(written) == {"username", "password"}
        assert written["username"] == "_json_key"
        assert "\n" not in written["password"]
        assert set(finished(h, w).values()) == {"Done", "Gone"}
        assert h.live.secret(NAMESPACE, OLD) is None


@pytest.mark.parametrize(("field", "value"), [("token_uri", "https://evil.example/token"), ("universe_domain", "evil.example")])
def test_a_foreign_address_in_a_key_file_is_said_and_never_followed(field: str, value: str) -> None:
    with house() as h:
        old, file = h.hand_made_key()
        h.live.create_secret(NAMESPACE, OLD, password=json.dumps({**json.loads(file), field: value}))
        h.shoot("app", OLD)
        w = h.wire()
        assert f"the key file names a foreign {field}" in " ".join(w.service.look(h.now()).credentials[0].hindrances)

        h.rotate(w)
        back = h.rotate(w, to=old)

        assert isinstance(back.state, Done)
        assert names(h, "app") == [V2]
        content = json.loads(read_back(h, V2)["password"])
        assert content["private_key_id"] == old
        assert (content["token_uri"], content["universe_domain"]) == ("https://oauth2.googleapis.com/token", UNIVERSE)
        assert h.violations() == []


def test_an_account_that_nobody_configured_is_shown_and_not_touched() -> None:
    with house() as h:
        h.populate(1)
        stranger = h.google.create_account("acme-prod", "other@acme-prod.iam.gserviceaccount.com")
        _, file = h.google.make_key(stranger)
        h.live.create_secret(NAMESPACE, "theirs", password=file)
        h.shoot("theirs", "theirs")
        w = h.wire()

        w.service.tick(h.now())
        views = {view.email: view for view in w.service.look(h.now()).credentials}

        assert views["other@acme-prod.iam.gserviceaccount.com"].hindrances == (
            "rotator.toml names no such account: reported, never touched",
        )
        with pytest.raises(Invalid, match="does not let us touch this account"):
            w.service.rotate("other@acme-prod.iam.gserviceaccount.com", h.now(), by="x", why="y")  # type: ignore[arg-type]


def test_the_staging_secret_of_another_installation_blocks_before_a_key_is_made() -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        h.rotate(w)
        staging = h.google.secrets.find(f"projects/acme-prod/secrets/registry-key-rotator-{BASE}")
        staging.message.labels["registry-key-rotator-installation"] = "somebody-else"
        keys = key_states(h)

        record = h.rotate(w, new=True)

        assert blocked(record).code == "foreign-installation"
        assert "belongs to installation somebody-else, we are acme" in told(record)
        assert key_states(h) == keys


def test_a_secret_of_another_installation_is_moved_from_and_never_deleted() -> None:
    with house() as h:
        old, file = h.hand_made_key()
        h.live.create_secret(NAMESPACE, OLD, password=file, labels={INSTALLATION_LABEL: "somebody-else"})
        h.shoot("app", OLD)
        w = h.wire()
        foretold = foretelling(h, w)
        h.rotate(w)
        h.clock.advance(3 * 3600)
        retiring = on(h, w, retirement_of(h, w, old))
        h.clock.advance(3 * 3600)
        retiring = on(h, w, retiring)

        assert isinstance(retiring.state, Draining)
        assert "carries the mark of installation somebody-else" in foretold
        assert blocked(retiring).code == "foreign-secret"
        assert "carries the mark of installation somebody-else: delete it there" in told(retiring)
        assert h.live.secret(NAMESPACE, OLD) is not None


@pytest.mark.parametrize("whose", ["other content", "foreign mark"])
def test_a_name_that_is_taken_blocks_and_the_next_rotation_takes_the_next_name(whose: str) -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        record = until(h, w, begin(h, w), "Verified")
        labels = {} if whose == "other content" else {INSTALLATION_LABEL: "somebody-else"}
        h.live.create_secret(NAMESPACE, V1, "robot", "pw", labels=labels)

        record = on(h, w, record)

        assert blocked(record).code == "name-taken"
        assert blocked(record).next_command == f"rotator rotate {EMAIL} --new"
        assert names(h, "shoot-0") == [OLD]
        assert isinstance(h.rotate(w, new=True).state, Done)
        assert names(h, "shoot-0") == [V2]
        ends = finished(h, w)
        assert ends[f"{BASE}-r1"] == "Superseded"
        assert set(ends.values()) == {"Superseded", "Done", "Gone"}
        assert len(key_states(h)) == 1
        assert h.live.secret(NAMESPACE, V1) is not None


def test_a_secret_that_flux_keeps_is_never_deleted_and_the_owner_is_told_where_to_remove_it() -> None:
    with house() as h:
        old, _ = h.populate(1)
        h.live.patch(SECRETS, NAMESPACE, OLD, {"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}})
        w = h.wire()
        foretold = foretelling(h, w)
        h.rotate(w)
        retiring = retirement_of(h, w, old)
        h.clock.advance(3 * 3600)
        on(h, w, retiring)
        h.clock.advance(3 * 3600)
        retiring = on(h, w, retiring)

        assert "belongs to Flux Kustomization apps" in foretold
        assert "belongs to Flux Kustomization apps (label kustomize.toolkit.fluxcd.io/name=apps)" in told(retiring)
        assert "remove it at the source" in told(retiring)

        h.live.delete_secret(NAMESPACE, OLD)
        w.service.retry(retiring.id, h.now(), by="jo", why="removed from the kustomization")
        assert isinstance(h.carry(w, retiring.id).state, Gone)


def foretelling(h: House, w: Wired) -> str:
    """What a look before the rotation says of the retirement to come."""
    return " ".join(w.service.look(h.now()).credentials[0].will_block)


def test_a_key_that_iam_does_not_know_is_said_and_replaced() -> None:
    with house() as h:
        old, _ = h.populate(1)
        h.google.iam.change_by_hand(old, "deleted")
        w = h.wire()
        view = w.service.look(h.now()).credentials[0]
        assert "which IAM does not list: deleted, or of another account" in " ".join(view.hindrances)

        record = h.rotate(w)

        assert isinstance(record.state, Done)
        assert names(h, "shoot-0") == [V1]


def test_an_account_that_is_not_there_is_said() -> None:
    with house() as h:
        h.populate(1)
        h.google.iam._accounts.clear()
        w = h.wire()

        hindrances = " ".join(w.service.look(h.now()).credentials[0].hindrances)

        assert EMAIL in hindrances
        assert HOST not in hindrances or "probe" not in hindrances


def test_a_hand_made_secret_is_kept_without_the_adopt_setting() -> None:
    with house(policy=policy(adopt=False)) as h:
        old, _ = h.populate(1)
        w = h.wire()
        h.rotate(w)
        retiring = retirement_of(h, w, old)
        on(h, w, retiring)
        h.clock.advance(3 * 3600)
        retiring = on(h, w, retiring)

        assert blocked(retiring).code == "foreign-secret"
        assert "kubectl -n garden-acme delete secret ar-credentials" in told(retiring)
        assert blocked(retiring).next_command == (
            f"kubectl -n garden-acme delete secret ar-credentials && rotator retry {retiring.id}"
        )
        assert h.live.secret(NAMESPACE, OLD) is not None
