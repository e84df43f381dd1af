"""A key table on a real file, for every test of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexusflow.keys import KeyTable, load_pepper
from nexusflow.store import Database
from tests.support.stores import Store


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    with store.open() as database:
        yield database


@pytest.fixture
def pepper(tmp_path: Path) -> bytes:
    return load_pepper(tmp_path / "pepper")


@pytest.fixture
def table(database: Database, pepper: bytes) -> KeyTable:
    return KeyTable(database, pepper)
