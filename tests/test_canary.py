"""Private keys exist in memory, in staging and in Secrets, and nowhere else (invariant I5): a whole life is lived and searched.

The history goes through every step in both mint modes, with odd Secrets, outages, and servers that quote our own key material
back at us in their refusals. Then everything that came out of the program is searched for any private key the sandbox ever saw.
"""

import base64
import json
import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import figures
from canary import Canary
from house import BASE, EMAIL, NAMESPACE, USER, House, house
from rotator import guard
from rotator.record import encode
from sandbox.faults import Fault
from sandbox.garden import ROTATOR
from sandbox.keys import KeyPair
from stories import OLD, begin, on, policy, retirement_of, until

PAIR = KeyPair()
FORMS: dict[str, Callable[[str], str | bytes]] = {
    "as it is": lambda pem: f"so: {pem}",
    "one line of it": lambda pem: pem.splitlines()[12],
    "24 characters of it": lambda pem: "x " + pem.splitlines()[13][5:29] + " y",
    "JSON": lambda pem: json.dumps({"private_key": pem}),
    "JSON in JSON": lambda pem: json.dumps(json.dumps({"private_key": pem})),
    "repr": repr,
    "base64": lambda pem: base64.b64encode(pem.encode()).decode(),
    "base64 of JSON": lambda pem: base64.b64encode(json.dumps({"a": 1, "private_key": pem}).encode()).decode(),
    "base64 of pretty JSON": lambda pem: base64.encodebytes(json.dumps({"private_key": pem}, indent=2).encode()).decode(),
    "url-safe base64": lambda pem: base64.urlsafe_b64encode(f"12{pem}".encode()).decode(),
    "armour": lambda _: "-----BEGIN PRIVATE KEY-----",
    "DER": lambda pem: b"\0\1" + base64.b64decode("".join(pem.splitlines()[1:-1])) + b"\2",
}


@pytest.mark.parametrize("form", FORMS)
def test_the_canary_sings_when_a_key_leaks(form: str, tmp_path: Path) -> None:
    leaked = FORMS[form](PAIR.pem)
    canary = Canary([PAIR.pem])

    assert canary.leaks("here", leaked)
    (tmp_path / "file").write_bytes(leaked if isinstance(leaked, bytes) else leaked.encode())
    assert len(list(canary.leaks_in_folder(tmp_path))) >= 1


def test_the_canary_is_silent_about_another_key_and_about_public_halves() -> None:
    canary = Canary([PAIR.pem])
    other = "".join(KeyPair().pem.splitlines()[1:-1])
    public = PAIR.certificate(*(datetime(year, 1, 1, tzinfo=UTC) for year in (2026, 2027))).decode()

    assert canary.leaks("here", f"{other[:1500]} {public} {PAIR.public_key}") == []


