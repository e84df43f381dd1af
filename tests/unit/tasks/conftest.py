"""Tasks in either database, for every test of this folder."""

from collections.abc import Iterator

import pytest

from nexusflow.store import Database
from tests.support.stores import Store


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    with store.open() as database:
        yield database
