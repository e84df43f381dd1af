"""`python -m tests.chaos --kills 200 --database both --seed 1`: kill workers, audit the books, print a table.

`--outage 60` and `--commits 100` try PostgreSQL instead: it goes away under load, or loses COMMITs. `--tasks 200` makes
images and videos while workers are killed and frozen past their leases.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from tests.chaos.books import postgres_books, sqlite_books
from tests.chaos.loop import POINTS, RANDOM, play
from tests.chaos.outage import KINDS, play_commits, play_outage
from tests.chaos.tasks import Plan, play_tasks
from tests.support.postgres import running_postgres

AROUND_S = 15.0
"""Load before an outage and after it."""
LEASE_MS, FROZEN_S = 5_000, 8.0
"""Of the claims on tasks, and for how long a frozen worker stands still."""


def main() -> int:
    """Play what was asked for; 1 when anything was wrong in any round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--outage", type=float, nargs="?", const=60.0, metavar="SECONDS")
    parser.add_argument("--commits", type=int, metavar="N")
    parser.add_argument("--tasks", type=int, metavar="N")
    asked = parser.parse_args()
    bad = 0
    if asked.outage is not None:
        bad += _outages(asked.outage)
    if asked.commits is not None:
        bad += _commits(asked.commits)
    if asked.tasks is not None:
        bad += _tasks(asked.tasks, asked.database, asked.seed)
    if asked.outage is None and asked.commits is None and asked.tasks is None:
        bad += _kills(asked.kills, asked.database, asked.seed)
    return 1 if bad else 0


def _kills(kills: int, database: str, seed: int) -> int:
    rounds = [(kind, point) for point in (RANDOM, *POINTS) for kind in _kinds(database)]
    each = -(-kills // len(rounds))
    dice = random.Random(seed)
    _head("books", "killed at", "kills", "acknowledged", "broken off", "settled", "verdict")
    bad = 0
    with running_postgres() as server:
        for kind, point in rounds:
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                books = sqlite_books(root) if kind == "sqlite" else postgres_books(server)
                done = play(books, root, point, each, dice)
            bad += bool(done.wrong)
            _row(kind, point, done.kills, done.acknowledged, done.broken, done.settled, _verdict(done.wrong))
    return bad


def _tasks(tasks: int, database: str, seed: int) -> int:
    _head("books", "tasks", "kills", "freezes", "states", "submits", "charged", "held", "minutes", "verdict")
    bad = 0
    with running_postgres() as server:
        for kind in _kinds(database):
            plan = Plan(
                tasks=tasks,
                kills=max(tasks // 10, 1),
                freezes=max(tasks // 50, 1),
                lease_ms=LEASE_MS,
                frozen_s=FROZEN_S,
            )
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                books = sqlite_books(root) if kind == "sqlite" else postgres_books(server)
                done = play_tasks(books, root, plan, random.Random(seed))
            bad += bool(done.wrong)
            states = ", ".join(f"{count} {state}" for state, count in sorted(done.states.items()))
            money = (f"{Decimal(amount) / 10**9:f}" for amount in (done.charged, done.held))
            _row(kind, done.rows, done.kills, done.freezes, states, done.submits, *money, f"{done.seconds / 60:.1f}",
                 _verdict(done.wrong))  # fmt: skip
    return bad


def _kinds(database: str) -> tuple[str, ...]:
    return ("sqlite", "postgres") if database == "both" else (database,)


def _outages(seconds: float) -> int:
    _head("server", "seconds away", "served before", "served during", "refused during", "served after", "on allowance",
          "slowest call, s", "oracle bill", "ledger bill", "difference", "minutes", "verdict")  # fmt: skip
    bad = 0
    for kind in KINDS:
        began = time.monotonic()
        with running_postgres() as server, tempfile.TemporaryDirectory() as folder:
            done = play_outage(server, Path(folder), kind, seconds, AROUND_S)
        bad += bool(done.wrong)
        calls = (done.before, done.served, done.refused, done.after, done.trusted, f"{done.slowest_s:.1f}")
        bills = _bills(done.oracle, done.ledger)
        _row(kind, f"{done.seconds:.0f}", *calls, *bills, _minutes(began), _verdict(done.wrong))
    return bad


def _commits(commits: int) -> int:
    _head("COMMITs cut", "how", "served", "refused", "oracle bill", "ledger bill", "difference", "minutes", "verdict")
    began = time.monotonic()
    with running_postgres() as server, tempfile.TemporaryDirectory() as folder:
        done = play_commits(server, Path(folder), commits)
    how = ", ".join(f"{count} {fate}" for fate, count in done.cut.items())
    bills = _bills(done.oracle, done.ledger)
    total = sum(done.cut.values())
    _row(total, how, done.acknowledged, done.refused, *bills, _minutes(began), _verdict(done.wrong))
    return bool(done.wrong) or total < commits


def _bills(expected: int, found: int) -> tuple[str, ...]:
    """Both and their difference, in whole units of the currency."""
    return tuple(f"{Decimal(amount) / 10**9:f}" for amount in (expected, found, found - expected))


def _minutes(began: float) -> str:
    return f"{(time.monotonic() - began) / 60:.1f}"


def _verdict(wrong: Sequence[str]) -> str:
    return "; ".join(wrong) or "right"


def _head(*names: str) -> None:
    _row(*names)
    print("|" + "---|" * len(names), flush=True)


def _row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    sys.exit(main())
