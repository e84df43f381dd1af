"""The simulated provider as a context manager, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
