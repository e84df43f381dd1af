"""The call log: what was called, what answered, what it cost. Prompts and answers are never stored."""

from typing import Annotated, Literal

import msgspec
from litestar import Controller, get
from litestar.params import KwargDefinition
from msgspec import Struct

from nexusflow.admin.office import Books, Desk
from nexusflow.admin.problems import FINDS
from nexusflow.admin.spans import ByKey, ByModel, ByTag, ByTeam, End, Start, span_of
from nexusflow.admin.words import USUAL, After, ByOrg, Id, Limit, Listed, listed
from nexusflow.ir.errors import Kind, refuse
from nexusflow.reports.calls import LoggedCall, call, calls
from nexusflow.reports.usage import Whose
from nexusflow.reports.words import call_words


class Call(Struct, kw_only=True):
    """One call. `model` is what was asked for, `answered_by` and `provider` what answered; times in milliseconds.

    `input` includes `cache_read` and `cache_write`, and `output` includes `reasoning`, in tokens; `source` says where
    these numbers come from.
    """

    object: Literal["request"]
    id: str
    at: str
    org: str
    team: str | None
    key_id: str
    user_tag: str | None
    protocol: str
    model: str
    answered_by: str | None
    provider: str | None
    stream: bool
    status: int
    outcome: str
    error: str | None
    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    source: str
    amount: str
    first_ms: int | None
    total_ms: int
    attempts: int


CallList = Annotated[Listed[Call], KwargDefinition(schema_component_key="CallList")]


class Calls(Controller):
    """Kept for as long as `gateway.billing.call_log_days` says."""

    path = "/calls"
    tags = ("reports",)

    @get(responses=FINDS)
    async def list_all(
        self,
        office: Desk,
        start: Start = None,
        end: End = None,
        org: ByOrg = None,
        team: ByTeam = None,
        key: ByKey = None,
        model: ByModel = None,
        tag: ByTag = None,
        limit: Limit = USUAL,
        after: After = None,
    ) -> CallList:
        """Calls, the newest first."""
        span = span_of(start, end)

        def rows(books: Books) -> list[LoggedCall]:
            payer = None if org is None else books.accounts.find_organisation(org).id
            whose = Whose(org=payer, team=team, key=key, model=model, tag=tag)
            return calls(books.database, span, whose, limit=limit + 1, before=after)

        return listed([_shown(one) for one in await office.run(rows)], limit)

    @get("/{id:str}", responses=FINDS)
    async def show(self, id: Id, office: Desk) -> Call:
        """The call whose answer carried this id in `x-request-id`."""
        found = await office.run(lambda books: call(books.database, id, Whose()))
        if found is None:
            raise refuse(Kind.ROUTE, f"No request {id} is on record.")
        return _shown(found)


def _shown(found: LoggedCall) -> Call:
    return msgspec.convert(call_words(found), Call)
