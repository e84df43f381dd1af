"""Quotas: what may be asked for per minute and at once, as it was agreed with one subject beside its plan."""

from typing import Annotated, Literal

import msgspec
from litestar import Controller, delete, get, put
from litestar.params import JSONBody, KwargDefinition, PathParameter, QueryParameter
from msgspec import Meta, Struct

from nexusflow.accounts.quotas import LARGEST, LONGEST_MODEL, Agreed
from nexusflow.admin.office import Actor, Desk
from nexusflow.admin.problems import CHANGES, FINDS
from nexusflow.admin.words import USUAL, After, Limit, Listed, listed
from nexusflow.ir.quota import Quota as Bounds
from nexusflow.store import Page

Bound = Annotated[int, Meta(ge=0, le=LARGEST)]
Subject = Annotated[
    str, PathParameter(max_length=200, description="The id of an organisation, team, user or key; or a name.")
]
BySubject = Annotated[
    str | None,
    QueryParameter(max_length=200, description="Only of this organisation, team or user (id or name) or key (id)."),
]
ForModel = Annotated[
    str, QueryParameter(max_length=LONGEST_MODEL, description="For this model alone. By default for all others.")
]


class NewQuota(Struct, forbid_unknown_fields=True, kw_only=True):
    """Requests and tokens per minute; requests, streams and tasks at once.

    A bound that is null or not given is as the plan says.
    """

    rpm: Bound | None = None
    tpm: Bound | None = None
    concurrency: Bound | None = None
    streams: Bound | None = None
    tasks: Bound | None = None


class Quota(NewQuota, kw_only=True):
    """What was agreed with `subject`, for one `model` or (null) for all that have none of their own.

    A bound that is null is as the plan says.
    """

    object: Literal["quota"] = "quota"
    id: str
    org: str
    subject: str
    model: str | None


QuotaList = Annotated[Listed[Quota], KwargDefinition(schema_component_key="QuotaList")]


class Quotas(Controller):
    """Those of organisations and teams are shared by their keys; a key with an owner has the owner's."""

    path = "/quotas"
    tags = ("limits",)

    @get(responses=FINDS)
    async def list_all(
        self, office: Desk, subject: BySubject = None, limit: Limit = USUAL, after: After = None
    ) -> QuotaList:
        """All that was agreed, or what was agreed with one subject, by subject and model."""
        rows = await office.run(lambda books: books.quotas.list(subject, Page(limit + 1, after)))
        return listed([_shown(one) for one in rows], limit)

    @put("/{subject:str}", responses=CHANGES)
    async def set(
        self, subject: Subject, data: JSONBody[NewQuota], office: Desk, actor: Actor, model: ForModel = ""
    ) -> Quota:
        """Agree on these bounds in place of those before, in effect within a second; without any, that ends."""
        bounds = msgspec.convert(data, Bounds, from_attributes=True)
        return _shown(await office.run(lambda books: books.quotas.set(subject, bounds, actor=actor, model=model)))

    @delete("/{subject:str}", status_code=200, responses=CHANGES)
    async def remove(self, subject: Subject, office: Desk, actor: Actor, model: ForModel = "") -> Quota:
        """End what was agreed, so that the plan holds again."""
        return _shown(await office.run(lambda books: books.quotas.remove(subject, actor=actor, model=model)))


def _shown(one: Agreed) -> Quota:
    return Quota(
        id=one.id,
        org=one.org,
        subject=one.subject,
        model=one.model or None,
        **msgspec.structs.asdict(one.quota),
    )
