"""Which calls a report is about."""

import time
from typing import Annotated

from litestar.params import QueryParameter

from nexusflow.admin.words import invalid
from nexusflow.reports.usage import Span

DAY_MS = 86_400_000
DEFAULT_DAYS = 30
_LATEST = 1 << 33

Start = Annotated[
    int | None, QueryParameter(ge=0, le=_LATEST, description="From then on, seconds since 1970. By default 30 days.")
]
End = Annotated[int | None, QueryParameter(ge=0, le=_LATEST, description="Before then, seconds since 1970; now.")]
ByKey = Annotated[str | None, QueryParameter(max_length=200, description="Only of the key with this id.")]
ByTeam = Annotated[str | None, QueryParameter(max_length=200, description="Only of the team with this id.")]
ByModel = Annotated[str | None, QueryParameter(max_length=200, description="Only of this model.")]
ByTag = Annotated[str | None, QueryParameter(max_length=200, description="Only of the user whom requests name so.")]


def span_of(start: int | None, end: int | None) -> Span:
    """The time between. Raises `RequestRefused` (400) when there is none."""
    until = time.time_ns() // 1_000_000 + 1 if end is None else end * 1000
    since = until - DEFAULT_DAYS * DAY_MS if start is None else start * 1000
    if since > until:
        raise invalid("start", "begins after `end`.")
    return Span(since, until)
