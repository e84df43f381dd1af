"""`python -m bench.tasks [--tasks N] [--seconds N]`: what waiting tasks cost one worker, and what they cost callers.

So many tasks wait at a simulated provider that never ends them, each asked about as often as the engine does. The CPU
is the worker's own; the provider, and the client that measures `GET /v1/models`, share the machine with it.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import apsw

from nexusflow.ir.task import Brief
from nexusflow.store.sqlite import SqliteDatabase
from nexusflow.tasks import table
from nexusflow.tasks.model import Task
from nexusflow.testing.gateway import Gateway, running_gateway
from nexusflow.testing.simulator import running_simulator

MODEL = "video@never"
_CALLS = 400


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.tasks", description=__doc__)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    with running_simulator() as simulator, tempfile.TemporaryDirectory() as folder:
        spec = json.dumps(_spec(simulator))
        with running_gateway(spec, Path(folder)) as gateway:
            [worker] = _children(gateway.process.pid)
            quiet = _latencies(gateway)
            handle = _submit(simulator)
            _insert(Path(folder), chosen.tasks, handle)
            time.sleep(20)  # until the rhythm of the questions is even
            before, polls = _cpu(worker), _polls(Path(folder))
            began = time.monotonic()
            busy = _latencies(gateway)
            time.sleep(max(chosen.seconds - (time.monotonic() - began), 0))
            passed = time.monotonic() - began
            used, asked = _cpu(worker) - before, _polls(Path(folder)) - polls
    print(f"| waiting tasks | {chosen.tasks:,} |\n|---|---|")
    print(f"| questions a second | {asked / passed:,.0f} |")
    print(f"| cores of the worker | {used / passed:.2f} |")
    print(f"| `GET /v1/models` without them, p50 / p99 | {quiet[0]:.1f} / {quiet[1]:.1f} ms |")
    print(f"| with them, p50 / p99 | {busy[0]:.1f} / {busy[1]:.1f} ms |")
    return 0


def _spec(url: str) -> dict[str, object]:
    model = {
        "owner": "bench",
        "category": "video",
        "supported_protocols": ["nexusflow/tasks"],
        "output": ["video"],
        "media": {"mode": "async", "resolutions": ["720P"], "duration_seconds": {"default": 5}},
        "free": True,
        "lanes": [{"provider": "simulator", "model": MODEL}],
    }
    provider = {"protocol": "dashscope/tasks", "base_url": f"{url}/api/v1", "simulated": True}
    return {"version": 1, "providers": {"simulator": provider}, "models": {"video": model}}


def _submit(url: str) -> str:
    """One task at the provider; all of ours are that one."""
    body = json.dumps({"model": MODEL, "input": {"prompt": "A cat"}, "parameters": {"size": "1280*720"}}).encode()
    headers = {"content-type": "application/json", "x-dashscope-async": "enable"}
    path = f"{url}/api/v1/services/aigc/video-generation/video-synthesis"
    with urllib.request.urlopen(urllib.request.Request(path, body, headers), timeout=10) as answer:
        return str(json.load(answer)["output"]["task_id"])


def _insert(folder: Path, count: int, handle: str) -> None:
    """Tasks that wait, due over the next seconds."""
    now = time.time_ns() // 1_000_000
    path = folder / ".nexusflow/nexusflow.db"
    with SqliteDatabase(path, apsw.Connection(str(path))) as database, database.transaction():
        for at in range(count):
            task = Task(
                id=f"task_{at:08x}-0000-4000-8000-000000000000",
                owner="bench",
                org="org_default",
                key_id="bench",
                face="nexusflow/tasks",
                type="video",
                model="video",
                provider="simulator",
                upstream_model=MODEL,
                state="waiting",
                next_ms=now + at * 15_000 // count,
                created_ms=now,
                submitted_ms=now,
                deadline_ms=now + 3_600_000,
                expires_ms=now + 7_200_000,
                polls=60,  # as many as it takes to be asked at the longest interval
                handle=handle,
                brief=Brief(type="video", prompt="A cat"),
                plan="bench",
            )
            table.insert(database, task)


def _polls(folder: Path) -> int:
    connection = apsw.Connection(str(folder / ".nexusflow/nexusflow.db"))
    connection.set_busy_timeout(5_000)
    [(polls,)] = connection.execute("SELECT sum(polls) FROM task")
    connection.close()
    return int(polls)


def _latencies(gateway: Gateway) -> tuple[float, float]:
    """Milliseconds, median and 99th percentile."""
    request = urllib.request.Request(f"{gateway.url}/v1/models", headers={"authorization": f"Bearer {gateway.key}"})
    found = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found), statistics.quantiles(found, n=100)[98]


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in text.split() if b"resource_tracker" not in Path(f"/proc/{one}/cmdline").read_bytes()]


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
