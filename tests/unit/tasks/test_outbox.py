"""The outbox of webhooks over SQLite and PostgreSQL: at least once, never by two at a time (P37)."""

import pytest

from nexusflow.store import Database
from nexusflow.tasks import webhooks
from nexusflow.tasks.webhooks import Webhook
from nexusflow.upstream.webhook import Delivery
from tests.support.tasks import NOW

LEASE = 30_000
FAILED = Delivery(503, None)


def put(database: Database, task: str = "task_1") -> None:
    webhooks.write(database, task, "owner-1", "https://example.com/hook", b'{"id":"task_1"}', NOW)


def one(database: Database, now_ms: int = NOW) -> Webhook:
    [found] = webhooks.claim(database, "w", now_ms, LEASE, 10)
    return found


def test_a_message_is_claimed_by_one_and_by_another_when_its_lease_is_over(database: Database) -> None:
    put(database)
    first = one(database)
    assert (first.body, first.state, first.attempts, first.next_ms) == ('{"id":"task_1"}', "pending", 0, NOW + LEASE)
    assert webhooks.claim(database, "other", NOW + LEASE - 1, LEASE, 10) == []
    assert one(database, NOW + LEASE).id == first.id


def test_what_was_taken_is_never_sent_again(database: Database) -> None:
    put(database)
    webhooks.note(database, one(database), Delivery(204), NOW)
    [found] = webhooks.of_task(database, "task_1")
    assert (found.state, found.next_ms, found.attempts, found.status) == ("delivered", None, 1, 204)
    assert webhooks.claim(database, "w", NOW * 2, LEASE, 10) == []


@pytest.mark.parametrize("delivery", [FAILED, Delivery(None, "no answer")])
def test_what_was_not_taken_is_tried_later_until_a_day_is_over(database: Database, delivery: Delivery) -> None:
    put(database)
    now, id_, waits = NOW, "", list[int]()
    while found := webhooks.claim(database, "w", now, LEASE, 10):
        id_ = id_ or found[0].id
        assert found[0].id == id_, "every attempt has the same id"
        webhooks.note(database, found[0], delivery, now)
        [left] = webhooks.of_task(database, "task_1")
        assert (left.attempts, left.status, left.error) == (found[0].attempts + 1, delivery.status, delivery.error)
        if left.next_ms is not None:
            waits.append(left.next_ms - now)
            now = left.next_ms
    assert left.state == "failed"
    assert waits
    assert all(wait > 0 for wait in waits)
    assert sum(waits) <= 86_400_000


def test_what_somebody_else_has_by_now_is_not_noted(database: Database) -> None:
    put(database)
    late = one(database)
    current = one(database, NOW + LEASE)
    webhooks.note(database, late, Delivery(200), NOW + LEASE)
    [found] = webhooks.of_task(database, "task_1")
    assert (found.state, found.attempts) == ("pending", 0)
    webhooks.note(database, current, Delivery(200), NOW + LEASE)
    assert [hook.state for hook in webhooks.of_task(database, "task_1")] == ["delivered"]


def test_an_operator_sends_all_of_a_task_again(database: Database) -> None:
    put(database)
    put(database, "task_2")
    for hook in webhooks.claim(database, "w", NOW, LEASE, 10):
        webhooks.note(database, hook, Delivery(200), NOW)
    assert webhooks.send_again(database, "task_1", NOW + 5) == 1
    again = one(database, NOW + 5)
    assert (again.task, again.attempts) == ("task_1", 0)
    assert webhooks.send_again(database, "task_3", NOW) == 0


def test_one_claim_takes_no_more_than_it_wants(database: Database) -> None:
    for at in range(5):
        put(database, f"task_{at}")
    assert [len(webhooks.claim(database, "w", NOW, LEASE, 2)) for _ in range(4)] == [2, 2, 1, 0]
