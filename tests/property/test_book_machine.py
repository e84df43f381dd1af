"""Any order of grants, posts, renewals, returns, sweeps and refunds: after every step the books add up."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from nexusflow.accounts import AccountUnknown, MoneyRefused
from nexusflow.ir.account import Bound
from nexusflow.ir.usage import Usage
from nexusflow.ledger import book
from nexusflow.ledger.book import Denial, Lease
from nexusflow.ledger.rebuild import rebuild
from nexusflow.ledger.records import Closed
from nexusflow.store import open_database
from tests.support import oracle
from tests.support.book import ONE, TTL_MS, WORKER, Book, bound, call, void

LIMITS = (
    bound(40 * ONE, "team", budget="small"),
    bound(200 * ONE, "key", budget="large"),
    bound(30 * ONE, "model", budget="soft", hard=False),
)
AMOUNTS = st.integers(1, 30 * ONE) | st.sampled_from([1, ONE, 10**18])
USAGES = st.builds(
    Usage,
    input_text=st.integers(0, 5000) | st.none(),
    output_text=st.integers(0, 2000),
    cache_read_text=st.none() | st.integers(0, 300_000),
)


class Books(RuleBasedStateMachine):
    """Two organisations, one with a wallet that runs dry, under budgets that they share."""

    leases = Bundle("leases")
    calls = Bundle("calls")

    @initialize(first=st.integers(0, 100 * ONE), second=st.sampled_from([0, 10**15]))
    def begin(self, first: int, second: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nexusflow-book-"))
        self.books = Book(open_database(self.folder / "nexusflow.db")).prepare()
        self.owners = [self.books.organisation("dry", first), self.books.organisation("rich", second)]
        self.made = 0
        self.due: dict[str, int] = {}

    @rule(target=leases, who=st.integers(0, 1), need=AMOUNTS, want=AMOUNTS, limits=st.sets(st.sampled_from(LIMITS)))
    def grant(self, who: int, need: int, want: int, limits: set[Bound]) -> object:
        org, _ = self.owners[who]
        credited, spent, held = self.books.wallet(org)
        answer = self.books.grant(org, need, *limits, want=want)
        if isinstance(answer, Denial):
            assert answer.available < need
            assert self.books.wallet(org) == (credited, spent, held)
            return multiple()
        assert isinstance(answer, Lease)
        assert need <= answer.amount <= max(need, want)
        assert answer.amount <= credited - spent - held
        for limit in limits:
            counted, holding = self.books.counter(limit.counter)
            assert limit.mode == "soft" or counted + holding <= limit.amount or counted > limit.amount
        return (who, answer.id)

    @rule(
        target=calls,
        lease=leases,
        ends=st.lists(USAGES | st.none(), min_size=1, max_size=4),
        close=st.booleans(),
        covered=st.booleans(),
    )
    def post(self, lease: tuple[int, str], ends: list[Usage | None], close: bool, covered: bool) -> object:
        who, id_ = lease
        batch = [self._end(who, id_ if covered else None, usage) for usage in ends]
        posted = book.post(self.books.database, batch, [id_] if close else [])
        assert posted.calls == len(batch)
        return multiple(*batch)

    def _end(self, who: int, lease: str | None, usage: Usage | None) -> Closed:
        self.made += 1
        org, key = self.owners[who]
        id_ = f"r{self.made:05}"
        end = void(id_, org, key, lease=lease) if usage is None else call(id_, org, key, lease=lease, usage=usage)
        self.due[id_] = end.charged
        return end

    @rule(again=st.lists(calls, max_size=5), lease=leases)
    def deliver_again(self, again: list[Closed], lease: tuple[int, str]) -> None:
        before = self.books.count("transfer")
        assert book.post(self.books.database, again).calls == 0
        assert self.books.count("transfer") == before

    @rule(lease=leases)
    def close(self, lease: tuple[int, str]) -> None:
        book.post(self.books.database, [], [lease[1]])

    @rule(lease=leases)
    def renew(self, lease: tuple[int, str]) -> None:
        book.renew(self.books.database, WORKER, [lease[1]], TTL_MS)

    @rule(lease=leases)
    def die(self, lease: tuple[int, str]) -> None:
        """A lease runs out and its worker is drained; a sweep takes it."""
        database = self.books.database
        database.execute("UPDATE lease SET expires_ms = 1 WHERE id = $1", (lease[1],))
        book.mark(database, WORKER, "drained")
        book.sweep(database)
        assert database.execute("SELECT state FROM lease WHERE id = $1", (lease[1],)) == [("closed",)]
        book.register(database, WORKER, "here", "/nowhere")

    @rule()
    def release(self) -> None:
        book.release(self.books.database, WORKER)
        assert [self.books.wallet(org)[2] for org, _ in self.owners] == [0, 0]

    @rule(of=calls, part=st.integers(1, 2 * ONE) | st.none())
    def refund(self, of: Closed, part: int | None) -> None:
        try:
            self.books.money.refund(of.id, part, "kindness", "test")
        except (AccountUnknown, MoneyRefused):
            return

    @rule(who=st.integers(0, 1), amount=st.integers(1, 50 * ONE))
    def credit(self, who: int, amount: int) -> None:
        self.books.money.credit(self.owners[who][0], amount, "bank", "more", "test")

    @rule()
    def restore(self) -> None:
        assert rebuild(self.books.database) == []

    @invariant()
    def adds_up(self) -> None:
        self.books.check()
        for org, _ in self.owners:
            credited, spent, held = self.books.wallet(org)
            assert credited - spent - held >= 0
            assert held >= 0
        assert oracle.settled(self.books.database.execute) == self.due

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.books.database.close()
            shutil.rmtree(self.folder)


Books.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
test_I01_to_I16_any_order_of_movements_adds_up = Books.TestCase
