"""Who changed what."""

from litestar import Controller, Response, get

from nexusflow.accounts.audit import entries
from nexusflow.console.desk import Console, Who
from nexusflow.console.render import page

PAGE = 100


class AuditLog(Controller):
    """Every change of keys, money, limits and operators."""

    path = "/audit"

    @get("/")
    async def list_all(self, desk: Console, who: Who, before: str = "") -> Response[str]:
        """The newest first."""
        rows = await desk.office.run(lambda books: entries(books.database, PAGE, before=before or None))
        return page("audit.html", who, rows=rows, more=rows[-1].id if len(rows) == PAGE else None)
