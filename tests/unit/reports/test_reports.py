"""Reports and statements are sums over the ledger's lines, and equal it to the nano-unit."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexusflow.reports.account import balance
from nexusflow.reports.calls import call, calls
from nexusflow.reports.statement import as_csv, month_span, statement
from nexusflow.reports.usage import PAGE, Span, Whose, report
from nexusflow.reports.words import call_words, statement_words, usage_words
from nexusflow.store import Database, open_database

NOVEMBER = month_span("2026-11")
AT = NOVEMBER.since_ms + 1_000
DAY = 86_400_000
EVER = Span(0, 1 << 60)
COLUMNS = (
    "id, kind, debit, credit, amount, org, key_id, user_tag, request, model, provider, usage, basis, reason, at_ms"
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "db") as opened:
        opened.execute("UPDATE wallet SET credited = 500, spent = 150, held = 20, floor = -100")
        transfer(opened, "top-up", "credit", 500, at=AT - DAY * 40, debit="funding:bank", credit="wallet:org_default")
        transfer(opened, "r1", "charge", 100, model="a", key="k1", usage='{"input_text":10,"output_text":5}')
        transfer(opened, "r2", "charge", 70, model="b", key="k2", at=AT + DAY, basis="estimated",
                 usage='{"input_text":7,"cache_read_text":3,"cache_write_5m":2,"output_reasoning":4}')  # fmt: skip
        transfer(opened, "r3", "void", 0, model="b", key="k2", basis="none")
        transfer(opened, "r1/cost", "cost", 60, model="a", key="k1", debit="cost", credit="payable:p")
        transfer(opened, "rf", "refund", 20, model="a", key="k1", debit="revenue", credit="wallet:org_default")
        transfer(opened, "later", "charge", 9, model="a", key="k1", at=NOVEMBER.until_ms)
        yield opened


def transfer(
    database: Database,
    id_: str,
    kind: str,
    amount: int,
    *,
    debit: str = "wallet:org_default",
    credit: str = "revenue",
    model: str | None = None,
    key: str | None = None,
    usage: str | None = None,
    basis: str = "reported",
    at: int = AT,
) -> None:
    row = (id_, kind, debit, credit, amount, "org_default", key, None, id_.partition("/")[0], model, "p", usage, basis)
    marks = ", ".join(f"${number}" for number in range(1, 16))
    database.execute(f"INSERT INTO transfer ({COLUMNS}, posted_ms) VALUES ({marks}, $15)", (*row, None, at))


def test_report_by_model_and_key(database: Database) -> None:
    lines = report(database, NOVEMBER, ("model", "key"), Whose())
    assert [(line.group, line.requests, line.charged, line.refunded) for line in lines] == [
        ({"model": "a", "key": "k1"}, 1, 100, 20),
        ({"model": "b", "key": "k2"}, 2, 70, 0),
    ]
    second = lines[1]
    assert (second.input, second.cache_read, second.cache_write, second.output, second.reasoning) == (12, 3, 2, 4, 4)
    assert second.estimated == 1


def test_report_by_day_and_for_one_key(database: Database) -> None:
    lines = report(database, NOVEMBER, ("day",), Whose(key="k2"))
    assert [line.group["day"] for line in lines] == ["2026-11-01", "2026-11-02"]
    assert report(database, NOVEMBER, (), Whose(org="nobody")) == []


def test_report_reads_every_page_once(database: Database) -> None:
    rows = [
        (f"p{number:06}", "charge", "wallet:o", "revenue", 1, "o", "none", AT, AT) for number in range(PAGE * 2 + 7)
    ]
    names = ("id", "kind", "debit", "credit", "amount", "org", "basis", "at_ms", "posted_ms")
    with database.transaction():
        database.insert_new("transfer", names, rows)
    [line] = report(database, EVER, ("org",), Whose(org="o"))
    assert (line.requests, line.charged) == (PAGE * 2 + 7, PAGE * 2 + 7)


def test_statement_adds_up(database: Database) -> None:
    found = statement(database, "org_default", "2026-11", "USD")
    assert (found.opening, found.credited, found.charged, found.refunded) == (500, 0, 170, 20)
    assert found.closing == found.opening + found.credited - found.charged + found.refunded == 350
    rows = list(csv.reader(io.StringIO(as_csv(found))))
    assert rows[0][0] == "kind"
    assert {row[0] for row in rows[1:]} == {"opening", "usage", "refund", "closing"}
    assert len({len(row) for row in rows}) == 1
    assert statement_words(found)["closing"] == "0.00000035"


def test_statement_lists_movements(database: Database) -> None:
    found = statement(database, "org_default", "2026-09", "USD")
    assert [(one.id, one.kind, one.amount) for one in found.movements] == [("top-up", "credit", 500)]
    assert (found.opening, found.closing) == (0, 500)


@pytest.mark.parametrize("month", ["2026-13", "November", "2026-11-01", ""])
def test_bad_month_is_refused(month: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        month_span(month)


def test_december_ends_in_january() -> None:
    assert month_span("2026-12").until_ms == month_span("2027-01").since_ms


def test_balance_says_what_is_left(database: Database) -> None:
    found = balance(database, "org_default", "USD")
    assert (found["balance"], found["held"], found["credit_line"]) == ("0.00000035", "0.00000002", "0.0000001")
    assert found["available"] == "0.00000043"
    database.execute("UPDATE wallet SET floor = NULL")
    assert balance(database, "org_default", "USD")["available"] is None


def test_calls_are_shown_to_their_own_key_only(database: Database) -> None:
    names = (
        "id, at_ms, org, key_id, protocol, model, stream, status, outcome, input, cache_read, cache_write, output,"
        " reasoning, source, amount, total_ms, attempts"
    )
    for number in range(3):
        row = (f"c{number}", AT + number, "org_default", "k1", "openai/chat-completions", "a", number % 2, 200, "done",
               1, 0, 0, 2, 0, "reported", 5, 12, 1)  # fmt: skip
        marks = ", ".join(f"${at}" for at in range(1, len(row) + 1))
        database.execute(f"INSERT INTO call ({names}) VALUES ({marks})", row)
    assert [one.id for one in calls(database, EVER, Whose(key="k1"), limit=2)] == ["c2", "c1"]
    assert [one.id for one in calls(database, EVER, Whose(key="k1"), before="c1")] == ["c0"]
    assert calls(database, EVER, Whose(key="k2")) == []
    mine = call(database, "c1", Whose(key="k1"))
    assert mine is not None
    assert mine.stream is True
    assert call_words(mine)["amount"] == "0.000000005"
    assert call(database, "c1", Whose(key="k2")) is None
    assert call(database, "c1", Whose(org="other")) is None
    assert call(database, "nothing", Whose()) is None


def test_words_are_decimals(database: Database) -> None:
    [line] = report(database, NOVEMBER, (), Whose(key="k1"))
    assert usage_words(line)["net"] == "0.00000008"
