"""The proof that the money adds up."""

from litestar import Controller, get
from msgspec import Struct

from nexusflow.admin.office import Desk
from nexusflow.admin.problems import READS
from nexusflow.ir.money import as_text
from nexusflow.ledger.verify import Proof


class LedgerSums(Struct, kw_only=True):
    """Totals of the ledger."""

    transfers: int
    credited: str
    charged: str
    refunded: str
    overrun: str
    cost: str
    absorbed: str
    held: str


class LeaseHolder(Struct, kw_only=True):
    """A worker with open leases."""

    worker: str
    state: str
    host: str
    held: str


class Invariant(Struct, kw_only=True):
    """Of `seen` rows `offenders` break it, of which the first are named; `notes` are worth knowing all the same."""

    id: str
    title: str
    holds: bool
    seen: int
    offenders: int
    named: list[str]
    notes: list[str]


class LedgerProof(Struct, kw_only=True):
    """What was computed again. `unmatched` ends of calls wait in the journals, `open` calls are under way."""

    holds: bool
    sums: LedgerSums
    journals: int
    unmatched: int
    open: int
    holders: list[LeaseHolder]
    invariants: list[Invariant]


class Ledger(Controller):
    """Reads everything, so it takes its time; changes nothing."""

    path = "/ledger"
    tags = ("ledger",)

    @get("/proof", responses=READS)
    async def prove(self, office: Desk) -> LedgerProof:
        """Compute the ledger again from its transfers and this machine's journals, invariant by invariant."""
        return _shown(await office.prove())


def _shown(proof: Proof) -> LedgerProof:
    sums = proof.sums
    return LedgerProof(
        holds=proof.holds,
        sums=LedgerSums(
            transfers=sums.transfers,
            credited=as_text(sums.credited),
            charged=as_text(sums.charged),
            refunded=as_text(sums.refunded),
            overrun=as_text(sums.overrun),
            cost=as_text(sums.cost),
            absorbed=as_text(sums.absorbed),
            held=as_text(sums.held),
        ),
        journals=proof.journals,
        unmatched=proof.unmatched,
        open=proof.open,
        holders=[
            LeaseHolder(worker=one.worker, state=one.state, host=one.host, held=as_text(one.held))
            for one in proof.holders
        ],
        invariants=[
            Invariant(
                id=one.id,
                title=one.title,
                holds=one.holds,
                seen=one.seen,
                offenders=one.offenders,
                named=list(one.named),
                notes=list(one.notes),
            )
            for one in proof.checks
        ],
    )
