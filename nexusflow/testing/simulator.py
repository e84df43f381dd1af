"""The simulated provider as a context manager, in a process of its own, and what it saw."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from nexusflow.testing.gateway import stop


@contextmanager
def running_simulator() -> Iterator[str]:
    """Start the simulated provider on a free loopback port and yield its address, without `/v1`.

    Raises `RuntimeError` when it does not start.
    """
    command = [sys.executable, "-P", "-m", "nexusflow.simulator", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        word, _, port = process.stdout.readline().decode().strip().partition(" ")
        if word != "READY":
            raise RuntimeError(f"the simulated provider ended with exit code {process.wait()}")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)
        if process.stdout is not None:
            process.stdout.close()


def received(address: str) -> list[dict[str, Any]]:
    """The last requests that reached the simulated provider at `address`, oldest first.

    Each has `method`, `path`, `query` and `headers` (secrets shortened), `body`, `body_bytes`, `connection` (a number),
    `ended` (open, complete, client_left or error) and `seconds` (from its start to its end, None while open).
    """
    with urllib.request.urlopen(f"{address}/_simulator/requests", timeout=10) as answer:  # noqa: S310  # the caller's
        return msgspec.json.decode(answer.read(), type=list[dict[str, Any]])


def forget(address: str) -> None:
    """Make the simulated provider at `address` forget what it received."""
    request = urllib.request.Request(f"{address}/_simulator/reset", method="POST")  # noqa: S310  # the caller's
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  # the caller's
