"""Running Granian: its settings (performance: adopt 4) and a shutdown that drains streams first (R-33, G5 … G8)."""

import os
import socket
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, TaskImpl
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from nexusflow.ir.plan import Server, Telemetry
from nexusflow.settings import DRAIN_FILE, METRICS
from nexusflow.telemetry.exporter import Exporter

if TYPE_CHECKING:
    from nexusflow.host import Host

KILL_GRACE_SECONDS = 15
# The official SDKs keep idle connections for long; closing first makes their next call fail (protocols 5.2).
IDLE_MILLISECONDS = 80_000


class AddressTaken(Exception):
    """Something else listens where the gateway should."""


class DrainingServer(MPServer):
    """Granian stops listening at once but waits for streams without end; we tell the workers to end them in time."""

    def __init__(self, *args: Any, drain_file: Path, beside: Callable[[], None], **kwargs: Any) -> None:
        """`beside` is called once, when the workers are there: none of them may inherit what it starts."""
        super().__init__(*args, **kwargs)
        self._drain_file = drain_file
        self._beside = beside

    def _spawn_workers(self, *args: Any) -> None:
        super()._spawn_workers(*args)  # type: ignore[no-untyped-call]  # granian: no annotations
        self._beside()

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """Heed the first signal only: interrupted by itself, Granian's handler waits for a lock that it holds."""
        if not self.interrupt_signal:
            super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]  # granian: no annotations

    def shutdown(self, exit_code: int = 0) -> None:
        """Raise the drain flag that every worker polls, then stop as Granian does."""
        self._drain_file.write_text(str(time.time()))
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # granian has no annotations here


def run(server: Server, *, host: str, port: int, workers: int) -> int:
    """Serve until told to stop; returns the exit code. Raises `AddressTaken`."""
    _require_free(host, port, "choose another --port")
    telemetry = server.telemetry
    if telemetry.metrics_port is not None:
        _require_free(telemetry.metrics_host, telemetry.metrics_port, "choose another `telemetry.metrics_port`")
    with tempfile.TemporaryDirectory(prefix="nexusflow-") as folder:
        drain_file = Path(folder) / "drain"
        os.environ[DRAIN_FILE] = str(drain_file)
        metrics = Path(folder) / "metrics"
        metrics.mkdir()
        os.environ[METRICS] = str(metrics)
        granian = DrainingServer(
            "nexusflow.host:app",
            drain_file=drain_file,
            beside=partial(_export, metrics, telemetry),
            address=host,
            port=port,
            interface=Interfaces.ASGI,
            workers=workers,
            loop=Loops.uvloop,
            task_impl=TaskImpl.asyncio,
            runtime_mode=RuntimeModes.st,
            http=HTTPModes.auto,
            websockets=False,
            backlog=4096,
            log_access=False,
            respawn_failed_workers=True,
            http1_settings=HTTP1Settings(header_read_timeout=IDLE_MILLISECONDS),
            workers_kill_timeout=server.drain_ms // 1000 + KILL_GRACE_SECONDS,
        )
        granian.serve(target_loader=_load_app, wrap_loader=False)
    return 0


def _export(folder: Path, telemetry: Telemetry) -> None:
    if telemetry.metrics_port is not None:
        Exporter(folder, telemetry.metrics_host, telemetry.metrics_port).start()


def _require_free(host: str, port: int, remedy: str) -> None:
    """Granian shares its port with whoever asks alike: a second gateway would silently take half the calls."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise AddressTaken(f"cannot listen on {host}:{port}: {reason}; {remedy}") from error


def _load_app() -> "Host":
    """In the worker. Granian's own loader would first put the working directory on the import path (SEC-45)."""
    from nexusflow.host import app

    return app
