"""A table of responses in a file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexusflow.responses.table import ResponseTable
from nexusflow.store import open_database


@pytest.fixture
def table(tmp_path: Path) -> Iterator[ResponseTable]:
    with open_database(tmp_path / "store" / "nexusflow.db") as database:
        yield ResponseTable(database)
