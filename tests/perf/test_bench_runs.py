"""The benchmark keeps running and prints every figure. No figure decides anything here: that is for people to read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_quick_bench_prints_every_figure(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench", "--quick", "--without-nginx", "--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(written.read_text(encoding="utf-8"))
    assert figures["cpu"].keys() == {"unary_1k", "unary_30k", "burst", "paced"}
    for found in figures["cpu"].values():
        assert found.keys() == {"nexusflow", "granian"}
        assert all(one["rps"] > 0 and one["load_cpu_us"] > 0 for one in found.values())
    assert figures["bridged"].keys() == {"bridged_1k", "bridged_burst"}
    assert figures["added_latency"].keys() == {"1", "32", "256"}
    assert figures["rss_idle_mb"] > 0
    assert figures["start_s"] > 0
    assert all(one["compile_s"] > 0 and one["load_s"] > 0 for one in figures["compile"].values())
    assert "| target | bound | met |" in done.stdout
