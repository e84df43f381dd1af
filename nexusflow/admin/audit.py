"""The audit log: every change that an operator made, by command line or over this API (SEC-58)."""

from typing import Annotated, Any

from litestar import Controller, get
from litestar.params import KwargDefinition
from msgspec import Struct

from nexusflow.accounts import AuditEntry as Found
from nexusflow.accounts import entries
from nexusflow.admin.office import Desk
from nexusflow.admin.problems import READS
from nexusflow.admin.words import USUAL, After, Limit, Listed, listed
from nexusflow.reports.words import moment


class AuditEntry(Struct, kw_only=True):
    """`actor` did `action` to `subject`, an id. Entries are numbered without a gap, and hold no secrets."""

    id: str
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


AuditEntryList = Annotated[Listed[AuditEntry], KwargDefinition(schema_component_key="AuditEntryList")]


class Audit(Controller):
    """Entries are only ever added."""

    path = "/audit"
    tags = ("audit",)

    @get(responses=READS)
    async def list_all(self, office: Desk, limit: Limit = USUAL, after: After = None) -> AuditEntryList:
        """All changes, the newest first."""
        rows = await office.run(lambda books: entries(books.database, limit + 1, before=after))
        return listed([_shown(one) for one in rows], limit)


def _shown(one: Found) -> AuditEntry:
    return AuditEntry(
        id=one.id, at=moment(one.at_ms), actor=one.actor, action=one.action, subject=one.subject, detail=one.detail
    )
