"""What only one kind of store can do: files and their faults, what memory forgets, and how engines are chosen."""

import asyncio
import os
import stat
from pathlib import Path

import apsw
import pytest

from nexusflow.ir.plan import CountersAt, CredentialRef
from nexusflow.limits import Granted, LimitsAway, LimitState, MemoryEngine
from nexusflow.limits.opening import open_engine
from nexusflow.limits.redis import RedisEngine
from nexusflow.limits.seen import MOST, Seen
from nexusflow.limits.sqlite import SqliteEngine
from nexusflow.store.errors import StoreError
from tests.support.limits import Clock, Site, ask, granted, limit, refused, remaining, sqlite_site


def test_the_file_and_its_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "limits" / "limits.db"
    asyncio.run(SqliteEngine(path).close())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["not a database at all, by far " * 50, ""])
def test_a_damaged_file_is_replaced(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "limits.db"
    path.write_text(damage)
    one = limit("requests", 1)

    async def scenario() -> None:
        engine = SqliteEngine(path)
        await granted(engine.reserve(ask(one)))
        await refused(engine.reserve(ask(one)))
        await engine.close()

    asyncio.run(scenario())


def test_a_page_that_was_overwritten_is_noticed_when_the_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"

    async def fill() -> None:
        engine = SqliteEngine(path)
        for n in range(300):
            await granted(engine.reserve(ask(limit("requests", 1, subject=f"{n}"))))
        await engine.close()

    asyncio.run(fill())
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))

    async def again() -> None:
        engine = SqliteEngine(path)
        await granted(engine.reserve(ask(limit("requests", 1, subject="5"))))
        await engine.close()

    asyncio.run(again())


def test_a_place_where_no_file_can_be_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        SqliteEngine(tmp_path / "file" / "limits.db")
    with pytest.raises(StoreError):
        SqliteEngine(tmp_path)


def test_a_file_that_somebody_holds_is_away_and_back_when_they_let_go(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"
    one = limit("requests", 9)

    async def scenario() -> None:
        engine = SqliteEngine(path, timeout_ms=30)
        holder = apsw.Connection(str(path))
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LimitsAway):
            await engine.reserve(ask(one))
        # It does not wait for ever in its thread either.
        await engine.close()
        holder.execute("ROLLBACK")
        holder.close()
        patient = SqliteEngine(path, timeout_ms=20_000)
        await granted(patient.reserve(ask(one)))
        await patient.close()

    asyncio.run(scenario())


def test_after_a_restart_of_the_machine_everything_starts_from_zero(tmp_path: Path) -> None:
    site = sqlite_site(tmp_path)
    one, slots = limit("requests", 1), limit("concurrency", 1)
    first = ask(one, slots)

    def play(left: list[int]) -> None:
        async def scenario() -> None:
            engine = site.open()
            assert await remaining(engine, one, slots) == left
            await granted(engine.reserve(first))
            assert await remaining(engine, one, slots) == [0, 0]
            await engine.close()

        asyncio.run(scenario())

    play([1, 1])
    site.clock.us -= 5_000_000
    play([0, 0])
    site.clock.us = 1_000_000
    play([1, 1])


def test_old_rows_are_swept_away(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "limits.db"

    async def scenario() -> None:
        engine = SqliteEngine(path, clock)
        for n in range(20):
            ticket = await granted(engine.reserve(ask(limit("requests", 9, subject=f"{n}"), limit("concurrency", 99))))
            if n:
                await engine.settle(ticket, 0)
        assert _rows(path) == [20, 1, 20]
        clock.advance(7_200_001)
        await granted(engine.reserve(ask(limit("requests", 9))))
        assert _rows(path) == [1, 0, 1]
        assert engine.counters.leases_expired == 1
        await engine.close()

    asyncio.run(scenario())


def _rows(path: Path) -> list[int]:
    connection = apsw.Connection(str(path))
    tables = ("bucket", "slot", "ticket")
    counts = [next(iter(connection.execute(f"SELECT count(*) FROM {name}")))[0] for name in tables]
    connection.close()
    return [int(str(count)) for count in counts]


def test_memory_forgets_what_no_longer_matters() -> None:
    clock = Clock()

    async def scenario() -> None:
        engine = MemoryEngine(clock)
        for n in range(20):
            limits = (limit("requests", 9, subject=f"{n}"), limit("concurrency", 9, subject=f"{n}"))
            ticket = await granted(engine.reserve(ask(*limits)))
            await engine.settle(ticket, 0)
        held = await granted(engine.reserve(ask(limit("requests", 9, window_ms=86_400_000), name="held")))
        clock.advance(60_001)
        await engine.peek([])
        assert isinstance(await engine.reserve(ask(limit("tokens", 9), tokens=1)), Granted)
        assert (len(engine._full), len(engine._slots), len(engine._closed)) == (2, 0, 0)
        assert list(engine._open)[:1] == [held.ask.id]

    asyncio.run(scenario())


def test_levels_seen_drain_and_are_bounded() -> None:
    now = [0]
    seen = Seen(lambda: now[0])
    one = limit("requests", 10)
    assert seen.level_us(one) == 0
    site = Site(Clock(), MemoryEngine)

    async def states() -> None:
        engine = site.open()
        answer = await engine.reserve(ask(one, limit("concurrency", 5)))
        seen.note(answer.states)

    asyncio.run(states())
    assert seen.level_us(one) == 6_000_000
    now[0] = 4_000_000_000
    assert seen.level_us(one) == 2_000_000
    now[0] = 9_000_000_000
    assert seen.level_us(one) == 0
    assert seen.level_us(limit("concurrency", 5)) == 0
    for _ in range(2):
        seen.note(state for n in range(MOST) for state in _state(n))
    assert len(seen._full_ms) == MOST
    assert seen.level_us(limit("requests", 1, subject=f"{MOST - 1}"))


def _state(n: int) -> tuple[LimitState, ...]:
    return (LimitState(limit("requests", 1, subject=f"{n}"), 0, 60_000),)


def test_an_engine_is_chosen_by_the_plan(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("redis://127.0.0.1:1/0\n")
    env, file = CredentialRef("env", "REDIS"), CredentialRef("file", "address")
    environ = {"REDIS": "redis://127.0.0.1:1/0", "EMPTY": "", "WRONG": "http://127.0.0.1"}
    places = (
        CountersAt(),
        CountersAt(kind="sqlite", path="some/limits.db"),
        CountersAt(kind="redis", url=env),
        CountersAt(kind="redis", url=file),
    )
    engines = [open_engine(at, tmp_path, environ) for at in places]
    assert [type(engine) for engine in engines] == [MemoryEngine, SqliteEngine, RedisEngine, RedisEngine]
    assert (tmp_path / "some" / "limits.db").exists()
    for name in ("EMPTY", "WRONG", "MISSING"):
        with pytest.raises(StoreError, match="address"):
            open_engine(CountersAt(kind="redis", url=CredentialRef("env", name)), tmp_path, environ)

    async def close() -> None:
        for engine in engines:
            await engine.close()

    asyncio.run(close())
