"""The sums of the overview are those of the calls, in both databases."""

from collections.abc import Iterator

import pytest

from nexusflow.reports.overview import HOUR_MS, Glance, glances, whole
from nexusflow.reports.usage import Span
from nexusflow.store import Database
from tests.support.stores import Store

CALLS = (
    # at, model, status, outcome, input, output, amount, first, total
    (10, "a", 200, "done", 5, 11, 100, 20, 120),
    (20, "a", 502, "failed", 0, 0, 0, None, 40),
    (HOUR_MS + 1, "b", 200, "done", 7, 1, 300, 50, 60),
    (HOUR_MS + 2, "b", 200, "broken", 7, 21, 10, 30, 230),
    (HOUR_MS + 3, "a", 429, "failed", 0, 0, 0, None, 1),
    (3 * HOUR_MS, "a", 200, "done", 1, 1, 1, None, 1),
)


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    with store.open() as database:
        for number, (at, model, status, outcome, read, written, amount, first, total) in enumerate(CALLS):
            database.execute(
                "INSERT INTO call (id, at_ms, org, key_id, protocol, model, stream, status, outcome, input, cache_read,"
                " cache_write, output, reasoning, source, amount, first_ms, total_ms, attempts) VALUES"
                " ($1, $2, 'o', 'k', 'p', $3, 1, $4, $5, $6, 0, 0, $7, 0, 'reported', $8, $9, $10, 1)",
                (f"c{number}", at, model, status, outcome, read, written, amount, first, total),
            )
        yield database


def test_hours_are_summed_in_their_order_and_what_is_beyond_is_left_out(database: Database) -> None:
    first, second = glances(database, Span(0, 2 * HOUR_MS), "hour")
    assert (first.name, first.requests, first.done, first.errors, first.amount) == ("0", 2, 1, 1, 100)
    assert (second.name, second.requests, second.done, second.errors, second.amount) == ("1", 3, 1, 1, 310)
    assert (second.ttft_least, second.ttft_most, second.ttft) == (30, 50, 40)
    assert second.tpot == pytest.approx(200 / 20)  # of the one stream with more than one token
    total = whole([first, second])
    assert (total.requests, total.errors, total.success) == (5, 2, pytest.approx(60))
    assert (total.ttft_least, total.ttft_most) == (20, 50)
    assert total.latency == pytest.approx((120 + 40 + 60 + 230 + 1) / 5)


def test_models_are_listed_by_what_they_cost(database: Database) -> None:
    assert [(one.name, one.amount) for one in glances(database, Span(0, 2 * HOUR_MS), "model")] == [
        ("b", 310),
        ("a", 100),
    ]


def test_nothing_has_no_rates() -> None:
    nothing = whole([])
    assert nothing == Glance()
    assert (nothing.success, nothing.ttft, nothing.tpot, nothing.latency) == (None, None, None, None)
