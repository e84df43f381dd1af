"""Limits, what a request asks of them and what they answer. Times are whole milliseconds unless a name ends in `_us`.

A bucket (requests, tokens) holds `amount` units and refills evenly within `window_ms`. Its level is kept as the time
that it still takes to be full again, in microseconds: one integer, to which costs, refunds and debts are added.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import force_setattr

from nexusflow.ir.quota import Fail

Kind = Literal["requests", "tokens", "concurrency", "streams", "tasks"]
Scope = Literal["key", "team", "org", "model", "deployment", "user"]
Source = Literal["key", "model override", "user default", "system default", "team", "org", "model", "deployment"]

MINUTE_MS = 60_000
_ROUNDING_US = 999
SLOT_RETRY_MS = 1_000
"""When to try again for a slot: nobody knows when the calls that hold them end."""


class Limit(Struct, frozen=True, kw_only=True):
    """One bound on one subject.

    `amount` units per `window_ms` for requests and tokens; so many at once for concurrency, streams and tasks, where
    the window means nothing. `subject` is an id of `scope`, `org` the organisation it belongs to (of a key, team,
    user and the organisation itself), `model` narrows it to one model. `fail` is what happens while the store of
    limits is away: this worker's share, no limit, or no calls. `source` is where the amount comes from, for people.

    Limits with the same `key` are the same bucket, whatever their amounts: a changed amount keeps the level. The key
    begins with the hash tag of Redis Cluster; one organisation's limits have one tag and can be taken together.

    `amount` 0 refuses everything.
    """

    name: str
    kind: Kind
    scope: Scope
    subject: str
    amount: int
    window_ms: int = MINUTE_MS
    fail: Fail = "local"
    org: str = ""
    model: str = ""
    source: Source = "system default"
    key: str = ""
    slots: bool = False
    capacity: int = 0
    """Slots, or the microseconds that an empty bucket needs to fill."""
    one: int = 0
    """What one unit costs, as `need` says it."""

    def __post_init__(self) -> None:
        """Derive what follows from the rest once: a request asks for it many times."""
        slots = self.kind in ("concurrency", "streams", "tasks")
        force_setattr(self, "slots", slots)
        force_setattr(self, "capacity", self.amount if slots else _capacity(self.amount, self.window_ms * 1000))
        force_setattr(self, "one", 1 if slots else self.need(1))
        if not self.key:
            window = 0 if slots else self.window_ms
            # The length tells where a subject ends that may itself contain colons, as the names of models do.
            parts = (self.kind, window, self.scope, len(self.subject), self.subject, self.model)
            force_setattr(self, "key", f"{{{self.tag}}}" + ":".join(map(str, parts)))

    @property
    def tag(self) -> str:
        """The hash tag, never empty: models and deployments are shared by organisations, all else is of one."""
        match self.scope:
            case "deployment":
                return f"dep:{self.subject}"
            case "model":
                return f"model:{self.subject}"
            case _:
                return f"org:{self.org}"

    def need(self, units: int) -> int:
        """What `units` cost: microseconds of the bucket, rounded up so that never more than `amount` passes."""
        if not self.amount:
            return self.capacity + 1 if units else 0
        return -(-units * self.window_ms * 1000 // self.amount)


def _capacity(amount: int, window_us: int) -> int:
    """An amount that does not divide its window makes each cost up to a microsecond too large; without some room for
    that the last of a burst would be refused."""
    exact = not amount or window_us % amount == 0
    return window_us if exact else window_us + min(amount, _ROUNDING_US)


class Ask(Struct, frozen=True):
    """Everything that one request needs: one unit of each limit, and `tokens` (estimated) of those on tokens.

    `id` is the request's. An ask with an id that was granted before is granted again and takes nothing.
    """

    id: str
    limits: tuple[Limit, ...]
    tokens: int = 0

    def needs(self) -> list[int]:
        """Per limit: slots, or microseconds of its bucket."""
        tokens = self.tokens
        return [limit.need(tokens) if limit.kind == "tokens" else limit.one for limit in self.limits]


class Ticket(Struct, frozen=True):
    """What was taken for `ask`. `ends_us` is, per limit, when that part of its bucket will have refilled by itself.

    That of an ask which had been granted before is 0: its first ticket told, and from this one nothing is refunded.

    `local` tickets were granted by this worker alone, while the store of limits was away.
    """

    ask: Ask
    ends_us: tuple[int, ...]
    local: bool = False

    @property
    def holds_slots(self) -> bool:
        """Whether its lease must be renewed."""
        return any(limit.slots for limit in self.ask.limits)


class LimitState(Struct, frozen=True):
    """`remaining` whole units of a limit, and when all `amount` of them are there again (0 for slots)."""

    limit: Limit
    remaining: int
    reset_ms: int


class Granted(Struct, frozen=True):
    """Go, and give `ticket` back with `settle` or `release`. `states` are those after it, one per limit asked."""

    ticket: Ticket
    states: tuple[LimitState, ...]


class Refused(Struct, frozen=True):
    """Nothing was taken. `limit` is the one that binds longest; asking again before `retry_after_ms` is in vain.

    `unsatisfiable`: the request is larger than the whole limit, so it must change rather than wait.
    `states` has one for each limit asked, and none where the store of limits is away.
    """

    limit: Limit
    retry_after_ms: int
    states: tuple[LimitState, ...]
    unsatisfiable: bool = False


def state(limit: Limit, level: int) -> LimitState:
    """What a `level` means: slots in use, or microseconds until the bucket is full."""
    if limit.slots:
        return LimitState(limit, max(limit.amount - level, 0), 0)
    left = max(limit.capacity - level, 0) * limit.amount // (limit.window_ms * 1000)
    return LimitState(limit, min(left, limit.amount), -(-level // 1000))


def grant(ask: Ask, levels: Sequence[int], now_us: int) -> Granted:
    """The answer where all limits had room; `levels` are those after it."""
    return Granted(Ticket(ask, tuple([now_us + level for level in levels])), tuple(map(state, ask.limits, levels)))


def grant_again(ask: Ask, levels: Sequence[int]) -> Granted:
    """The answer where the ask was granted before. Nobody can tell by the levels what of its part is still there."""
    return Granted(Ticket(ask, (0,) * len(levels)), tuple(map(state, ask.limits, levels)))


def refuse(ask: Ask, needs: Sequence[int], levels: Sequence[int]) -> Refused:
    """The answer where some limit had no room. `levels` are those of the limits, of which nothing was taken."""
    worst: tuple[bool, int, Limit] | None = None
    for limit, need, level in zip(ask.limits, needs, levels, strict=True):
        over = level + need - limit.capacity
        if over > 0:
            wait = SLOT_RETRY_MS if limit.slots else -(-over // 1000)
            found = (need > limit.capacity, wait, limit)
            worst = found if worst is None or found[:2] > worst[:2] else worst
    if worst is None:
        raise ValueError("No limit refuses this.")
    never, wait, limit = worst
    return Refused(limit, wait, tuple(map(state, ask.limits, levels)), never)


def corrections(ticket: Ticket, tokens: int | None) -> list[int]:
    """Per limit, by how many microseconds the bucket's level changes: below 0 a refund, above it a debt.

    `tokens` is what the call really used; None means it never happened, and all that was taken is given back.
    """
    asked = ticket.ask
    if tokens is None:
        return [0 if limit.slots else -need for limit, need in zip(asked.limits, asked.needs(), strict=True)]
    return [
        limit.need(tokens) - limit.need(asked.tokens) if limit.kind == "tokens" else 0 for limit in asked.limits
    ]  # fmt: skip


def settled(full_us: int, change: int, end_us: int, now_us: int) -> int:
    """When a bucket is full after a correction.

    What of a reservation has refilled by itself by now is not refunded a second time: that room may be in use again.
    """
    if change < 0:
        return full_us - min(-change, max(end_us - now_us, 0))
    return max(full_us, now_us) + change
