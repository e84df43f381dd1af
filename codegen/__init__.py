"""The compiler: from gateway.yaml to the artifact that the gateway serves.

`compile_file` or `compile_source` gives diagnostics and, without errors, a Plan; `emit` turns a Plan into files.
"""

from codegen.compiler import Compiled, compile_file, compile_source
from codegen.emit import GENERATOR, emit
from codegen.emit.lock import emit as emit_lock
from codegen.emit.manifest import digest

__all__ = ["GENERATOR", "Compiled", "compile_file", "compile_source", "digest", "emit", "emit_lock"]
