"""Organisations: who pays."""

from typing import Annotated, Literal

import msgspec
from litestar import Controller, get, patch, post
from litestar.params import JSONBody, KwargDefinition
from msgspec import UNSET, Struct, UnsetType

from nexusflow.accounts import Organisation as Found
from nexusflow.accounts.model import Status
from nexusflow.admin.office import Actor, Books, Desk
from nexusflow.admin.problems import CHANGES, FINDS, READS
from nexusflow.admin.words import USUAL, After, Amount, Limit, Listed, Org, Reference, invalid, listed, nano
from nexusflow.reports import account
from nexusflow.reports.words import moment
from nexusflow.store import Page


class Organisation(Struct, kw_only=True):
    """Who pays: it has one wallet. `plan` names a set of limits."""

    object: Literal["organisation"] = "organisation"
    id: str
    name: str
    plan: str | None
    status: Status
    created_at: str


OrganisationList = Annotated[Listed[Organisation], KwargDefinition(schema_component_key="OrganisationList")]


class NewOrganisation(Struct, forbid_unknown_fields=True, kw_only=True):
    """An organisation to make. Its balance may fall to `-credit_line`; `null` is without bound."""

    name: Reference
    plan: Reference | None = None
    credit_line: Amount | None = "0"


class OrganisationChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """What to change; what is not given stays."""

    plan: Reference | UnsetType | None = UNSET
    credit_line: Amount | UnsetType | None = UNSET


class Balance(Struct, kw_only=True):
    """The wallet of an organisation. `available` and `credit_line` are null where nothing bounds its spending."""

    object: Literal["balance"] = "balance"
    organisation: str
    currency: str
    balance: str
    credited: str
    spent: str
    held: str
    credit_line: str | None
    available: str | None


class Organisations(Controller):
    path = "/organisations"
    tags = ("organisations",)

    @get(responses=READS)
    async def list_all(self, office: Desk, limit: Limit = USUAL, after: After = None) -> OrganisationList:
        """All organisations, the oldest first."""
        rows = await office.run(lambda books: books.accounts.organisations(Page(limit + 1, after)))
        return listed([_shown(one) for one in rows], limit)

    @post(responses=CHANGES)
    async def create(self, data: JSONBody[NewOrganisation], office: Desk, actor: Actor) -> Organisation:
        """Make an organisation with an empty wallet."""
        line = _line(data.credit_line)
        made = await office.run(
            lambda books: books.accounts.create_organisation(data.name, actor=actor, plan=data.plan, credit_line=line)
        )
        return _shown(made)

    @get("/{org:str}", responses=FINDS)
    async def show(self, org: Org, office: Desk) -> Organisation:
        """The organisation with this id or name."""
        return _shown(await office.run(lambda books: books.accounts.find_organisation(org)))

    @patch("/{org:str}", responses=CHANGES)
    async def change(self, org: Org, data: JSONBody[OrganisationChange], office: Desk, actor: Actor) -> Organisation:
        """Change its plan or its credit line."""
        if data.plan is UNSET and data.credit_line is UNSET:
            raise invalid(None, "Nothing to change was given.")
        line = data.credit_line if isinstance(data.credit_line, UnsetType) else _line(data.credit_line)

        def changed(books: Books) -> Found:
            if not isinstance(data.plan, UnsetType):
                books.accounts.set_plan(org, data.plan, actor=actor)
            if not isinstance(line, UnsetType):
                books.accounts.set_credit_line(org, line, actor=actor)
            return books.accounts.find_organisation(org)

        return _shown(await office.run(changed))

    @get("/{org:str}/balance", responses=FINDS)
    async def balance(self, org: Org, office: Desk) -> Balance:
        """Its wallet, as of now."""
        found = await office.run(
            lambda books: account.balance(books.database, books.accounts.find_organisation(org).id, office.currency)
        )
        return msgspec.convert(found, Balance)

    @post("/{org:str}/suspend", status_code=200, responses=CHANGES)
    async def suspend(self, org: Org, office: Desk, actor: Actor) -> Organisation:
        """From now on refuse its calls."""
        return _shown(await office.run(lambda books: _set_status(books, org, "suspended", actor)))

    @post("/{org:str}/resume", status_code=200, responses=CHANGES)
    async def resume(self, org: Org, office: Desk, actor: Actor) -> Organisation:
        """End a suspension."""
        return _shown(await office.run(lambda books: _set_status(books, org, "active", actor)))


def _set_status(books: Books, org: str, status: Status, actor: str) -> Found:
    id_ = books.accounts.find_organisation(org).id
    if status == "active":
        books.accounts.resume(id_, actor=actor)
    else:
        books.accounts.suspend(id_, actor=actor)
    return books.accounts.find_organisation(id_)


def _shown(one: Found) -> Organisation:
    return Organisation(id=one.id, name=one.name, plan=one.plan, status=one.status, created_at=moment(one.created_ms))


def _line(given: str | None) -> int | None:
    return None if given is None else nano(given, "credit_line")
