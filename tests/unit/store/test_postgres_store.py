"""What only a server can do: go away, come back, refuse, and keep secrets (S-13, SEC-62)."""

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from nexusflow.ir.plan import CredentialRef, DatabaseAt
from nexusflow.ir.secret import Secret
from nexusflow.store import (
    Database,
    DatabaseAway,
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseUnreachable,
    StoreError,
    open_store,
)
from nexusflow.store.postgres import PostgresDatabase, open_postgres
from nexusflow.store.postgres_words import to_postgres
from tests.support.postgres import PostgresServer
from tests.support.stores import Store


@pytest.fixture
def database(postgres_url: str) -> Iterator[PostgresDatabase]:
    with open_postgres(Secret(postgres_url), 2) as database:
        yield database


@pytest.fixture
def own(own_postgres: PostgresServer, tmp_path: Path) -> Iterator[Database]:
    with Store.postgres(tmp_path, own_postgres.new_database()).open() as database:
        database.execute("CREATE TABLE thing (id TEXT PRIMARY KEY)")
        yield database


def add(database: Database, name: str) -> None:
    database.execute("INSERT INTO thing (id) VALUES ($1)", (name,))


def names(database: Database) -> list[str]:
    return [str(name) for (name,) in database.execute("SELECT id FROM thing ORDER BY id")]


def test_S13_after_a_restart_the_first_statement_succeeds(own: Database, own_postgres: PostgresServer) -> None:
    with own.reader() as reader:
        add(own, "before")
        seen = reader.data_version()
        for number, end in enumerate((own_postgres.stop, own_postgres.stop_immediately, own_postgres.kill)):
            end()
            own_postgres.start()
            add(own, str(number))
            assert reader.data_version() != seen
        assert names(reader) == ["0", "1", "2", "before"]


def test_S13_while_the_server_is_away_every_call_says_so(own: Database, own_postgres: PostgresServer) -> None:
    own_postgres.stop()
    for attempt in (
        lambda: own.execute("SELECT 1"),
        lambda: own.transaction().__enter__(),
        lambda: own.snapshot().__enter__(),
        lambda: own.insert_new("thing", ("id",), [("a",)]),
        own.data_version,
        own.now_ms,
    ):
        with pytest.raises(DatabaseAway, match="cannot be reached"):
            attempt()
    own_postgres.start()
    assert own.insert_new("thing", ("id",), [("a",)]) == {"a"}


@pytest.mark.parametrize("how", ["stop_immediately", "kill"])
def test_S13_a_server_that_dies_in_a_transaction_takes_it_along(
    own: Database, own_postgres: PostgresServer, how: str
) -> None:
    with pytest.raises(DatabaseAway), own.transaction():
        add(own, "lost")
        getattr(own_postgres, how)()
        own_postgres.start()
        # Not on a new connection: half a transaction must not be committed.
        add(own, "half")
    assert names(own) == []
    with own.transaction():
        add(own, "kept")
    assert names(own) == ["kept"]


def test_S13_a_commit_that_the_server_did_not_confirm_is_a_failure(own: Database, own_postgres: PostgresServer) -> None:
    with pytest.raises(DatabaseAway), own.transaction():
        add(own, "lost")
        own_postgres.kill()
        own_postgres.start()
    assert names(own) == []


