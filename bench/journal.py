"""`python -m bench.journal [--calls N] [--json FILE]`: the journal's own format beside the same records in SQLite.

Both keep the same promise: a dispatch survives the death of the process before the first upstream byte, a close
survives the machine before the client's last byte. SQLite keeps the first only by a commit, which must leave the event
loop's thread, since it may wait for a checkpoint; the own format by one `write`.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import apsw

from nexusflow.ledger.journal import Journal, JournalLimits
from nexusflow.ledger.records import COST, REVENUE, CallLine, Closed, Entry, Opened, encode

AT_MS = 1_790_000_000_000
UPSTREAM_S = 0.005
Open, Close = Callable[[Opened], Awaitable[None]], Callable[[Closed], Awaitable[None]]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.journal", description=__doc__)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    figures: dict[str, dict[int, dict[str, float]]] = {}
    for name, run in (("own format", _own), ("SQLite, WAL, FULL", _sqlite)):
        figures[name] = {
            parallel: _median(
                [run(chosen.calls if parallel > 1 else chosen.calls // 10, parallel) for _ in range(chosen.rounds)]
            )
            for parallel in (1, 32, 256)
        }
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(_table(figures))
    return 0


class SqliteJournal:
    """One thread that commits what came in since the last commit, and wakes those who wait once per commit."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: SimpleQueue[tuple[bytes, asyncio.Future[None]] | None] = SimpleQueue()
        self._connection = apsw.Connection(str(folder / "journal.db"))
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.execute("CREATE TABLE ev (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    async def append(self, record: Opened | Closed) -> None:
        """Return when the record is committed."""
        future = self._loop.create_future()
        self._queue.put((encode(record), future))
        await future

    def close(self) -> None:
        """End the thread."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            batch = [item]
            while self._queue.qsize() and (more := self._queue.get()) is not None:
                batch.append(more)
            with self._connection:
                self._connection.executemany("INSERT INTO ev (payload) VALUES (?)", [(data,) for data, _ in batch])
            self._loop.call_soon_threadsafe(_wake, [future for _, future in batch])


def _wake(futures: list["asyncio.Future[None]"]) -> None:
    for future in futures:
        future.set_result(None)


def _own(calls: int, parallel: int) -> dict[str, float]:
    async def run(folder: Path) -> dict[str, float]:
        journal = Journal.create(folder, JournalLimits(total=1 << 40))

        async def open_(record: Opened) -> None:
            journal.append(record)

        async def close(record: Closed) -> None:
            await journal.durable(journal.append(record))

        figures = await _drive(open_, close, calls, parallel)
        journal.close(keep=True)
        return figures

    return _in_folder(run)


def _sqlite(calls: int, parallel: int) -> dict[str, float]:
    async def run(folder: Path) -> dict[str, float]:
        journal = SqliteJournal(folder, asyncio.get_running_loop())
        figures = await _drive(journal.append, journal.append, calls, parallel)
        journal.close()
        return figures

    return _in_folder(run)


def _in_folder(run: Callable[[Path], Awaitable[dict[str, float]]]) -> dict[str, float]:
    # Beside the project, not in /tmp, which may be memory.
    folder = Path(tempfile.mkdtemp(prefix=".bench-journal-", dir=Path.cwd()))
    try:
        return asyncio.run(_await(run, folder))
    finally:
        shutil.rmtree(folder)


async def _await(run: Callable[[Path], Awaitable[dict[str, float]]], folder: Path) -> dict[str, float]:
    return await run(folder)


async def _drive(open_: Open, close: Close, calls: int, parallel: int) -> dict[str, float]:
    """`parallel` callers: dispatch, 5 ms upstream, close. Latencies in µs; CPU µs a call, of the loop and of all."""
    dispatch: list[float] = []
    ends: list[float] = []
    left = iter([_call(n) for n in range(calls)])

    async def caller() -> None:
        for opened, closed in left:
            begin = time.perf_counter()
            await open_(opened)
            dispatch.append(time.perf_counter() - begin)
            await asyncio.sleep(UPSTREAM_S)
            begin = time.perf_counter()
            await close(closed)
            ends.append(time.perf_counter() - begin)

    begin, loop_cpu, cpu = time.perf_counter(), time.thread_time(), sum(os.times()[:2])
    await asyncio.gather(*(caller() for _ in range(parallel)))
    seconds = time.perf_counter() - begin
    return {
        "dispatch_p50": _quantile(dispatch, 50),
        "dispatch_p99": _quantile(dispatch, 99),
        "close_p50": _quantile(ends, 50),
        "close_p99": _quantile(ends, 99),
        "loop_cpu": (time.thread_time() - loop_cpu) / calls * 1e6,
        "all_cpu": (sum(os.times()[:2]) - cpu) / calls * 1e6,
        "per_s": calls / seconds,
    }


def _call(n: int) -> tuple[Opened, Closed]:
    id, model, provider = f"req_{n:026d}", "openai/gpt-5-mini", "openai"
    lease, price, plan = "0190b6f0c0ffee000000000000000001", "0123456789abcdef", "fedcba9876543210"
    usage = '{"input_text":1200,"output_text":340}'

    def entry(suffix: str, kind: Any, debit: str, credit: str, amount: int) -> Entry:
        return Entry(
            id=id + suffix, kind=kind, debit=debit, credit=credit, amount=amount, provider=provider, model=model,
            price=price, plan=plan, usage=usage, basis="reported",
        )  # fmt: skip

    who: dict[str, Any] = {
        "id": id,
        "at_ms": AT_MS,
        "org": "org_default",
        "key": "key_1",
        "lease": lease,
        "held": 10**6,
    }
    opened = Opened(**who, provider=provider, model=model, protocol="openai_chat", price=price, plan=plan)
    charge = entry("", "charge", "wallet:org_default", REVENUE, 1234)
    cost = entry("/cost", "cost", COST, "payable:openai", 1000)
    line = CallLine(
        protocol="openai_chat", model=model, answered_by=model, provider=provider, status=200, outcome="ok",
        input=1200, output=340, source="reported", amount=1234, first_ms=300, total_ms=500, attempts=1,
    )  # fmt: skip
    return opened, Closed(**who, entries=(charge, cost), call=line)


def _quantile(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1e6


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _table(figures: dict[str, dict[int, dict[str, float]]]) -> str:
    lines = [
        "Times in µs. CPU is per call (one dispatch and one close); a sleep of 5 ms stands for the provider.",
        "",
        "| journal | calls at a time | dispatch p50 / p99 | close p50 / p99 | loop CPU | all CPU | calls/s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, rows in figures.items():
        for parallel, row in rows.items():
            cells = [
                f"{row['dispatch_p50']:,.0f} / {row['dispatch_p99']:,.0f}",
                f"{row['close_p50']:,.0f} / {row['close_p99']:,.0f}",
                *(f"{row[cell]:,.0f}" for cell in ("loop_cpu", "all_cpu", "per_s")),
            ]
            lines.append(f"| {name} | {parallel} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
