"""The three engines of limits, and a Redis for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.limits import Site, memory_site, redis_site, sqlite_site, stop_time
from tests.support.redis import RedisServer, running_redis

ENGINES = ("memory", "sqlite", "redis")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A server that no test stops or flushes."""
    with running_redis() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server of this test's own, to stop, flush and fill."""
    with running_redis() as server:
        yield server


@pytest.fixture(params=ENGINES)
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An empty store of limits of each kind: the test runs on all three, and its clock stands still."""
    if request.param == "memory":
        return memory_site()
    if request.param == "sqlite":
        return sqlite_site(tmp_path)
    stop_time(monkeypatch)
    server: RedisServer = request.getfixturevalue("redis_server")
    return redis_site(server)
