"""`python -m tests.chaos --kills 200 --database both --seed 1`: kill workers, audit the books, print a table."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos.books import postgres_books, sqlite_books
from tests.chaos.loop import POINTS, RANDOM, play
from tests.support.postgres import running_postgres


def main() -> int:
    """Play rounds until so many workers were killed; 1 when anything was wrong in any of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    kinds = ("sqlite", "postgres") if asked.database == "both" else (asked.database,)
    rounds = [(kind, point) for point in (RANDOM, *POINTS) for kind in kinds]
    each = -(-asked.kills // len(rounds))
    dice = random.Random(asked.seed)
    print("| books | killed at | kills | acknowledged | broken off | settled | verdict |")
    print("|---|---|---|---|---|---|---|")
    bad = 0
    with running_postgres() as server:
        for kind, point in rounds:
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                books = sqlite_books(root) if kind == "sqlite" else postgres_books(server)
                done = play(books, root, point, each, dice)
            bad += bool(done.wrong)
            verdict = "; ".join(done.wrong) or "right"
            figures = (done.kills, done.acknowledged, done.broken, done.settled)
            print("|", " | ".join(map(str, (kind, point, *figures, verdict))), "|", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
