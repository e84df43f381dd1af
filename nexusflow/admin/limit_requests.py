"""Requests of callers for more, and what an operator makes of them (L64)."""

from typing import Annotated, Literal

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody, KwargDefinition, QueryParameter
from msgspec import Struct

from nexusflow.accounts.quotas import LimitRequest as Found
from nexusflow.accounts.quotas import State
from nexusflow.admin.office import Actor, Desk
from nexusflow.admin.problems import CHANGES, FINDS, READS
from nexusflow.admin.quotas import Bound
from nexusflow.admin.words import USUAL, After, Id, Limit, Listed, Reference, listed
from nexusflow.ir.quota import Quota
from nexusflow.reports.words import moment
from nexusflow.store import Page

# Litestar keeps arguments called `state` for itself.
ByState = Annotated[State | None, QueryParameter(name="state", description="Only those in this state.")]


class Approval(Struct, forbid_unknown_fields=True, kw_only=True):
    """What to grant. A bound that is null or not given is as it was asked for; `answer` is for the caller."""

    rpm: Bound | None = None
    tpm: Bound | None = None
    concurrency: Bound | None = None
    answer: Reference | None = None


class Denial(Struct, forbid_unknown_fields=True, kw_only=True):
    """Why not; `answer` is for the caller."""

    answer: Reference | None = None


class LimitRequest(Struct, kw_only=True):
    """What a caller asked for with the key `key`: of one `model` or (null) of all.

    `subject` is who it would be agreed with: the key's owner, or the key itself.
    """

    object: Literal["limit_request"] = "limit_request"
    id: str
    org: str
    key: str
    subject: str
    model: str | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    reason: str
    state: State
    created_at: str
    decided_at: str | None
    answer: str | None


LimitRequestList = Annotated[Listed[LimitRequest], KwargDefinition(schema_component_key="LimitRequestList")]


class LimitRequests(Controller):
    """Callers file them with `POST /v1/limit-requests`."""

    path = "/limit-requests"
    tags = ("limits",)

    @get(responses=READS)
    async def list_all(
        self, office: Desk, in_state: ByState = None, limit: Limit = USUAL, after: After = None
    ) -> LimitRequestList:
        """All of them, or those in one state, the oldest first."""
        rows = await office.run(lambda books: books.quotas.requests(in_state, Page(limit + 1, after)))
        return listed([_shown(one) for one in rows], limit)

    @get("/{id:str}", responses=FINDS)
    async def show(self, id: Id, office: Desk) -> LimitRequest:
        """The one with this id."""
        return _shown(await office.run(lambda books: books.quotas.find(id)))

    @post("/{id:str}/approve", status_code=200, responses=CHANGES)
    async def approve(self, id: Id, data: JSONBody[Approval], office: Desk, actor: Actor) -> LimitRequest:
        """Grant it, in effect within a second; what else was agreed with the subject stays."""
        quota = Quota(rpm=data.rpm, tpm=data.tpm, concurrency=data.concurrency)
        return _shown(
            await office.run(lambda books: books.quotas.approve(id, actor=actor, quota=quota, answer=data.answer))
        )

    @post("/{id:str}/deny", status_code=200, responses=CHANGES)
    async def deny(self, id: Id, data: JSONBody[Denial], office: Desk, actor: Actor) -> LimitRequest:
        """Turn it down."""
        return _shown(await office.run(lambda books: books.quotas.deny(id, actor=actor, answer=data.answer)))


def _shown(one: Found) -> LimitRequest:
    words = msgspec.structs.asdict(one)
    key, model, created_ms, decided_ms = (words.pop(name) for name in ("key_id", "model", "created_ms", "decided_ms"))
    return LimitRequest(
        **words,
        key=key,
        model=model or None,
        created_at=moment(created_ms),
        decided_at=None if decided_ms is None else moment(decided_ms),
    )
