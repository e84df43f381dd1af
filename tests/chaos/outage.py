"""PostgreSQL goes away in the middle of the load and comes back, or loses COMMITs; then the books are audited."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from nexusflow.testing.faulty import Provider, running
from nexusflow.testing.gateway import running_gateway
from tests.chaos.books import postgres_books
from tests.chaos.cutting import FATES, cutting, processes
from tests.chaos.load import AMOUNT, REFUSED, SCRIPTS, Call, Load, spec
from tests.chaos.loop import PATIENCE_S, WORKERS, Books, audit
from tests.support import oracle
from tests.support.postgres import PostgresServer

KINDS = ("gone", "frozen")
"""The server is stopped as by a power failure, or all its processes stand still and keep their connections."""
REST_S = 0.02
BETWEEN = 20
"""Calls served before a COMMIT is cut again."""
ALLOWANCE = 60_000_000
"""What a wallet may spend without the database through one worker, nano-units: some fifteen calls."""


@dataclass(frozen=True, slots=True)
class Outage:
    """One round. `served` and `refused` are of calls made and answered in the outage; `trusted` are those of the
    allowance; `oracle` and `ledger` are bills in nano-units; `posted_s` is how long posting took after the load.
    """

    kind: str
    seconds: float
    before: int
    served: int
    refused: int
    slowest_s: float
    trusted: int
    after: int
    oracle: int
    ledger: int
    posted_s: float
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Commits:
    """One round: how many COMMITs were cut, in each way, and what was acknowledged and paid."""

    cut: dict[str, int]
    acknowledged: int
    refused: int
    oracle: int
    ledger: int
    wrong: tuple[str, ...]


def play_outage(server: PostgresServer, root: Path, kind: str, seconds: float, around_s: float) -> Outage:
    """Load for `around_s`, an outage of `seconds` at least, load for `around_s` again, and the audit."""
    books = postgres_books(server)
    # Longer than the outage: here it is the amount that ends the allowance, and not the time.
    billing = {"outage_allowance": {"amount": str(ALLOWANCE / 10**9), "seconds": 2 * (seconds + PATIENCE_S)}}
    with running(SCRIPTS) as provider:
        text = spec(provider.port, books.database, billing)
        with running_gateway(text, root, environ=books.environ, workers=WORKERS) as gateway:
            with Load(gateway.url, gateway.key, rest_s=REST_S) as load:
                time.sleep(around_s)
                _wait_for_calls(load, BETWEEN)
                with away(server, kind):
                    lost = time.monotonic()
                    time.sleep(seconds)
                    _wait_for_refusal(load, lost)
                    found = time.monotonic()
                time.sleep(around_s)
                _wait_for_calls(load, BETWEEN)
            posted_s = _wait_until_posted(books, load)
        wrong = _wrong(books, root, load, provider)
        trusted = _trusted(books)
    inside = [call for call in load.calls if lost <= call.began and call.ended <= found]
    refused = sum(call.status == REFUSED for call in inside)
    wrong += _wrong_of_outage(inside, trusted)
    return Outage(
        kind=kind,
        seconds=found - lost,
        before=sum(call.ended < lost for call in load.calls),
        served=len(inside) - refused,
        refused=refused,
        slowest_s=max((call.ended - call.began for call in load.calls), default=0.0),
        trusted=trusted,
        after=sum(call.began > found and call.status != REFUSED for call in load.calls),
        oracle=len(load.acknowledged) * AMOUNT,
        ledger=sum(oracle.settled(books.ask).values()),
        posted_s=posted_s,
        wrong=tuple(wrong),
    )


def play_commits(server: PostgresServer, root: Path, commits: int) -> Commits:
    """Cut so many COMMITs under load, in every way in turn, and audit the books."""
    direct = postgres_books(server)
    cut = dict.fromkeys(FATES, 0)
    with running(SCRIPTS) as provider, cutting(server) as cutter:
        url = direct.environ["DATABASE_URL"].replace(f":{server.port}/", f":{cutter.port}/")
        books = replace(direct, environ={"DATABASE_URL": url})
        text = spec(provider.port, books.database)
        with running_gateway(text, root, environ=books.environ, workers=WORKERS) as gateway:
            with Load(gateway.url, gateway.key, rest_s=REST_S) as load:
                for turn in range(commits):
                    fate = FATES[turn % len(FATES)]
                    _wait_for_calls(load, BETWEEN)
                    cut[fate] += cutter.cut(fate)
            _wait_until_posted(direct, load)
        wrong = _wrong(direct, root, load, provider)
    bill = sum(oracle.settled(direct.ask).values())
    refused = sum(call.status == REFUSED for call in load.calls)
    return Commits(cut, len(load.acknowledged), refused, len(load.acknowledged) * AMOUNT, bill, tuple(wrong))


@contextmanager
def away(server: PostgresServer, kind: str) -> Iterator[None]:
    """The server is away in this way for as long as the block lasts."""
    if kind == "gone":
        server.stop_immediately()
        try:
            yield
        finally:
            server.start()
        return
    frozen = processes(server)
    _signal(frozen, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(frozen, signal.SIGCONT)


def _signal(to: list[psutil.Process], number: signal.Signals) -> None:
    for one in to:
        with suppress(ProcessLookupError):
            os.kill(one.pid, number)


def _wait_for_calls(load: Load, more: int) -> None:
    """Until so many more calls were served, or patience is over."""
    enough = len(load.acknowledged) + more
    deadline = time.monotonic() + PATIENCE_S
    while len(load.acknowledged) < enough and time.monotonic() < deadline:
        time.sleep(0.01)


def _wait_for_refusal(load: Load, since: float) -> None:
    """Until leases and allowance are used up, however slow this machine is, or patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if any(call.status == REFUSED and call.began >= since for call in tuple(load.calls)):
            return
        time.sleep(0.05)


