"""When a budget's period begins and ends: UTC days, weeks from Monday, months, or for ever."""

from datetime import UTC, datetime

from nexusflow.ir.account import Period

NEVER_MS = 1 << 62
"""The end of a period that has none."""
_DAY_MS = 86_400_000
_THURSDAY = 3
"""Weekday of the first of January 1970, Monday being 0."""


def span(period: Period, now_ms: int) -> tuple[int, int]:
    """Start (inclusive) and end (exclusive) of the period that `now_ms` lies in, milliseconds since 1970, UTC."""
    day = now_ms // _DAY_MS
    if period == "day":
        return day * _DAY_MS, (day + 1) * _DAY_MS
    if period == "week":
        monday = day - (day + _THURSDAY) % 7
        return monday * _DAY_MS, (monday + 7) * _DAY_MS
    if period == "month":
        today = datetime.fromtimestamp(now_ms / 1000, UTC)
        return _month_ms(today.year, today.month), _month_ms(today.year, today.month + 1)
    return 0, NEVER_MS


def _month_ms(year: int, month: int) -> int:
    first = datetime(year + 1, 1, 1, tzinfo=UTC) if month > 12 else datetime(year, month, 1, tzinfo=UTC)
    return int(first.timestamp()) * 1000
