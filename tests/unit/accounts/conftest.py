"""Accounts, budgets and money on either database, for every test of this folder."""

from collections.abc import Iterator

import pytest

from nexusflow.accounts import AccountTable, BudgetTable, Money
from nexusflow.keys import KeyTable
from nexusflow.store import Database
from tests.support.stores import Store


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    with store.open() as database:
        yield database


@pytest.fixture
def accounts(database: Database) -> AccountTable:
    return AccountTable(database)


@pytest.fixture
def budgets(database: Database) -> BudgetTable:
    return BudgetTable(database)


@pytest.fixture
def money(database: Database) -> Money:
    return Money(database)


@pytest.fixture
def keys(database: Database) -> KeyTable:
    return KeyTable(database, bytes(32))
