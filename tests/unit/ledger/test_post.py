"""Posting: once each, to the nano-unit, never under the floor, whatever arrives and however often."""

import random

import msgspec
import pytest

from nexusflow.accounts.money import Money
from nexusflow.ir.money import LARGEST
from nexusflow.ir.plan import Price, Rates
from nexusflow.ir.usage import Usage
from nexusflow.ledger import book
from nexusflow.ledger.book import Posted
from nexusflow.ledger.records import Closed
from nexusflow.pricing import canonical, price_id
from tests.support import oracle
from tests.support.book import ONE, USAGE, Book, bound, call, void
from tests.support.stores import Store


def test_a_call_moves_wallet_budgets_and_lease_and_is_in_the_log(books: Book) -> None:
    org, key = books.organisation("acme", 100 * ONE)
    limit = bound(100 * ONE)
    lease = books.lend(org, ONE, limit, want=5 * ONE)
    done = call("r1", org, key, lease=lease.id)
    assert book.post(books.database, [done, void("r2", org, key, lease=lease.id)]) == Posted(2, 0)
    assert books.wallet(org) == (100 * ONE, ONE, 4 * ONE)
    assert books.counter(limit.counter) == (ONE, 4 * ONE)
    rows = books.database.execute("SELECT id, kind, amount, request FROM transfer WHERE request LIKE 'r%' ORDER BY id")
    cost = done.entries[1].amount
    assert rows == [("r1", "charge", ONE, "r1"), ("r1/cost", "cost", cost, "r1"), ("r2", "void", 0, "r2")]
    assert books.database.execute("SELECT calls, last_used_ms FROM key_use WHERE key_id = $1", (key,)) == [
        (2, done.at_ms)
    ]
    assert books.database.execute("SELECT id, status, amount FROM call ORDER BY id") == [
        ("r1", 200, ONE),
        ("r2", 502, 0),
    ]
    book.post(books.database, [], [lease.id])
    assert books.wallet(org) == (100 * ONE, ONE, 0)
    assert books.counter(limit.counter) == (ONE, 0)
    books.check()


