"""Budgets in the database."""

from typing import Any

import pytest

from nexusflow.accounts import AccountInvalid, AccountTable, AccountTaken, AccountUnknown, BudgetTable
from nexusflow.ir.account import Budget, Counter
from nexusflow.keys import KeyTable
from nexusflow.store import Database

ME = "cli:ann"


@pytest.fixture
def acme(accounts: AccountTable) -> str:
    made = accounts.create_organisation("acme", actor=ME)
    accounts.create_team("acme", "research", actor=ME)
    accounts.create_member("acme", "bob", actor=ME)
    return made.id


def test_created_listed_and_removed(budgets: BudgetTable, acme: str) -> None:
    first = budgets.create("org", "acme", "month", 5_000_000_000, actor=ME)
    second = budgets.create("model", "*", "day", 0, actor=ME, mode="soft", org="acme")
    assert first == Budget(
        id=first.id, scope="org", subject=acme, period="month", amount=5_000_000_000, mode="hard", org=None
    )
    assert {one.id: one for one in budgets.list()} == {first.id: first, second.id: second}
    assert budgets.list("acme") == [second]
    assert budgets.remove(first.id, actor=ME) == first
    assert budgets.list() == [second]
    with pytest.raises(AccountUnknown):
        budgets.remove(first.id, actor=ME)


def test_subjects_are_kept_as_ids(budgets: BudgetTable, accounts: AccountTable, keys: KeyTable, acme: str) -> None:
    key, _ = keys.create("ci", actor=ME)
    team, bob = accounts.find("acme/research").id, accounts.find("acme/bob").id
    for scope, subject, id_ in (
        ("team", "acme/research", team),
        ("user", "acme/bob", bob),
        ("key", key.id, key.id),
        ("model", "qwen-max", "qwen-max"),
    ):
        assert budgets.create(scope, subject, "day", 1, actor=ME).subject == id_  # type: ignore[arg-type]
    assert budgets.create("user", "alice@example.com", "day", 1, actor=ME, org="acme").subject == "alice@example.com"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"scope": "org", "subject": "nobody"}, AccountUnknown),
        ({"scope": "team", "subject": "acme/nobody"}, AccountUnknown),
        ({"scope": "team", "subject": "acme/bob"}, AccountUnknown),
        ({"scope": "team", "subject": "acme/research", "org": "default"}, AccountInvalid),
        ({"scope": "key", "subject": "key_nobody"}, AccountUnknown),
        ({"scope": "user", "subject": "alice"}, AccountInvalid),
        ({"scope": "user", "subject": "*", "org": "nobody"}, AccountUnknown),
        ({"scope": "model", "subject": ""}, AccountInvalid),
        ({"scope": "planet", "subject": "*"}, AccountInvalid),
        ({"scope": "org", "subject": "*", "period": "year"}, AccountInvalid),
        ({"scope": "org", "subject": "*", "mode": "firm"}, AccountInvalid),
        ({"scope": "org", "subject": "*", "amount": -1}, AccountInvalid),
        ({"scope": "org", "subject": "*", "amount": 1 << 63}, AccountInvalid),
    ],
)
def test_what_means_nothing_is_refused(
    budgets: BudgetTable, acme: str, given: dict[str, Any], problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        budgets.create(**{"period": "day", "amount": 1, "actor": ME, **given})
    assert budgets.list() == []


def test_a_second_one_of_the_same_kind_is_refused(budgets: BudgetTable, acme: str) -> None:
    budgets.create("model", "*", "day", 1, actor=ME, org="acme")
    with pytest.raises(AccountTaken):
        budgets.create("model", "*", "day", 2, actor=ME, org="acme")
    budgets.create("model", "*", "day", 2, actor=ME)
    budgets.create("model", "*", "day", 2, actor=ME, mode="soft", org="acme")
    budgets.create("model", "*", "week", 2, actor=ME, org="acme")
    assert len(budgets.list()) == 4


def test_what_was_spent_is_told_by_subject(budgets: BudgetTable, database: Database, acme: str) -> None:
    one = budgets.create("model", "*", "day", 1, actor=ME)
    for subject, start, spent, held in (("b", 0, 5, 1), ("a", 0, 7, 0), ("a", 9, 100, 100)):
        database.execute(
            "INSERT INTO budget_spend (budget, subject, period_start, spent, held) VALUES ($1, $2, $3, $4, $5)",
            (one.id, subject, start, spent, held),
        )
    assert budgets.spent(one, 0) == {Counter(one.id, "a", 0): (7, 0), Counter(one.id, "b", 0): (5, 1)}
