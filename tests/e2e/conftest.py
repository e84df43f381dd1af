"""What the end-to-end tests share."""

from collections.abc import Iterator

import pytest

from tests.support.bridge_gateway import Bridged, running_bridge


@pytest.fixture(scope="session")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    """A gateway in front of one provider of each protocol, for tests that change neither."""
    with running_bridge(tmp_path_factory.mktemp("bridged")) as running:
        yield running
