"""The proof finds every fault that can be planted, and names the invariant it breaks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nexusflow.ledger import book
from nexusflow.ledger.journal import Journal
from nexusflow.ledger.records import Opened
from nexusflow.ledger.verify import verify
from nexusflow.store import Value
from tests.support.book import ONE, WORKER, Book, bound, call, void

LIMIT = bound(10**15)
Plant = Callable[[Book], object]


@pytest.fixture
def busy(books: Book) -> Book:
    """Two organisations with calls of all kinds, two leases still open."""
    for name in ("acme", "beta"):
        org, key = books.organisation(name, 1000 * ONE)
        lease = books.lend(org, ONE, LIMIT, want=5 * ONE).id
        ends = [call(f"{name}-{n}", org, key, lease=lease) for n in range(4)]
        book.post(books.database, [*ends, void(f"{name}-void", org, key, lease=lease)])
        books.money.refund(f"{name}-1", ONE // 2, "kindness", "test")
        books.money.adjust(org, -5, "correction", "test")
        book.post(books.database, [call(f"{name}-bare", org, key)])
    books.check()
    return books


def _sql(text: str, *params: Value) -> Plant:
    return lambda books: books.database.execute(text, params)


def _insert(id: str, kind: str, debit: str, credit: str, amount: int, request: str | None = None) -> Plant:
    """A transfer that nobody made, in the name of acme."""

    def plant(books: Book) -> object:
        return books.database.execute(
            "INSERT INTO transfer (id, kind, debit, credit, amount, org, request, usage, basis, at_ms, posted_ms)"
            " SELECT $1, $2, $3, $4, $5, org, $6, usage, 'reported', 1, 1 FROM transfer WHERE id = 'acme-1'",
            (id, kind, debit, credit, amount, request),
        )

    return plant


FAULTS: dict[str, tuple[Plant, set[str]]] = {
    "a balance is raised": (_sql("UPDATE wallet SET credited = credited + 1 WHERE spent > 0"), {"I-05"}),
    "a wallet forgets what it spent": (_sql("UPDATE wallet SET spent = spent - 1 WHERE spent > 0"), {"I-05"}),
    "a hold is forgotten": (_sql("UPDATE wallet SET held = 0 WHERE held > 0"), {"I-05"}),
    "a wallet is below its floor": (_sql("UPDATE wallet SET floor = credited WHERE spent > 0"), {"I-06"}),
    "more was spent than there was": (
        lambda books: [
            books.database.execute("UPDATE transfer SET amount = 7 WHERE kind = 'credit'"),
            books.database.execute("UPDATE wallet SET credited = 2 WHERE spent > 0"),
        ],
        {"I-06"},
    ),
    "a wallet is gone": (_sql("DELETE FROM wallet WHERE spent > 0"), {"I-05", "I-16"}),
    "a budget forgets": (_sql("UPDATE budget_spend SET spent = spent - 1"), {"I-14"}),
    "a budget forgets a hold": (_sql("UPDATE budget_spend SET held = held - 1"), {"I-14"}),
    "a budget's counter is gone": (_sql("DELETE FROM budget_spend"), {"I-14"}),
    "a charge is deleted": (_sql("DELETE FROM transfer WHERE id = 'acme-2'"), {"I-03", "I-04", "I-05", "I-14"}),
    "a cost is deleted": (_sql("DELETE FROM transfer WHERE id = 'acme-2/cost'"), {"I-09"}),
    "a credit is deleted": (_sql("DELETE FROM transfer WHERE kind = 'credit'"), {"I-05"}),
    "a refund is deleted": (_sql("DELETE FROM transfer WHERE kind = 'refund'"), {"I-05", "I-14"}),
    "a wrong amount": (
        _sql("UPDATE transfer SET amount = amount + 1 WHERE id = 'acme-2'"),
        {"I-04", "I-05", "I-09", "I-14"},
    ),
    "a wrong cost": (_sql("UPDATE transfer SET amount = amount + 1 WHERE id = 'acme-2/cost'"), {"I-09"}),
    "an amount that the log does not have": (_sql("UPDATE call SET amount = 0 WHERE id = 'acme-2'"), {"I-09"}),
    "tokens that the log does not have": (_sql("UPDATE call SET input = 1 WHERE id = 'acme-2'"), {"I-08"}),
    "another usage": (
        _sql("""UPDATE transfer SET usage = '{"input_text":1001,"output_text":100}' WHERE id = 'acme-2'"""),
        {"I-08", "I-09"},
    ),
    "negative usage": (_sql("""UPDATE transfer SET usage = '{"input_text":-1}' WHERE id = 'acme-2'"""), {"I-08"}),
    "a price list was changed": (
        _sql("UPDATE price SET body = replace(body, '\"markup\":1250', '\"markup\":1251')"),
        {"I-09"},
    ),
    "a price list is gone": (_sql("DELETE FROM price"), {"I-09", "I-16"}),
    "a charge without a price": (_sql("UPDATE transfer SET price = NULL WHERE id = 'acme-2'"), {"I-09"}),
    "a charge without a basis": (_sql("UPDATE transfer SET basis = 'none' WHERE id = 'acme-2'"), {"I-12"}),
    "a second charge": (
        lambda books: _insert("double", "charge", f"wallet:{_org(books)}", "revenue", 1, "acme-2")(books),
        {"I-05", "I-09", "I-10"},
    ),
    "a charge from another wallet": (_sql("UPDATE transfer SET debit = 'wallet:x' WHERE id = 'acme-2'"), {"I-07"}),
    "a transfer to itself": (
        _sql("UPDATE transfer SET credit = debit WHERE kind = 'adjust'"),
        {"I-01", "I-05", "I-07"},
    ),
    "revenue from nowhere": (_insert("gift", "gift", "somebody", "revenue", 5), {"I-07", "I-11"}),
    "a debt to nobody": (_insert("debt", "debt", "somebody", "payable:x", 5), {"I-07", "I-11"}),
    "a void that costs": (
        _sql("UPDATE transfer SET amount = 1 WHERE id = 'acme-void'"),
        {"I-07", "I-11"},
    ),
    "a cost without a call": (_insert("alone", "cost", "cost", "payable:p", 7, "nobody"), {"I-03"}),
    "a call that only the log knows": (
        _sql("UPDATE call SET id = 'unknown' WHERE id = 'acme-2'"),
        {"I-03"},
    ),
    "a lease says less": (_sql("UPDATE lease SET used = used - 1"), {"I-04"}),
    "an orphan lease": (_sql("UPDATE lease SET worker = 'nobody'"), {"I-16"}),
    "a lease is gone": (_sql("DELETE FROM lease"), {"I-05", "I-14", "I-16"}),
    "a lease outlives its worker": (
        lambda books: (
            book.mark(books.database, WORKER, "drained"),
            books.database.execute("UPDATE lease SET expires_ms = 5"),
        ),
        {"I-03"},
    ),
    "an unknown key": (_sql("UPDATE transfer SET key_id = 'nobody' WHERE id = 'acme-2'"), {"I-16"}),
}


def _org(books: Book) -> str:
    return books.accounts.find_organisation("acme").id


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(busy: Book, fault: str) -> None:
    plant, broken = FAULTS[fault]
    plant(busy)
    proof = verify(busy.database)
    assert proof.failed() == broken
    assert not proof.holds
    for one in proof.checks:
        assert bool(one.named) == (one.id in broken)


def test_the_sums_are_those_of_the_transfers(busy: Book) -> None:
    proof = verify(busy.database)
    sums = proof.sums
    assert (sums.credited, sums.charged, sums.refunded, sums.overrun) == (2000 * ONE - 10, 10 * ONE, 2 * (ONE // 2), 0)
    assert (sums.held, sums.absorbed) == (2 * ONE, 0)
    assert sums.transfers == busy.count("transfer")
    [holder] = proof.holders
    assert (holder.worker, holder.held, holder.state) == (WORKER, 2 * ONE, "live")


def test_I06_a_credit_line_that_was_lowered_later_is_noted_and_breaks_nothing(books: Book) -> None:
    org, key = books.organisation("acme", 0)
    books.accounts.set_credit_line(org, 5 * ONE, actor="test")
    lease = books.lend(org, ONE).id
    book.post(books.database, [call("r", org, key, lease=lease)], [lease])
    books.accounts.set_credit_line(org, 0, actor="test")
    proof = verify(books.database)
    assert proof.holds
    assert [one.id for one in proof.checks if one.notes] == ["I-06"]


def test_every_invariant_of_the_ledger_is_checked(books: Book, tmp_path: Path) -> None:
    found = [one.id for one in verify(books.database, tmp_path).checks]
    assert found == [f"I-{n:02}" for n in range(1, 17)]


def _open(id: str, org: str, key: str, lease: str) -> Opened:
    return Opened(
        id=id, at_ms=1, org=org, key=key, lease=lease, held=ONE, provider="simulator", model="m", protocol="p"
    )


def test_I03_ends_in_a_journal_are_matched_with_transfers(books: Book, tmp_path: Path) -> None:
    """What waits is counted, what was posted must be there, with the amount that it had."""
    org, key = books.organisation("acme", 1000 * ONE)
    lease = books.lend(org, ONE, want=5 * ONE).id
    ends = [call(f"r{n}", org, key, lease=lease) for n in range(4)]
    journal = Journal.create(tmp_path)
    try:
        positions = []
        for end in ends:
            journal.append(_open(end.id, org, key, lease))
            positions.append(journal.append(end))
        journal.append(_open("still-open", org, key, lease))
        book.post(books.database, ends[:3])
        journal.posted(positions[2])
        proof = verify(books.database, tmp_path)
        assert proof.holds, proof
        assert (proof.journals, proof.unmatched, proof.open) == (1, 1, 1)
        books.database.execute("UPDATE transfer SET amount = 0 WHERE id = 'r1'")
        books.database.execute("DELETE FROM transfer WHERE request = 'r2'")
        [lost] = [one for one in verify(books.database, tmp_path).checks if one.id == "I-03"]
        assert sorted(text.split(":")[0] for text in lost.named if "journal" in text) == ["request r1", "request r2"]
    finally:
        journal.close(keep=True)


def test_I15_a_journal_with_a_gap_is_named(books: Book, tmp_path: Path) -> None:
    org, key = books.organisation("acme", 1000 * ONE)
    journal = Journal.create(tmp_path)
    for n in range(3):
        journal.append(call(f"r{n}", org, key))
    journal.close(keep=True)
    [file] = tmp_path.glob("*/*.log")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert verify(books.database, tmp_path).failed() == {"I-15"}


def test_a_proof_while_a_worker_posts_sees_one_state(books: Book, tmp_path: Path) -> None:
    org, key = books.organisation("acme", 10**15)
    with books.database.another() as other:
        for n in range(20):
            lease = books.lend(org, ONE, LIMIT, want=50 * ONE).id
            with books.database.snapshot():
                before = books.count("transfer")
                book.post(other, [call(f"r{n}-{m}", org, key, lease=lease) for m in range(50)], [lease])
                assert books.count("transfer") == before
            assert verify(books.database).holds
