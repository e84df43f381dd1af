"""The SQLite store on real files, with real second processes (S-13, S-15, S-16)."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

import nexusflow
from nexusflow.store import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseUnreachable,
    NotADatabase,
    SchemaTooNew,
    SqliteDatabase,
    StoreError,
    open_database,
)
from nexusflow.store.migrations import known_migrations

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(nexusflow.__file__).parents[1])}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "nexusflow.db"


def spawn(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A second Python process that runs `script`."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def filled(path: Path) -> None:
    """A database of many pages, all of them in the main file."""
    with open_database(path) as database:
        database.execute("CREATE TABLE filler (id INTEGER PRIMARY KEY, text TEXT)")
        with database.transaction():
            for number in range(500):
                database.execute("INSERT INTO filler VALUES ($1, $2)", (number, f"{number:0>400}"))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_settings_are_the_durable_ones(path: Path) -> None:
    with open_database(path) as database:
        for one in (database, database.reader()):
            found = {
                name: one.execute(f"PRAGMA {name}")[0][0]
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
            assert one.execute("PRAGMA mmap_size") in ([], [(0,)])


def test_folder_and_files_are_private(path: Path) -> None:
    mask = os.umask(0)
    try:
        with open_database(path) as database:
            database.execute("CREATE TABLE t (a)")
            modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == {"nexusflow.db": 0o600, "nexusflow.db-wal": 0o600, "nexusflow.db-shm": 0o600}


def test_a_placeholder_without_a_value_is_a_mistake_of_the_caller(path: Path) -> None:
    with open_database(path) as database, pytest.raises(KeyError):
        database.execute("SELECT $3", ("one", "two"))


def test_own_commits_do_not_change_the_data_version(path: Path) -> None:
    with open_database(path) as database, database.reader() as reader:
        database.execute("CREATE TABLE t (a)")
        own, seen = database.data_version(), reader.data_version()
        database.execute("INSERT INTO t VALUES (1)")
        assert database.data_version() == own
        assert reader.data_version() != seen


def test_S13_a_writer_waits_for_another_process(path: Path) -> None:
    with open_database(path) as database:
        database.execute("CREATE TABLE t (a)")
        script = (
            "import sys; from pathlib import Path; from nexusflow.store import open_database\n"
            "database = open_database(Path(sys.argv[1]))\n"
            "with database.transaction():\n"
            "    database.execute('INSERT INTO t VALUES (1)'); print('locked', flush=True); sys.stdin.readline()\n"
        )
        child = spawn(script, path)
        assert child.stdout is not None
        assert child.stdout.readline() == "locked\n"
        database._connection.set_busy_timeout(1)
        with pytest.raises(DatabaseBusy, match="locked by another process"), database.transaction():
            pass
        database._connection.set_busy_timeout(10_000)
        child.communicate("go\n", timeout=60)
        with database.transaction():
            assert database.execute("SELECT a FROM t") == [(1,)]


def test_a_killed_writer_leaves_nothing_half_done_and_no_lock(path: Path) -> None:
    with open_database(path) as database:
        database.execute("CREATE TABLE t (a)")
        script = (
            "import sys; from pathlib import Path; from nexusflow.store import open_database\n"
            "database = open_database(Path(sys.argv[1]))\n"
            "database.execute('INSERT INTO t VALUES (1)')\n"
            "with database.transaction():\n"
            "    database.execute('INSERT INTO t VALUES (2)'); print('locked', flush=True); sys.stdin.readline()\n"
        )
        child = spawn(script, path)
        assert child.stdout is not None
        assert child.stdout.readline() == "locked\n"
        child.kill()
        child.communicate(timeout=60)
        with database.transaction():
            assert database.execute("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize("content", [b"x", b"hello", b"\x00" * 4096, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_S16_another_kind_of_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nexusflow.db"
    path.write_bytes(content)
    with pytest.raises((NotADatabase, DatabaseCorrupt)) as caught:
        open_database(path)
    assert str(path) in caught.value.sentence
    assert "backup" in caught.value.remedy
    assert path.read_bytes() == content


@pytest.mark.parametrize("place", [1, 2, -30, -10])
def test_S16_a_damaged_page_is_refused_and_kept(path: Path, place: int) -> None:
    """The first pages hold the schema, the last ones rows."""
    filled(path)
    damaged = bytearray(path.read_bytes())
    page = place if place > 0 else len(damaged) // 4096 + place
    damaged[(page - 1) * 4096 + 100 : page * 4096] = b"\xa5" * 3996
    path.write_bytes(damaged)
    with pytest.raises((DatabaseCorrupt, NotADatabase), match="restore the file from a backup"):
        open_database(path)
    assert path.read_bytes() == damaged


def test_S16_a_truncated_file_is_refused_and_kept(path: Path) -> None:
    filled(path)
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(half)
    with pytest.raises(DatabaseCorrupt):
        open_database(path)
    assert path.read_bytes() == half


def test_S16_the_database_of_another_program_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "nexusflow.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (a)")
    other.close()
    with pytest.raises(NotADatabase):
        open_database(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("bookmarks",)]
    other.close()


OPEN_UNPRIVILEGED = """
import os, sys
from pathlib import Path
from nexusflow.store import StoreError, open_database
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write anywhere
try:
    open_database(Path(sys.argv[1]))
