"""Emitters: pure functions from a Plan to files. None reads the spec, the disk, the clock or the environment."""

from codegen.emit import catalog, manifest, python
from nexusflow import __version__
from nexusflow.ir.plan import Plan

GENERATOR = __version__


def emit(plan: Plan) -> dict[str, bytes]:
    """All files of the artifact of `plan`, by name. The same plan gives the same bytes, everywhere and always."""
    digest = manifest.sha256(plan.canonical())
    files = {catalog.FILE: catalog.emit(plan), **python.emit(plan, GENERATOR, digest)}
    files[manifest.FILE] = manifest.emit(plan, GENERATOR, files)
    return files
