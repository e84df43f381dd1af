"""The in-process table of keys: lookup, one path for all refusals, following other processes (SEC-52, SEC-55, C-21)."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from hmac import compare_digest
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexusflow.keys import KeyCache, KeyTable, cache, new_secret
from nexusflow.keys.model import wall_ms
from nexusflow.keys.rows import key_of
from nexusflow.store import Database, StoreError, open_database
from tests.support.stores import Store

OTHER_PROCESS = """
from nexusflow.keys import KeyTable, load_pepper
verb, argument = sys.argv[1:]
with store.open() as database:
    result = getattr(KeyTable(database, load_pepper(store.root / "pepper")), verb)(argument)
print(result[1] if verb == "create" else result.id)
"""


def elsewhere(store: Store, verb: str, argument: str) -> str:
    """Call `verb` of the key table in another process; the secret or id that it answers with."""
    child = store.spawn(OTHER_PROCESS, verb, argument)
    answer, complaint = child.communicate(timeout=60)
    assert child.returncode == 0, complaint
    return answer.strip()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`; the deadline only ends a broken test."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.01)


def recorded(log: list[Any], entry: Callable[..., object], call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, which first writes `entry` of its arguments to `log`."""

    def recording(*arguments: object) -> Any:
        log.append(entry(*arguments))
        return call(*arguments)

    return recording


@pytest.fixture
def known(database: Database, pepper: bytes) -> Iterator[KeyCache]:
    known = KeyCache(database, pepper)
    yield known
    known.close()


@pytest.fixture
def stocked(table: KeyTable, known: KeyCache) -> KeyCache:
    table.create("ci")
    known.refresh()
    return known


def test_a_key_is_found_by_its_secret_as_text_and_as_bytes(table: KeyTable, known: KeyCache) -> None:
    key, secret = table.create("ci")
    assert known.lookup(secret) is None
    assert known.refresh()
    assert known.lookup(secret) == key
    assert known.lookup(secret.encode()) == key
    assert not known.refresh()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(credential=st.text() | st.binary() | st.text(st.characters(categories=["Cs"])) | st.binary(min_size=200))
def test_C21_no_other_credential_is_accepted_or_raises(stocked: KeyCache, credential: str | bytes) -> None:
    assert len(stocked) == 1
    assert stocked.lookup(credential) is None


def test_neither_the_digest_nor_a_variant_of_a_secret_is_accepted(
    table: KeyTable, known: KeyCache, database: Database
) -> None:
    _, secret = table.create("ci")
    known.refresh()
    [(digest,)] = database.execute("SELECT digest FROM api_key")
    assert isinstance(digest, bytes)
    for variant in (digest, digest.hex(), secret + " ", " " + secret, secret.upper(), secret[:-1], secret + "\0"):
        assert known.lookup(variant) is None


