"""Rounds of killing, each on books of its own, and the audit that ends each of them."""

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from nexusflow.ledger.failpoints import VARIABLE
from nexusflow.testing.faulty import running
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.chaos.load import AMOUNT, SCRIPTS, Load, spec
from tests.support import oracle

WORKERS = 2
PATIENCE_S = 60.0
RANDOM = "random"
POINTS = (
    *("lease-granted", "after-reserve", "after-open", "before-close", "after-close-append", "after-durable"),
    *("post-before-commit", "post-after-commit", "after-mark"),
)
"""Failpoints that a worker passes while it serves. Each worker dies at the given passage, and so does its successor."""


@dataclass(frozen=True, slots=True)
class Books:
    """A fresh database: what gateway.yaml says of it, its environment, and how to ask it."""

    name: str
    database: dict[str, Any]
    environ: dict[str, str]
    ask: Callable[[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Round:
    """One round: where workers died and how often, and what its customers saw and paid."""

    books: str
    point: str
    kills: int
    acknowledged: int
    broken: int
    settled: int
    wrong: tuple[str, ...]


def play(books: Books, root: Path, point: str, kills: int, dice: random.Random) -> Round:
    """Kill `kills` workers under load, let the last ones recover, and audit the books."""
    with running(SCRIPTS) as provider:
        text = spec(provider.port, books.database)
        environ = {**books.environ}
        if point != RANDOM:
            environ[VARIABLE] = f"{point}:{dice.randint(8, 25) if point in POINTS[1:6] else dice.randint(2, 5)}"
        died, acknowledged, broken = 0, set[str](), 0
        while died < kills:
            # The server gives up when its workers die too often; then everything is started anew.
            with running_gateway(text, root, environ=environ, workers=WORKERS) as gateway:
                with Load(gateway.url, gateway.key) as load:
                    died += _kill(gateway, kills - died, dice, by_hand=point == RANDOM)
                died += kill_all(gateway)
            acknowledged |= load.acknowledged
            broken += load.broken
        again = {name: value for name, value in environ.items() if name != VARIABLE}
        _serve_once(root, text, again)
        wrong = audit(books, root, again, acknowledged, len(provider.requests))
        settled = oracle.settled(books.ask)
    return Round(books.name, point, died, len(acknowledged), broken, len(settled), tuple(wrong))


def workers_of(gateway: Gateway) -> list[psutil.Process]:
    """Its workers, those included that have died a moment ago."""
    try:
        return psutil.Process(gateway.process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def lives(worker: psutil.Process) -> bool:
    """Whether a worker has not died."""
    try:
        return bool(worker.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _kill(gateway: Gateway, kills: int, dice: random.Random, *, by_hand: bool) -> int:
    """Wait until `kills` workers have died, at their failpoint or by our hand; returns how many did."""
    alive: set[int] = set()
    died = 0
    deadline = time.monotonic() + PATIENCE_S
    while died < kills and gateway.process.poll() is None and time.monotonic() < deadline:
        now = {one.pid for one in workers_of(gateway) if lives(one)}
        died += len(alive - now)
        alive = now
        if by_hand and len(alive) >= WORKERS:
            time.sleep(dice.uniform(0.05, 0.5))
            victim = dice.choice(sorted(alive))
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        time.sleep(0.02)
    return died


def kill_all(gateway: Gateway) -> int:
    """The whole gateway at once, as by a power failure; returns how many workers died of it."""
    workers = workers_of(gateway)
    gateway.process.kill()
    for child in workers:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    gateway.process.wait()
    return len(workers)


def _serve_once(root: Path, text: str, environ: dict[str, str]) -> None:
    """A gateway that lives long enough to settle what the dead ones left, and stops in good form."""
    with running_gateway(text, root, environ=environ, workers=1):
        deadline = time.monotonic() + PATIENCE_S
        while list((root / ".nexusflow").glob("**/journal/w*")) and time.monotonic() < deadline:
            if len(list((root / ".nexusflow").glob("**/journal/w*"))) <= 1:
                break
            time.sleep(0.1)


def audit(books: Books, root: Path, environ: dict[str, str], acknowledged: set[str], sent: int) -> list[str]:
    """What is wrong with the books, in words; nothing when they are right."""
    wrong = []
    ends = books.ask("SELECT request, kind, amount FROM transfer WHERE kind IN ('charge', 'void')")
    charged = {str(request): int(amount) for request, kind, amount in ends if kind == "charge"}
    if len({str(request) for request, *_ in ends}) != len(ends):
        wrong.append("a call was settled twice")
    lost = [one for one in sorted(acknowledged) if charged.get(one) != AMOUNT]
    if lost:
        wrong.append(f"{len(lost)} acknowledged calls were not billed at their price, such as {lost[0]}")
    if len(ends) < sent:
        wrong.append(f"the provider was called {sent} times, {len(ends)} calls were settled")
    bill = oracle.settled(books.ask)
    if bill != {str(request): int(amount) for request, _, amount in ends}:
        wrong.append("the oracle's bill is another one")
    [[spent]] = books.ask("SELECT sum(spent) FROM wallet")
    if int(spent or 0) != sum(bill.values()):
        wrong.append(f"wallets have spent {spent}, the bills come to {sum(bill.values())}")
    [[held]] = books.ask("SELECT sum(held) FROM wallet")
    if int(held or 0):
        wrong.append(f"{held} is still held")
    proof = nexusflow("ledger", "verify", root=root, environ=environ)
    if proof.returncode:
        wrong.append(f"the proof failed: {proof.stdout[-400:]}{proof.stderr[-400:]}")
    return wrong
