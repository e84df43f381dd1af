"""Lists in pages, on either database: whole, in order, and nothing twice, also where rows are made at one moment."""

from collections.abc import Callable
from typing import Any

from nexusflow.accounts import AccountTable, BudgetTable
from nexusflow.keys import KeyTable
from nexusflow.store import Database, Page


def walked(read: Callable[[Page], list[Any]]) -> list[Any]:
    """All rows, two by two."""
    found: list[Any] = []
    while rows := read(Page(2, found[-1].id if found else None)):
        assert len(rows) <= 2
        found += rows
    return found


def test_pages_together_are_the_whole(
    database: Database, accounts: AccountTable, keys: KeyTable, budgets: BudgetTable
) -> None:
    for name in ("a", "b", "c"):
        org = accounts.create_organisation(name, actor="test").id
        for part in ("x", "y", "z"):
            accounts.create_team(org, part, actor="test")
            accounts.create_member(org, part, actor="test")
            keys.create(part, org=org)
        budgets.create("org", org, "day", 1, actor="test", org=org)
    for table in ("organisation", "team", "member", "budget"):
        database.execute(f"UPDATE {table} SET created_ms = 7 WHERE created_ms > 0")
    b = accounts.find_organisation("b").id
    assert walked(accounts.organisations) == accounts.organisations()
    assert len(accounts.organisations()) == 4
    for page in (accounts.teams, accounts.members):
        assert walked(lambda at, page=page: page("b", at)) == page("b")  # type: ignore[misc]
        assert len(page("b")) == 3
        assert len(walked(lambda at, page=page: page(None, at))) == 9  # type: ignore[misc]
    assert walked(lambda at: keys.list(b, at)) == keys.list(b)
    assert {key.org for key in keys.list(b)} == {b}
    assert walked(lambda at: keys.list(page=at)) == keys.list()
    assert walked(lambda at: budgets.list(None, at)) == budgets.list()
    assert [one.subject for one in budgets.list("b")] == [b]


def test_after_a_row_that_does_not_exist_comes_none(accounts: AccountTable) -> None:
    assert accounts.organisations(Page(5, "org_none")) == []