class Listener(logging.Handler):
    """Everything that any library says, at any level, with its arguments and tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        trouble = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self.said.append(f"{record.name} {record.getMessage()} {vars(record)!r} {trouble}")


def life(h: House, said: list[str]) -> None:
    """One credential's life, everything that was said on the way is in `said`."""

    def listen(world: Any) -> Any:
        def through(_: Any, call: Callable[[], Any]) -> Any:
            try:
                answer = call()
            except Exception as fault:
                said.append("".join(traceback.format_exception(fault)) + repr(fault) + repr(vars(fault)))
                raise
            said.append(repr(answer))
            return answer

        return guard.around(world, through)

    h.around = listen
    old, file = h.hand_made_key()
    h.live.create_secret(
        NAMESPACE, OLD, "_json_key_base64", base64.b64encode(file.encode()).decode(), immutable=False, note="x"
    )
    h.live.create_secret(NAMESPACE, "plain", password=file)
    for name in ("app", "web"):
        h.shoot(name, "plain")
        h.live.point(NAMESPACE, name, "ar", OLD)
    w = h.wire()
    quoted = "refused: " + json.dumps({"password": file, "pem": json.loads(file)["private_key"]})
    for service, method in (
        ("iam", "UploadServiceAccountKey"),
        ("iam", "ListServiceAccountKeys"),
        ("secretmanager", "AddSecretVersion"),
        ("secretmanager", "AccessSecretVersion"),
        ("monitoring", "ListTimeSeries"),
    ):
        h.faults.add(Fault(service=service, method=method, answer="INVALID_ARGUMENT", text=quoted))
        h.faults.add(Fault(service=service, method=method, answer="lost", when="after", nth=2))
    for method in ("CREATE secrets", "GET secrets", "LIST shoots", "PATCH shoots", "PATCH shoots (dry run)", "DELETE secrets"):
        h.faults.add(Fault(service="garden:*", method=method, answer="422", text=quoted, nth=2))
        h.faults.add(Fault(service="garden:*", method=method, answer="lost", when="after", nth=4))
    for service in ("oauth2", "registry"):
        h.faults.add(Fault(service=service, answer="400", text=quoted, nth=3))
    record = begin(h, w)
    for _ in range(25):
        record = h.carry(w, record.id)
        if record.blocked is None:
            break
        said.append(repr(record))
        if record.blocked.code == "unproven-key":
            h.google.iam.change_by_hand(record.blocked.next_command.split()[5], "deleted")
        w.service.retry(record.id, h.now(), by="jo", why="again")
    assert not record.unfinished, record.rest
    for _ in range(15):
        retiring = h.carry(w, retirement_of(h, w, old).id)
        if retiring.blocked is None:
            break
        w.service.retry(retiring.id, h.now(), by="jo", why="again")
    h.faults.clear()
    # superseded in the middle, a name that is taken, a key in both modes, no rights, an unknown body in the store
    until(h, w, begin(h, w, new=True), "Minted")
    newest = h.carry(w, begin(h, w, new=True).id)
    said += [repr(newest), *(repr(on(h, w, each)) for each in w.service.tick(h.now())[0])]
    stuck = until(h, w, begin(h, w, new=True), "Verified")
    h.live.create_secret(NAMESPACE, stuck.id.replace("-r", "-v"), password=file)
    said.append(repr(on(h, w, stuck)))
    h.live.forbid(USER, NAMESPACE)
    said.append(repr(w.service.look(h.now())))
    w.service.tick(h.now())
    h.live.allow(USER, NAMESPACE, ROTATOR)
    begun = begin(h, w, new=True)
    h.carry(w, begun.id)
    said.append(repr(w.service.look(h.now())))
    for each in w.service.records()[0]:
        said += [repr(each), encode(each).decode(), msgspec.json.encode(each.order).decode()]
    for name in ("r1", "r2"):
        said.append(repr(w.service.record(f"{BASE}-{name}")))
    world = w.world(EMAIL)
    said += [repr(world), repr(w.settings), repr(w.store), repr(world.accounts.generate())]


@pytest.mark.parametrize("mint", ["upload", "create"])
def test_no_private_key_leaves_memory_staging_and_secrets(mint: str, capfd: pytest.CaptureFixture[str]) -> None:
    listener = Listener()
    root = logging.getLogger()
    before = {
        name: (logging.getLogger(name).level, logging.getLogger(name).propagate) for name in ("", "google", "grpc", "urllib3")
    }
    root.addHandler(listener)
    for name in before:
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).propagate = True
    said: list[str] = []
    try:
        with house(policy=policy(mint=mint, poll=timedelta(minutes=1))) as h:
            life(h, said)
            canary = Canary(h.google.key_files_issued())
            out, err = capfd.readouterr()
            files = {str(file.name): file.read_bytes() for file in h.folder.rglob("*") if file.is_file()}
            log = "\n".join(repr(o.as_json()) for o in h.operations.since())
    finally:
        root.removeHandler(listener)
        for name, (level, propagate) in before.items():
            logging.getLogger(name).setLevel(level)
            logging.getLogger(name).propagate = propagate

    assert canary.keys >= 5
    assert "state.db-wal" in files
    assert len(listener.said) > 100
    assert sum("Traceback" in each for each in said) > 5
    leaks = [leak for name, content in files.items() for leak in canary.leaks(name, content)]
    for where, text in (("stdout", out), ("stderr", err), ("the operations log", log)):
        leaks += canary.leaks(where, text)
    for number, text in enumerate(listener.said):
        leaks += canary.leaks(f"log entry {number} ({text.split(' ')[0]})", text)
    for number, text in enumerate(said):
        leaks += canary.leaks(f"answer or exception {number} ({text[:60]!r})", text)
    figures.put("canary_leaks", value=len(leaks), unit="places", goal=0, met=not leaks)
    assert leaks == []
