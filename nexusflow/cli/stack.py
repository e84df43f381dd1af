"""The processes that `demo` and `dev` run: the gateway and the simulated provider, ended together."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nexusflow.settings import SIMULATOR_URL
from nexusflow.testing.gateway import stop
from nexusflow.testing.ports import free_port, wait_for
from nexusflow.testing.simulator import running_simulator

Process = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Stack:
    """A running gateway and, where wanted, the simulated provider it uses."""

    host: str
    port: int
    simulator: str | None
    gateway: Process

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def running_stack(build: Path, host: str, port: int, *, simulate: bool, log: Path | None = None) -> Iterator[Stack]:
    """Start the current artifact of `build`; with `simulate` also the simulated provider, on a free port.

    `log` receives the output of the children, which otherwise share ours. Raises `NotStarted` when one does not
    start.
    """
    with contextlib.ExitStack() as stack:
        environ: dict[str, str] = {}
        simulator = None
        if simulate:
            simulator = stack.enter_context(running_simulator())
            environ[SIMULATOR_URL] = f"{simulator}/v1"
        output = stack.enter_context(log.open("wb")) if log is not None else None
        command = ["nexusflow", "serve", "--build", str(build), "--host", host, "--port", str(port)]
        gateway = stack.enter_context(_child(command, environ, output.fileno() if output is not None else None))
        wait_for(port, "/readyz", gateway, host=host)
        yield Stack(host, port, simulator, gateway)


def usable_port(host: str, port: int) -> int:
    """`port` if nothing listens there, else a free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return free_port()
    return port


@contextmanager
def _child(command: list[str], environ: Mapping[str, str], output: int | None) -> Iterator[Process]:
    """`python -m …` as a child that never outlives this block."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", *command], env={**os.environ, **environ}, stdout=output, stderr=output
    )
    try:
        yield process
    finally:
        stop(process)