def test_an_endless_credential_costs_no_hash(known: KeyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[bytes] = []
    monkeypatch.setattr(known, "_digest", recorded(hashed, bytes, lambda raw: bytes(32)))
    assert known.lookup("a" * 201) is None
    assert known.lookup("é" * 101) is None
    assert hashed == []
    assert known.lookup("a" * 200) is None
    assert hashed == [b"a" * 200]


def test_SEC52_unknown_revoked_expired_and_malformed_take_the_path_of_a_valid_key(
    table: KeyTable, database: Database, pepper: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same steps in the same order for each; the medians of their times are a measurement, not a test."""
    valid = table.create("valid")[1]
    revoked = table.create("revoked")[1]
    table.revoke("revoked")
    end = wall_ms() + 1_000_000
    expired = table.create("expired", end)[1]
    steps: list[str] = []

    def clock() -> int:
        steps.append("clock")
        return end

    known = KeyCache(database, pepper, clock)
    monkeypatch.setattr(known, "_digest", recorded(steps, lambda raw: "digest", known._digest))
    monkeypatch.setattr(cache, "compare_digest", recorded(steps, lambda a, b: f"compare {len(a)}", compare_digest))
    paths = {}
    for name, credential in {
        "valid": valid,
        "revoked": revoked,
        "expired": expired,
        "unknown": new_secret(),
        "malformed": "hello",
        "empty": "",
    }.items():
        steps.clear()
        paths[name] = (known.lookup(credential) is not None, tuple(steps))
    known.close()
    path = ("digest", "compare 32", "clock")
    assert paths.pop("valid") == (True, path)
    assert set(paths.values()) == {(False, path)}


def test_a_key_ends_at_the_very_millisecond_of_its_expiry(table: KeyTable, database: Database, pepper: bytes) -> None:
    end = wall_ms() + 1_000_000
    key, secret = table.create("ci", end)
    now = [end - 1]
    known = KeyCache(database, pepper, lambda: now[0])
    assert known.lookup(secret) == key
    now[0] = end
    assert known.lookup(secret) is None
    known.close()


def test_only_changed_rows_are_read_again(table: KeyTable, known: KeyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        table.create(f"key {number}")
    known.refresh()
    read: list[str] = []
    monkeypatch.setattr(cache, "key_of", recorded(read, lambda row: row[1], key_of))
    table.revoke("key 7")
    table.create("new")
    assert known.refresh()
    assert sorted(read) == ["key 7", "new"]


def test_commits_that_touch_no_key_change_nothing(database: Database, table: KeyTable, known: KeyCache) -> None:
    table.create("ci")
    known.refresh()
    database.execute("CREATE TABLE elsewhere (a INTEGER)")
    assert not known.refresh()
    assert len(known) == 1


@pytest.mark.parametrize("gone", [{1, 2, 3, 4, 5}, {4, 5}, {2}])
def test_rows_taken_away_by_hand_are_forgotten(
    database: Database, table: KeyTable, known: KeyCache, gone: set[int]
) -> None:
    secrets = {number: table.create(f"key {number}")[1] for number in range(1, 6)}
    known.refresh()
    with database.transaction():
        for number in gone:
            database.execute("DELETE FROM api_key WHERE name = $1", (f"key {number}",))
    assert known.refresh()
    assert {number for number, secret in secrets.items() if known.lookup(secret) is None} == gone


def test_a_restored_backup_of_as_many_rows_but_fewer_changes_is_taken_over(
    database: Database, table: KeyTable, known: KeyCache
) -> None:
    key, secret = table.create("ci")
    table.revoke("ci")
    known.refresh()
    assert known.lookup(secret) is None
    database.execute("UPDATE api_key SET revoked_ms = NULL, change = 1")
    assert known.refresh()
    assert known.lookup(secret) == key


def test_ten_thousand_keys(database: Database, table: KeyTable, known: KeyCache) -> None:
    columns = ("id", "digest", "name", "prefix", "last4", "created_ms", "change")
    rows = [(f"key_{n}", os.urandom(32), f"n{n}", "sk-air-xxxx", "yyyy", n, n) for n in range(1, 10_001)]
    assert len(database.insert_new("api_key", columns, rows)) == 10_000
    _, secret = table.create("one more")
    assert known.refresh()
    assert len(known) == 10_001
    assert known.lookup(secret) is not None
    table.revoke("one more")
    assert known.refresh()
    assert known.lookup(secret) is None


def test_SEC55_a_watching_cache_follows_what_another_process_does(
    store: Store, table: KeyTable, known: KeyCache
) -> None:
    _, old = table.create("old")
    known.refresh()

    async def scenario() -> None:
        stop = asyncio.Event()
        watching = asyncio.create_task(known.watch(stop))
        assert known.lookup(old) is not None
        await asyncio.to_thread(elsewhere, store, "revoke", "old")
        await until(lambda: known.lookup(old) is None)
        new = await asyncio.to_thread(elsewhere, store, "create", "new")
        await until(lambda: known.lookup(new) is not None)
        stop.set()
        await asyncio.wait_for(watching, 60)

    asyncio.run(scenario())


def test_a_failing_store_is_logged_once_and_the_last_table_stays(
    tmp_path: Path, pepper: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The file of SQLite is overwritten with rubbish under the running cache, then put back."""
    caplog.set_level(logging.INFO, "nexusflow.keys")
    path = tmp_path / "nexusflow.db"
    database = open_database(path)
    table, known = KeyTable(database, pepper), KeyCache(database, pepper)
    _, kept = table.create("kept")
    known.refresh()
    _, late = table.create("late")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound = path.read_bytes()
    path.write_bytes(os.urandom(len(sound)))
    attempts: list[str] = []
    reconnect = known._reconnect

    def counted() -> None:
        attempts.append("reconnect")
        reconnect()

    async def scenario() -> None:
        stop = asyncio.Event()
        watching = asyncio.create_task(known.watch(stop, 0.01))
        await until(lambda: len(attempts) >= 3)
        assert known.lookup(kept) is not None
        assert known.lookup(late) is None
        path.write_bytes(sound)
        await until(lambda: known.lookup(late) is not None)
        stop.set()
        await asyncio.wait_for(watching, 60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "_reconnect", counted)
        asyncio.run(scenario())
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert kept not in caplog.text


def test_a_closed_cache_still_answers(table: KeyTable, database: Database, pepper: bytes) -> None:
    key, secret = table.create("ci")
    known = KeyCache(database, pepper)
    known.close()
    assert known.lookup(secret) == key
    with pytest.raises(StoreError):
        known.refresh()