except StoreError as error:
    print(type(error).__name__, error.sentence, error.remedy)
"""


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that an unprivileged process can reach but not write."""
    folder = tmp_path / "open"
    folder.mkdir()
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    return folder


def test_S15_a_read_only_file_is_refused(open_folder: Path) -> None:
    path = open_folder / "nexusflow.db"
    open_database(path).close()
    path.chmod(0o444)
    open_folder.chmod(0o555)
    output, errors = spawn(OPEN_UNPRIVILEGED, path).communicate(timeout=60)
    open_folder.chmod(0o755)
    assert output.startswith(f"DatabaseReadOnly The database {path} cannot be written."), errors


def test_a_folder_that_may_not_be_written_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    outputs = [
        spawn(OPEN_UNPRIVILEGED, path).communicate(timeout=60)[0]
        for path in (open_folder / "nexusflow.db", open_folder / "data" / "nexusflow.db")
    ]
    open_folder.chmod(0o755)
    assert outputs[0].startswith(f"DatabaseUnreachable The database {open_folder / 'nexusflow.db'} cannot be opened.")
    assert outputs[1].startswith(f"DatabaseUnreachable The data folder {open_folder / 'data'} cannot be created")


def test_a_folder_in_place_of_the_file_and_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "file" / "nexusflow.db"):
        with pytest.raises(DatabaseUnreachable):
            open_database(path)


def test_a_failed_open_releases_the_file(path: Path) -> None:
    open_database(path).close()
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO schema_version VALUES (9999, 'future', 0)")
    other.close()
    with pytest.raises(SchemaTooNew):
        open_database(path)
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
    connection.close()


def test_an_older_program_refuses_a_newer_schema_and_changes_nothing(path: Path) -> None:
    newer = known_migrations()[-1].version + 1
    with open_database(path) as database:
        database.execute("INSERT INTO schema_version (version, name, applied_ms) VALUES ($1, 'future', 0)", (newer,))
    with pytest.raises(SchemaTooNew, match=f"has schema {newer}, .* knows only {newer - 1}"):
        open_database(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT max(version) FROM schema_version").fetchone() == (newer,)
    other.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [step.version for step in known_migrations()] == list(range(1, len(known_migrations()) + 1))


def test_four_processes_race_for_ten_new_files(tmp_path: Path) -> None:
    """Every process waits for the same signal, then opens; each migration is recorded exactly once."""
    script = (
        "import sys; from pathlib import Path; from nexusflow.store import open_database\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for path in sys.argv[1:]: open_database(Path(path)).close()\n"
    )
    paths = [tmp_path / f"data{number}" / "nexusflow.db" for number in range(10)]
    children = [spawn(script, *paths) for _ in range(4)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    results = [(child.communicate(timeout=120)[1], child.returncode) for child in children]
    assert results == [("", 0)] * 4
    for path in paths:
        with open_database(path) as database:
            rows = database.execute("SELECT version, name FROM schema_version")
        assert rows == [(step.version, step.name) for step in known_migrations()]


def test_the_lock_holder_that_dies_does_not_stop_the_next_start(path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from nexusflow.store import migrations, open_database\n"
        "load = migrations.known_migrations\n"
        "last = load()[-1].version\n"
        "class Fatal(str): pass\n"
        "from nexusflow.store.sqlite import SqliteDatabase as Database\n"
        "execute = Database.execute\n"
        "def die(self, sql, params=()):\n"
        "    result = execute(self, sql, params)\n"
        "    if sql.startswith('INSERT INTO schema_version'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return result\n"
        "Database.execute = die\n"
        "open_database(Path(sys.argv[1]))\n"
    )
    child = spawn(script, path)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    with open_database(path) as database:
        assert database.execute("SELECT count(*) FROM schema_version") == [(len(known_migrations()),)]
        assert database.execute("SELECT count(*) FROM api_key") == [(0,)]


def test_a_closed_database_says_so(path: Path) -> None:
    database: SqliteDatabase = open_database(path)
    database.close()
    with pytest.raises(StoreError):
        database.execute("SELECT 1")
