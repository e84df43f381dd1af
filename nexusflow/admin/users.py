"""Users: people or services of an organisation that can own keys."""

from nexusflow.accounts import Member
from nexusflow.admin.office import Books
from nexusflow.admin.parts import NewPart, Part, Parts, shown
from nexusflow.store import Page


class Users(Parts):
    """See Parts."""

    path = "/users"
    tags = ("users",)
    kind = Member
    word = "user"

    def rows(self, books: Books, org: str | None, page: Page) -> list[Part]:
        return [shown(one) for one in books.accounts.members(org, page)]

    def make(self, books: Books, data: NewPart, actor: str) -> Part:
        return shown(books.accounts.create_member(data.org, data.name, actor=actor))