def test_a_follower_of_the_keys_survives_an_outage(
    own_postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SEC-55: the last known keys stay in force while the server is away, and new ones are seen when it is back."""
    import asyncio

    from nexusflow.keys import KeyCache, KeyTable

    caplog.set_level(logging.INFO, "nexusflow.keys")
    with Store.postgres(tmp_path, own_postgres.new_database()).open() as database:
        table, known = KeyTable(database, b"p" * 32), KeyCache(database, b"p" * 32)
        _, secret = table.create("kept")

        async def scenario() -> None:
            stop = asyncio.Event()
            watching = asyncio.create_task(known.watch(stop, 0.02))
            await until(lambda: known.lookup(secret) is not None)
            await asyncio.to_thread(own_postgres.stop_immediately)
            await until(lambda: bool(caplog.records))
            assert known.lookup(secret) is not None
            await asyncio.to_thread(own_postgres.start)
            _, late = await asyncio.to_thread(table.create, "late")
            await until(lambda: known.lookup(late) is not None)
            stop.set()
            await watching

        async def until(condition: Callable[[], bool]) -> None:
            for _ in range(3_000):
                if condition():
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("the condition never came true")

        asyncio.run(scenario())
        known.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_all_connections_in_use_is_busy(database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexusflow.store.pool.WAIT_SECONDS", 0.05)
    taken, leave = threading.Barrier(3), threading.Event()

    def hold() -> None:
        with database.transaction():
            taken.wait(30)
            leave.wait(30)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    taken.wait(30)
    with pytest.raises(DatabaseBusy, match="stayed in use"):
        database.execute("SELECT 1")
    leave.set()
    for thread in threads:
        thread.join(30)
    assert database.execute("SELECT 1") == [(1,)]


def test_a_deadlock_is_busy_for_one_and_nothing_for_the_other(database: PostgresDatabase) -> None:
    database.execute("CREATE TABLE pair (id INTEGER PRIMARY KEY); INSERT INTO pair VALUES (1), (2)")
    both, met = threading.Barrier(2), []

    def lock(first: int, second: int) -> None:
        try:
            with database.transaction():
                for number in (first, second):
                    database.execute(f"SELECT 1 FROM pair WHERE id = $1{database.for_update}", (number,))
                    if number == first:
                        both.wait(30)
        except StoreError as error:
            met.append(type(error))

    threads = [threading.Thread(target=lock, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert met == [DatabaseBusy]


def test_a_lock_held_by_another_process_is_waited_for_in_vain(database: PostgresDatabase, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE api_key")
        with pytest.raises(DatabaseBusy, match="kept waiting"), database.transaction():
            database.execute("SET LOCAL lock_timeout = '50ms'")
            database.execute("SELECT * FROM api_key")
    with pytest.raises(DatabaseBusy, match="kept waiting"), database.transaction():
        database.execute("SET LOCAL statement_timeout = '50ms'")
        database.execute("SELECT pg_sleep(60)")


def test_sessions_are_durable_and_bounded(postgres_url: str, postgres: PostgresServer) -> None:
    """A database whose owner switched durability off still confirms a commit only when it is on disk."""
    with psycopg.connect(postgres.url(), autocommit=True) as other:
        name = postgres_url.rpartition("/")[2]
        other.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
        other.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = serializable".encode())
    with open_postgres(Secret(postgres_url), 1) as database:
        found = {
            name: database.execute(f"SHOW {name}")[0][0]
            for name in ("synchronous_commit", "default_transaction_isolation", "lock_timeout", "statement_timeout")
        }
        idle = database.execute("SHOW idle_in_transaction_session_timeout")
    assert found == {
        "synchronous_commit": "on",
        "default_transaction_isolation": "read committed",
        "lock_timeout": "10s",
        "statement_timeout": "30s",
    }
    assert idle == [("10s",)]


def test_a_user_who_may_not_write_is_told_so(postgres: PostgresServer, postgres_url: str) -> None:
    open_postgres(Secret(postgres_url), 1).close()
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE guest LOGIN PASSWORD 'guest-word'")
    url = postgres_url.replace(f"nexusflow:{postgres.password}", "guest:guest-word")
    with pytest.raises(DatabaseReadOnly, match="right to write"):
        open_postgres(Secret(url), 1)


SECRET_WORD = "s3cret-%41word"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://nexusflow:{word}@127.0.0.1:{port}/postgres", DatabaseAway),
        ("postgresql://nobody:{word}@127.0.0.1:{port}/postgres", DatabaseAway),
        ("postgresql://nexusflow:{word}@127.0.0.1:1/postgres", DatabaseAway),
        ("postgresql://nexusflow:{word}@no.such.host.invalid/postgres", DatabaseAway),
        ("postgresql://nexusflow:{word}@127.0.0.1:port/postgres", DatabaseAway),
        ("postgresql://nexusflow:{word}@127.0.0.1:{port}/postgres?odd=1", DatabaseUnreachable),
        ("postgresql://nexusflow:{word} x@127.0.0.1:{port}/postgres", DatabaseUnreachable),
        ("{word}", DatabaseUnreachable),
        ("host=127.0.0.1 password={word} odd", DatabaseUnreachable),
    ],
)
def test_SEC62_no_message_holds_the_password_or_the_user(
    postgres: PostgresServer, url: str, kind: type[StoreError], caplog: pytest.LogCaptureFixture
) -> None:
    address = url.format(word=SECRET_WORD, port=postgres.port)
    with pytest.raises(kind) as caught:
        open_postgres(Secret(address), 1)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(caught.value)
    for word in ("s3cret", "Aword"):
        assert word not in told


def test_SEC62_no_message_of_a_failing_statement_holds_the_password(
    database: PostgresDatabase, postgres: PostgresServer
) -> None:
    assert "nexusflow" not in database.label
    assert database.label.startswith(f"postgres://127.0.0.1:{postgres.port}/test_")
    for sql in ("SELEC", "SELECT 1 / 0", "SELECT * FROM nowhere"):
        with pytest.raises(StoreError) as caught:
            database.execute(sql)
        assert postgres.password not in "".join(traceback.format_exception(caught.value))
    assert postgres.password not in repr(database) + str(vars(database))


@pytest.mark.parametrize("reference", [CredentialRef("env", "STORE_URL"), CredentialRef("file", "missing")])
def test_a_missing_address_names_what_should_hold_it(tmp_path: Path, reference: CredentialRef) -> None:
    with pytest.raises(DatabaseUnreachable, match=reference.name):
        open_store(DatabaseAt(kind="postgres", url=reference), tmp_path, {})


def test_the_address_may_come_from_the_environment(tmp_path: Path, postgres_url: str) -> None:
    at = DatabaseAt(kind="postgres", url=CredentialRef("env", "STORE_URL"), pool_max=1)
    with open_store(at, tmp_path, {"STORE_URL": f"{postgres_url}\n"}) as database:
        assert database.execute("SELECT 1") == [(1,)]


def test_text_that_the_server_cannot_hold_is_replaced(database: PostgresDatabase) -> None:
    assert database.execute("SELECT $1", ("a\0b",)) == [("a\ufffdb",)]


def test_users_of_sqlite_pay_nothing_for_postgres(tmp_path: Path) -> None:
    script = (
        "store.open().close(); import nexusflow.runtime, nexusflow.keys\n"
        "print([name for name in sys.modules if name.startswith('psycopg')])"
    )
    child = Store.sqlite(tmp_path).spawn(script)
    assert child.communicate(timeout=60) == ("[]\n", "")


def test_triggers_are_translated() -> None:
    translated = to_postgres(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB, c TEXT, d REAL) STRICT;\n"
        "CREATE TRIGGER gone AFTER DELETE ON t BEGIN\n    DELETE FROM u WHERE id = old.id;\nEND;\n"
    )
    assert translated == (
        "CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, b BYTEA, "
        'c TEXT COLLATE "C", d DOUBLE PRECISION);\n'
        "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS $trigger$ BEGIN\n"
        "    DELETE FROM u WHERE id = old.id;\n    RETURN NULL;\nEND $trigger$;\n"
        "CREATE TRIGGER gone AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION gone();\n"
    )
