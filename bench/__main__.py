"""`python -m bench [--quick] [--without-nginx] [--json FILE]`: everything in one run, as tables and as JSON."""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import contestants, measure, report


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds: does it run? The figures mean little.")
    parser.add_argument("--without-nginx", action="store_true", help="leave out nginx and the ratios to it")
    parser.add_argument("--postgres", action="store_true", help="also measure with the books in PostgreSQL")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    chosen = parser.parse_args()
    if not chosen.without_nginx and shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        print("error: nginx is not installed; `apt-get install nginx-light`, or use --without-nginx", file=sys.stderr)
        return 1
    seconds, rounds = (0.3, 1) if chosen.quick else (4.0, 3)
    figures = run(seconds, rounds, with_nginx=not chosen.without_nginx)
    if chosen.postgres:
        figures["postgres"] = on_postgres(seconds, rounds)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(report.render(figures))
    return 0


def run(seconds: float, rounds: int, *, with_nginx: bool) -> dict[str, Any]:
    """All figures of one run."""
    cores = len(os.sched_getaffinity(0))
    figures: dict[str, Any] = {
        "machine": f"{cores} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "rounds": rounds,
        "seconds": seconds,
        "compile": {str(models): measure.compiling(models) for models in (200, 2000)},
    }
    with (
        tempfile.TemporaryDirectory() as name,
        contestants.upstream() as provider,
        contestants.others(provider, Path(name), with_nginx=with_nginx) as others,
        contestants.gateway(provider, Path(name)) as (gateway, key, start),
    ):
        figures["start_s"] = start
        measure.cpu(gateway, key, "unary_1k", min(1.0, seconds))
        figures["rss_idle_mb"] = gateway.rss_mb()
        figures["cpu"] = {
            work: measure.interleaved([gateway, *others], key, work, seconds, rounds) for work in measure.WORK
        }
        figures["bridged"] = {
            work: measure.interleaved([gateway], key, work, seconds, rounds)["nexusflow"] for work in measure.BRIDGED
        }
        figures["rss_after_mb"] = gateway.rss_mb()
        figures["added_latency"] = measure.added_latency(gateway, provider, key, seconds / 2, rounds)
        figures["rss_256_mb"] = gateway.rss_mb()
    return figures


def on_postgres(seconds: float, rounds: int) -> dict[str, Any]:
    """The gateway's figures with its books in a PostgreSQL server of its own; the server's time is not counted."""
    from tests.support.postgres import running_postgres

    with (
        tempfile.TemporaryDirectory() as name,
        contestants.upstream() as provider,
        running_postgres() as server,
        contestants.gateway(provider, Path(name), server.new_database()) as (gateway, key, _),
    ):
        measure.cpu(gateway, key, "unary_1k", min(1.0, seconds))
        return {
            work: measure.interleaved([gateway], key, work, seconds, rounds)["nexusflow"]
            for work in ("unary_1k", "burst")
        }


if __name__ == "__main__":
    sys.exit(main())
