"""What both databases must do alike: every test runs on SQLite and on PostgreSQL (engines B.3)."""

import threading
import time
from collections.abc import Callable, Iterator
from subprocess import Popen

import pytest

from nexusflow.store import (
    Database,
    DatabaseReadOnly,
    NotADatabase,
    RuleBroken,
    SchemaTooNew,
    StoreError,
    TransactionSpoilt,
    Value,
)
from nexusflow.store.migrations import known_migrations
from tests.support.stores import Store

TABLE = "CREATE TABLE thing (id TEXT PRIMARY KEY, count INTEGER, size REAL, body BLOB, note TEXT DEFAULT 'none')"


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    with store.open() as database:
        database.execute(database.dialect(TABLE))
        yield database


def counts(database: Database) -> list[Value]:
    return [count for (count,) in database.execute("SELECT count FROM thing ORDER BY id")]


def test_placeholders_bind_by_number_whatever_their_order_in_the_text(database: Database) -> None:
    assert database.execute("SELECT $2, $1, $2", ("one", "two")) == [("two", "one", "two")]


def test_values_come_back_as_they_went(database: Database) -> None:
    rows = [
        ("a", 2**63 - 1, 0.1, b"\x00\xff", "schön % $1 '"),
        ("b", -(2**63), -1e300, b"", ""),
        ("c", None, None, None, None),
    ]
    for row in rows:
        database.execute("INSERT INTO thing VALUES ($1, $2, $3, $4, $5)", row)
    assert database.execute("SELECT * FROM thing ORDER BY id") == rows


def test_sums_are_integers_and_comparisons_numbers(database: Database) -> None:
    database.execute("INSERT INTO thing (id, count) VALUES ('a', $1), ('b', $1)", (2**62 - 1,))
    assert database.execute("SELECT sum(count), count(*), $1 = $2 FROM thing", (1, 1)) == [(2**63 - 2, 2, 1)]
    [(total, equal)] = database.execute("SELECT sum(count), 1 = 2 FROM thing")
    assert (type(total), type(equal)) == (int, int)


def test_small_integers_do_not_overflow(database: Database) -> None:
    assert database.execute("SELECT $1 * $2", (30_000, 30_000)) == [(900_000_000,)]


def test_text_is_ordered_by_its_bytes(database: Database) -> None:
    database.insert_new("thing", ("id",), [(name,) for name in ("b", "B", "a", "_", "ä", "Z")])
    assert [name for (name,) in database.execute("SELECT id FROM thing ORDER BY id")] == ["B", "Z", "_", "a", "b", "ä"]


def test_returning_and_upsert(database: Database) -> None:
    upsert = (
        "INSERT INTO thing (id, count) VALUES ($1, $2)"
        " ON CONFLICT (id) DO UPDATE SET count = thing.count + excluded.count RETURNING count"
    )
    assert database.execute(upsert, ("a", 1)) == [(1,)]
    assert database.execute(upsert, ("a", 2)) == [(3,)]
    assert database.execute("DELETE FROM thing RETURNING id") == [("a",)]
    assert database.execute("DELETE FROM thing") == []


def test_a_transaction_commits_whole_or_not_at_all(database: Database, store: Store) -> None:
    with database.transaction():
        database.execute("INSERT INTO thing (id, count) VALUES ('a', 1)")
    with pytest.raises(ZeroDivisionError), database.transaction():
        database.execute("INSERT INTO thing (id, count) VALUES ('b', 2)")
        assert counts(database) == [1, 2]
        raise ZeroDivisionError
    with store.open() as other:
        assert counts(database) == counts(other) == [1]


def test_a_failed_statement_spoils_its_transaction(database: Database) -> None:
    with pytest.raises(TransactionSpoilt), database.transaction():
        database.execute("INSERT INTO thing (id, count) VALUES ('a', 1)")
        with pytest.raises(RuleBroken):
            database.execute("INSERT INTO thing (id, count) VALUES ('a', 2)")
        with pytest.raises(TransactionSpoilt):
            database.execute("SELECT 1")
    assert counts(database) == []
    with database.transaction():
        database.execute("INSERT INTO thing (id, count) VALUES ('a', 1)")
    assert counts(database) == [1]


def test_a_nested_transaction_is_refused_and_the_outer_one_ends_in_order(database: Database) -> None:
    with pytest.raises(StoreError), database.transaction(), database.transaction():
        pass
    with database.transaction():
        database.execute("INSERT INTO thing (id) VALUES ('a')")
    assert len(counts(database)) == 1


