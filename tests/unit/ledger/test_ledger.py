"""The ledger that a worker uses, on a real SQLite store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from nexusflow.ir.account import Bound, Counter
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ledger import ownership
from nexusflow.ledger.journal import JournalLimits
from nexusflow.ledger.leases import Hold
from nexusflow.ledger.ledger import Ledger, LedgerSettings
from nexusflow.ledger.records import Entry
from nexusflow.store import Database
from tests.support.money import Purse, closed, opened, payer

UNIT = 1_000_000


@pytest.fixture
def purse(tmp_path: Path) -> Purse:
    return Purse(tmp_path / "nexusflow.db")


@asynccontextmanager
async def _ledger(purse: Purse, settings: LedgerSettings | None = None) -> AsyncIterator[Ledger]:
    ledger = Ledger(purse.open, purse.path.parent / "journal", settings or LedgerSettings(stop_s=5))
    await ledger.start()
    try:
        yield ledger
    finally:
        await ledger.stop()


async def _call(ledger: Ledger, id: str, held: int, charged: int) -> None:
    hold = await ledger.reserve(payer(), held)
    ledger.open(opened(id, lease=hold.lease, held=held))
    await ledger.close(closed(id, charged, lease=hold.lease, held=held), hold)


async def _try(ledger: Ledger, amount: int) -> Hold | Kind:
    try:
        return await ledger.reserve(payer(), amount)
    except RequestRefused as refused:
        return refused.problem.kind


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def _run(work: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work, 60)

    asyncio.run(bounded())


def test_calls_are_posted_once_and_a_clean_stop_leaves_nothing_behind(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(1000 * UNIT)
        async with _ledger(purse) as ledger:
            await asyncio.gather(*(_call(ledger, f"r{n}", UNIT, n) for n in range(300)))
        assert purse.charges() == {f"r{n}": n for n in range(1, 300)}
        assert purse.balance() == (sum(range(300)), 0)
        assert purse.one("SELECT count(*) FROM lease WHERE state = 'open'") == 0
        assert purse.one("SELECT count(*) FROM call") == 300
        assert purse.one("SELECT state FROM ledger_worker") == "drained"
        assert ownership.journals(purse.path.parent / "journal") == []

    _run(run())


def test_AT01_five_hundred_reservations_with_money_for_ten_admit_ten(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(10 * UNIT)
        async with _ledger(purse) as ledger:
            for round_ in range(3):
                answers = await asyncio.gather(*(_try(ledger, UNIT) for _ in range(500)))
                holds = [answer for answer in answers if isinstance(answer, Hold)]
                assert len(holds) == 10, round_
                # The money is held, not spent: a client may try again.
                assert answers.count(Kind.INFLIGHT) == 490
                assert purse.balance() == (0, 10 * UNIT)
                for hold in holds:
                    ledger.cancel(hold)
                await _until(lambda: purse.balance() == (0, 0))
            await asyncio.gather(*(_call(ledger, f"r{n}", UNIT, UNIT) for n in range(10)))
            await _until(lambda: ledger.backlog == 0)
            assert await _try(ledger, UNIT) is Kind.FUNDS
        assert purse.balance() == (10 * UNIT, 0)

    _run(run())


def test_AT01_a_hard_budget_admits_what_it_has_and_two_workers_share_it(purse: Purse) -> None:
    bound = Bound(Counter("budget", "key_1", 0), 10 * UNIT, "hard", "key", 1 << 50)
    bounded = type(payer())(org="org_default", team=None, key="key_1", bounds=(bound,))

    async def run() -> None:
        async with _ledger(purse) as first, _ledger(purse) as second:
            results = await asyncio.gather(
                *(ledger.reserve(bounded, UNIT) for _ in range(50) for ledger in (first, second)),
                return_exceptions=True,
            )
            holds = [result for result in results if isinstance(result, Hold)]
            refusals = [result.problem for result in results if isinstance(result, RequestRefused)]
            assert (len(holds), len(refusals)) == (10, 90)
            assert "key" in refusals[0].message
            assert purse.one("SELECT held FROM budget_spend") == 10 * UNIT

    _run(run())


def test_a_reservation_that_a_lease_covers_does_not_ask_the_database(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(1000 * UNIT)
        async with _ledger(purse) as ledger:
            first = await ledger.reserve(payer(), UNIT)
            purse.away = True
            second = await ledger.reserve(payer(), UNIT)
            assert second.lease == first.lease
            purse.away = False

    _run(run())


def test_leases_that_nobody_uses_give_way_to_a_call_that_needs_their_money(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(100 * UNIT)
        async with _ledger(purse) as ledger:
            small = await ledger.reserve(payer(), UNIT)
            ledger.cancel(small)
            _, held = purse.balance()
            assert held > UNIT
            large = await ledger.reserve(payer(), 100 * UNIT)
            assert purse.balance() == (0, 100 * UNIT)
            ledger.cancel(large)

    _run(run())


def test_nothing_costs_nothing(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(0)
        async with _ledger(purse) as ledger:
            hold = await ledger.reserve(payer(), 0)
            assert (hold.lease, hold.amount) == (None, 0)
            await ledger.close(closed("free", 0), hold)
        assert purse.one("SELECT kind FROM transfer WHERE id = 'free'") == "void"

    _run(run())


def test_ID3_the_record_beside_a_reservation_exists_exactly_when_the_hold_does(purse: Purse) -> None:
    def also(database: Database) -> None:
        database.execute("INSERT INTO audit VALUES ('x', 0, '', '', '', '')")

    def stumble(database: Database) -> None:
        also(database)
        raise LookupError

    async def run() -> None:
        purse.fund(10 * UNIT)
        async with _ledger(purse) as ledger:
            with pytest.raises(RequestRefused):
                await ledger.reserve(payer(), 11 * UNIT, also)
            with pytest.raises(LookupError):
                await ledger.reserve(payer(), UNIT, stumble)
            assert purse.one("SELECT count(*) FROM audit") == 0
            assert purse.balance() == (0, 0)
            hold = await ledger.reserve(payer(), UNIT, also)
            assert purse.one("SELECT count(*) FROM audit") == 1
            assert purse.balance() == (0, UNIT)
            ledger.cancel(hold)
            await _until(lambda: purse.balance() == (0, 0))
            free = await ledger.reserve(payer(), 0, lambda database: database.execute("DELETE FROM audit") and None)
            assert free.lease is None
            assert purse.one("SELECT count(*) FROM audit") == 0

    _run(run())


@pytest.mark.parametrize("alone", [False, True])
def test_a_client_that_leaves_while_money_is_fetched_leaves_none_behind(purse: Purse, alone: bool) -> None:
    async def run() -> None:
        purse.fund(10 * UNIT)
        async with _ledger(purse) as ledger:
            tasks = [
                asyncio.ensure_future(ledger.reserve(payer(), UNIT, (lambda _: None) if alone else None))
                for _ in range(20)
            ]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # The clerk answers in order: by now the database has lent what was asked for, and to nobody.
            await ledger._clerk.ask(lambda _: None)
            await asyncio.sleep(0)
            assert purse.one("SELECT count(*) FROM lease") != 0
            await _until(lambda: purse.balance() == (0, 0))

    _run(run())


def test_S13_the_poster_outlasts_the_database_and_posts_all_of_it_once(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(1000 * UNIT)
        async with _ledger(purse) as ledger:
            await _call(ledger, "before", UNIT, 5)
            purse.away = True
            await asyncio.gather(*(_call(ledger, f"r{n}", UNIT // 10, 7) for n in range(50)))
            assert ledger.backlog >= 50
            assert ledger.oldest_s > 0
            # Committed, but the answer was lost: posted again, counted once.
            purse.loses_commits = 2
            purse.away = False
            await _until(lambda: ledger.backlog == 0)
        assert purse.balance() == (5 + 50 * 7, 0)
        assert len(purse.charges()) == 51

    _run(run())


def test_a_stop_while_the_database_is_away_leaves_the_journal_to_the_next_worker(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(1000 * UNIT)
        async with _ledger(purse, LedgerSettings(stop_s=0.1)) as ledger:
            await _call(ledger, "before", UNIT, 5)
            purse.away = True
            await _call(ledger, "during", UNIT, 7)
        assert len(ownership.journals(purse.path.parent / "journal")) == 1
        purse.away = False
        async with _ledger(purse):
            assert purse.charges() == {"before": 5, "during": 7}
            assert purse.balance() == (12, 0)

    _run(run())


def test_S13_while_the_database_is_away_a_wallet_is_trusted_with_its_allowance_only(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(1000 * UNIT)
        async with _ledger(purse, LedgerSettings(stop_s=5, outage_amount=3 * UNIT, outage_ms=60_000)) as ledger:
            purse.away = True
            holds = [await _try(ledger, UNIT) for _ in range(4)]
            assert holds[3] is Kind.STORE
            first = holds[0]
            assert isinstance(first, Hold)
            assert first.lease is None
            # What a call did not cost can be given again.
            await ledger.close(closed("a", 1, held=UNIT), first)
            assert isinstance(await _try(ledger, UNIT - 1), Hold)
            purse.away = False
            await _until(lambda: ledger.backlog == 0)
        assert purse.charges() == {"a": 1}

    _run(run())


def test_S13_a_call_on_trust_names_the_budgets_that_it_counts_in(purse: Purse) -> None:
    """Also when its worker dies before it ends: recovery counts it in the same ones."""

    async def run() -> None:
        purse.fund(1000 * UNIT)
        month = Counter("month", "acme", 0)
        bounds = (Bound(month, 10 * UNIT, "hard", "org", 1 << 50),)
        one = msgspec.structs.replace(payer(), bounds=bounds)
        settings = LedgerSettings(stop_s=5, outage_amount=3 * UNIT, outage_ms=60_000)
        async with _ledger(purse, settings) as ledger:
            purse.away = True
            hold = await ledger.reserve(one, UNIT)
            assert hold.counters == (month,)
            assert hold.lease
            ended = msgspec.structs.replace(closed("a", 7, lease=hold.lease, held=UNIT), counters=hold.counters)
            await ledger.close(ended, hold)
            purse.away = False
            await _until(lambda: ledger.backlog == 0)
        assert purse.one("SELECT spent FROM budget_spend") == 7

    _run(run())


def test_S13_without_an_allowance_nothing_is_given_while_the_database_is_away(purse: Purse) -> None:
    async def run() -> None:
        async with _ledger(purse) as ledger:
            purse.away = True
            assert await _try(ledger, UNIT) is Kind.STORE
            purse.away = False

    _run(run())


def test_a_ledger_starts_while_its_database_is_away_and_registers_later(purse: Purse) -> None:
    async def run() -> None:
        purse.away = True
        async with _ledger(purse) as ledger:
            assert purse.one("SELECT count(*) FROM ledger_worker") == 0
            purse.away = False
            await ledger._upkeep.recover()
            assert purse.one("SELECT id FROM ledger_worker") == ledger.worker

    _run(run())


def test_a_grant_whose_answer_was_lost_is_returned(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(1000 * UNIT)
        async with _ledger(purse) as ledger:
            purse.loses_commits = 1
            assert await _try(ledger, UNIT) is Kind.STORE
            _, stray = purse.balance()
            assert stray > 0
            await ledger._upkeep.renew()
            await _until(lambda: purse.balance() == (0, 0))

    _run(run())


def test_a_record_that_the_database_refuses_does_not_keep_the_others(purse: Purse) -> None:
    async def run() -> None:
        purse.fund(1000 * UNIT)
        async with _ledger(purse, LedgerSettings(stop_s=1)) as ledger:
            bad = closed("bad", 1)
            bad = type(bad)(id="bad", at_ms=0, org="nobody", key="k", entries=(_negative(bad.entries[0]),))
            await asyncio.gather(*(_call(ledger, f"r{n}", UNIT, 3) for n in range(20)), ledger.close(bad, None))
            await _until(lambda: ledger.backlog == 1)
            assert len(purse.charges()) == 20
        # It is still in the journal, for somebody to look at.
        assert len(ownership.journals(purse.path.parent / "journal")) == 1

    _run(run())


def _negative(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, amount=-1)


def test_a_disk_that_takes_no_close_does_not_lose_it(purse: Purse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The close goes to the database before the client is answered (S-14)."""

    async def run() -> None:
        purse.fund(1000 * UNIT)
        # Every record needs a file of its own, for which there is no room.
        settings = LedgerSettings(stop_s=5, journal=JournalLimits(segment=10))
        async with _ledger(purse, settings) as ledger:
            hold = await ledger.reserve(payer(), UNIT)
            ledger.open(opened("r", lease=hold.lease, held=UNIT))
            with monkeypatch.context() as patch:
                patch.setattr("nexusflow.ledger.segments.os.posix_fallocate", _full)
                with pytest.raises(RequestRefused) as refused:
                    ledger.open(opened("other"))
                assert refused.value.problem.kind is Kind.STORE
                await ledger.close(closed("r", 5, lease=hold.lease, held=UNIT), hold)
            assert ledger.backlog == 0
            assert purse.charges() == {"r": 5}
        async with _ledger(purse):
            assert purse.charges() == {"r": 5}
            assert purse.balance() == (5, 0)

    _run(run())


def _full(fd: int, offset: int, length: int) -> None:
    raise OSError(28, "full")


def test_refused_calls_are_logged_without_money(purse: Purse) -> None:
    async def run() -> None:
        async with _ledger(purse) as ledger:
            record = closed("refused", 0)
            ledger.note(
                type(record)(id="refused", at_ms=1, org="org_default", key="k", call=record.call, accepted=False)
            )
        assert purse.one("SELECT id FROM call") == "refused"
        assert purse.one("SELECT count(*) FROM transfer") == 0

    _run(run())
