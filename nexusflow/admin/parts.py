"""Teams and users: the parts of an organisation, which are handled alike."""

from abc import ABC, abstractmethod
from typing import Annotated

from litestar import Controller, get, post
from litestar.params import JSONBody, KwargDefinition
from msgspec import Struct

from nexusflow.accounts import AccountUnknown, Member, Team
from nexusflow.accounts.model import Status
from nexusflow.admin.office import Actor, Books, Desk
from nexusflow.admin.problems import CHANGES, FINDS
from nexusflow.admin.words import USUAL, After, ByOrg, Id, Limit, Listed, Reference, listed
from nexusflow.reports.words import moment
from nexusflow.store import Page


class Part(Struct, kw_only=True):
    """A team or user of the organisation `org`."""

    id: str
    org: str
    name: str
    status: Status
    created_at: str


PartList = Annotated[Listed[Part], KwargDefinition(schema_component_key="PartList")]


class NewPart(Struct, forbid_unknown_fields=True, kw_only=True):
    """One to make in the organisation `org` (id or name)."""

    org: Reference
    name: Reference


class Parts(Controller, ABC):
    """What subclasses for one kind say: where they are listed, and how one is made."""

    kind: type[Team | Member]
    word: str

    @abstractmethod
    def rows(self, books: Books, org: str | None, page: Page) -> list[Part]:
        """A page of them."""

    @abstractmethod
    def make(self, books: Books, data: NewPart, actor: str) -> Part:
        """A new one."""

    @get(responses=FINDS)
    async def list_all(self, office: Desk, org: ByOrg = None, limit: Limit = USUAL, after: After = None) -> PartList:
        """All of them, the oldest first."""
        return listed(await office.run(lambda books: self.rows(books, org, Page(limit + 1, after))), limit)

    @post(responses=CHANGES)
    async def create(self, data: JSONBody[NewPart], office: Desk, actor: Actor) -> Part:
        """Make a new one."""
        return await office.run(lambda books: self.make(books, data, actor))

    @get("/{id:str}", responses=FINDS)
    async def show(self, id: Id, office: Desk) -> Part:
        """The one with this id."""
        return await office.run(lambda books: self._found(books, id))

    @post("/{id:str}/suspend", status_code=200, responses=CHANGES)
    async def suspend(self, id: Id, office: Desk, actor: Actor) -> Part:
        """From now on refuse the calls of its keys."""
        return await office.run(lambda books: self._set_status(books, id, "suspended", actor))

    @post("/{id:str}/resume", status_code=200, responses=CHANGES)
    async def resume(self, id: Id, office: Desk, actor: Actor) -> Part:
        """End a suspension."""
        return await office.run(lambda books: self._set_status(books, id, "active", actor))

    def _found(self, books: Books, id: str) -> Part:
        found = books.accounts.find(id)
        if not isinstance(found, self.kind) or found.id != id:
            raise AccountUnknown(f"There is no {self.word} with the id {id}.")
        return shown(found)

    def _set_status(self, books: Books, id: str, status: Status, actor: str) -> Part:
        self._found(books, id)
        change = books.accounts.resume if status == "active" else books.accounts.suspend
        change(id, actor=actor)
        return self._found(books, id)


def shown(one: Team | Member) -> Part:
    """As the API shows it."""
    return Part(id=one.id, org=one.org, name=one.name, status=one.status, created_at=moment(one.created_ms))
