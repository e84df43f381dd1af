"""A task and its money end together, once, in either database: state, charge, hold and message (T-3, I-13, AT-06)."""

import itertools
from typing import Any

import pytest

from nexusflow.ir.plan import Price, Rates, VideoRate
from nexusflow.ir.task import Made, Output
from nexusflow.ledger import book
from nexusflow.ledger.book import Lease
from nexusflow.ledger.records import ABSORBED, payable
from nexusflow.ledger.verify import verify
from nexusflow.pricing import canonical, price_id
from nexusflow.store import Database
from nexusflow.tasks import ending, table, webhooks
from nexusflow.tasks.accepting import WORKER
from nexusflow.tasks.costs import most
from nexusflow.tasks.ending import Kept
from nexusflow.tasks.model import Task
from nexusflow.tasks.outcome import End
from nexusflow.tasks.table import Stale
from tests.support.book import Book
from tests.support.tasks import NOW, PER_SECOND, a_task

PRICE = Price(tokens=Rates(), video=(VideoRate("", None, PER_SECOND),), markup=1000)
WHOLE = 4 * PER_SECOND * 11 // 10
MADE = Made(outputs=(Output(url="https://example.com/1.mp4", seconds=4.0),))
KEPT = Kept(keep_ms=1000, back_ms=600, webhooks=True)
SUCCEEDED = End(state="succeeded", made=MADE)
FAILED = End(state="failed", error="It went wrong.", code="upstream_error")


