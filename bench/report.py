"""The table for people; the same figures go to JSON."""

from typing import Any

from bench import payloads

TARGETS = (
    ("unary 1 KB, CPU", "at most 250 µs", lambda f: f["cpu"]["unary_1k"]["nexusflow"]["cpu_us"] <= 250),
    ("unary 1 KB beside nginx", "at most 8 times", lambda f: _ratio(f, "unary_1k", "nginx") <= 8),
    ("unary 30 KB, CPU", "at most 350 µs", lambda f: f["cpu"]["unary_30k"]["nexusflow"]["cpu_us"] <= 350),
    ("64-event burst, CPU", "at most 850 µs", lambda f: f["cpu"]["burst"]["nexusflow"]["cpu_us"] <= 850),
    ("paced stream beside bare Granian", "at most 1.6 times", lambda f: _ratio(f, "paced", "granian") <= 1.6),
    ("translated unary 1 KB beside identity", "at most 60 µs more", lambda f: _extra_request(f) <= 60),
    ("translated stream event beside identity", "at most 5 µs more", lambda f: _extra_event(f) <= 5),
    ("added latency, 1 connection, p50", "at most 600 µs", lambda f: f["added_latency"]["1"]["p50_us"] <= 600),
    ("start to ready, 200 models", "at most 1.5 s", lambda f: f["start_s"] <= 1.5),
    ("memory idle", "at most 120 MB", lambda f: f["rss_idle_mb"] <= 120),
    ("memory after the load", "at most 10 % more", lambda f: f["rss_after_mb"] <= f["rss_idle_mb"] * 1.1),
    ("compile 200 / 2,000 models", "under 0.3 / 5 s", lambda f: f["compile"]["200"]["compile_s"] < 0.3
     and f["compile"]["2000"]["compile_s"] < 5),
    ("load 2,000 models", "under 2 s", lambda f: f["compile"]["2000"]["load_s"] < 2),
)  # fmt: skip


def render(figures: dict[str, Any]) -> str:
    """Markdown tables of one run."""
    names = list(figures["cpu"]["unary_1k"])
    lines = [
        f"{figures['machine']}; medians of {figures['rounds']} rounds of {figures['seconds']} s.",
        "",
        "| CPU µs per request | " + " | ".join(names) + " | ratios |",
        "|---" * (len(names) + 2) + "|",
    ]
    for work, found in figures["cpu"].items():
        ratios = ", ".join(f"{_ratio(figures, work, name):.1f} × {name}" for name in names if name != "nexusflow")
        lines.append(f"| {work} | " + " | ".join(f"{found[name]['cpu_us']:.0f}" for name in names) + f" | {ratios} |")
    lines += ["", "| requests per second | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for work, found in figures["cpu"].items():
        lines.append(f"| {work} | " + " | ".join(f"{found[name]['rps']:.0f}" for name in names) + " |")
    lines += ["", "| translated (Anthropic client, Chat provider) | CPU µs | beside identity |", "|---|---|---|"]
    bridged = {work: found["cpu_us"] for work, found in figures["bridged"].items()}
    lines.append(f"| unary 1 KB | {bridged['bridged_1k']:.0f} | + {_extra_request(figures):.0f} a request |")
    lines.append(f"| 64-event burst | {bridged['bridged_burst']:.0f} | + {_extra_event(figures):.1f} an event |")
    if "postgres" in figures:
        lines += ["", "| books in PostgreSQL | CPU µs | times SQLite |", "|---|---|---|"]
        for work, found in figures["postgres"].items():
            times = found["cpu_us"] / figures["cpu"][work]["nexusflow"]["cpu_us"]
            lines.append(f"| {work} | {found['cpu_us']:.0f} | {times:.2f} |")
    lines += ["", "| added latency, µs | p50 | p99 |", "|---|---|---|"]
    for connections, found in figures["added_latency"].items():
        lines.append(f"| {connections} connections | {found['p50_us']:.0f} | {found['p99_us']:.0f} |")
    lines += ["", "| other | figure |", "|---|---|"]
    memory = " / ".join(f"{figures[name]:.0f}" for name in ("rss_idle_mb", "rss_after_mb", "rss_256_mb"))
    lines.append(f"| memory: idle / after the load / with 256 connections | {memory} MB |")
    lines.append(f"| start to ready, 200 models | {figures['start_s']:.2f} s |")
    for models, found in figures["compile"].items():
        lines.append(f"| compile / load {models} models | {found['compile_s']:.2f} / {found['load_s']:.2f} s |")
    return "\n".join([*lines, "", *_targets(figures)])


def _targets(figures: dict[str, Any]) -> list[str]:
    lines = ["| target | bound | met |", "|---|---|---|"]
    for what, bound, met in TARGETS:
        if "nginx" in what and "nginx" not in figures["cpu"]["unary_1k"]:
            lines.append(f"| {what} | {bound} | not measured |")
        else:
            lines.append(f"| {what} | {bound} | {'yes' if met(figures) else '**no**'} |")
    return lines


def _extra_request(figures: dict[str, Any]) -> float:
    """CPU microseconds that translating a unary call adds."""
    return float(figures["bridged"]["bridged_1k"]["cpu_us"] - figures["cpu"]["unary_1k"]["nexusflow"]["cpu_us"])


def _extra_event(figures: dict[str, Any]) -> float:
    """CPU microseconds that translating one event of a stream adds."""
    burst = figures["cpu"]["burst"]["nexusflow"]["cpu_us"]
    return float((figures["bridged"]["bridged_burst"]["cpu_us"] - burst) / payloads.EVENTS)


def _ratio(figures: dict[str, Any], work: str, name: str) -> float:
    found = figures["cpu"][work]
    return float(found["nexusflow"]["cpu_us"] / found[name]["cpu_us"])
