"""`python -m bench.limits [--calls N] [--json FILE]`: what limits cost, on each engine.

A call is a reservation and a settlement of ten limits: requests and tokens of user, team, organisation and model, and
two kinds of slots. Redis and its client share the machine with everything else.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from nexusflow.ir.quota import Quota
from nexusflow.ir.secret import Secret
from nexusflow.limits import Ask, Engine, Granted, Limit, MemoryEngine
from nexusflow.limits.redis import RedisEngine
from nexusflow.limits.resolve import Caller, Grades, limits_of, limits_on
from nexusflow.limits.sqlite import SqliteEngine
from tests.support.redis import running_redis

AT_ONCE = (1, 32)
_PATIENCE_MS = 20_000
_WIDE = Quota(rpm=60_000_000, tpm=60_000_000, concurrency=1_000_000, streams=1_000_000)
Figures = dict[str, dict[int, dict[str, float]]]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.limits", description=__doc__)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = Secret(stack.enter_context(running_redis()).url)
        engines: dict[str, Callable[[], Engine]] = {
            "memory": MemoryEngine,
            "SQLite file": lambda: SqliteEngine(folder / "limits.db", timeout_ms=_PATIENCE_MS),
            "Redis": lambda: RedisEngine(url, timeout_ms=_PATIENCE_MS),
        }
        figures: Figures = {
            name: {
                at_once: _median([asyncio.run(_measure(opening, chosen.calls, at_once)) for _ in range(chosen.rounds)])
                for at_once in AT_ONCE
            }
            for name, opening in engines.items()
        }
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(_table(figures))
    return 0


def ten_limits() -> tuple[Limit, ...]:
    """The limits of one call, which nothing of this program reaches."""
    minute = Quota(rpm=_WIDE.rpm, tpm=_WIDE.tpm)
    grades = Grades(system=_WIDE, team=minute, org=minute)
    caller = Caller(org="org_1", key="key_1", team="team_1", user="user_1")
    return (*limits_of(caller, grades, "model"), *limits_on("model", "model", minute))


async def _measure(opening: Callable[[], Engine], calls: int, at_once: int) -> dict[str, float]:
    engine, limits, times = opening(), ten_limits(), list[float]()
    names = iter(range(calls))

    async def client() -> None:
        for name in names:
            began = time.perf_counter()
            answer = await engine.reserve(Ask(f"{began}-{name}", limits, 1000))
            assert isinstance(answer, Granted)
            await engine.settle(answer.ticket, 900)
            times.append(time.perf_counter() - began)

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(at_once)))
    elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    await engine.close()
    times.sort()
    return {
        "p50_us": times[len(times) // 2] * 1e6,
        "p99_us": times[len(times) * 99 // 100] * 1e6,
        "cpu_us": cpu / calls * 1e6,
        "calls_s": calls / elapsed,
    }


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def _table(figures: Figures) -> str:
    lines = [
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; a call is a reservation and a settlement of "
        f"{len(ten_limits())} limits. Times in µs; CPU is that of this process.",
        "",
        "| engine | calls at a time | p50 / p99 | CPU per call | calls/s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, found in figures.items():
        lines += [
            f"| {name} | {at_once} | {row['p50_us']:,.0f} / {row['p99_us']:,.0f} | {row['cpu_us']:,.0f} "
            f"| {row['calls_s']:,.0f} |"
            for at_once, row in found.items()
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
