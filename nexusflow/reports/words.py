"""Report rows as JSON objects for people and programs: amounts as decimal strings, times as ISO 8601."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from nexusflow.ir.money import as_text
from nexusflow.reports.calls import LoggedCall
from nexusflow.reports.statement import Statement
from nexusflow.reports.usage import UsageLine


def usage_words(line: UsageLine) -> dict[str, Any]:
    """One line of a usage report."""
    return {
        **line.group,
        "requests": line.requests,
        "estimated_requests": line.estimated,
        "input_tokens": line.input,
        "cache_read_tokens": line.cache_read,
        "cache_write_tokens": line.cache_write,
        "output_tokens": line.output,
        "reasoning_tokens": line.reasoning,
        "charged": as_text(line.charged),
        "refunded": as_text(line.refunded),
        "net": as_text(line.net),
    }


def call_words(call: LoggedCall) -> dict[str, Any]:
    """One call of the log."""
    words = msgspec.to_builtins(call)
    del words["at_ms"]
    return {"object": "request", **words, "at": moment(call.at_ms), "amount": as_text(call.amount)}


def statement_words(found: Statement) -> dict[str, Any]:
    """A monthly statement."""
    return {
        "object": "statement",
        "org": found.org,
        "month": found.month,
        "currency": found.currency,
        **{name: as_text(getattr(found, name)) for name in ("opening", "credited", "charged", "refunded", "closing")},
        "usage": [usage_words(line) for line in found.lines],
        "movements": [
            {
                "id": one.id,
                "at": moment(one.at_ms),
                "kind": one.kind,
                "amount": as_text(one.amount),
                "reason": one.reason,
            }
            for one in found.movements
        ],
    }


def moment(at_ms: int) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
