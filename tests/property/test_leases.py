"""Leases in memory against a model that only adds up: never more held and spent than was granted."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from nexusflow.ir.account import Bound, Counter, Payer
from nexusflow.ledger.leases import Hold, Leases

DAY_MS = 86_400_000
AMOUNTS = st.integers(1, 1000)
BOUND = Bound(Counter("b", "key_1", 0), 10**9, "hard", "key", DAY_MS)
PAYERS = [
    Payer(org="a", team=None, key="key_1"),
    Payer(org="a", team=None, key="key_1", bounds=(BOUND,)),
    Payer(org="b", team=None, key="key_2"),
]


class LeaseMachine(RuleBasedStateMachine):
    """`granted`, `spent` and `held` by lease are the model."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.leases = Leases()
        self.granted: dict[str, int] = {}
        self.tight: dict[str, bool] = {}
        self.owner: dict[str, Payer] = {}
        self.spent: dict[str, int] = {}
        self.held: dict[str, list[int]] = {}
        self.returned: set[str] = set()
        self.private: set[str] = set()

    @rule(payer=st.sampled_from(PAYERS), amount=AMOUNTS, tight=st.booleans())
    def grant(self, payer: Payer, amount: int, tight: bool) -> None:
        self._granted(payer, amount, tight)
        self.leases.add(payer, f"l{len(self.granted) - 1}", amount, tight=tight)

    @rule(target=holds, payer=st.sampled_from(PAYERS), amount=AMOUNTS, more=st.integers(0, 50))
    def grant_alone(self, payer: Payer, amount: int, more: int) -> Hold:
        lease = self._granted(payer, amount + more, True)
        self.private.add(lease)
        hold = self.leases.add_taken(payer, lease, amount + more, amount)
        self.held[lease].append(amount)
        return hold

    @rule(target=holds, payer=st.sampled_from(PAYERS), amount=AMOUNTS)
    def take(self, payer: Payer, amount: int) -> Hold:
        hold = self.leases.take(payer, amount)
        if hold is None:
            # Nothing is refused that a lease which others may share could cover.
            free = [
                self.granted[x] - self.spent[x] - sum(self.held[x]) for x in self.leases.ids if self._shared(x, payer)
            ]
            assert all(rest < amount for rest in free)
            return multiple()  # type: ignore[return-value]
        assert hold.lease is not None
        assert hold.lease not in self.returned
        assert self.owner[hold.lease] == payer
        self.held[hold.lease].append(amount)
        return hold

    @rule(hold=consumes(holds), part=st.integers(0, 100))
    def close(self, hold: Hold, part: int) -> None:
        assert hold.lease is not None
        charged = hold.amount * part // 100
        returned = self.leases.give_back(hold, charged)
        self.held[hold.lease].remove(hold.amount)
        self.spent[hold.lease] += charged
        assert (returned == hold.lease) == (self.tight[hold.lease] and not self.held[hold.lease])
        if returned is not None:
            self._gone([returned])
        assert self.leases.give_back(hold, charged) is None

    @rule(now_ms=st.sampled_from([0, DAY_MS]))
    def tick(self, now_ms: int) -> None:
        self._gone(self.leases.tick(now_ms))

    @rule(org=st.sampled_from(["a", "b"]))
    def reclaim(self, org: str) -> None:
        self._gone(self.leases.reclaim(org))
        assert all(self.held[lease] for lease in self.leases.ids if self.owner[lease].org == org)

    @invariant()
    def never_more_than_granted(self) -> None:
        for lease, amount in self.granted.items():
            assert self.spent[lease] + sum(self.held[lease]) <= amount
        assert set(self.leases.ids) == set(self.granted) - self.returned

    def _granted(self, payer: Payer, amount: int, tight: bool) -> str:
        lease = f"l{len(self.granted)}"
        self.granted[lease], self.tight[lease], self.owner[lease] = amount, tight, payer
        self.spent[lease], self.held[lease] = 0, []
        return lease

    def _shared(self, lease: str, payer: Payer) -> bool:
        return lease not in self.private and self.owner[lease] == payer

    def _gone(self, leases: list[str]) -> None:
        for lease in leases:
            assert lease not in self.returned
            assert not self.held[lease]
            self.returned.add(lease)

    def teardown(self) -> None:
        for _ in range(4):
            self._gone(self.leases.tick(0))
        # Two seconds later only leases with a call in flight are left.
        assert all(self.held[lease] for lease in self.leases.ids)


TestLeases = LeaseMachine.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_what_is_wanted_follows_what_was_spent_and_forgets_it() -> None:
    leases = Leases()
    payer = PAYERS[0]
    assert leases.want(payer, 10) == 160
    leases.add(payer, "l", 10_000, tight=False)
    hold = leases.take(payer, 5000)
    assert hold is not None
    leases.give_back(hold, 4000)
    assert leases.want(payer, 10) == 4160
    keep = leases.take(payer, 10)
    for _ in range(1000):
        leases.tick(0)
    assert leases.want(payer, 10) == 160
    assert keep is not None


def test_a_lease_of_a_period_that_is_over_goes_at_once() -> None:
    leases = Leases()
    leases.add(PAYERS[1], "l", 100, tight=False)
    assert leases.tick(DAY_MS - 1) == []
    assert leases.tick(DAY_MS) == ["l"]
