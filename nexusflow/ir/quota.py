"""How much may be asked for per minute and at once, as an agreement says it (contract 2.10)."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

Fail = Literal["local", "open", "closed"]
"""While the counters are away: each worker's share of a limit, no limit, or no calls."""


class Quota(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests and tokens per minute; requests, streams and tasks at once. None: no bound here.

    Streams and tasks are requests too: `streams` and `tasks` bound parts of them.
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    streams: int | None = None
    tasks: int | None = None

    def over(self, other: "Quota") -> "Quota":
        """This one, and `other` where it says nothing."""
        if self == NONE:
            return other
        return Quota(
            **{
                name: mine if (mine := getattr(self, name)) is not None else getattr(other, name)
                for name in self.__struct_fields__
            }
        )


NONE = Quota()

PLANS: Mapping[str, Quota] = {
    "free": Quota(rpm=20, tpm=40_000, concurrency=2),
    "developer": Quota(rpm=60, tpm=150_000, concurrency=5),
    "team": Quota(rpm=200, tpm=500_000, concurrency=20),
    "enterprise": Quota(rpm=1_000, tpm=2_000_000, concurrency=100),
}
"""The plans of contract 2.10, which a gateway.yaml may define anew; a custom one is whatever was agreed."""


class LimitRules(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds for callers: `default` for those on no plan, and the plans by name. `fail`: see Fail."""

    default: Quota = NONE
    plans: dict[str, Quota] = msgspec.field(default_factory=lambda: dict(PLANS))
    fail: Fail = "local"
