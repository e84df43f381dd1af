"""Periods of budgets, in UTC."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.accounts.periods import NEVER_MS, span
from nexusflow.ir.account import Period


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("day", "2026-11-23T00:00:00", "2026-11-23", "2026-11-24"),
        ("day", "2026-11-23T23:59:59", "2026-11-23", "2026-11-24"),
        ("week", "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),
        ("week", "2026-11-22T23:59:59", "2026-11-16", "2026-11-23"),
        ("week", "2027-01-01T12:00:00", "2026-12-28", "2027-01-04"),
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29T05:00:00", "2028-02-01", "2028-03-01"),
        ("month", "2027-01-01T00:00:00", "2027-01-01", "2027-02-01"),
    ],
)
def test_known_days(period: Period, now: str, start: str, end: str) -> None:
    assert span(period, ms(now)) == (ms(start), ms(end))


def test_total_has_no_end() -> None:
    assert span("total", ms("2026-11-23")) == (0, NEVER_MS)


@given(st.sampled_from(["day", "week", "month"]), st.integers(0, int(timedelta(days=365 * 200).total_seconds()) * 1000))
def test_periods_follow_each_other_without_gap_or_overlap(period: Period, now_ms: int) -> None:
    start_ms, end_ms = span(period, now_ms)
    assert start_ms <= now_ms < end_ms
    assert span(period, start_ms) == span(period, end_ms - 1) == (start_ms, end_ms)
    assert span(period, end_ms)[0] == end_ms
    first = datetime.fromtimestamp(start_ms // 1000, UTC)
    assert (first.hour, first.minute, first.second) == (0, 0, 0)
    assert period != "week" or first.weekday() == 0
    assert period != "month" or first.day == 1
