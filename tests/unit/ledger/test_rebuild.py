"""Counters are restored exactly, whatever happened to them, and nothing else is touched."""

import random

from nexusflow.ledger import book
from nexusflow.ledger.rebuild import rebuild
from nexusflow.ledger.recount import Difference
from nexusflow.store import Row
from tests.support.book import ONE, Book, bound, call

COUNTERS = ("wallet", "budget_spend", "lease")


def _rows(books: Book, *tables: str) -> dict[str, list[Row]]:
    return {table: sorted(books.database.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}


def _use(books: Book) -> None:
    chance = random.Random(3)
    owners = [books.organisation(f"o{n}", 10**6 * ONE) for n in range(4)]
    for turn in range(30):
        org, key = chance.choice(owners)
        limit = bound(10**15, subject=chance.choice("abc"))
        lease = books.lend(org, ONE, limit, want=5 * ONE).id
        ends = [call(f"{turn}-{n}", org, key, lease=lease) for n in range(chance.randrange(7))]
        book.post(books.database, ends, [lease] if chance.random() < 0.5 else [])
        if ends:
            books.money.refund(ends[0].id, chance.randrange(1, ONE), "kindness", "test")


def test_counters_that_were_lost_or_changed_are_as_they_were(books: Book) -> None:
    _use(books)
    before = _rows(books, *COUNTERS)
    truth = _rows(books, "transfer", "call", "audit")
    assert rebuild(books.database) == []
    chance = random.Random(5)
    for table, figures in (("wallet", ("credited", "spent", "held")), ("budget_spend", ("spent", "held"))):
        for figure in figures:
            books.database.execute(f"UPDATE {table} SET {figure} = {figure} + $1", (chance.randrange(-999, 999),))
    books.database.execute("UPDATE lease SET used = 0 WHERE state = 'open'")
    books.database.execute("DELETE FROM budget_spend WHERE subject = 'b'")
    assert _rows(books, *COUNTERS) != before
    wrong = rebuild(books.database)
    assert {one.table for one in wrong} == set(COUNTERS)
    assert _rows(books, *COUNTERS) == before
    assert _rows(books, "transfer", "call", "audit") == truth
    assert rebuild(books.database) == []
    books.check()


def test_a_wallet_that_is_gone_is_made_again_with_a_floor_of_nothing(books: Book) -> None:
    _use(books)
    before = _rows(books, "wallet")
    books.database.execute("DELETE FROM wallet WHERE floor = 0")
    rebuild(books.database)
    assert _rows(books, "wallet") == before
    books.check()


def test_a_difference_is_told_in_words(books: Book) -> None:
    org, _ = books.organisation("acme", 5_000_000_000)
    books.database.execute("UPDATE wallet SET credited = 1 WHERE org = $1", (org,))
    [wrong] = rebuild(books.database)
    assert wrong == Difference("wallet", (org,), "credited", 1, 5_000_000_000)
    assert str(wrong) == f"wallet {org}: credited is 0.000000001, 5.00 by the transfers"
