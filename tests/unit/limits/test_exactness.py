"""The exactness program in short, on every engine, with three processes (engines.md D.1, S-06)."""

import pytest

from tests.exactness.play import play
from tests.exactness.store import ENGINES, EngineKind


@pytest.mark.parametrize("kind", ENGINES)
def test_processes_that_hammer_get_what_is_allowed_and_leak_nothing(kind: EngineKind) -> None:
    found = play(kind, 3, 3, seed=1)
    assert found.wrong == ()
