"""Taking the figures: CPU by load, latency by connections, memory, start, compile and load times."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.contestants import LOAD_CORE, Contestant, pin, spec

WORK = {"unary_1k": 64, "unary_30k": 64, "burst": 64, "paced": 100}
"""What is asked for, and over how many connections."""
BRIDGED = {"bridged_1k": 64, "bridged_burst": 64}
"""The same over another client protocol, which only the gateway can."""
LATENCY_CONNECTIONS = (1, 32, 256)

Figures = dict[str, float]


def load(port: int, key: str, work: str, connections: int, seconds: float) -> Figures:
    """Run the load generator once, in a process of its own on the other core."""
    command = [sys.executable, "-m", "bench.load", str(port), key, work, str(connections), str(seconds)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=seconds + 60, preexec_fn=lambda: pin(LOAD_CORE)
    )
    figures: Figures = json.loads(done.stdout)
    if figures["failed"]:
        raise RuntimeError(f"{figures['failed']:.0f} failed requests at {work}")
    return figures


def cpu(contestant: Contestant, key: str, work: str, seconds: float) -> Figures:
    """One load, with the server's CPU microseconds per request."""
    before = contestant.cpu_seconds()
    figures = load(contestant.port, key, work, {**WORK, **BRIDGED}[work], seconds)
    used = contestant.cpu_seconds() - before
    return {
        "cpu_us": used / figures["requests"] * 1e6,
        "rps": figures["requests"] / seconds,
        "load_cpu_us": figures["load_cpu_us"],
    }


def interleaved(contestants: list[Contestant], key: str, work: str, seconds: float, rounds: int) -> dict[str, Figures]:
    """Each contestant in turn, `rounds` times; medians, so that a slow minute of the machine hits all alike."""
    runs: dict[str, list[Figures]] = {contestant.name: [] for contestant in contestants}
    for _ in range(rounds):
        for contestant in contestants:
            runs[contestant.name].append(cpu(contestant, key, work, seconds))
    return {
        name: {figure: statistics.median(one[figure] for one in found) for figure in found[0]}
        for name, found in runs.items()
    }


def added_latency(gateway: Contestant, upstream_port: int, key: str, seconds: float, rounds: int) -> dict[str, Figures]:
    """Percentiles of the gateway minus those of the provider asked directly, in microseconds."""
    found: dict[str, Figures] = {}
    for connections in LATENCY_CONNECTIONS:
        pairs = [
            (
                load(upstream_port, key, "unary_1k", connections, seconds),
                load(gateway.port, key, "unary_1k", connections, seconds),
            )
            for _ in range(rounds)
        ]
        found[str(connections)] = {
            figure: statistics.median(ours[figure] - direct[figure] for direct, ours in pairs)
            for figure in ("p50_us", "p99_us")
        }
    return found


def compiling(models: int) -> Figures:
    """Seconds to compile a gateway.yaml of `models` models in this process, and to load the artifact."""
    from codegen import compile_source, emit
    from codegen.source import Source
    from codegen.write import write_artifact
    from nexusflow.loading import forget
    from nexusflow.loading import load as load_artifact

    text = spec(9, models)
    begun = time.perf_counter()
    plan = compile_source(Source("gateway.yaml", text)).plan
    assert plan is not None
    files = emit(plan)
    compiled = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        target = write_artifact(Path(folder), files)
        written = time.perf_counter()
        forget(load_artifact(target).module.__name__)
        return {"compile_s": compiled - begun, "load_s": time.perf_counter() - written}
