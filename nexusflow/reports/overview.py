"""The last hours at a glance, summed over the call log: what operators see first (contract 2.16)."""

from typing import Literal

from msgspec import Struct

from nexusflow.reports.usage import Span
from nexusflow.store import Database

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
Group = Literal["hour", "model", "provider", "key_id", "protocol"]
_GROUPS: dict[Group, str] = {
    "hour": f"at_ms / {HOUR_MS}",
    "model": "model",
    "provider": "coalesce(provider, '')",
    "key_id": "key_id",
    "protocol": "protocol",
}
_STREAMED = "first_ms IS NOT NULL AND output > 1"
_SUMS = (
    "count(*)",
    "sum(CASE WHEN outcome = 'done' THEN 1 ELSE 0 END)",
    "sum(CASE WHEN status >= 500 OR outcome = 'broken' THEN 1 ELSE 0 END)",
    "sum(input)",
    "sum(output)",
    "sum(cache_read)",
    "sum(amount)",
    "sum(total_ms)",
    "count(first_ms)",
    "coalesce(sum(first_ms), 0)",
    "min(first_ms)",
    "max(first_ms)",
    f"coalesce(sum(CASE WHEN {_STREAMED} THEN total_ms - first_ms ELSE 0 END), 0)",
    f"coalesce(sum(CASE WHEN {_STREAMED} THEN output - 1 ELSE 0 END), 0)",
)


class Glance(Struct, frozen=True, kw_only=True):
    """Sums of some calls. `errors` are the gateway's or a provider's, not the caller's; amounts in nano-units.

    `ttft_ms` sums the `streams` that came to their first content; `token_ms` are the times between the `tokens` after
    those.
    """

    name: str = ""
    requests: int = 0
    done: int = 0
    errors: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    amount: int = 0
    total_ms: int = 0
    streams: int = 0
    ttft_ms: int = 0
    ttft_least: int | None = None
    ttft_most: int | None = None
    token_ms: int = 0
    tokens: int = 0

    @property
    def success(self) -> float | None:
        """The share of calls that did not fail by the gateway's or a provider's fault, in percent."""
        return 100 * (self.requests - self.errors) / self.requests if self.requests else None

    @property
    def ttft(self) -> float | None:
        """Milliseconds to the first content on average."""
        return self.ttft_ms / self.streams if self.streams else None

    @property
    def tpot(self) -> float | None:
        """Milliseconds between two tokens of a stream on average."""
        return self.token_ms / self.tokens if self.tokens else None

    @property
    def latency(self) -> float | None:
        """Milliseconds of a whole call on average."""
        return self.total_ms / self.requests if self.requests else None


def glances(database: Database, span: Span, by: Group) -> list[Glance]:
    """The calls of the span in groups, the dearest first; hours (since 1970) in their order. Raises StoreError."""
    order = "1" if by == "hour" else "8 DESC, 2 DESC"
    rows = database.execute(
        f"SELECT {_GROUPS[by]}, {', '.join(_SUMS)} FROM call WHERE at_ms >= $1 AND at_ms < $2"  # noqa: S608
        f" GROUP BY 1 ORDER BY {order} LIMIT 200",
        (span.since_ms, span.until_ms),
    )
    names = Glance.__struct_fields__[1:]
    return [
        Glance(name=str(name), **{field: _whole(value) for field, value in zip(names, sums, strict=True)})  # type: ignore[arg-type]  # those that may be None are
        for name, *sums in rows
    ]


def per_minute(database: Database, now_ms: int, minutes: int) -> list[int]:
    """How many calls began in each of the last minutes, the oldest first. Raises StoreError."""
    last = now_ms // MINUTE_MS
    rows = database.execute(
        f"SELECT at_ms / {MINUTE_MS}, count(*) FROM call WHERE at_ms >= $1 GROUP BY 1",  # noqa: S608
        ((last - minutes + 1) * MINUTE_MS,),
    )
    found = {_whole(minute): _whole(count) or 0 for minute, count in rows}
    return [found.get(minute, 0) for minute in range(last - minutes + 1, last + 1)]


def whole(hours: list[Glance]) -> Glance:
    """All of them together."""
    least = [one.ttft_least for one in hours if one.ttft_least is not None]
    most = [one.ttft_most for one in hours if one.ttft_most is not None]
    added = (
        "requests", "done", "errors", "input", "output", "cache_read", "amount", "total_ms", "streams", "ttft_ms",
        "token_ms", "tokens",
    )  # fmt: skip
    sums = {name: sum(getattr(one, name) for one in hours) for name in added}
    return Glance(ttft_least=min(least, default=None), ttft_most=max(most, default=None), **sums)


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))
