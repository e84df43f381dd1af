"""What a golden case consists of: a gateway.yaml and everything that the compiler makes of it."""

import re
from pathlib import Path

from codegen import GENERATOR, compile_file, digest, emit, emit_lock
from codegen.monitoring import emit_monitoring
from codegen.render import render

OTHER_BOARDS = re.compile(r"grafana/(?!slo)")
ROOT = Path(__file__).resolve().parent


def names() -> list[str]:
    """All cases, by folder name."""
    return sorted(path.parent.name for path in ROOT.glob("*/gateway.yaml"))


def produce(name: str) -> dict[str, bytes]:
    """Every expected file of a case by its path below `expected/`, made afresh."""
    compiled = compile_file(ROOT / name / "gateway.yaml")
    source = type(compiled.source)("gateway.yaml", compiled.source.text)
    made = {"diagnostics.txt": render(compiled.diagnostics, source, "text").encode()}
    if compiled.plan is None:
        return made
    files = emit(compiled.plan)
    made["gateway.lock"] = emit_lock(compiled.plan, GENERATOR, digest(files)).encode()
    made.update({f"artifact/{file}": data for file, data in files.items()})
    if compiled.document is not None and compiled.document.alerts:
        written = emit_monitoring(compiled.document)
        # One dashboard stands for all: they are large, and tests of their own look at each.
        made.update({f"monitoring/{file}": data for file, data in written.items() if not OTHER_BOARDS.match(file)})
    return made


def recorded(name: str) -> dict[str, bytes]:
    """The expected files as they lie on disk."""
    expected = ROOT / name / "expected"
    return {str(path.relative_to(expected)): path.read_bytes() for path in expected.rglob("*") if path.is_file()}