def test_AT04_ten_thousand_rows_delivered_again_add_none(books: Book) -> None:
    owners = [books.organisation(f"o{n}", 10**15) for n in range(5)]
    limits = [bound(10**15, subject=f"s{n}") for n in range(5)]
    leases = [books.lend(org, ONE, limit, want=2000 * ONE).id for (org, _), limit in zip(owners, limits, strict=True)]
    calls = [
        call(f"r{n:05}", *owners[n % 5], lease=leases[n % 5], usage=Usage(input_text=n, output_text=n % 7))
        for n in range(5_000)
    ]
    posted = [book.post(books.database, calls[start : start + 1000], leases) for start in range(0, 5000, 1000)]
    assert sum(one.calls for one in posted) == 5_000
    assert books.count("transfer WHERE request IS NOT NULL") == 9_999  # the first call costs nothing
    tables = ("transfer", "wallet", "budget_spend", "lease", "key_use", "call")
    before = {table: sorted(books.database.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    again = calls[:]
    random.Random(1).shuffle(again)
    for start in range(0, 5000, 700):
        assert book.post(books.database, again[start : start + 700], leases) == Posted(0, 0)
    assert before == {table: sorted(books.database.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    books.check()


def test_old_and_new_in_one_batch_and_the_same_twice_in_one_count_once(books: Book) -> None:
    org, key = books.organisation("acme", 100 * ONE)
    lease = books.lend(org, ONE, want=10 * ONE).id
    first, second, third = (call(f"r{n}", org, key, lease=lease) for n in range(3))
    book.post(books.database, [first])
    assert book.post(books.database, [second, first, second, third, second]).calls == 2
    assert books.wallet(org)[1] == 3 * ONE
    assert books.count("call") == 3
    books.check()


def test_B02_another_end_of_a_call_that_was_posted_changes_nothing(books: Book) -> None:
    """A worker that was taken for dead comes back after its call was settled by recovery."""
    org, key = books.organisation("acme", 100 * ONE)
    lease = books.lend(org, ONE, want=5 * ONE).id
    book.post(books.database, [void("r", org, key, lease=lease)], [lease])
    assert book.post(books.database, [call("r", org, key, lease=lease)]) == Posted(0, 0)
    assert books.wallet(org) == (100 * ONE, 0, 0)
    assert oracle.settled(books.database.execute) == {"r": 0}
    books.check()


def test_B09_what_a_lease_does_not_cover_comes_from_the_wallet_down_to_its_floor(books: Book) -> None:
    org, key = books.organisation("acme", 5 * ONE)
    limit = bound(10 * ONE)
    lease = books.lend(org, ONE, limit).id
    big = call("big", org, key, lease=lease, usage=Usage(input_text=3000, output_text=300))
    charged = big.charged
    assert 2 * ONE < charged < 4 * ONE
    assert book.post(books.database, [big]) == Posted(1, 0)
    assert books.wallet(org) == (5 * ONE, charged, 0)
    assert books.counter(limit.counter) == (charged, 0)
    other = books.lend(org, ONE).id
    huge = call("huge", org, key, lease=lease, usage=Usage(input_text=9000, output_text=900))
    # Of what is left another call holds a part, and keeps it.
    left = 5 * ONE - charged - ONE
    posted = book.post(books.database, [huge, call("small", org, key, lease=other)])
    assert posted == Posted(2, huge.charged - left)
    assert books.wallet(org) == (5 * ONE, 5 * ONE, 0)
    assert books.database.execute("SELECT debit, credit, amount FROM transfer WHERE id = 'huge/overrun'") == [
        ("overrun", "revenue", huge.charged - left)
    ]
    assert oracle.settled(books.database.execute)["huge"] == huge.charged
    assert book.post(books.database, [huge, big]) == Posted(0, 0)
    assert isinstance(books.grant(org, 1), book.Denial)
    books.check()


def test_S13_a_call_made_on_trust_counts_in_its_budgets_once_and_can_be_given_back(books: Book) -> None:
    """While the database was away nobody could lend; it learns of the lease with the charge."""
    org, key = books.organisation("acme", 9 * ONE)
    monthly, total = bound(9 * ONE, budget="monthly"), bound(9 * ONE, budget="total")
    made = msgspec.structs.replace(
        call("r", org, key, lease="trusted"), held=2 * ONE, counters=(total.counter, monthly.counter)
    )
    for batch in ([made, made], [made]):
        book.post(books.database, batch)
        assert books.wallet(org) == (9 * ONE, ONE, 0)
        assert books.counter(monthly.counter) == books.counter(total.counter) == (ONE, 0)
    books.check()
    Money(books.database).refund("r", ONE // 2, reason="test", actor="test")
    assert books.counter(monthly.counter) == (ONE // 2, 0)
    books.check()


def test_B09_a_call_without_a_lease_is_paid_by_what_is_free(books: Book) -> None:
    """As calls are that were let through while the database was away."""
    org, key = books.organisation("acme", 2 * ONE + 5)
    posted = book.post(books.database, [call(f"r{n}", org, key) for n in range(3)])
    assert posted == Posted(3, ONE - 5)
    assert books.wallet(org) == (2 * ONE + 5, 2 * ONE + 5, 0)
    books.check()


def test_B09_an_old_row_again_beside_a_new_one_is_no_reason_for_an_overrun(books: Book) -> None:
    org, key = books.organisation("acme", 3 * ONE)
    old = [call(f"old{n}", org, key) for n in range(2)]
    book.post(books.database, old)
    assert book.post(books.database, [*old, call("new", org, key)]) == Posted(1, 0)
    assert books.wallet(org)[1] == 3 * ONE
    books.check()


def test_a_batch_may_take_from_a_lease_more_than_one_close_by_one_would(books: Book) -> None:
    org, key = books.organisation("acme", 10**15)
    leases = [books.lend(org, ONE).id for _ in range(300)]
    calls = [call(f"r{n:04}", org, key, lease=leases[n % 300]) for n in range(900)]
    assert book.post(books.database, calls, leases) == Posted(900, 0)
    assert books.wallet(org)[1:] == (900 * ONE, 0)
    books.check()


def test_the_end_of_a_call_whose_lease_was_given_back_is_charged_all_the_same(books: Book) -> None:
    org, key = books.organisation("acme", 10 * ONE)
    limit = bound(10 * ONE)
    lease = books.lend(org, ONE, limit).id
    book.post(books.database, [], [lease])
    assert book.post(books.database, [call("late", org, key, lease=lease)]) == Posted(1, 0)
    assert books.wallet(org)[1:] == (ONE, 0)
    assert books.counter(limit.counter) == (ONE, 0)
    books.check()


def test_giving_a_lease_back_twice_gives_it_back_once(books: Book) -> None:
    org, _ = books.organisation("acme", 10 * ONE)
    lease = books.lend(org, ONE).id
    for _ in range(2):
        book.post(books.database, [], [lease, lease, "no such lease"])
        assert books.wallet(org)[1:] == (0, 0)
    books.check()


def test_a_refused_call_is_only_in_the_log(books: Book) -> None:
    org, key = books.organisation("acme", ONE)
    noted = msgspec.structs.replace(void("r", org, key), entries=(), accepted=False)
    for _ in range(2):
        assert book.post(books.database, [noted]) == Posted(0, 0)
    assert books.count("transfer WHERE request IS NOT NULL") == 0
    assert books.database.execute("SELECT calls FROM key_use") == [(1,)]
    books.check()


def test_a_clock_that_is_ahead_is_put_back(books: Book) -> None:
    org, key = books.organisation("acme", ONE)
    now_ms = books.database.now_ms()
    book.post(books.database, [call("r", org, key, at_ms=now_ms + 10**9)])
    [(at_ms,)] = books.database.execute("SELECT at_ms FROM transfer WHERE id = 'r'")
    assert 0 <= int(at_ms or 0) - now_ms - 300_000 < 60_000


EXTREMES = (0, 1, 2**31 - 1, 2**31, 2**53 + 1, 10**15, 9 * 10**18, 2**63 - 1, 2**63, 2**64 - 1, 10**30, -1, -(2**63))


@pytest.mark.parametrize("amount", EXTREMES)
def test_AT10_no_amount_of_a_charge_turns_into_a_credit(books: Book, amount: int) -> None:
    """It is posted as it is, or the whole batch is refused; nothing in between."""
    org, key = books.organisation("acme", 100)
    good = call("r", org, key)
    bad = _with_amount(good, amount)
    try:
        posted = book.post(books.database, [void("other", org, key), bad])
    except ValueError:
        assert not 0 <= amount <= LARGEST
        assert books.count("transfer WHERE request IS NOT NULL") == 0
        assert books.wallet(org) == (100, 0, 0)
    else:
        assert 0 <= amount <= LARGEST
        assert posted == Posted(2, max(amount - 100, 0))
        assert books.wallet(org) == (100, min(amount, 100), 0)
        assert oracle.settled(books.database.execute) == {"other": 0, "r": amount}


def _with_amount(closed: Closed, amount: int) -> Closed:
    entry = msgspec.structs.replace(closed.entries[0], amount=amount)
    return msgspec.structs.replace(closed, entries=(entry,), call=None)


def test_the_oracle_bills_the_same_over_ten_thousand_random_calls(store: Store) -> None:
    chance = random.Random(7)
    prices = [
        Price(tokens=Rates(**{name: chance.randrange(10**chance.randrange(1, 11)) for name in Rates.__struct_fields__}),
              markup=chance.choice([0, 1, 1250, 9999]))
        for _ in range(20)
    ]  # fmt: skip
    asked: list[oracle.Acknowledged] = []
    with store.open() as database:
        books = Book(database).prepare()
        book.remember_prices(database, {price_id(price): canonical(price).decode() for price in prices})
        owners = [books.organisation(f"o{n}", 10**17) for n in range(7)]
        for start in range(0, 10_000, 1000):
            batch = []
            for n in range(start, start + 1000):
                usage = Usage(
                    input_text=chance.randrange(10 ** chance.randrange(1, 6)),
                    cache_read_text=chance.choice([None, 0, chance.randrange(10**5)]),
                    cache_write_1h=chance.choice([None, chance.randrange(1000)]),
                    output_text=chance.randrange(10**4),
                    output_reasoning=chance.choice([None, 77]),
                    n_images=chance.choice([None, 3]),
                )
                price, (org, key) = chance.choice(prices), chance.choice(owners)
                batch.append(call(f"r{n:05}", org, key, usage=usage, price=price))
                plain = msgspec.json.decode(canonical(price))
                asked.append(oracle.Acknowledged(f"r{n:05}", org, msgspec.to_builtins(usage), plain))
            assert book.post(database, batch).overrun == 0
        assert {org: books.wallet(org)[1] for org, _ in owners} == oracle.bills(asked)
        assert oracle.settled(database.execute) == {one.id: one.amount for one in asked}
        books.check()


def test_usage_and_price_of_every_charge_are_on_record(books: Book) -> None:
    org, key = books.organisation("acme", 10 * ONE)
    book.post(books.database, [call("r", org, key)])
    [(usage, price, plan, basis)] = books.database.execute(
        "SELECT usage, price, plan, basis FROM transfer WHERE id = 'r'"
    )
    assert msgspec.json.decode(str(usage), type=Usage) == USAGE
    assert books.count(f"price WHERE id = '{price}'") == 1
    assert (plan, basis) == ("0123456789ab", "reported")
