"""`python -m tests.support.spender STORE JOURNALS CALLS`: a worker that makes calls and says which ended.

Prints `open ID` before a call goes out and `done ID AMOUNT` once it is acknowledged; a failpoint may kill it anywhere.
"""

import asyncio
import os
import sys
from pathlib import Path

from nexusflow.ledger.ledger import Ledger, LedgerSettings
from nexusflow.store import open_database
from tests.support.money import closed, opened, payer, progress

HELD = 1_000_000


async def _spend(store: Path, journals: Path, calls: int) -> None:
    ledger = Ledger(lambda: open_database(store), journals, LedgerSettings(stop_s=10))
    await ledger.start()
    name = ledger.worker

    async def call(n: int) -> None:
        id, amount = f"{name}-{n}", 1000 + n
        hold = await ledger.reserve(payer(), HELD)
        ledger.open(opened(id, lease=hold.lease, held=HELD))
        _say(f"open {id}")
        await asyncio.sleep(0.001)
        ledger.progress(progress(id, amount // 2, amount // 4))
        await asyncio.sleep(0.001)
        await ledger.close(closed(id, amount, lease=hold.lease, held=HELD), hold)
        _say(f"done {id} {amount}")

    for start in range(0, calls, 10):
        await asyncio.gather(*(call(n) for n in range(start, min(start + 10, calls))))
    await ledger.stop()
    _say("stopped")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    asyncio.run(_spend(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
