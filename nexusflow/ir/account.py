"""Who pays for a request: values that keys, accounts, ledger and flow share. Amounts are integer nano-units."""

from typing import Literal

from msgspec import Struct

Scope = Literal["org", "team", "key", "user", "model"]
Period = Literal["day", "week", "month", "total"]
Mode = Literal["hard", "soft"]

DEFAULT_ORG = "org_default"


class Budget(Struct, frozen=True, kw_only=True):
    """A bound on spending. `subject` is an id of the scope's kind, or `*`: every subject has a sum of its own.

    `org` limits it to one organisation; None holds for all (budgets of gateway.yaml).
    """

    id: str
    scope: Scope
    subject: str
    period: Period
    amount: int
    mode: Mode = "hard"
    org: str | None = None


class Counter(Struct, frozen=True, order=True):
    """The sum of one budget for one subject in one period; `period_start` in milliseconds since 1970, 0 for total."""

    budget: str
    subject: str
    period_start: int


class Bound(Struct, frozen=True):
    """A counter with what it may reach, as it applies to one request. `ends_ms` is when its period is over."""

    counter: Counter
    amount: int
    mode: Mode
    scope: Scope
    ends_ms: int


class Payer(Struct, frozen=True, kw_only=True):
    """On whose account a request goes: the ids that its ledger line carries, and the bounds that apply."""

    org: str
    team: str | None
    key: str
    user: str | None = None
    bounds: tuple[Bound, ...] = ()
