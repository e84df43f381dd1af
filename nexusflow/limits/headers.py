"""What a client is told of its limits, in the words of each protocol (contract 2.10, protocols 1.10.5)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from nexusflow.limits.rule import Kind, LimitState

Header = tuple[str, str]
_SHOWN: tuple[Kind, ...] = ("requests", "tokens")
_SLOTS: tuple[Kind, ...] = ("concurrency", "streams", "tasks")
_OPENAI: list[tuple[Kind, str, str, str]] = [
    (kind, f"x-ratelimit-limit-{kind}", f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}") for kind in _SHOWN
]


def openai_headers(states: Sequence[LimitState]) -> list[Header]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; the reset is a duration such as `6m0s`."""
    headers = []
    for kind, limit, remaining, reset in _OPENAI:
        tight = tightest(states, kind)
        if tight is not None:
            headers += [
                (limit, str(tight.limit.amount)),
                (remaining, str(tight.remaining)),
                (reset, duration(tight.reset_ms)),
            ]
    return headers


def anthropic_headers(states: Sequence[LimitState], now: datetime) -> list[Header]:
    """`anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`; the reset is a time of RFC 3339.

    `now` carries a time zone. Whole seconds, rounded up: a client that waits until then finds the bucket full.
    """
    headers = []
    for kind in _SHOWN:
        tight = tightest(states, kind)
        if tight is not None:
            headers += [
                (f"anthropic-ratelimit-{kind}-limit", str(tight.limit.amount)),
                (f"anthropic-ratelimit-{kind}-remaining", str(tight.remaining)),
                (f"anthropic-ratelimit-{kind}-reset", _rfc3339(now, tight.reset_ms)),
            ]
    return headers


def remaining_headers(states: Sequence[LimitState]) -> list[Header]:
    """`X-RateLimit-Remaining`, in requests, on every protocol."""
    tight = tightest(states, "requests")
    return [] if tight is None else [("x-ratelimit-remaining", str(tight.remaining))]


def concurrency_headers(states: Sequence[LimitState]) -> list[Header]:
    """`x-ratelimit-{limit,remaining}-{concurrency,streams,tasks}`: slots, which have no time of reset."""
    headers = []
    for kind in _SLOTS:
        tight = tightest(states, kind)
        if tight is not None:
            headers += [
                (f"x-ratelimit-limit-{kind}", str(tight.limit.amount)),
                (f"x-ratelimit-remaining-{kind}", str(tight.remaining)),
            ]
    return headers


def tightest(states: Sequence[LimitState], kind: Kind) -> LimitState | None:
    """Of the limits of one kind, the one with the least left; of those, the one that takes longest to be full."""
    found: LimitState | None = None
    for one in states:
        if one.limit.kind == kind and (
            found is None
            or one.remaining < found.remaining
            or (one.remaining == found.remaining and one.reset_ms > found.reset_ms)
        ):
            found = one
    return found


def duration(ms: int) -> str:
    """Milliseconds as `12ms`, `1.5s`, `6m0s` or `1h0m0s`."""
    if ms < 1000:
        return f"{ms}ms" if ms else "0s"
    minutes, rest = divmod(ms, 60_000)
    seconds = f"{_decimal(rest)}s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _decimal(ms: int) -> str:
    """Seconds, with as many decimals as they need."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds}.{rest:03}".rstrip("0") if rest else str(seconds)


def _rfc3339(now: datetime, ms: int) -> str:
    then = now.astimezone(UTC) + timedelta(milliseconds=ms)
    if then.microsecond:
        then = then.replace(microsecond=0) + timedelta(seconds=1)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")
