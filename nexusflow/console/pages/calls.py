"""The call log, filtered, and one call with its money."""

import time

from litestar import Controller, Response, get
from litestar.exceptions import NotFoundException

from nexusflow.admin.office import Books
from nexusflow.console.desk import Console, Who
from nexusflow.console.render import page
from nexusflow.reports.calls import LoggedCall, call, calls
from nexusflow.reports.overview import HOUR_MS
from nexusflow.reports.usage import Span, Whose
from nexusflow.store import Row

PAGE = 50
SPANS = {"1h": 1, "24h": 24, "7d": 168, "30d": 720}


class Calls(Controller):
    """Calls, the newest first."""

    path = "/calls"

    @get("/")
    async def list_all(
        self, desk: Console, who: Who, model: str = "", key: str = "", span: str = "24h", before: str = ""
    ) -> Response[str]:
        """A page of them."""
        now_ms = time.time_ns() // 1_000_000
        since = now_ms - SPANS.get(span, 24) * HOUR_MS
        whose = Whose(model=model or None, key=key or None)

        def read(books: Books) -> list[LoggedCall]:
            return calls(books.database, Span(since, now_ms + HOUR_MS), whose, limit=PAGE + 1, before=before or None)

        rows = await desk.office.run(read)
        return page(
            "calls.html",
            who,
            calls=rows[:PAGE],
            more=rows[PAGE - 1].id if len(rows) > PAGE else None,
            wanted={"model": model, "key": key, "span": span},
            spans=list(SPANS),
            models=[one.id for one in desk.artifact.plan.models],
            currency=desk.office.currency,
        )

    @get("/{id:str}")
    async def show(self, id: str, desk: Console, who: Who) -> Response[str]:
        """One call, with what was posted for it."""

        def read(books: Books) -> tuple[LoggedCall | None, list[Row]]:
            found = call(books.database, id, Whose())
            rows = books.database.execute(
                "SELECT kind, debit, credit, amount, basis, reason FROM transfer WHERE request = $1 ORDER BY id", (id,)
            )
            return found, list(rows)

        found, transfers = await desk.office.run(read)
        if found is None:
            raise NotFoundException("No call with this id is on record.")
        return page("call.html", who, call=found, transfers=transfers, currency=desk.office.currency)
