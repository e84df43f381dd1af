"""The money that this worker may give out by itself: leases in memory, by organisation and the bounds that apply.

Everything here is synchronous and of one event loop; a reservation that a lease covers costs about a microsecond.
"""

from collections.abc import Iterator

from msgspec import Struct

from nexusflow.ir.account import Bound, Counter, Payer

TICK_MS = 500
"""How often `tick` is to be called; the unit of idleness and of the memory of what was spent."""

_IDLE_TICKS = 4  # 2 s
_SPEND_TICKS = 20  # 10 s
_BURST = 16  # how many calls like the present one the first lease covers


class _Lent:
    """One lease: what of it is neither spent nor held, and how many holds are open."""

    __slots__ = ("free", "holds", "id", "pool", "tight", "touched")

    def __init__(self, lease: str, amount: int, *, tight: bool, pool: "Pool", tick: int) -> None:
        self.id = lease
        self.free = amount
        self.holds = 0
        self.tight = tight
        self.pool = pool
        self.touched = tick


class Pool:
    """The leases of one wallet under the same bounds. `recent` is what was spent in about the last ten seconds."""

    __slots__ = ("ends_ms", "key", "lent", "org", "recent", "spare")

    def __init__(self, org: str, bounds: tuple[Bound, ...]) -> None:
        self.key = (org, bounds)
        self.org = org
        self.ends_ms = min((bound.ends_ms for bound in bounds), default=None)
        self.recent = 0
        self.lent = 0
        self.spare: dict[str, _Lent] = {}


class Hold(Struct):
    """Money reserved for one call: `amount` of the lease, on the account of `payer`. `lease` is None without one.

    `counters` are those of the budgets to count the call in where the database has still to learn of its lease.
    """

    lease: str | None
    amount: int
    payer: Payer
    counters: tuple[Counter, ...] = ()
    source: _Lent | None = None
    settled: bool = False


class Leases:
    """See the module. A lease is given back once it is idle for two seconds, or with its last hold when it is tight."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, tuple[Bound, ...]], Pool] = {}
        self._lent: dict[str, _Lent] = {}
        self._tick = 0
        self.balances: dict[str, int] = {}
        """Of wallets that can run out, by organisation: as the database last said, less what was charged since."""

    def learn(self, org: str, balance: int | None) -> None:
        """What the database says is in a wallet; None for one that cannot run out."""
        if balance is not None:
            self.balances[org] = balance
        else:
            self.balances.pop(org, None)

    def take(self, payer: Payer, amount: int) -> Hold | None:
        """Reserve `amount` from a lease that covers it, the oldest first; None when none does."""
        pool = self._pools.get((payer.org, payer.bounds))
        if pool is None:
            return None
        for lent in pool.spare.values():
            if lent.free >= amount:
                return self._take(lent, payer, amount)
        return None

    def want(self, payer: Payer, need: int) -> int:
        """How much the next lease should be: what ten seconds spent, and some calls like the one that needs `need`."""
        pool = self._pools.get((payer.org, payer.bounds))
        return _BURST * need + (pool.recent if pool is not None else 0)

    def add(self, payer: Payer, lease: str, amount: int, *, tight: bool) -> None:
        """A lease was granted: from now on `take` finds it."""
        lent = self._lend(payer, lease, amount, tight=tight)
        lent.pool.spare[lease] = lent

    def add_taken(self, payer: Payer, lease: str, amount: int, need: int) -> Hold:
        """A lease was granted for one call alone: nobody else finds it, and it ends with its hold."""
        return self._take(self._lend(payer, lease, amount, tight=True), payer, need)

    def give_back(self, hold: Hold, charged: int) -> str | None:
        """The call of `hold` ended and costs `charged`; the rest is free again. Doing it twice is doing it once.

        Returns the id of the lease when it is to be returned to the database now.
        """
        lent = hold.source
        if lent is None or hold.settled:
            return None
        hold.settled = True
        lent.holds -= 1
        lent.touched = self._tick
        lent.free += hold.amount - charged
        lent.pool.recent += charged
        if charged and lent.pool.org in self.balances:
            self.balances[lent.pool.org] -= charged
        if lent.tight and not lent.holds:
            self._forget(lent)
            return lent.id
        if lent.free > 0:
            lent.pool.spare[lent.id] = lent
        return None

    def tick(self, now_ms: int) -> list[str]:
        """Call it every TICK_MS: the leases idle for two seconds, or whose period is over; they are gone."""
        self._tick += 1
        for pool in self._pools.values():
            pool.recent -= -(-pool.recent // _SPEND_TICKS)
        idle = [
            lent
            for lent in self._lent.values()
            if not lent.holds and (self._tick - lent.touched >= _IDLE_TICKS or _is_over(lent.pool, now_ms))
        ]
        return list(self._drop(idle))

    def reclaim(self, org: str) -> list[str]:
        """The leases of one organisation without a hold; they are gone."""
        return list(self._drop([lent for lent in self._lent.values() if not lent.holds and lent.pool.org == org]))

    @property
    def ids(self) -> list[str]:
        """All leases that are held."""
        return list(self._lent)

    def _lend(self, payer: Payer, lease: str, amount: int, *, tight: bool) -> _Lent:
        pool = self._pools.get((payer.org, payer.bounds))
        if pool is None:
            pool = Pool(payer.org, payer.bounds)
            self._pools[pool.key] = pool
        pool.lent += 1
        lent = self._lent[lease] = _Lent(lease, amount, tight=tight, pool=pool, tick=self._tick)
        return lent

    def _take(self, lent: _Lent, payer: Payer, amount: int) -> Hold:
        lent.free -= amount
        lent.holds += 1
        lent.touched = self._tick
        if lent.free <= 0:
            # A search must not pass by hundreds of leases that have nothing left.
            lent.pool.spare.pop(lent.id, None)
        return Hold(lent.id, amount, payer, source=lent)

    def _drop(self, leases: list[_Lent]) -> Iterator[str]:
        for lent in leases:
            self._forget(lent)
            yield lent.id

    def _forget(self, lent: _Lent) -> None:
        pool = lent.pool
        del self._lent[lent.id]
        pool.spare.pop(lent.id, None)
        pool.lent -= 1
        if not pool.lent:
            del self._pools[pool.key]


def _is_over(pool: Pool, now_ms: int) -> bool:
    return pool.ends_ms is not None and now_ms >= pool.ends_ms
