"""What a batch of calls does to counters, summed up in memory: the arithmetic of posting, without the database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nexusflow.ir.account import Counter
from nexusflow.ledger.book.counters import Wallet
from nexusflow.ledger.records import Closed


@dataclass(slots=True)
class Lent:
    """A lease as the transaction found it, and what the batch charges to it. Only an open one holds money."""

    id: str
    org: str
    counters: tuple[Counter, ...]
    amount: int
    used: int = 0
    open: bool = False
    closing: bool = False
    charged: int = 0

    @property
    def covered(self) -> int:
        """How much of the batch's charges it holds the money for."""
        return min(self.charged, max(self.amount - self.used, 0)) if self.open else 0

    @property
    def released(self) -> int:
        """How much less is held: what is spent now, and the rest when it closes."""
        if self.open and self.closing:
            return max(self.amount - self.used, 0)
        return self.covered


@dataclass(slots=True)
class Fold:
    """The sums of a batch. `spent` is by organisation; `bare` is the part that no lease was reserved for."""

    leases: dict[str, Lent]
    spent: dict[str, int] = field(default_factory=dict)
    bare: dict[str, int] = field(default_factory=dict)

    def count(self, calls: Iterable[Closed], overrun: Mapping[str, int]) -> None:
        """Sum up anew what `calls` charge, less what of it is an overrun, by the id of the call."""
        spent: dict[str, int] = {}
        bare: dict[str, int] = {}
        for lent in self.leases.values():
            lent.charged = 0
        for call in calls:
            amount = call.charged - overrun.get(call.id, 0)
            if amount:
                org = call.org
                spent[org] = spent.get(org, 0) + amount
                if call.lease in self.leases:
                    self.leases[call.lease].charged += amount
                else:
                    bare[org] = bare.get(org, 0) + amount
        self.spent, self.bare = spent, bare

    def wallet_moves(self) -> dict[str, tuple[int, int]]:
        """What to add to each wallet's spent and held."""
        moves = {org: (amount, 0) for org, amount in self.spent.items()}
        for lent in self.leases.values():
            if lent.released:
                spent, held = moves.get(lent.org, (0, 0))
                moves[lent.org] = spent, held - lent.released
        return moves

    def counter_moves(self) -> dict[Counter, tuple[int, int]]:
        """What to add to each budget's spent and held."""
        moves: dict[Counter, tuple[int, int]] = {}
        for lent in self.leases.values():
            if lent.charged or lent.released:
                for counter in lent.counters:
                    spent, held = moves.get(counter, (0, 0))
                    moves[counter] = spent + lent.charged, held - lent.released
        return moves

    def short(self, wallets: Mapping[str, Wallet]) -> dict[str, int]:
        """By how much each wallet would end below its floor."""
        short = {}
        for org, (spent, held) in self.wallet_moves().items():
            available = wallets[org].available
            if available is not None and available - spent - held < 0:
                short[org] = spent + held - available
        return short

    def overrun(self, calls: Iterable[Closed], short: Mapping[str, int]) -> dict[str, int]:
        """Of which calls' charges how much nobody pays: the latest that no hold covers, and not more than is short."""
        left = dict(short)
        bare = dict(self.bare)
        beyond = {id_: lent.charged - lent.covered for id_, lent in self.leases.items()}
        cuts = {}
        for call in reversed(list(calls)):
            pot, key = (beyond, call.lease) if call.lease in self.leases else (bare, call.org)
            part = min(left.get(call.org, 0), call.charged, pot.get(key or "", 0))
            if part > 0:
                cuts[call.id] = part
                left[call.org] -= part
                pot[key or ""] -= part
        return cuts
