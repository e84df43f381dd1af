"""Process settings: where the artifact and the data lie. Everything else is in gateway.yaml."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BUILD = "NEXUSFLOW_BUILD"
ROOT = "NEXUSFLOW_ROOT"
SIMULATOR_URL = "NEXUSFLOW_SIMULATOR_URL"
DRAIN_FILE = "NEXUSFLOW_DRAIN_FILE"
TASK_LEASE_MS = "NEXUSFLOW_TASK_LEASE_MS"
METRICS = "NEXUSFLOW_METRICS"

LEASE_MS = 15_000


@dataclass(frozen=True, slots=True)
class Settings:
    """`build` holds artifacts and the `current` link. Relative paths of gateway.yaml are meant from `root`.

    `drain_file` appears when the supervisor wants the workers to finish. `task_lease_ms` is how long another worker
    waits before it takes over the task of one that says nothing more. In `metrics` all workers keep their boards; None:
    there are no others, and nobody reads them but this process.
    """

    build: Path
    root: Path
    simulator_url: str | None
    drain_file: Path | None
    task_lease_ms: int = LEASE_MS
    metrics: Path | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """From the environment, which `serve` sets for its workers."""
        root = Path(environ.get(ROOT, "."))
        return cls(
            build=Path(environ.get(BUILD, root / "build")),
            root=root,
            simulator_url=environ.get(SIMULATOR_URL) or None,
            drain_file=Path(environ[DRAIN_FILE]) if environ.get(DRAIN_FILE) else None,
            task_lease_ms=int(environ.get(TASK_LEASE_MS) or LEASE_MS),
            metrics=Path(environ[METRICS]) if environ.get(METRICS) else None,
        )
