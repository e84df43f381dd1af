"""Workers and leases over time: what is kept, what is given back, what is forgotten."""

import pytest

from nexusflow.ledger import book, idempotency
from tests.support.book import ONE, TTL_MS, WORKER, Book, bound, call


def _expire(books: Book) -> None:
    books.database.execute("UPDATE lease SET expires_ms = 1")


def _open(books: Book) -> int:
    return books.count("lease WHERE state = 'open'")


def test_a_renewed_lease_lives_on_and_the_worker_is_seen(books: Book) -> None:
    org, _ = books.organisation("acme", 10 * ONE)
    kept, other = books.lend(org, ONE), books.lend(org, ONE)
    _expire(books)
    books.database.execute("UPDATE ledger_worker SET seen_ms = 1")
    book.renew(books.database, WORKER, [kept.id, "no such lease"], 5 * TTL_MS)
    ends = dict(books.database.execute("SELECT id, expires_ms FROM lease"))
    assert ends[other.id] == 1
    assert int(ends[kept.id] or 0) >= books.database.now_ms() + 4 * TTL_MS
    assert books.count("ledger_worker WHERE seen_ms > 1") == 1


def test_nobody_renews_the_lease_of_another_worker(books: Book) -> None:
    org, _ = books.organisation("acme", 10 * ONE)
    lease = books.lend(org, ONE)
    _expire(books)
    book.renew(books.database, "worker-2", [lease.id], TTL_MS)
    assert books.count("lease WHERE expires_ms = 1") == 1


def test_a_worker_that_leaves_returns_what_it_holds_and_only_that(books: Book) -> None:
    org, key = books.organisation("acme", 1000 * ONE)
    limit = bound(1000 * ONE)
    leases = [books.lend(org, ONE, limit, want=3 * ONE) for _ in range(3)]
    books.database.execute("UPDATE lease SET worker = 'worker-2' WHERE id = $1", (leases[0].id,))
    book.post(books.database, [call("r", org, key, lease=leases[1].id)])
    assert book.release(books.database, WORKER) == 2
    assert books.wallet(org)[1:] == (ONE, 3 * ONE)
    assert books.counter(limit.counter) == (ONE, 3 * ONE)
    assert book.release(books.database, WORKER) == 0


@pytest.mark.parametrize(("state", "left"), [("live", 2), ("drained", 1), ("lost", 1)])
def test_P01_only_leases_that_ran_out_and_whose_worker_is_gone_are_swept(books: Book, state: str, left: int) -> None:
    """A lease that ran out while a journal still stands somewhere may have been spent."""
    org, _ = books.organisation("acme", 10 * ONE)
    gone, _ = books.lend(org, ONE), books.lend(org, ONE)
    books.database.execute("UPDATE lease SET expires_ms = 1 WHERE id = $1", (gone.id,))
    book.mark(books.database, WORKER, state)  # type: ignore[arg-type]
    book.sweep(books.database)
    assert _open(books) == left
    assert books.wallet(org)[2] == left * ONE


def test_a_journal_that_is_given_up_frees_the_money_and_a_late_end_is_charged_all_the_same(books: Book) -> None:
    org, key = books.organisation("acme", 10 * ONE)
    lease = books.lend(org, ONE)
    idempotency.begin(books.database, "s", "n", b"f", "r", WORKER, books.database.now_ms())
    assert book.give_up(books.database, WORKER) == 1
    assert books.wallet(org) == (10 * ONE, 0, 0)
    assert idempotency.find(books.database, "s", "n", b"f") == idempotency.Unknown("r")
    assert books.count("ledger_worker WHERE state = 'lost'") == 1
    book.post(books.database, [call("late", org, key, lease=lease.id)])
    assert books.wallet(org) == (10 * ONE, ONE, 0)
    books.check()


def test_the_call_log_is_kept_for_a_time_and_transfers_for_ever(books: Book) -> None:
    org, key = books.organisation("acme", 10 * ONE)
    now_ms = books.database.now_ms()
    book.post(books.database, [call("old", org, key, at_ms=now_ms - 1000_000), call("new", org, key, at_ms=now_ms)])
    book.sweep(books.database)
    assert books.count("call") == 2
    book.sweep(books.database, 500_000)
    assert books.database.execute("SELECT id FROM call") == [("new",)]
    assert books.count("transfer WHERE kind = 'charge'") == 2
    # An old line that comes again is no new call.
    book.post(books.database, [call("old", org, key, at_ms=now_ms - 1000_000)])
    assert (books.count("call"), books.database.execute("SELECT calls FROM key_use")) == (1, [(2,)])
    books.check()


def test_idempotency_records_are_forgotten_after_their_time_but_not_while_they_run(books: Book) -> None:
    now_ms = books.database.now_ms()
    for name in ("running", "done", "kept"):
        idempotency.begin(books.database, "s", name, b"f", name, WORKER, now_ms - 10, 5 if name != "kept" else 10**6)
    idempotency.finish(books.database, "s", "done", "done", 200, "text/plain", b"x")
    books.database.execute("UPDATE idempotency SET expires_ms = 5 WHERE state = 'done'")
    book.sweep(books.database)
    assert sorted(books.database.execute("SELECT name FROM idempotency")) == [("kept",), ("running",)]


def test_a_worker_registers_once_and_prices_are_remembered_once(books: Book) -> None:
    book.register(books.database, WORKER, "elsewhere", "/other")
    assert books.database.execute("SELECT host, state FROM ledger_worker") == [("here", "live")]
    book.remember_prices(books.database, {"p": "{}"})
    book.remember_prices(books.database, {"p": "other"})
    assert books.database.execute("SELECT body FROM price WHERE id = 'p'") == [("{}",)]
