"""The pipeline: text to Tree to Spec to Plan, with everything that is wrong along the way."""

from pathlib import Path

import msgspec
from msgspec import Struct

from codegen.check import check_source, load
from codegen.diagnostics import DiagnosticSet
from codegen.lint import lint
from codegen.resolve import resolve
from codegen.source import Source
from codegen.spec import Spec
from nexusflow.ir.plan import Plan


class Compiled(Struct, frozen=True):
    """What became of one gateway.yaml. `plan` is None exactly when `diagnostics` holds an error, and so is `document`,
    which also has what no runtime needs.
    """

    source: Source
    diagnostics: DiagnosticSet
    plan: Plan | None = None
    document: Spec | None = None


def compile_source(source: Source) -> Compiled:
    """Compile a text. Never raises for anything the text can contain."""
    tree, diagnostics = check_source(source)
    if tree is None or diagnostics.has_errors:
        return Compiled(source, diagnostics)
    # The schema has accepted the value, so a failure here is a bug in the schema's profile, not in the text.
    document = msgspec.convert(tree.value, Spec)
    diagnostics.extend(lint(document, tree))
    if diagnostics.has_errors:
        return Compiled(source, diagnostics)
    return Compiled(source, diagnostics, resolve(document), document)


def compile_file(path: Path) -> Compiled:
    """Compile a file. One that cannot be read is a diagnostic like any other (NF005, NF006)."""
    source, finding = load(path)
    if finding is not None:
        return Compiled(source, DiagnosticSet([finding]))
    return compile_source(source)