def test_a_snapshot_does_not_move(database: Database, store: Store) -> None:
    with store.open() as other, database.snapshot():
        assert counts(database) == []
        other.execute("INSERT INTO thing (id, count) VALUES ('a', 1)")
        assert counts(database) == []
    assert counts(database) == [1]


def test_a_reader_sees_commits_and_refuses_to_write(database: Database) -> None:
    with database.reader() as reader:
        database.execute("INSERT INTO thing (id, count) VALUES ('a', 1)")
        assert counts(reader) == [1]
        for attempt in ("DELETE FROM thing", "CREATE TABLE other (id TEXT)"):
            with pytest.raises(DatabaseReadOnly):
                reader.execute(attempt)
        with pytest.raises(DatabaseReadOnly), reader.transaction():
            reader.execute("DELETE FROM thing")
    assert counts(database) == [1]


def test_data_version_tells_of_commits_by_others(database: Database) -> None:
    with database.reader() as reader:
        seen = reader.data_version()
        assert reader.data_version() == seen
        versions = {seen}
        for number in range(5):
            database.execute("INSERT INTO thing (id) VALUES ($1)", (str(number),))
            versions.add(reader.data_version())
        assert len(versions) == 6
        assert reader.data_version() in versions


def test_data_version_tells_of_an_older_transaction_that_ends_later(database: Database, store: Store) -> None:
    with store.open() as other, database.reader() as reader:
        with other.transaction():
            other.execute("INSERT INTO thing (id) VALUES ('slow')")
            if database.kind == "postgres":
                database.execute("INSERT INTO thing (id) VALUES ('quick')")
            seen = reader.data_version()
        assert reader.data_version() != seen


def test_insert_new_returns_what_it_inserted(database: Database) -> None:
    columns = ("id", "count", "size", "body", "note")
    first = [("a", 1, None, b"x", None), ("b", 2, None, None, None), ("a", 3, None, b"y", None)]
    assert database.insert_new("thing", columns, first) == {"a", "b"}
    assert database.insert_new("thing", columns, first) == set()
    assert database.insert_new("thing", ("id", "count"), [("b", 9), ("c", 9)], key="count") == {9}
    assert database.insert_new("thing", columns, []) == set()
    assert database.execute("SELECT id, count, size, body, note FROM thing ORDER BY id") == [
        ("a", 1, None, b"x", None),
        ("b", 2, None, None, None),
        ("c", 9, None, None, "none"),
    ]


def test_insert_new_inserts_all_or_none(database: Database) -> None:
    database.execute("CREATE TABLE small (id TEXT PRIMARY KEY, count INTEGER CHECK (count < 10))")
    with pytest.raises(RuleBroken):
        database.insert_new("small", ("id", "count"), [("a", 1), ("b", 10)])
    assert database.execute("SELECT * FROM small") == []


