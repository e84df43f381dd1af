"""Loopback ports and waiting for servers, for the context managers of this package."""

import http.client
import socket
import subprocess
import time

START_SECONDS = 60.0


class NotStarted(RuntimeError):
    """A server did not come up; the message says which and why."""


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, path: str, process: "subprocess.Popen[bytes]", *, host: str = "127.0.0.1") -> None:
    """Return when `path` answers 200 there.

    Raises `NotStarted` when the process ends or the time is over.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"the server ended with exit code {process.returncode}")
        try:
            if _status(host, port, path) == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.05)
    raise NotStarted(f"port {port} did not answer within {START_SECONDS:.0f} s")


def _status(host: str, port: int, path: str) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
