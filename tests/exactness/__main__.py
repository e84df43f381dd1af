"""`python -m tests.exactness --engine all --seconds 60 --processes 3`: hammer limits and print what was let through."""

import argparse
import sys

from tests.exactness.play import Found, play
from tests.exactness.store import ENGINES, HELD_LEASE_MS, SLOTS, EngineKind

_COLUMNS = (
    "engine", "asked", "granted", "requests / allowed", "tokens / allowed", "over",
    f"slots at most (of {SLOTS.amount})", "leaked", f"freed after kill -9 (lease {HELD_LEASE_MS} ms)", "verdict",
)  # fmt: skip


def main() -> int:
    """1 where any engine was not exact."""
    parser = argparse.ArgumentParser(prog="tests.exactness", description=__doc__)
    parser.add_argument("--engine", choices=(*ENGINES, "all"), default="all")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print("|", " | ".join(_COLUMNS), "|")
    print("|---" * len(_COLUMNS) + "|")
    bad = 0
    for kind in ENGINES if chosen.engine == "all" else (chosen.engine,):
        found = play(kind, chosen.seconds, chosen.processes, chosen.seed)
        bad += bool(found.wrong)
        print("|", " | ".join(map(str, _row(kind, found))), "|", flush=True)
    return 1 if bad else 0


def _row(kind: EngineKind, found: Found) -> tuple[object, ...]:
    requests = f"{found.requests} / {found.allowed_requests}"
    tokens = f"{found.tokens} / {found.allowed_tokens}"
    leaked = found.leaked_slots + found.leaked_requests
    if found.freed_s is None:
        freed = "never"
    else:
        freed = "one process" if kind == "memory" else f"{found.freed_s * 1000:.0f} ms"
    verdict = "; ".join(found.wrong) or "exact"
    return (kind, found.asked, found.granted, requests, tokens, found.over, found.most_slots, leaked, freed, verdict)


if __name__ == "__main__":
    sys.exit(main())
