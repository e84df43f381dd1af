"""Teams: parts of an organisation that keys can belong to."""

from nexusflow.accounts import Team
from nexusflow.admin.office import Books
from nexusflow.admin.parts import NewPart, Part, Parts, shown
from nexusflow.store import Page


class Teams(Parts):
    """See Parts."""

    path = "/teams"
    tags = ("teams",)
    kind = Team
    word = "team"

    def rows(self, books: Books, org: str | None, page: Page) -> list[Part]:
        return [shown(one) for one in books.accounts.teams(org, page)]

    def make(self, books: Books, data: NewPart, actor: str) -> Part:
        return shown(books.accounts.create_team(data.org, data.name, actor=actor))
