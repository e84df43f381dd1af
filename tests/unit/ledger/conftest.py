"""The database side of the ledger, on either database."""

from collections.abc import Iterator

import pytest

from tests.support.book import Book
from tests.support.stores import Store


@pytest.fixture
def books(store: Store) -> Iterator[Book]:
    """A ledger with a worker and a price list."""
    with store.open() as database:
        yield Book(database).prepare()