def test_insert_new_belongs_to_the_transaction_around_it(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction():
        assert database.insert_new("thing", ("id",), [("a",)]) == {"a"}
        raise ZeroDivisionError
    assert counts(database) == []


def test_insert_new_takes_thousands(database: Database) -> None:
    rows = [(f"{number:05}", number) for number in range(5_000)]
    assert len(database.insert_new("thing", ("id", "count"), rows)) == 5_000
    assert len(database.insert_new("thing", ("id", "count"), [*rows, ("more", 1)])) == 1


def test_broken_rules_have_a_type(database: Database) -> None:
    for attempt in (
        "INSERT INTO team (id, org, name, status, created_ms) VALUES ('t', 'nobody', 'n', 'active', 0)",
        "INSERT INTO organisation (id, name, status, created_ms) VALUES ('o', 'n', 'odd', 0)",
        "INSERT INTO organisation (id, name, status, created_ms) VALUES ('o', 'default', 'active', 0)",
        "INSERT INTO organisation (id, name, status, created_ms) VALUES ('o', NULL, 'active', 0)",
    ):
        with pytest.raises(RuleBroken, match="breaks a rule"):
            database.execute(attempt)


def test_a_wrong_statement_is_a_store_error(database: Database) -> None:
    for attempt in ("SELEC 1", "SELECT * FROM nowhere", "INSERT INTO thing (nothing) VALUES (1)"):
        with pytest.raises(StoreError, match="failed"):
            database.execute(attempt)
    assert database.execute("SELECT 1") == [(1,)]


def test_the_clock_is_the_time_of_day(database: Database) -> None:
    before = time.time_ns() // 1_000_000
    assert before - 1_000 < database.now_ms() < before + 60_000


def test_row_numbers_are_given_out(database: Database) -> None:
    sql = "INSERT INTO response_thread (key_id, expires_ms) VALUES ('k', 1) RETURNING id"
    [(first,)], [(second,)] = database.execute(sql), database.execute(sql)
    assert (first, second) == (1, 2)


def test_threads_share_one_database(database: Database) -> None:
    """Lost updates would show: each thread reads, waits, and writes, in a transaction that locks the row."""
    database.execute("INSERT INTO thing (id, count) VALUES ('a', 0)")

    def add() -> None:
        for _ in range(10):
            with database.transaction():
                [(count,)] = database.execute(f"SELECT count FROM thing WHERE id = 'a'{database.for_update}")
                database.execute("UPDATE thing SET count = $1", (int(count or 0) + 1,))

    in_threads(add, 8)
    assert counts(database) == [80]


def test_transactions_that_want_to_be_alone_run_one_after_another(database: Database, store: Store) -> None:
    def number() -> None:
        with store.open() as own:
            for _ in range(10):
                with own.transaction(alone="numbers"):
                    [(last,)] = own.execute("SELECT coalesce(max(count), 0) FROM thing")
                    following = int(last or 0) + 1
                    own.execute("INSERT INTO thing (id, count) VALUES ($1, $2)", (f"{following:03}", following))

    in_threads(number, 4)
    assert counts(database) == list(range(1, 41))


def test_another_handle_outlives_the_first(store: Store) -> None:
    first = store.open()
    second = first.another()
    first.close()
    assert second.execute("SELECT 1") == [(1,)]
    for attempt in (lambda: first.execute("SELECT 1"), first.data_version, first.transaction().__enter__):
        with pytest.raises(StoreError):
            attempt()
    second.close()
    with pytest.raises(StoreError):
        second.execute("SELECT 1")


def test_S13_four_processes_that_start_at_once_share_one_new_database(store: Store) -> None:
    """Every process waits for the same signal, then opens; each migration is recorded exactly once."""
    children = [store.spawn("print('ready', flush=True); sys.stdin.readline()\nstore.open().close()") for _ in range(4)]
    for child in children:
        assert answer(child) == "ready"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [(child.communicate(timeout=120)[1], child.returncode) for child in children] == [("", 0)] * 4
    with store.open() as database:
        rows = database.execute("SELECT version, name FROM schema_version ORDER BY version")
    assert rows == [(step.version, step.name) for step in known_migrations()]


def test_a_newer_schema_is_refused_and_kept(store: Store) -> None:
    with store.open() as database:
        database.execute("INSERT INTO schema_version (version, name, applied_ms) VALUES (9000, 'new', 0)")
        label = database.label
    with pytest.raises(SchemaTooNew, match="schema 9000") as caught:
        store.open()
    assert label in str(caught.value)


def test_the_database_of_another_program_is_refused_and_kept(store: Store) -> None:
    with store.open() as database:
        tables = database.tables()
        database.execute("ALTER TABLE schema_version RENAME TO their_version")
    with pytest.raises(NotADatabase, match="belongs to another program"):
        store.open()
    assert {"api_key", "transfer", "schema_version"} <= tables


def test_a_failing_migration_leaves_no_trace(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from nexusflow.store import migrations

    steps = known_migrations()
    broken = migrations.Migration(steps[-1].version + 1, "broken", "CREATE TABLE half (id TEXT); no sql;")
    monkeypatch.setattr(migrations, "known_migrations", lambda: [*steps, broken])
    with pytest.raises(StoreError):
        store.open()
    monkeypatch.undo()
    with store.open() as database:
        assert database.execute("SELECT max(version) FROM schema_version") == [(steps[-1].version,)]
        assert "half" not in database.tables()


def test_the_volume_of_stored_responses_is_kept_by_triggers(store: Store) -> None:
    with store.open() as database:
        database.execute("INSERT INTO response_thread (key_id, expires_ms) VALUES ('k', 1)")
        for name, size in (("a", 10), ("b", 5)):
            database.execute(
                "INSERT INTO response (id, thread, key_id, model, created_ms, expires_ms, bytes, body)"
                " VALUES ($1, 1, 'k', 'm', 0, 0, $2, $3)",
                (name, size, b""),
            )
        assert database.execute("SELECT * FROM response_volume") == [("k", 15)]
        database.execute("DELETE FROM response WHERE id = 'a'")
        assert database.execute("SELECT * FROM response_volume") == [("k", 5)]
        database.execute("DELETE FROM response_thread")
        assert database.execute("SELECT * FROM response_volume") == [("k", 0)]


def answer(child: "Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().rstrip("\n")


def in_threads(work: Callable[[], None], count: int) -> None:
    """Run `work` in several threads at once; the first failure of any is raised."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]
