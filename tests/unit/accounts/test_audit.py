"""The audit log: every change, in its transaction, in order, and never a secret (SEC-58)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from nexusflow.accounts import AccountTable, BudgetTable, Money, entries
from nexusflow.keys import Changes, KeyTable
from nexusflow.store import Database
from tests.support.stores import Store

ME = "cli:ann"


def test_SEC58_every_change_is_written_down_in_order(
    accounts: AccountTable, budgets: BudgetTable, money: Money, keys: KeyTable, database: Database
) -> None:
    acme = accounts.create_organisation("acme", actor=ME)
    team = accounts.create_team("acme", "research", actor=ME)
    user = accounts.create_member("acme", "bob", actor="api:key_1")
    accounts.suspend("acme/bob", actor=ME)
    accounts.resume("acme/bob", actor=ME)
    accounts.set_credit_line("acme", 5, actor=ME)
    accounts.set_plan("acme", "team", actor=ME)
    budget = budgets.create("team", team.id, "month", 7, actor=ME)
    budgets.remove(budget.id, actor=ME)
    money.credit("acme", 1_500_000_000, "bank", "June", ME)
    money.adjust("acme", -1, "typing error", ME)
    key, _ = keys.create("ci", org="acme", actor=ME)
    keys.update(key.id, Changes(rpm=60), actor=ME)
    keys.rotate(key.id, 1000, actor=ME)
    keys.revoke(key.id, actor=ME)
    found = list(reversed(entries(database)))
    assert [(entry.action, entry.subject) for entry in found] == [
        ("organisation.create", acme.id),
        ("team.create", team.id),
        ("user.create", user.id),
        ("user.suspend", user.id),
        ("user.resume", user.id),
        ("organisation.credit_line", acme.id),
        ("organisation.plan", acme.id),
        ("budget.create", budget.id),
        ("budget.remove", budget.id),
        ("money.credit", acme.id),
        ("money.adjust", acme.id),
        ("key.create", key.id),
        ("key.update", key.id),
        ("key.rotate", key.id),
        ("key.revoke", key.id),
    ]
    assert [entry.id for entry in found] == [f"aud_{number:012}" for number in range(1, 16)]
    assert {entry.actor for entry in found} == {ME, "api:key_1"}
    assert found[2].actor == "api:key_1"
    assert found[9].detail["amount"] == "1.50"
    assert found[12].detail == {"before": {"rpm": None}, "after": {"rpm": 60}}
    assert all(abs(entry.at_ms - database.now_ms()) < 3_600_000 for entry in found)


def test_the_log_can_be_read_page_by_page(accounts: AccountTable, database: Database) -> None:
    for number in range(5):
        accounts.create_organisation(f"org {number}", actor=ME)
    first = entries(database, 2)
    rest = entries(database, 100, before=first[-1].id)
    assert [entry.detail["name"] for entry in (*first, *rest)] == [f"org {number}" for number in range(4, -1, -1)]


def test_SEC53_no_secret_enters_the_log(keys: KeyTable, accounts: AccountTable, database: Database) -> None:
    """Not those we make, and not one that somebody pasted where a name belongs."""
    key, secret = keys.create("ci", actor=ME)
    _, second = keys.rotate(key.id, 1000, actor=ME)
    keys.create(secret, actor=ME)
    accounts.create_organisation(f"for {second}", actor=ME)
    keys.revoke(second, actor=ME)
    log = repr(database.execute("SELECT * FROM audit"))
    assert key.masked in log
    for one in (secret, second):
        assert one[11:-4] not in log
        assert one[20:40] not in log


def test_concurrent_changes_are_numbered_without_a_gap(store: Store, database: Database) -> None:
    together = Barrier(4)
    KeyTable(database, bytes(32))

    def create(number: int) -> None:
        with store.open() as own:
            accounts, keys = AccountTable(own), KeyTable(own, bytes(32))
            together.wait(60)
            for part in range(10):
                keys.create(f"key {number} {part}", actor=ME)
            for part in range(5):
                accounts.create_organisation(f"org {number} {part}", actor=ME)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, range(4)))
    assert [entry.id for entry in entries(database)] == [f"aud_{number:012}" for number in range(60, 0, -1)]
    assert database.execute("SELECT change FROM directory_change") == [(21,)]
    assert database.execute("SELECT change FROM api_key ORDER BY change") == [(number,) for number in range(1, 41)]


@pytest.mark.parametrize("action", ["create", "rotate"])
def test_a_change_that_fails_is_not_in_the_log(keys: KeyTable, database: Database, action: str) -> None:
    key, _ = keys.create("ci", actor=ME)
    before = entries(database)
    with pytest.raises(ValueError, match=r"grace|name"):
        keys.create("", actor=ME) if action == "create" else keys.rotate(key.id, -1, actor=ME)
    assert entries(database) == before
