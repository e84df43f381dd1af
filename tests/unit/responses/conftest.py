"""A table of responses in a database of its own, of either kind."""

from collections.abc import Iterator

import pytest

from nexusflow.responses.table import ResponseTable
from tests.support.stores import Store


@pytest.fixture
def table(store: Store) -> Iterator[ResponseTable]:
    with store.open() as database:
        yield ResponseTable(database)
