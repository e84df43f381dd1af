"""The ledger: what it sums up to, and the proof that it adds up."""

from litestar import Controller, Response, get

from nexusflow.console.desk import Console, Who
from nexusflow.console.render import page
from nexusflow.ledger.verify import verify

FRESH_S = 10.0


class Money(Controller):
    """Sums and invariants."""

    path = "/money"

    @get("/")
    async def show(self, desk: Console, who: Who) -> Response[str]:
        """The page; the proof, which takes its time, comes after it."""
        return page("money.html", who)

    @get("/proof")
    async def proof(self, desk: Console, who: Who) -> Response[str]:
        """Everything computed again from the transfers and this machine's journals."""
        journals = desk.office.journals
        found = await desk.lately(
            "proof", FRESH_S, lambda database: verify(database, journals if journals.is_dir() else None)
        )
        return page("proof.html", who, proof=found, currency=desk.office.currency)
