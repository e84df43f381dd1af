"""Money is lent exactly, at every level, however many ask at once."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from nexusflow.ir.account import Bound, Counter, Scope
from nexusflow.ir.money import LARGEST
from nexusflow.ledger import book
from nexusflow.ledger.book import Denial, Lease
from nexusflow.store import Database, StoreError
from tests.support.book import ONE, TTL_MS, WORKER, Book, bound, call
from tests.support.stores import Store

LEVELS: tuple[Scope | None, ...] = (None, "org", "team", "key", "model", "user")
NEED = 1_000_003
SPEND = """
import json
from concurrent.futures import ThreadPoolExecutor
from nexusflow.ir.account import Bound, Counter
from nexusflow.ledger import book
from nexusflow.ledger.book import Lease
work, calls = json.loads(sys.argv[1]), int(sys.argv[2])
with store.open() as database, ThreadPoolExecutor(4) as threads:
    input()
    for org, scope in work:
        bounds = [Bound(Counter("budget", scope, 0), 10 * 1_000_003 + 7, "hard", scope, 1 << 50)] if scope else []
        def ask(_):
            return book.grant(database, org=org, worker="worker-1", bounds=bounds, need=1_000_003, want=5_000_000,
                              ttl_ms=60_000)
        answers = list(threads.map(ask, range(calls)))
        got = [one for one in answers if isinstance(one, Lease)]
        assert all(one.tight and one.amount == 1_000_003 for one in got)
        assert all(one.inflight and one.level == (scope or "wallet") for one in answers if one not in got)
        print(len(got), flush=True)