def _wait_until_posted(books: Books, load: Load) -> float:
    """Until the ledger has every call that was acknowledged, or patience is over; returns how long that took."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE_S:
        [[charged]] = books.ask("SELECT count(*) FROM transfer WHERE kind = 'charge'")
        if int(charged) >= len(load.acknowledged):
            break
        time.sleep(0.05)
    return time.monotonic() - began


def _trusted(books: Books) -> int:
    """Calls that no lease paid for."""
    [[count]] = books.ask("SELECT count(*) FROM transfer WHERE kind = 'charge' AND lease IS NULL")
    return int(count)


def _wrong(books: Books, root: Path, load: Load, provider: Provider) -> list[str]:
    """The audit, and what must hold beyond it where no worker was killed."""
    wrong = audit(books, root, books.environ, load.acknowledged, len(provider.requests))
    wrong += oracle.complaints(books.ask)
    settled = oracle.settled(books.ask)
    if load.broken:
        wrong.append(f"{load.broken} calls were neither served nor refused with {REFUSED}")
    if len(provider.requests) != len(load.acknowledged):
        wrong.append(f"{len(load.acknowledged)} calls were served, {len(provider.requests)} reached the provider")
    if set(settled) != load.acknowledged:
        wrong.append(f"{len(set(settled) ^ load.acknowledged)} calls are either acknowledged or settled, not both")
    return wrong


def _wrong_of_outage(inside: list[Call], trusted: int) -> list[str]:
    """What calls that were made in the outage, and the allowance, show beyond the books."""
    wrong = []
    if not any(call.status != REFUSED for call in inside):
        wrong.append("nothing was served in the outage")
    if not any(call.status == REFUSED for call in inside):
        wrong.append("nothing was refused in the outage")
    if not trusted:
        wrong.append("the allowance paid for nothing")
    if trusted * AMOUNT > WORKERS * ALLOWANCE:
        wrong.append(f"{trusted} calls were made on an allowance of {WORKERS * ALLOWANCE // AMOUNT}")
    return wrong
