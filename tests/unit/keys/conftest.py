"""A key table on a real file, for every test of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexusflow.keys import KeyTable, load_pepper
from nexusflow.store import Database, open_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "nexusflow.db") as database:
        yield database


@pytest.fixture
def pepper(tmp_path: Path) -> bytes:
    return load_pepper(tmp_path / "pepper")


@pytest.fixture
def table(database: Database, pepper: bytes) -> KeyTable:
    return KeyTable(database, pepper)