"""


def test_AT01_five_hundred_parallel_calls_in_each_of_four_processes_with_money_for_ten_get_ten(
    store: Store, books: Book
) -> None:
    """I-06, AT-01: at the wallet, and at a budget of each scope under a full wallet."""
    orgs = [books.organisation(f"o{n}", 10 * NEED + 7 if scope is None else 10**15) for n, scope in enumerate(LEVELS)]
    work = json.dumps([(org, scope) for (org, _), scope in zip(orgs, LEVELS, strict=True)])
    workers = [store.spawn(SPEND, work, 500) for _ in range(4)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    ends = [worker.communicate(timeout=150) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, ends
    granted = [list(map(int, out.split())) for out, _ in ends]
    assert [sum(level) for level in zip(*granted, strict=True)] == [10] * len(LEVELS)
    for (org, _), scope in zip(orgs, LEVELS, strict=True):
        assert books.wallet(org)[1:] == (0, 10 * NEED)
        if scope is not None:
            assert books.counter(Counter("budget", scope, 0)) == (0, 10 * NEED)
    books.check()


def test_no_deadlock_when_everybody_takes_the_same_rows_in_another_order(store: Store, books: Book) -> None:
    """Grants, posts, renewals and returns of eight threads over shared wallets and counters: no failure at all."""
    owners = [books.organisation(f"o{n}", 10**15) for n in range(4)]
    bounds = [bound(10**15, subject=f"s{n}") for n in range(6)]

    def spend(seed: int) -> list[StoreError]:
        chance = random.Random(seed)
        failures: list[StoreError] = []
        held: list[tuple[str, str, str]] = []
        with store.open() as database:
            own = Book(database)
            for turn in range(30):
                try:
                    for org, key in chance.sample(owners, 2):
                        # Counters that do not exist yet, beside those that all share.
                        new = bound(10**15, budget=f"b{turn // 3}", subject=chance.choice("abc"))
                        lease = own.lend(org, ONE, *chance.sample(bounds, 3), new, want=8 * ONE)
                        held.append((org, key, lease.id))
                    chance.shuffle(held)
                    ends = [
                        call(f"{seed}-{turn}-{n}", org, key, lease=lease) for n, (org, key, lease) in enumerate(held)
                    ]
                    book.renew(database, WORKER, [lease for _, _, lease in held], TTL_MS)
                    book.post(database, ends, [lease for _, _, lease in held[3:]])
                    del held[3:]
                except StoreError as error:
                    failures.append(error)
        return failures

    with ThreadPoolExecutor(8) as threads:
        assert [error for failures in threads.map(spend, range(8)) for error in failures] == []
    book.release(books.database, WORKER)
    assert {books.wallet(org)[2] for org, _ in owners} == {0}
    books.check()


def test_a_lease_is_held_by_the_wallet_and_by_every_budget_soft_ones_too(books: Book) -> None:
    org, _ = books.organisation("acme", 1000)
    hard, soft = bound(900, "team"), bound(1, "key", budget="soft", hard=False)
    lease = books.lend(org, 10, soft, hard, want=10_000)
    # A quarter of what the tightest hard bound has.
    assert (lease.amount, lease.tight) == (225, False)
    assert lease.counters == (hard.counter, soft.counter)
    assert books.wallet(org) == (1000, 0, 225)
    assert books.counter(hard.counter) == books.counter(soft.counter) == (0, 225)
    assert lease.expires_ms > books.database.now_ms() + TTL_MS // 2
    books.check()


@pytest.mark.parametrize(
    ("available", "need", "want", "amount", "tight"),
    [
        (1000, 10, 50, 50, False),
        (1000, 10, 5000, 250, False),
        (640, 10, 5, 10, False),
        (639, 10, 500, 10, True),
        (10, 10, 500, 10, True),
    ],
)
def test_how_much_is_lent(books: Book, available: int, need: int, want: int, amount: int, tight: bool) -> None:
    org, _ = books.organisation("acme", available)
    lease = books.lend(org, need, want=want)
    assert (lease.amount, lease.tight) == (amount, tight)


def test_without_any_bound_the_whole_wish_is_lent(books: Book) -> None:
    assert books.lend("org_default", 5, want=10**12).amount == 10**12
    assert books.lend("org_default", 5, want=10**30).amount == LARGEST


def test_a_denial_writes_nothing_and_says_what_is_short(books: Book) -> None:
    org, _ = books.organisation("acme", 100)
    new = bound(1000, budget="other")
    denial = books.grant(org, 101, new)
    assert denial == Denial("wallet", None, False, 100)
    assert books.wallet(org) == (100, 0, 0)
    assert books.count("budget_spend") == books.count("lease") == 0


def test_money_that_is_only_held_may_come_back_and_money_that_is_spent_does_not(books: Book) -> None:
    org, key = books.organisation("acme", 3 * ONE)
    limit = bound(2 * ONE)
    lease = books.lend(org, 2 * ONE, limit)
    assert books.grant(org, ONE, limit) == Denial("key", limit.counter, True, 0)
    assert books.grant(org, 3 * ONE) == Denial("wallet", None, True, ONE)
    assert books.grant(org, 3 * ONE + 1) == Denial("wallet", None, False, ONE)
    # A budget that waiting does not help is told before the wallet, which it would.
    assert books.grant(org, 2 * ONE, bound(ONE, "team", budget="t")) == Denial("team", Counter("t", "s", 0), False, ONE)
    book.post(books.database, [call("r", org, key, lease=lease.id)], [lease.id])
    assert books.grant(org, 2 * ONE, limit) == Denial("key", limit.counter, False, ONE)
    books.check()


def test_ID3_what_runs_along_is_undone_with_a_denial_and_undoes_a_grant(books: Book) -> None:
    org, _ = books.organisation("acme", 100)

    def note(database: Database) -> None:
        database.execute("INSERT INTO key_use (key_id, calls, last_used_ms) VALUES ('k', 1, 1)")

    def refuse(database: Database) -> None:
        note(database)
        raise RuntimeError("no")

    def ask(need: int, also: object) -> Lease | Denial:
        return book.grant(
            books.database, org=org, worker=WORKER, bounds=(), need=need, want=need, ttl_ms=1, also=also  # type: ignore[arg-type]
        )  # fmt: skip

    assert isinstance(ask(101, note), Denial)
    with pytest.raises(RuntimeError):
        ask(10, refuse)
    assert (books.count("key_use"), books.wallet(org)) == (0, (100, 0, 0))
    assert isinstance(ask(10, note), Lease)
    assert books.count("key_use") == 1


@pytest.mark.parametrize("need", [0, -1, -(10**18), LARGEST + 1, 18446744073686646784])
def test_AT10_no_amount_can_turn_a_reservation_into_a_credit(books: Book, need: int) -> None:
    org, _ = books.organisation("acme", 100)
    with pytest.raises(ValueError, match="reservation"):
        books.grant(org, need)
    assert books.wallet(org) == (100, 0, 0)


def test_a_credit_line_is_lent_too(books: Book) -> None:
    org, _ = books.organisation("acme", 0)
    books.accounts.set_credit_line(org, 50, actor="test")
    assert books.lend(org, 50).amount == 50
    assert isinstance(books.grant(org, 1), Denial)
    books.check()


def test_counters_are_written_as_the_schema_says(books: Book) -> None:
    org, _ = books.organisation("acme", 100)
    lease = books.lend(org, 1, Bound(Counter("b", "s", 5), 100, "hard", "key", 1 << 50))
    [(text,)] = books.database.execute("SELECT counters FROM lease WHERE id = $1", (lease.id,))
    assert json.loads(str(text)) == [["b", "s", 5]]
