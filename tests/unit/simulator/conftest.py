"""A simulated provider on a socket, one for each module of tests."""

from collections.abc import Iterator

import pytest

from tests.support.studio import Upstream, listening


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    with listening() as upstream:
        yield upstream


@pytest.fixture
def upstream(provider: Upstream) -> Upstream:
    """Without what earlier tests left behind."""
    provider.post("/_simulator/reset")
    return provider
