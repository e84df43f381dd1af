"""Putting an artifact on disk: whole or not at all, and `current` flipped by a rename (architecture: the artifact)."""

import os
import shutil
from pathlib import Path

from codegen.emit import manifest

KEPT = 10
"""Artifacts kept beside the current one, for a quick way back."""


def write_artifact(build: Path, files: dict[str, bytes]) -> Path:
    """Write `files` to `build/<digest12>` and return that directory. An identical artifact is left alone."""
    target = build / manifest.digest(files)[:12]
    if target.is_dir() and _same(target, files):
        return target
    staging = build / f".staging-{os.getpid()}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for name, data in files.items():
        (staging / name).write_bytes(data)
    if target.exists():
        shutil.rmtree(target)
    staging.rename(target)
    return target


def activate(build: Path, target: Path) -> None:
    """Point `build/current` at `target` in one step, so that a reader sees the old artifact or the new one."""
    link = build / f".current-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name, target_is_directory=True)
    link.replace(build / "current")


def prune(build: Path, keep: int = KEPT) -> None:
    """Remove all but the `keep` newest artifacts; the current one always stays."""
    current = (build / "current").resolve()
    artifacts = [path for path in build.iterdir() if (path / manifest.FILE).is_file() and not path.is_symlink()]
    for path in sorted(artifacts, key=lambda path: path.stat().st_mtime_ns, reverse=True)[keep:]:
        if path != current:
            shutil.rmtree(path, ignore_errors=True)


def _same(target: Path, files: dict[str, bytes]) -> bool:
    present = {path.name for path in target.iterdir()}
    return present == files.keys() and all((target / name).read_bytes() == data for name, data in files.items())