class Desk:
    """A customer with money, and tasks of theirs that were accepted."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.book = Book(database).prepare()
        book.register(database, WORKER, "", "")
        book.remember_prices(database, {price_id(PRICE): canonical(PRICE).decode()})
        self.org, self.key = self.book.organisation("o", 100 * WHOLE)
        self._number = itertools.count()

    def accept(self, **more: Any) -> Task:
        """A task whose money is held under its own name."""
        task = a_task(f"task_{next(self._number)}", org=self.org, key_id=self.key, price=price_id(PRICE), **more)
        held = most(task.brief, PRICE, NOW)
        task = a_task(task.id, org=self.org, key_id=self.key, price=price_id(PRICE), held=held, **more)
        lease = book.grant(self.database, org=self.org, worker=WORKER, bounds=[], need=held, want=held, ttl_ms=10**9,
                           also=lambda database: table.insert(database, task), lease_id=task.id)  # fmt: skip
        assert isinstance(lease, Lease)
        return task

    def end(self, task: Task, end: End) -> None:
        """Write the end of it."""
        price = ending.price_of(self.database, task.price)
        ending.finish(self.database, task=task, end=end, price=price, results=None, now_ms=NOW + 50, kept=KEPT)

    def found(self, task: Task) -> Task:
        """As it is now."""
        found = table.find(self.database, task.id)
        assert found is not None
        return found

    @property
    def money(self) -> tuple[int, int]:
        """Spent and held."""
        return self.book.wallet(self.org)[1:]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_a_success_is_charged_and_its_hold_is_gone(desk: Desk) -> None:
    task = desk.accept(state="waiting", handle="h")
    assert desk.money == (0, WHOLE)
    desk.end(task, SUCCEEDED)
    assert desk.money == (WHOLE, 0)
    found = desk.found(task)
    assert (found.state, found.amount, found.next_ms, found.completed_ms) == ("succeeded", WHOLE, None, NOW + 50)
    desk.book.check()


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired"])
def test_a_verdict_gives_everything_back(desk: Desk, state: Any) -> None:
    task = desk.accept()
    desk.end(task, End(state=state, error="No.", code="x"))
    assert desk.money == (0, 0)
    assert (desk.found(task).state, desk.found(task).amount) == (state, 0)
    desk.book.check()


def test_what_nobody_knows_gives_nothing_back(desk: Desk) -> None:
    """U-36: no refund without a verdict."""
    task = desk.accept(state="submitting")
    table.change(desk.database, task, {"state": "unknown", "next_ms": None})
    book.sweep(desk.database)
    assert desk.money == (0, WHOLE)
    desk.book.check()


@pytest.mark.parametrize(("first", "second"), [(SUCCEEDED, FAILED), (FAILED, SUCCEEDED), (SUCCEEDED, SUCCEEDED)])
def test_U38_the_first_end_is_the_only_one(desk: Desk, first: End, second: End) -> None:
    task = desk.accept(state="waiting", handle="h", webhook_url="https://example.com/hook")
    desk.end(task, first)
    before = desk.money, desk.found(task)
    with pytest.raises(Stale):
        desk.end(task, second)
    assert (desk.money, desk.found(task)) == before
    assert len(webhooks.of_task(desk.database, task.id)) == 1
    assert desk.book.count("transfer WHERE kind IN ('charge', 'void')") == 1
    desk.book.check()


def test_an_end_that_cannot_be_posted_leaves_the_task_as_it_was(desk: Desk) -> None:
    """State, money and message are written together or not at all."""
    task = desk.accept(state="waiting", handle="h", webhook_url="https://example.com/hook")
    with pytest.raises(RuntimeError):
        ending.finish(
            desk.database, task=task, end=SUCCEEDED, price=PRICE, results=None, now_ms=NOW, kept=KEPT, audit=_break
        )
    assert desk.found(task) == task
    assert desk.money == (0, WHOLE)
    assert webhooks.of_task(desk.database, task.id) == []


def _break(database: Database, final: object) -> None:
    raise RuntimeError


def test_U39_what_was_made_after_all_is_absorbed_once_and_the_client_sees_the_first_end(desk: Desk) -> None:
    task = desk.accept(state="waiting", handle="h")
    desk.end(task, FAILED)
    failed = desk.found(task)
    assert failed.next_ms == NOW + 50 + KEPT.back_ms
    ending.close(desk.database, failed, PRICE, MADE)
    with pytest.raises(Stale):
        ending.close(desk.database, failed, PRICE, MADE)
    assert (desk.found(task).state, desk.found(task).next_ms, desk.found(task).amount) == ("failed", None, 0)
    rows = desk.database.execute("SELECT debit, credit, amount FROM transfer WHERE kind = 'absorbed'")
    assert rows == [(ABSORBED, payable("studio"), 4 * PER_SECOND)]
    assert desk.money == (0, 0)
    desk.book.check()


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ("succeeded", "UPDATE task SET amount = amount + 1"),
        ("succeeded", "UPDATE task SET amount = NULL"),
        ("succeeded", "UPDATE lease SET state = 'open'"),
        ("succeeded", "UPDATE task SET state = 'waiting'"),
        ("waiting", "UPDATE lease SET state = 'closed'"),
        ("waiting", "UPDATE task SET state = 'failed', amount = 0"),
        ("failed", "UPDATE task SET amount = 1"),
    ],
)
def test_I13_the_proof_of_the_ledger_compares_tasks_with_their_money(desk: Desk, state: str, fault: str) -> None:
    task = desk.accept(state="waiting", handle="h")
    if state != "waiting":
        desk.end(task, SUCCEEDED if state == "succeeded" else FAILED)
    assert verify(desk.database).holds
    desk.database.execute(fault)
    assert "I-13" in verify(desk.database).failed()


def test_a_failure_that_stays_one_costs_nobody_anything(desk: Desk) -> None:
    task = desk.accept(state="waiting", handle="h")
    desk.end(task, FAILED)
    ending.close(desk.database, desk.found(task), PRICE, None)
    assert desk.book.count("transfer WHERE kind = 'absorbed'") == 0
    assert desk.found(task).next_ms is None


def test_a_video_that_came_out_longer_costs_no_more_than_was_held(desk: Desk) -> None:
    task = desk.accept(state="waiting", handle="h")
    desk.end(task, End(state="succeeded", made=Made(outputs=MADE.outputs, units=99.0)))
    assert desk.money == (WHOLE, 0)
    assert desk.book.count("transfer WHERE kind = 'overrun'") == 0
