"""PostgreSQL goes away under load from real SDKs, or loses COMMITs: the books stay right (AT-03, I-01 to I-16)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexusflow.ir.account import Payer
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ledger.ledger import Ledger, LedgerSettings
from tests.chaos.outage import KINDS, away, play_commits, play_outage
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.stores import Store


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """One for these tests, each of which leaves it running."""
    with running_postgres() as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_S13_an_outage_of_postgres_is_lived_through_and_paid_for(
    server: PostgresServer, tmp_path: Path, kind: str
) -> None:
    done = play_outage(server, tmp_path, kind, seconds=4.0, around_s=0.5)
    assert done.wrong == ()
    assert done.before
    assert done.after
    assert done.oracle == done.ledger


def test_AT03_commits_without_an_answer_post_every_call_once(server: PostgresServer, tmp_path: Path) -> None:
    done = play_commits(server, tmp_path, 5)
    assert done.wrong == ()
    assert sum(done.cut.values()) == 5
    assert done.oracle == done.ledger


def test_S13_a_server_that_stands_still_refuses_and_keeps_nobody_waiting(
    server: PostgresServer, tmp_path: Path
) -> None:
    """Its kernel goes on to confirm bytes and its own time limits stand still, so only the gateway's clock can tell."""

    payer = Payer(org="default", team=None, key="key-1")

    async def scenario() -> None:
        ledger = Ledger(Store.postgres(tmp_path, server.new_database()).open, tmp_path, LedgerSettings())
        # Leaves a connection behind that looks alive.
        await ledger.start()
        with away(server, "frozen"):
            for _ in range(3):
                with pytest.raises(RequestRefused) as refused:
                    # The deadline only ends a broken test.
                    await asyncio.wait_for(ledger.reserve(payer, 1_000), 30)
                assert refused.value.problem.kind is Kind.STORE
        await ledger.stop()

    asyncio.run(scenario())
