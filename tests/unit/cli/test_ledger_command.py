"""`nexusflow ledger verify|rebuild|lost` as an operator types them."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from nexusflow.cli.main import main
from nexusflow.keys import pepper_of
from nexusflow.keys.pepper import PEPPER_FILE
from nexusflow.ledger import book
from nexusflow.ledger.journal import Journal
from tests.support.book import ONE, WORKER, Book, call
from tests.support.stores import Store

Run = Callable[..., Result]


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program against `store`, whose organisation acme had one call; beta holds money."""
    where = ["--data", str(store.root / ".nexusflow")]
    if store.at.kind == "postgres":
        monkeypatch.setenv("DATABASE_URL", (store.root / "database-url").read_text())
        where += ["--database", "DATABASE_URL"]
    CliRunner().invoke(main, ["keys", "create", "--name", "first", *where], catch_exceptions=False)
    with store.open() as database:
        books = Book(database, pepper_of(database, store.root / ".nexusflow" / PEPPER_FILE)).prepare()
        org, key = books.organisation("acme", 10 * ONE)
        book.post(database, [call("r1", org, key)])
        books.lend(books.organisation("beta", 10 * ONE)[0], ONE)
    return lambda *arguments: CliRunner().invoke(main, ["ledger", *arguments, *where])


def test_verify_prints_the_proof(run: Run) -> None:
    result = run("verify")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[-1] == "The ledger adds up."
    assert "I-05  ok      every wallet's counters are the sums of its transfers and open leases (2)" in lines
    assert any(line.split() == ["charged", "0.0050625"] for line in lines), result.stdout
    assert any(f"held by {WORKER} (live) on here" in line for line in lines)


def test_verify_reads_the_journals_beside_the_database(run: Run, store: Store) -> None:
    journal = Journal.create(store.root / ".nexusflow" / "journal")
    try:
        journal.append(call("r2", "org_default", "k"))
        proof = json.loads(run("verify", "--format", "json").stdout)
    finally:
        journal.close(keep=True)
    assert (proof["holds"], proof["journals"], proof["unmatched"], proof["open"]) == (True, 1, 1, 0)
    assert proof["sums"]["charged"] == ONE
    assert proof["holders"] == [{"worker": WORKER, "state": "live", "host": "here", "held": ONE}]
    assert "I-15" in [one["id"] for one in proof["invariants"]]


def test_verify_fails_with_1_and_names_what_is_broken_and_rebuild_repairs_it(run: Run, store: Store) -> None:
    with store.open() as database:
        database.execute("UPDATE wallet SET spent = 0")
    result = run("verify")
    assert result.exit_code == 1
    assert "I-05  BROKEN" in result.stdout
    assert "spent is 0.00, 0.0050625 by the transfers" in result.stdout
    assert result.stdout.splitlines()[-1] == "The ledger does NOT add up."
    proof = json.loads(run("verify", "--format", "json").stdout)
    assert [one["id"] for one in proof["invariants"] if not one["holds"]] == ["I-05"]
    repaired = run("rebuild")
    assert repaired.exit_code == 0
    assert repaired.stdout.splitlines()[-1] == "1 counters were wrong."
    assert run("verify").exit_code == 0
    assert run("rebuild").stdout == "Every counter was right.\n"
    with store.open() as database:
        [(detail,)] = database.execute("SELECT detail FROM audit WHERE action = 'ledger.rebuild'")
    assert "0.0050625" in str(detail)


def test_lost_returns_the_money_of_a_worker_that_is_gone(run: Run, store: Store) -> None:
    early = run("lost", WORKER)
    assert early.exit_code == 2
    assert "--force" in early.stderr
    assert run("lost", "nobody").exit_code == 2
    with store.open() as database:
        database.execute("UPDATE ledger_worker SET seen_ms = 1")
    result = run("lost", WORKER)
    assert result.stdout == f"Gave up {WORKER}; returned 1 leases.\n"
    with store.open() as database:
        assert database.execute("SELECT sum(held) FROM wallet") == [(0,)]
        assert database.execute("SELECT state FROM ledger_worker") == [("lost",)]
        assert database.execute("SELECT subject FROM audit WHERE action = 'ledger.lost'") == [(WORKER,)]
    assert run("verify").exit_code == 0
