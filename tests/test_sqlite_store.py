"""What is special to the embedded store: its file. Its promises as a store are in test_store_contract.py and _races.py."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from rotator.errors import Permanent, Transient
from rotator.store import HISTORY, Entry
from rotator.stores.sqlite import SqliteStore
from store_engines import LATER, NOW, claimed, envelope


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refusal(path: Path) -> str:
    with pytest.raises(Permanent) as refused:
        SqliteStore(path)
    text = str(refused.value)
    assert "\n" not in text
    assert text.startswith(f"opening the store {path}: ")
    assert text.endswith("; put it right, or set ROTATOR_STATE to another file")
    return text.removeprefix(f"opening the store {path}: ").partition(";")[0]


def test_file_and_new_folders_are_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "state" / "registry-key-rotator" / "state.db"
    with closing(SqliteStore(path)) as store:
        store.create(envelope())
        kept = {each.name: mode_of(each) for each in path.parent.iterdir()}

    assert kept == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    assert mode_of(path.parent) == 0o700


def test_a_folder_that_was_there_keeps_its_mode_and_a_file_is_made_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "state.db"
    path.touch(mode=0o644)
    SqliteStore(path).close()

    assert mode_of(tmp_path) == 0o755
    assert mode_of(path) == 0o600


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 3")

    assert refusal(path) == "was written by a newer version of this program (schema 3, this one knows 2)"


def test_a_file_of_schema_1_is_brought_up_and_keeps_all_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    before = SqliteStore(path)
    won = claimed(before)
    before.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE history")
        connection.execute("PRAGMA user_version = 1")

    stores = [SqliteStore(path), SqliteStore(path)]

    assert [store.get("puller-r1") for store in stores] == [won, won]
    line = Entry(at=NOW, line=b"line")
    assert stores[0].save(msgspec.structs.replace(won, entry=line), worker="one", revision=won.revision)
    assert stores[1].history("puller-r1") == (line,)
    for store in stores:
        store.close()


def test_lines_older_than_three_months_are_swept(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    old, young = (Entry(at=at, line=b"line") for at in (NOW - HISTORY - timedelta(seconds=1), NOW))
    store.create(envelope(entry=old))
    store.create(envelope("puller-r2", entry=young))

    assert store.history("puller-r1") == ()
    assert store.history("puller-r2") == (young,)
    store.close()


def test_another_programs_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()

    assert refusal(path) == "is the database of another program"
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("to do: rotate keys\n" * 100)

    assert refusal(path) == "file is not a database"
    assert path.read_text() == "to do: rotate keys\n" * 100


def test_a_damaged_database_is_named_when_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        for number in range(200):
            store.create(envelope(f"r{number}", body=b"x" * 500))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))

    with closing(SqliteStore(path)) as store, pytest.raises(Permanent, match=rf"^reading the store {path}: .*malformed"):
        store.all()


@pytest.mark.parametrize("name", ["file/state.db", "folder"])
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    assert refusal(tmp_path / name) in {"is a folder", f"File exists ({tmp_path}/file)"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    assert refusal(tmp_path / "state.db") == f"Permission denied ({tmp_path}/state.db)"


def test_a_store_that_stays_busy_is_a_transient_fault(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path, patience=0.05)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        store.create(envelope())
        other.execute("BEGIN IMMEDIATE")

        assert store.get("puller-r1") == envelope()
        with pytest.raises(Transient, match=rf"^writing to the store {path}: database is locked$"):
            store.claim("puller-r1", "one", NOW, LATER)


def test_a_fault_inside_a_change_leaves_nothing_of_it(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        won = claimed(store)
        with pytest.raises(ValueError, match="time zone"):
            store.reserve("live", 1, NOW.replace(tzinfo=None), 1.0)

        assert store.extend(won.id, "one", LATER)
        assert store.reserve("live", 1, NOW, 1.0) == NOW


def test_importing_the_store_loads_nothing_heavy() -> None:
    program = "import sys, rotator.stores.sqlite; print(*sys.modules)"
    functions = Path(__file__).parents[1] / "functions"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=functions)

    assert {"google.protobuf", "kubernetes", "grpc", "httpx", "cryptography", "asyncio"}.isdisjoint(answer.stdout.split())
