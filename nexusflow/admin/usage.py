"""Usage and cost by any dimensions, from the ledger."""

from typing import Annotated, Literal, cast

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter
from msgspec import UNSET, Struct, UnsetType

from nexusflow.admin.office import Desk
from nexusflow.admin.problems import FINDS
from nexusflow.admin.spans import ByKey, ByModel, ByTag, ByTeam, End, Start, span_of
from nexusflow.admin.words import ByOrg, Limit, invalid
from nexusflow.reports.usage import DIMENSIONS, Dimension, Whose, report
from nexusflow.reports.words import usage_words

GroupBy = Annotated[str, QueryParameter(max_length=200, description=f"Comma-separated: {', '.join(DIMENSIONS)}.")]
Skip = Annotated[int, QueryParameter(ge=0, le=1 << 31, description="How many lines were on the pages before.")]


class UsageLine(Struct, kw_only=True, omit_defaults=True):
    """One line: the dimensions that were asked for, and its sums. `net` is what is to be paid.

    `estimated_requests` are those whose usage no provider reported.
    """

    org: str | UnsetType | None = UNSET
    team: str | UnsetType | None = UNSET
    key: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    provider: str | UnsetType | None = UNSET
    day: str | UnsetType | None = UNSET
    tag: str | UnsetType | None = UNSET
    requests: int
    estimated_requests: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    charged: str
    refunded: str
    net: str


class UsageReport(Struct, kw_only=True):
    """Lines in the order of their dimensions. Where there are more, ask again with their number as `after`."""

    object: Literal["list"] = "list"
    currency: str
    data: list[UsageLine]
    has_more: bool


class Usage(Controller):
    """Sums over the ledger's own lines, which are kept for ever."""

    path = "/usage"
    tags = ("reports",)

    @get(responses=FINDS)
    async def report(
        self,
        office: Desk,
        group_by: GroupBy = "model",
        start: Start = None,
        end: End = None,
        org: ByOrg = None,
        team: ByTeam = None,
        key: ByKey = None,
        model: ByModel = None,
        tag: ByTag = None,
        limit: Limit = 500,
        after: Skip = 0,
    ) -> UsageReport:
        """What was used and what it cost."""
        span, by = span_of(start, end), _dimensions(group_by)
        payer = None if org is None else await office.run(lambda books: books.accounts.find_organisation(org).id)
        whose = Whose(org=payer, team=team, key=key, model=model, tag=tag)
        lines = await office.study(lambda database: report(database, span, by, whose))
        shown = [msgspec.convert(usage_words(line), UsageLine) for line in lines[after : after + limit]]
        return UsageReport(currency=office.currency, data=shown, has_more=len(lines) > after + limit)


def _dimensions(group_by: str) -> list[Dimension]:
    names = list(dict.fromkeys(name for name in group_by.split(",") if name))
    for name in names:
        if name not in DIMENSIONS:
            raise invalid("group_by", f"knows {', '.join(DIMENSIONS)}, not {name!r}.")
    return cast("list[Dimension]", names)
