"""`nexusflow usage report`, `statement` and `calls` as a user types them, on either database."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nexusflow.accounts import AccountTable, Money
from nexusflow.cli.main import main
from nexusflow.ir.money import as_nano
from nexusflow.ledger.records import REVENUE, wallet
from nexusflow.store import Database
from tests.support.stores import Store

Run = Callable[..., Result]
MONTH = datetime.now(UTC).strftime("%Y-%m")
TRANSFER = (
    "id, kind, debit, credit, amount, org, key_id, request, model, provider, usage, basis, at_ms, posted_ms"
)  # fmt: skip
CALL = (
    "id, at_ms, org, key_id, protocol, model, answered_by, provider, stream, status, outcome, input, cache_read,"
    " cache_write, output, reasoning, source, amount, total_ms, attempts"
)


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program against `store`, in which acme paid 5.00 in, and spent 0.75 with two calls."""
    where = ["--data", str(store.root / ".nexusflow")]
    if store.at.kind == "postgres":
        monkeypatch.setenv("DATABASE_URL", (store.root / "database-url").read_text())
        where = ["--database", "DATABASE_URL", *where]

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, *where])

    assert run("keys", "create", "--name", "first").exit_code == 0
    with store.open() as database:
        acme = AccountTable(database).create_organisation("acme", actor="test").id
        Money(database).credit(acme, 5 * 10**9, "bank", "June", "test")
        call(database, acme, "req_1", "key_a", "chat", 500_000_000)
        call(database, acme, "req_2", "key_b", "other", 250_000_000)
        call(database, "org_default", "req_3", "key_c", "chat", 1)
    return run


def call(database: Database, org: str, id: str, key: str, model: str, amount: int) -> None:
    now = database.now_ms()
    usage = '{"input_text":10,"cache_read_text":4,"output_text":5}'
    insert(database, "transfer", TRANSFER, id, "charge", wallet(org), REVENUE, amount, org, key, id, model, "p", usage,
           "reported", now, now)  # fmt: skip
    insert(database, "call", CALL, id, now, org, key, "openai/chat-completions", model, model, "p", 0, 200, "done", 14,
           4, 0, 5, 0, "reported", amount, 90, 1)  # fmt: skip


def insert(database: Database, table: str, columns: str, *values: Any) -> None:
    marks = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    database.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)


def rows_of(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_report_in_all_forms(run: Run) -> None:
    found = json.loads(run("usage", "report", "--by", "org,model", "--org", "acme", "--format", "json").stdout)
    assert [(row["model"], row["requests"], row["charged"]) for row in found] == [
        ("chat", 1, "0.50"),
        ("other", 1, "0.25"),
    ]
    assert {(row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) for row in found} == {(14, 4, 5)}
    rows = rows_of(run("usage", "report", "--by", "org,model", "--org", "acme", "--format", "csv"))
    assert rows == [{name: str(value) for name, value in row.items()} for row in found]
    table = run("usage", "report", "--by", "key").stdout
    assert table.splitlines()[0].startswith("KEY ")
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["key_a", "key_b", "key_c"]
    assert [
        row["key"] for row in rows_of(run("usage", "report", "--by", "key", "--key", "key_b", "--format", "csv"))
    ] == ["key_b"]


def test_report_of_another_time_is_empty(run: Run) -> None:
    options = ("--from", "2020-01-01", "--until", "2020-02-01")
    assert run("usage", "report", *options).stdout == "Nothing was used in this time.\n"
    assert run("usage", "report", *options, "--format", "csv").stdout == ""
    assert json.loads(run("usage", "report", *options, "--format", "json").stdout) == []


def test_statement_adds_up_in_both_forms(run: Run) -> None:
    found = json.loads(run("usage", "statement", "acme", "--format", "json", "--currency", "EUR").stdout)
    names = ("month", "currency", "opening", "credited", "charged", "closing")
    assert [found[name] for name in names] == [MONTH, "EUR", "0.00", "5.00", "0.75", "4.25"]
    rows = list(csv.reader(io.StringIO(run("usage", "statement", "acme", "--month", MONTH).stdout)))
    assert rows[0][-1] == "amount_USD"
    assert sum(as_nano(row[-1]) for row in rows[1:-1]) == as_nano(rows[-1][-1]) == 4_250_000_000


def test_calls_are_the_newest_first(run: Run) -> None:
    rows = rows_of(run("usage", "calls", "--format", "csv"))
    assert [(row["id"], row["amount"]) for row in rows] == [
        ("req_3", "0.000000001"),
        ("req_2", "0.25"),
        ("req_1", "0.50"),
    ]
    assert [
        row["id"] for row in rows_of(run("usage", "calls", "--org", "acme", "--limit", "1", "--format", "csv"))
    ] == ["req_2"]
    assert "req_1" in run("usage", "calls", "--key", "key_a").stdout
    assert run("usage", "calls", "--key", "key_z").stdout == "No calls are on record.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("report", "--by", "colour"), 2, "'colour' is none of org"),
        (("report", "--from", "yesterday"), 2, "no day like"),
        (("report", "--org", "nobody"), 1, "no organisation nobody"),
        (("statement", "nobody"), 1, "no organisation nobody"),
        (("statement", "acme", "--month", "2026-13"), 2, "no month like"),
        (("calls", "--limit", "0"), 2, "--limit"),
    ],
)
def test_what_cannot_be_is_told(run: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = run("usage", *arguments)
    assert result.exit_code == code
    assert said in " ".join(result.output.replace("│", " ").split())
